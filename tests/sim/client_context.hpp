#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ferry/base/random.hpp"
#include "ferry/net/endpoint.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/time.hpp"
#include "http_sites.hpp"
#include "model_tree.hpp"
#include "report.hpp"

namespace ferry::sim::test {

/// What the server's logins wait for at most, each for the one before and then for itself.
inline constexpr runtime::duration failed_login_delay_max = std::chrono::seconds(10);

/// The numbers of the server that bound how long it may keep silent, as it was configured.
struct server_numbers {
    runtime::duration header_timeout = std::chrono::seconds(10);
    runtime::duration idle_timeout = std::chrono::seconds(60);
    runtime::duration send_timeout = std::chrono::seconds(30);
    std::size_t head_bytes_max = 16 * 1024;
    std::size_t target_bytes_max = 8 * 1024;
    std::size_t fields_max = 100;
    std::size_t body_drain_bytes_max = 64 * 1024;
    runtime::duration body_timeout = std::chrono::seconds(30);

    runtime::duration ftp_idle_timeout = std::chrono::seconds(300);
    runtime::duration stall_timeout = std::chrono::seconds(30);
    runtime::duration data_connect_timeout = std::chrono::seconds(30);
    std::size_t ftp_line_bytes_max = 8 * 1024;
    std::size_t login_tries_max = 3;

    /// How late everything may be on a slow machine or one in trouble.
    runtime::duration slack = std::chrono::seconds(10);
};

/// How the server packs content, as it was configured, codings by their names in fields.
struct packing_settings {
    bool is_asked_for = false;                               ///< Clients send Accept-Encoding.
    std::vector<std::string> codings{"br", "zstd", "gzip"};  ///< Most preferred first.
    std::uint64_t size_bytes_min = 1'024;
    std::uint64_t size_bytes_max = std::uint64_t{4} << 20U;
    bool has_room = true;  ///< All that the text of a scene is packed in can be kept.
    bool uses_files_beside = false;
};

/// What a visitor without an account may do over FTP; over HTTP it may read.
enum class anonymous_may : std::uint8_t { nothing, read, upload };

/// Somebody who may log in.
struct ftp_account {
    std::string name;
    std::string password;
    std::string root = "/";  ///< What it sees as "/".
    bool may_read = true;
    bool may_create = false;
    bool may_change = false;
    bool may_administer = false;
};

/// What goes wrong in a run, as far as it excuses the server.
struct excuses {
    /// Operations, calls and allocations of the server fail: errors of that kind are right answers,
    /// and so are closes and truncations that can be told from success.
    bool faults = false;
    /// Connections are reset by the network.
    bool resets = false;
    /// Connections go silent: who waits in vain must not blame the server.
    bool silences = false;
    /// The network ends a direction of a connection in order, so that a beginning looks like the
    /// whole where the protocol has no length (FTP's stream mode). Which ones `network_insight`
    /// tells.
    bool finishes = false;
    /// The server drains or dies during the run: connections are refused or end.
    bool server_ends = false;
    /// The server has fewer places than there may be connections: at the door, and only there, 503
    /// and 421 are right.
    bool crowding = false;
    /// The server's wall clock is set during the run: dates prove nothing.
    bool clock_jumps = false;

    [[nodiscard]] bool any() const noexcept {
        return faults || resets || silences || finishes || server_ends || crowding;
    }
};

/// What only a simulated network can tell of a client's connections. On the real machine nothing
/// of the kind happens: both are null.
struct network_insight {
    /// Calls `tell` once the network ends what is sent over `fd` in order (`excuses::finishes`),
    /// with how many octets it let through; at once if it has already. Not while the client runs.
    std::function<void(int fd, std::function<void(std::uint64_t octets)> tell)> when_cut{};
    /// The end of what was received over `fd` is the network's doing.
    std::function<bool(int fd)> is_incoming_cut{};
};

class tls_clients;

/// Where the server speaks TLS, if it does: then clients do as often as not.
struct tls_doors {
    std::shared_ptr<const tls_clients> by{};  ///< Null: it does not.
    net::endpoint https{};
    net::endpoint ftps{};  ///< Where it begins with the connection.
    runtime::duration handshake_timeout = std::chrono::seconds(10);

    [[nodiscard]] bool is_there() const noexcept { return by != nullptr; }
};

/// How something went on, for whoever goes on with the conversation.
enum class outcome : std::uint8_t {
    fine,
    over,    ///< The connection is at its end, and rightly so.
    broken,  ///< A violation, and it is in the report: the client stops.
};

/// All that one client of a scenario needs. A value, passed to the client; what it refers to
/// outlives the client. Every wait is an operation or a timer of `here`, every chance from `rng`.
struct client_context {
    runtime::core& here;
    model_tree& model;
    report& findings;
    ferry::random rng;
    std::string name;  ///< "http 3", for the report.
    net::endpoint http{};
    net::endpoint ftp{};
    tls_doors tls{};
    server_numbers server{};
    packing_settings packing{};
    sites_settings sites{};
    bool resumes_uploads = false;  ///< Over HTTP; the server keeps parts.
    excuses excused{};
    network_insight network{};
    std::vector<ftp_account> accounts{};
    anonymous_may anonymous = anonymous_may::read;
    promised durability = promised::old_or_new;
    /// Files up to this size are made by writing clients.
    std::size_t upload_bytes_max = 300'000;
    /// And now and then one of more than a megabyte, up to this; 0: none.
    std::size_t large_bytes_max = 0;
    /// Directory that only this client changes; it exists. Empty: it changes shared files only.
    std::string own_directory{};
    /// Files there are changed by anybody.
    std::string shared_directory = "/shared";
    /// Conversations (connections) of one client, and steps in each.
    std::size_t conversations = 4;
    std::size_t steps_max = 12;
    /// Keeps its connections: nothing it does by itself ends one before `steps_max` steps.
    bool is_persistent = false;
    /// Pauses between pieces, requests and steps.
    runtime::duration pause_max = std::chrono::milliseconds(50);
    /// Does what takes a timeout of the server to end: a head that never ends, a data connection
    /// that never comes, wrong passwords. Cheap in virtual time.
    bool is_patient = true;
    /// Copies files on the server and asks for digests.
    bool copies_files = false;
    /// Uses every command of FTP, every type and structure, and restart markers.
    bool says_all = false;
    /// The server is never late, not by milliseconds: what it is to notice within a grace period it
    /// notices. True of a simulated one without faults.
    bool is_punctual = false;

    /// Nothing goes wrong: every answer is exactly the one there is.
    [[nodiscard]] bool is_strict() const noexcept { return !excused.any(); }
    [[nodiscard]] bool chance(std::uint64_t of) noexcept { return rng.below(of) == 0; }
    /// The latest moment for what the server does at once.
    [[nodiscard]] runtime::time_point soon() const noexcept { return here.now() + server.slack; }
    void complain(std::string rule, std::string details, std::string request = {}) {
        findings.add({.client = name,
                      .rule = std::move(rule),
                      .details = std::move(details),
                      .request = std::move(request)});
    }
};

/// Waits up to `pause_max`, often not at all.
[[nodiscard]] runtime::task<> pause(client_context& context);

}  // namespace ferry::sim::test
