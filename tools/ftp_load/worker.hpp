#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "client.hpp"
#include "ferry/net/endpoint.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/task.hpp"
#include "load/worker.hpp"
#include "options.hpp"
#include "tally.hpp"

namespace ferry::ftp_load {

/// What all threads read and none writes.
struct load_plan {
    load_options options;
    net::endpoint server;
    std::size_t threads = 1;
    std::vector<std::byte> content;  ///< What uploads are made of.
};

/// How the login of the first session of all has ended. The others wait for it: of many who fail
/// at once, servers turn some away for that (421), and nobody hears why they failed.
enum class first_login : std::uint8_t { pending, over, refused };

/// One thread of the load.
class worker final : public load::worker {
  public:
    /// `plan` and `first`, which is of all threads, outlive it.
    worker(load::worker_place place, const load_plan& plan,
           std::atomic<first_login>& first) noexcept;

    /// What the server said to the first login, where it refused it for good (which has ended the
    /// run); empty: it has not, or not in this thread.
    [[nodiscard]] const std::string& refusal() const noexcept { return refusal_; }
    /// What became of it, after `run`.
    [[nodiscard]] const tally& results() const noexcept { return results_; }

  private:
    [[nodiscard]] result<void> prepare() override;
    void start(runtime::nursery& bottom) override;
    static runtime::task<> drive(worker& self, std::size_t connection);
    [[nodiscard]] runtime::task<outcome<void>> perform(client& session, operation what,
                                                       std::uint64_t number,
                                                       std::span<std::byte> buffer);
    [[nodiscard]] runtime::task<outcome<void>> retrieve(client& session, std::string path,
                                                        std::span<std::byte> buffer);
    /// False: there is nothing to be done any more.
    [[nodiscard]] runtime::task<bool> wait_for_first_login();
    void heed_login(std::size_t connection, const outcome<void>& ended);
    [[nodiscard]] operation choose() noexcept;
    void record(operation what, const outcome<void>& ended, runtime::time_point begin);

    const load_plan& plan_;
    std::atomic<first_login>& first_;
    std::unique_ptr<tls_client> tls_;
    std::string refusal_;
    tally results_;
    std::uint64_t weights_ = 0;
};

}  // namespace ferry::ftp_load
