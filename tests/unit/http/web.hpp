#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../net/loopback.hpp"
#include "../vfs/scratch.hpp"
#include "answers.hpp"
#include "ferry/base/access_sink.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/http/media_types.hpp"
#include "ferry/http/server.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/stop.hpp"
#include "ferry/vfs/tree.hpp"

namespace ferry::http::test {

/// An access record that outlives the call it came in.
struct kept_record {
    std::string peer;
    std::string user;
    wall_time when;
    std::string method;
    std::string target;
    std::string protocol;
    std::uint16_t status = 0;
    std::uint64_t body_bytes = 0;
    std::string referer;
    std::string user_agent;
    std::chrono::microseconds duration{0};
    std::string host;
    std::uint64_t received_bytes = 0;
    std::uint64_t sent_bytes = 0;
    std::uint64_t connection = 0;
    std::uint16_t peer_port = 0;
    bool is_broken_off = false;
    std::string forwarded_for;  ///< Of the fields.
};

class record_keeper final : public access_sink {
  public:
    void record(const access_record& what) noexcept override;
    [[nodiscard]] bool wants_records() const noexcept override { return true; }

    std::vector<kept_record> kept;
};

/// One connection: served on one end, a client's on the other.
struct visit {
    unique_fd client;
    int served = -1;  ///< The number of the served end, while it is open.
    std::string says;
    bool has_said_all = false;  ///< Set by whoever sends, at its end or when it cannot go on.
    net_test::heard hears;
    bool is_over = false;  ///< `serve_connection` has returned.
};

/// A tree of files and its service on one core, with clients on the same core.
struct web {
    web();
    web(const web&) = delete;
    web& operator=(const web&) = delete;

    /// Runs `body(nursery&, web&)`.
    template <class Body>
    void run(Body body) {
        machine.run(body, std::ref(*this));
    }

    /// Connects a client and begins to serve it.
    [[nodiscard]] visit& arrive(runtime::nursery& tasks);

    /// The same, and begins to send `text` and to read until the end. Once `text` is sent the
    /// client ends its side.
    [[nodiscard]] visit& arrive_saying(runtime::nursery& tasks, std::string text);

    net_test::test_core machine;
    runtime::core& here = machine.here;
    vfs_test::scratch files;
    std::unique_ptr<vfs::tree> tree;
    media_types types = media_types::built_in();
    record_keeper log;
    runtime::stop_scope draining;
    options settings;  ///< May be changed before `run`.
    vfs::file_cache open_files{here, *tree, {.keeps_absence = true}};
    vfs::listing_bounds listings{here, {}};
    vfs::digest_cache known_digests;
    vfs::digests digests{here, known_digests};
    /// Nobody to begin with.
    std::shared_ptr<const auth::accounts> users =
        std::make_shared<auth::accounts>(std::vector<auth::account>{}, std::nullopt);
    auth::usage_table usages;
    auth::failed_logins failures{{.delay_max = std::chrono::milliseconds(50)}};
    vfs::home_table homes;
    vfs::home_counter counter{here, *tree, homes, listings};
    account_services accounts{
        .users = users, .usages = usages, .failures = failures, .homes = homes, .counter = counter};
    service shared;
    std::list<visit> visits;
};

/// Sends `text` from the client's end, whole.
[[nodiscard]] runtime::task<> say(web& on, visit& guest, std::string text);

/// Sends `text` in pieces that `seed` cuts, with turns of the core between them.
[[nodiscard]] runtime::task<> say_in_pieces(web& on, visit& guest, std::string text,
                                            std::uint64_t seed);

/// Reads what comes next to the client's end as an answer, which must say how long it is; the
/// status is 0 when the connection ends before it is whole, or falls silent for ten seconds.
[[nodiscard]] runtime::task<answer> next_answer(web& on, visit& guest, bool to_head = false);

/// Reads into `guest.hears` until the end.
[[nodiscard]] runtime::task<> hear_all(web& on, visit& guest);

/// Waits until the service has let go of the connection, ten seconds at most.
[[nodiscard]] runtime::task<> until_over(web& on, visit& guest);

}  // namespace ferry::http::test
