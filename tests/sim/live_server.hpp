#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "client_context.hpp"
#include "ferry/auth/accounts.hpp"
#include "ferry/http/media_types.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/vfs/digest.hpp"
#include "ferry/vfs/replacements.hpp"
#include "model_tree.hpp"
#include "seed_tree.hpp"
#include "server/core_server.hpp"

/// The real machine for clients that are written for a simulated one: a core of ferry on a thread,
/// on the real ring over loopback, with a directory of its own.
namespace ferry::sim::test {

class live_server {
  public:
    /// Puts what `model` has placed into a fresh directory and serves it.
    live_server(const model_tree& model, const server_numbers& numbers);
    live_server(const live_server&) = delete;
    live_server& operator=(const live_server&) = delete;
    /// Drains, waits for the end, removes the directory.
    ~live_server();

    /// Lets it finish what is under way and end. At most once.
    void drain();
    /// Drains, if nobody has, and waits for the end.
    void end();

    [[nodiscard]] net::endpoint http() const noexcept { return http_at_; }
    [[nodiscard]] net::endpoint ftp() const noexcept { return ftp_at_; }
    [[nodiscard]] const std::filesystem::path& directory() const noexcept { return directory_; }

    /// As `model_tree::disk_view` wants it.
    [[nodiscard]] std::vector<std::string> names() const;
    [[nodiscard]] bool content(std::string_view path, std::string& into) const;

  private:
    void plant(const model_tree& model) const;
    void serve();

    std::filesystem::path directory_;
    vfs::replacement_table replacements_{{}};
    std::unique_ptr<vfs::tree> files_;
    std::shared_ptr<const auth::accounts> users_;
    auth::session_counts sessions_;
    ftp::session_list logged_in_;
    auth::usage_table usages_;
    vfs::digest_cache known_digests_;
    auth::failed_logins failures_{{.delay_max = failed_login_delay_max}};
    vfs::home_table homes_;
    http::media_types types_ = http::media_types::built_in();
    runtime::offload_pool offload_{1};
    server::connection_counts counts_{.connections_max = 1'000, .ftp_sessions_max = 1'000};
    std::unique_ptr<server::shared_parts> parts_;
    std::unique_ptr<server::core_server> core_;
    net::endpoint http_at_;
    net::endpoint ftp_at_;
    std::atomic<bool> is_ready_ = false;
    bool is_draining_ = false;
    std::thread thread_;
};

/// A core for clients, on the calling thread.
class client_machine {
  public:
    client_machine();

    [[nodiscard]] runtime::core& here() noexcept { return *here_; }

    template <class Function, class... Arguments>
    void run(Function function, Arguments... arguments) {
        runtime::stop_scope never_stopped;
        runtime::run_core(*here_, never_stopped, function, std::move(arguments)...);
    }

  private:
    runtime::offload_pool offload_{1};
    std::unique_ptr<runtime::reactor> io_;
    std::unique_ptr<runtime::core> here_;
};

}  // namespace ferry::sim::test
