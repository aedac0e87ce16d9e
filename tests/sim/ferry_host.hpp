#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ferry/auth/accounts.hpp"
#include "ferry/http/media_types.hpp"
#include "ferry/http/rules.hpp"
#include "ferry/net/endpoint.hpp"
#include "ferry/net/tls_certificate.hpp"
#include "ferry/vfs/tree.hpp"
#include "server/core_server.hpp"
#include "sim/host.hpp"
#include "sim/reactor.hpp"

namespace ferry::sim::test {

/// The directory that ferry serves on its simulated host.
inline constexpr const char* served_directory = "/srv";

struct ferry_settings {
    std::size_t cores = 1;
    http::options http;
    std::shared_ptr<const http::sites> sites;  ///< Null: the one of the tree.
    ftp::options ftp;
    std::vector<auth::account> users;
    std::optional<auth::permissions> anonymous = auth::rights::read_only();
    std::size_t connections_max = 10'000;
    std::size_t ftp_sessions_max = 1'000;
    runtime::duration drain_timeout = std::chrono::seconds(10);
    vfs::listing_bounds::numbers listings;
    vfs::file_cache::bounds open_files;
    vfs::listing_cache::bounds kept_listings;
    sim::reactor_options reactor;
    bool has_access_log = true;
    runtime::duration parts_kept{};  ///< As `--upload-part-keep`.
    bool has_tls = false;            ///< AUTH TLS, and doors where TLS begins at once.
    /// Directories of the served one that are mounted where they are: names lead to the same files,
    /// by another way.
    std::vector<std::string> mounts;
};

/// A simulated computer that runs ferry: what `server::run` does, on a host of a world and without
/// threads. Everything of the product is in it but flags, signals and the choice of a backend.
class ferry_host {
  public:
    ferry_host(sim::world& in, ferry_settings settings);
    ferry_host(const ferry_host&) = delete;
    ferry_host& operator=(const ferry_host&) = delete;
    ~ferry_host();

    [[nodiscard]] sim::host& machine() noexcept { return machine_; }

    /// Listens and begins to serve. Not while it runs already. Nothing goes wrong meanwhile that a
    /// fault plan could cause: a server that cannot start says so and is started again.
    void start();

    /// Where it listens, in every life.
    [[nodiscard]] static net::endpoint http_address();
    [[nodiscard]] static net::endpoint ftp_address();
    [[nodiscard]] static net::endpoint https_address();
    [[nodiscard]] static net::endpoint ftps_address();

    /// How many listings may hold more than a batch of names at a time.
    [[nodiscard]] std::size_t held_listings_max() const noexcept {
        return settings_.cores * settings_.listings.held_max;
    }

    [[nodiscard]] const vfs::file_cache::bounds& open_files() const noexcept {
        return settings_.open_files;
    }
    [[nodiscard]] const vfs::listing_cache::bounds& kept_listings() const noexcept {
        return settings_.kept_listings;
    }

    void drain() noexcept;  ///< SIGTERM.
    void stop() noexcept;   ///< The second one.
    [[nodiscard]] bool has_ended() const noexcept;

    /// Loses power. What ran unwinds in the next moments of virtual time without leaving a trace;
    /// step the world until `has_ended`, then `start` anew.
    void crash(const sim::crash_weather& weather);

    /// What is left that should not be, once it has ended: a line each, empty when all is well.
    [[nodiscard]] std::vector<std::string> leftovers();

    /// That others than ferry changed files, since its start: it cannot know what there is.
    void note_others() noexcept { has_others_ = true; }

    /// How many homes `leftovers` has found to have exactly what was counted.
    [[nodiscard]] std::size_t homes_checked() const noexcept { return homes_checked_; }

    [[nodiscard]] std::size_t cores() const noexcept { return settings_.cores; }

    /// The connections that there are just now, and how many of them are FTP sessions, as the
    /// server counts them.
    [[nodiscard]] std::size_t connections() const noexcept;
    [[nodiscard]] std::size_t ftp_sessions() const noexcept;

    /// Whether somebody has guessed a password wrong: answers to logins may be put off.
    [[nodiscard]] bool has_failed_logins() const;

    /// Operations that the cores have submitted, since the beginning of the world.
    [[nodiscard]] std::uint64_t operations() const noexcept;
    /// The most that one core submitted in one turn.
    [[nodiscard]] std::uint64_t submitted_per_turn_max() const noexcept;
    [[nodiscard]] std::uint64_t closed_under_operations() const noexcept;

  private:
    struct life;  // From one start to the next.

    ferry_settings settings_;
    sim::host machine_;
    net::tls_identity identity_;                ///< The same in every life.
    std::vector<std::unique_ptr<life>> lives_;  // Dead ones too: events may still be about them.
    void check_homes(life& last, std::vector<std::string>& found);

    bool stop_sent_ = false;
    bool has_others_ = false;
    std::size_t homes_checked_ = 0;
    bool drain_sent_ = false;
};

}  // namespace ferry::sim::test
