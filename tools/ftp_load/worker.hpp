#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "client.hpp"
#include "ferry/net/endpoint.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/reactor.hpp"
#include "ferry/runtime/stop.hpp"
#include "ferry/runtime/timers.hpp"
#include "ferry/runtime/uring.hpp"
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

/// How far a thread is, for the line that shows progress: written by that thread alone.
struct alignas(64) progress {
    std::atomic<std::uint64_t> operations{0};
    std::atomic<std::uint64_t> failed{0};
    std::atomic<std::uint64_t> octets{0};
};

/// One thread of the load: a core of its own, and its part of the connections. Nothing of it is for
/// other threads but `ask_to_stop` and `so_far`, until `run` has returned.
class worker {
  public:
    /// `plan`, `offload` and `is_anybody_in` outlive it. `ring`: of this thread, or none: epoll.
    /// `is_anybody_in`, of all threads: a login has succeeded.
    worker(std::size_t index, const load_plan& plan, std::optional<runtime::uring_grant> ring,
           runtime::offload_pool& offload, std::atomic<bool>& is_anybody_in) noexcept;
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;

    /// Makes the reactor. On the thread that will `run`. Errors: what the system refused.
    [[nodiscard]] result<void> open();

    /// Until every connection has done its part, the time is over, or `ask_to_stop`.
    void run();

    /// From any thread, after `open` and before `run` has returned, at most once.
    void ask_to_stop() noexcept { reactor_->post(stop_message_); }

    [[nodiscard]] const progress& so_far() const noexcept { return so_far_; }
    /// What the server said to the login, where it refused it for good before anybody had logged in
    /// (which has ended the run); empty: it has not.
    [[nodiscard]] const std::string& refusal() const noexcept { return refusal_; }
    /// What became of it, after `run`.
    [[nodiscard]] const tally& results() const noexcept { return results_; }
    [[nodiscard]] runtime::time_point began() const noexcept { return began_; }
    [[nodiscard]] runtime::time_point ended() const noexcept { return ended_; }

  private:
    struct message : runtime::posted {
        explicit message(worker& of) noexcept
            : posted([](posted& self) noexcept {
                  static_cast<message&>(self).owner.stop_.request_stop();
              }),
              owner(of) {}
        worker& owner;
    };
    struct end_timer : runtime::timer {
        explicit end_timer(worker& of) noexcept
            : timer([](timer& self) noexcept {
                  static_cast<end_timer&>(self).owner.stop_.request_stop();
              }),
              owner(of) {}
        worker& owner;
    };

    static runtime::task<> begin(runtime::nursery& bottom, worker& self);
    static runtime::task<> drive(worker& self, std::size_t connection);
    [[nodiscard]] runtime::task<outcome<void>> perform(client& session, operation what,
                                                       std::uint64_t number,
                                                       std::span<std::byte> buffer);
    [[nodiscard]] runtime::task<outcome<void>> retrieve(client& session, std::string path,
                                                        std::span<std::byte> buffer);
    [[nodiscard]] operation choose() noexcept;
    void record(operation what, const outcome<void>& ended, runtime::time_point begin);

    std::size_t index_;
    const load_plan& plan_;
    std::optional<runtime::uring_grant> ring_;
    runtime::offload_pool& offload_;
    std::atomic<bool>& is_anybody_in_;
    std::unique_ptr<tls_client> tls_;
    std::string refusal_;
    std::unique_ptr<runtime::reactor> reactor_;
    std::unique_ptr<runtime::core> here_;
    runtime::stop_scope stop_;
    message stop_message_{*this};
    end_timer end_timer_{*this};
    tally results_;
    progress so_far_;
    std::uint64_t weights_ = 0;
    runtime::time_point began_{};
    runtime::time_point ended_{};
};

}  // namespace ferry::ftp_load
