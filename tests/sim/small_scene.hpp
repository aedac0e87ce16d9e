#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string_view>

#include "ferry/runtime/core.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry_host.hpp"
#include "sim/disk.hpp"
#include "sim/host.hpp"
#include "sim/reactor.hpp"
#include "sim/world.hpp"

namespace ferry::sim::test {

/// A world for one case: a server that has not been started, and a computer for its client. Says
/// nothing on standard error.
class small_scene {
  public:
    explicit small_scene(std::uint64_t seed, ferry_settings settings = {});
    ~small_scene();
    small_scene(const small_scene&) = delete;
    small_scene& operator=(const small_scene&) = delete;

    [[nodiscard]] world& in() noexcept { return in_; }
    [[nodiscard]] ferry_host& server() noexcept { return server_; }
    [[nodiscard]] disk& files() noexcept { return server_.machine().files(); }
    [[nodiscard]] runtime::core& client_core() noexcept { return core_; }

    /// Opens `path` on the server's disk as another program there does.
    [[nodiscard]] open_file_ptr open(const char* path, unsigned flags);
    /// Writes `octets` at the beginning of a file that is made if it is not there.
    void store(const char* path, std::string_view octets);

    void let_pass(runtime::duration time);

    using client = runtime::task<>(runtime::nursery&, small_scene&);
    /// Starts the server, lets `one` run on the client's computer until it returns, and ends both.
    /// Fails the case when `one` takes longer than a minute of virtual time.
    void serve(client& one);
    /// Ends a server that was started by hand; the case fails for what it leaves behind.
    void end();

  private:
    world in_;
    ferry_host server_;
    host clients_host_{in_};
    reactor clients_{clients_host_, {.receive_buffers = 16}};
    runtime::core core_;
};

}  // namespace ferry::sim::test
