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
class admin_server {
  public:
    /// Begins to serve; `failed` says whether it could.
    explicit admin_server(admin_parts parts);
    admin_server(const admin_server&) = delete;
    admin_server& operator=(const admin_server&) = delete;
    /// Ends it. Once the threads of all cores have ended.
    ~admin_server();

    /// What kept it from serving, for a person; empty: nothing.
    [[nodiscard]] const std::string& failed() const noexcept { return failure_; }

    /// Ends it, for good: another process tells from here on. On the thread that made it.
    void stop() noexcept;

    /// From now on the process is not ready. From any thread.
    void note_draining() noexcept { is_draining_ = true; }

  private:
    struct stop_message : runtime::posted {
        explicit stop_message(admin_server& of) noexcept;
        admin_server& owner;
    };

    /// The pages, for those who connect to an address of one kind.
    class door_pages final : public http::page_source {
      public:
        door_pages(admin_server& of, bool is_loopback) noexcept
            : of_(of), is_loopback_(is_loopback) {}
        [[nodiscard]] runtime::task<std::optional<http::page>> make(
            http::page_request asked) override;

      private:
        admin_server& of_;
        bool is_loopback_;
    };

    void run();
    static runtime::task<> serve(runtime::nursery& all, admin_server& self);
    static runtime::task<> accept_all(admin_server& self, runtime::nursery& connections,
                                      unique_fd socket);
    [[nodiscard]] runtime::task<std::optional<http::page>> make(http::page_request asked);
    /// Of this moment, or a tenth of a second ago; null when it ends.
    [[nodiscard]] runtime::task<std::shared_ptr<const reading>> look();
    [[nodiscard]] reading read() const;

    admin_parts parts_;
    std::atomic<bool> is_draining_{false};
    double started_;
    result<std::unique_ptr<runtime::reactor>> io_;
    std::string failure_;
    std::latch opened_{1};
    stop_message stop_message_;
    bool is_stopped_ = false;
    runtime::stop_scope stop_;
    // Of its thread.
    runtime::core* here_ = nullptr;
    http::service* service_ = nullptr;
    http::service* loopback_service_ = nullptr;  ///< For who connects to an address of loopback.
    runtime::permits* turns_ = nullptr;
    runtime::event* answered_ = nullptr;
    std::vector<std::unique_ptr<core_question>> questions_;
    std::shared_ptr<const reading> latest_;
    runtime::time_point latest_at_{};
    std::thread thread_;
};

}  // namespace ferry::server
