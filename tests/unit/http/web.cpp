#include "web.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <new>
#include <utility>

namespace ferry::http::test {

using net_test::ending;
using runtime::nursery;
using runtime::task;

namespace {

constexpr auto web_patience = std::chrono::seconds(10);

task<> serve(web& on, visit& guest, unique_fd socket) {
    co_await serve_connection(on.shared, std::move(socket));
    guest.is_over = true;
}

task<> say_all_and_end(web& on, visit& guest) {
    static_cast<void>(co_await net_test::say(on.here, guest.client.get(), guest.says));
    guest.has_said_all = true;
    ::shutdown(guest.client.get(), SHUT_WR);
}

}  // namespace

void record_keeper::record(const access_record& what) noexcept {
    try {
        kept.push_back({.peer = std::string(what.peer),
                        .user = std::string(what.user),
                        .when = what.when,
                        .method = std::string(what.method),
                        .target = std::string(what.target),
                        .protocol = std::string(what.protocol),
                        .status = what.status,
                        .body_bytes = what.body_bytes,
                        .referer = std::string(what.referer),
                        .user_agent = std::string(what.user_agent),
                        .duration = what.duration,
                        .host = std::string(what.host),
                        .received_bytes = what.received_bytes,
                        .sent_bytes = what.sent_bytes,
                        .connection = what.connection,
                        .peer_port = what.peer_port,
                        .is_broken_off = what.is_broken_off,
                        .forwarded_for = std::string(
                            what.fields == nullptr ? std::string_view("(no request)")
                                                   : what.fields->value_of("x-forwarded-for"))});
    } catch (const std::bad_alloc&) {
        // A test that lets allocations fail does not count records.
    }
}

web::web()
    : tree(vfs::open_local_tree(files.root().c_str()).value()),
      shared(machine.here, settings, *tree, open_files, listings, digests, types, log, draining,
             nullptr, &accounts) {}

visit& web::arrive(nursery& tasks) {
    auto ends = net_test::connect_ends();
    auto& guest = visits.emplace_back();
    guest.client = std::move(ends.far);
    guest.served = ends.near.get();
    tasks.start(serve, std::ref(*this), std::ref(guest), std::move(ends.near));
    return guest;
}

visit& web::arrive_saying(nursery& tasks, std::string text) {
    auto& guest = arrive(tasks);
    guest.says = std::move(text);
    tasks.start(say_all_and_end, std::ref(*this), std::ref(guest));
    tasks.start(hear_all, std::ref(*this), std::ref(guest));
    return guest;
}

task<> say(web& on, visit& guest, std::string text) {
    static_cast<void>(co_await net_test::say(on.here, guest.client.get(), text));
    guest.has_said_all = true;
}

task<> say_in_pieces(web& on, visit& guest, std::string text, std::uint64_t seed) {
    ferry::random rng(seed);
    const std::uint64_t longest = std::uint64_t{1} << rng.below(12);  // Short and long, by seed.
    for (std::size_t said = 0; said < text.size();) {
        const auto piece = std::min<std::uint64_t>(1 + rng.below(longest), text.size() - said);
        const auto went = co_await net_test::say(on.here, guest.client.get(),
                                                 std::string_view(text).substr(said, piece));
        if (went < piece) {
            break;
        }
        said += piece;
        for (auto turns = rng.below(4); turns > 0; --turns) {
            co_await on.here.yield();
        }
    }
    guest.has_said_all = true;
}

task<answer> next_answer(web& on, visit& guest, bool to_head) {
    for (;;) {
        auto whole = take_answer(guest.hears.octets, to_head);
        if (whole.status != 0 || guest.hears.how != ending::still_open) {
            co_return whole;
        }
        const auto more = co_await net_test::hear_some(on.here, guest.client.get());
        if (more.octets.empty() && more.how == ending::still_open) {
            co_return answer{};  // Ten seconds of silence.
        }
        guest.hears.octets += more.octets;
        guest.hears.how = more.how;
    }
}

task<> hear_all(web& on, visit& guest) {
    auto rest = co_await net_test::hear_all(on.here, guest.client.get());
    guest.hears.octets += rest.octets;
    guest.hears.how = rest.how;
}

task<> until_over(web& on, visit& guest) {
    const auto until = on.here.now() + web_patience;
    while (!guest.is_over && on.here.now() < until) {
        co_await net_test::pause(on.here, std::chrono::milliseconds(1));
    }
}

}  // namespace ferry::http::test
