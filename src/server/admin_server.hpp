#pragma once

#include <atomic>
#include <cstddef>
#include <latch>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "ferry/base/result.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/http/media_types.hpp"
#include "ferry/http/page_source.hpp"
#include "ferry/http/server.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/permits.hpp"
#include "ferry/runtime/stop.hpp"
#include "ferry/runtime/timers.hpp"
#include "server/core_question.hpp"
#include "server/core_server.hpp"
#include "server/process_files.hpp"
#include "server/reading.hpp"

namespace ferry::server {

/// Descriptors that its connections take at most.
inline constexpr std::size_t admin_connections_max = 32;

/// Everything an admin server needs. What is referred to outlives it.
struct admin_parts {
    std::vector<unique_fd> sockets;  ///< That listen.
    std::span<const std::unique_ptr<core_server>> cores;
    http::options numbers;  ///< Its limits and deadlines.
    const http::media_types& types;
    runtime::offload_pool& offload;
    const connection_counts& counts;
    process_files files;
    std::string_view io;  ///< What moves the octets: "io_uring" or "epoll".
};

/// Tells who operates the process how it fares, over HTTP at addresses of its own (decision 0040):
/// `/metrics` for Prometheus, `/healthz` and `/readyz` for whoever starts processes, `/` for people
/// and `/status.json` for that page. Nothing of the tree is there, and nobody logs in. Who connects
/// to this machine's own addresses must ask for it as localhost or by its address: a browser that
/// was told a name of the network's leads here asks by that name.
///
/// It has a thread with a reactor of its own, so that it answers when a core is stuck, and until
/// all of them have ended. It asks cores by messages (`core_question`), at most ten times a second
/// however many ask it.
class admin_server final : private http::page_source {
  public:
    /// Begins to serve; `failed` says whether it could.
    explicit admin_server(admin_parts parts);
    admin_server(const admin_server&) = delete;
    admin_server& operator=(const admin_server&) = delete;
    /// Ends it. Once the threads of all cores have ended.
    /// One that is retired has 3 s for its last answers.
    ~admin_server() override;

    /// What kept it from serving, for a person; empty: nothing.
    [[nodiscard]] const std::string& failed() const noexcept { return failure_; }

    /// Another process tells from here on: who has connected is answered, and nobody else. Once, on
    /// the thread that made it.
    void retire() noexcept;

    /// From now on the process is not ready. From any thread.
    void note_draining() noexcept { is_draining_ = true; }

  private:
    struct message : runtime::posted {
        message(admin_server& of, function on_delivery) noexcept : posted(on_delivery), owner(of) {}
        admin_server& owner;
    };

    struct end_timer : runtime::timer {
        explicit end_timer(admin_server& of) noexcept;
        admin_server& owner;
    };

    void run();
    void begin_retirement() noexcept;
    static runtime::task<> serve(runtime::nursery& all, admin_server& self);
    static runtime::task<> receive_all(admin_server& self, runtime::nursery& connections,
                                       unique_fd socket);
    [[nodiscard]] runtime::task<std::optional<http::page>> make(http::page_request asked) override;
    /// Of this moment, or a tenth of a second ago; null when it ends.
    [[nodiscard]] runtime::task<std::shared_ptr<const reading>> look();
    [[nodiscard]] reading read() const;

    admin_parts parts_;
    std::atomic<bool> is_draining_{false};
    double started_;
    result<std::unique_ptr<runtime::reactor>> io_;
    std::string failure_;
    std::latch opened_{1};
    message retire_message_;
    message stop_message_;
    runtime::stop_scope stop_;
    runtime::stop_scope retiring_;  ///< Nobody else is let in; who is there asks once more at most.
    end_timer last_moment_;
    bool is_retired_ = false;
    // Of its thread.
    runtime::core* here_ = nullptr;
    http::service* service_ = nullptr;
    runtime::permits* turns_ = nullptr;
    runtime::event* answered_ = nullptr;
    std::vector<std::unique_ptr<core_question>> questions_;
    std::shared_ptr<const reading> latest_;
    runtime::time_point latest_at_{};
    std::thread thread_;
};

}  // namespace ferry::server
