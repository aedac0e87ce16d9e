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

/// One thread of the load.
class worker final : public load::worker {
  public:
    /// `plan` and `is_anybody_in` outlive it. `is_anybody_in`, of all threads: a login has
    /// succeeded.
    worker(load::worker_place place, const load_plan& plan,
           std::atomic<bool>& is_anybody_in) noexcept;

    /// What the server said to the login, where it refused it for good before anybody had logged in
    /// (which has ended the run); empty: it has not.
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
    [[nodiscard]] operation choose() noexcept;
    void record(operation what, const outcome<void>& ended, runtime::time_point begin);

    const load_plan& plan_;
    std::atomic<bool>& is_anybody_in_;
    std::unique_ptr<tls_client> tls_;
    std::string refusal_;
    tally results_;
    std::uint64_t weights_ = 0;
};

}  // namespace ferry::ftp_load
