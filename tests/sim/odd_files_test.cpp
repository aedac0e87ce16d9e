#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "http_answer.hpp"
#include "small_scene.hpp"
#include "small_scene_clients.hpp"
#include "wire.hpp"

namespace ferry::sim::test {
namespace {

using namespace std::chrono_literals;
using runtime::task;

struct answer {
    answer_head head;
    std::string body;
    bool is_short = false;  ///< The connection ended first.
};

/// Asks once on a connection of its own, and reads until the body is whole or the server ends it.
task<answer> ask(small_scene& on, std::string target, std::string fields = {}) {
    runtime::core& core = on.client_core();
    wire peer = co_await dial_in(on, ferry_host::http_address());
    const auto deadline = core.now() + 10s;
    const std::string request =
        fmt::format("GET {} HTTP/1.1\r\nHost: ferry.example\r\n{}\r\n", target, fields);
    const auto sent = co_await peer.send(request, deadline);
    REQUIRE(sent);
    head_reading got;
    do {
        const auto more = co_await peer.fill(deadline);
        REQUIRE((more && *more));
        got = take_answer_head(peer.input(), false);
    } while (got.progress == answer_progress::incomplete);
    REQUIRE_MESSAGE(got.progress == answer_progress::complete, got.problem);
    answer whole{.head = std::move(got.head), .body = {}};
    while (!whole.is_short && peer.input().size() < whole.head.content_length) {
        const auto more = co_await peer.fill(deadline);
        REQUIRE((more || more.error() == errc::reset));  // No hang: it would be timed_out.
        whole.is_short = !more || !*more;
    }
    if (!whole.is_short) {
        // Nothing may stand behind it: the next request would be answered wrong.
        co_await peer.end_sending(deadline);
        const auto more = co_await peer.fill(deadline);
        CHECK((more && !*more));
    }
    whole.body = std::move(peer.input());
    co_return whole;
}

constexpr std::string_view said = "what is in it";

struct lie {
    const char* name;
    std::uint64_t told_bytes;
    std::size_t real_bytes;
};

/// What HTTP reads before it answers (datapath.md): a body up to this size.
constexpr std::size_t read_first_bytes_max = 8192;

constexpr std::array lies = {
    lie{"empty", 0, said.size()},    // As in /proc.
    lie{"page", 4096, said.size()},  // As in /sys.
    lie{"few", 5, said.size()},      // FUSE, cut since.
    lie{"nothing", 100'000, 0},      // More than is sent from memory.
    lie{"large", 900'000, 700'000},  // In more than one quantum of sendfile(2).
    lie{"grown", 700'000, 900'000},
};

std::string real_content(const lie& of) {
    std::string made(of.real_bytes, '\0');
    for (std::size_t i = 0; i < made.size(); ++i) {
        made[i] = said[i % said.size()];
    }
    return made;
}

task<> read_what_lies(runtime::nursery&, small_scene& on) {
    for (const lie& each : lies) {
        CAPTURE(each.name);
        const std::string content = real_content(each);
        const auto told = co_await ask(on, fmt::format("/{}", each.name));
        if (each.real_bytes < each.told_bytes && each.told_bytes <= read_first_bytes_max) {
            CHECK(told.head.status == 500);  // Nothing has been promised yet.
            continue;
        }
        CHECK(told.head.status == 200);
        CHECK(told.head.content_length == each.told_bytes);
        CHECK(told.is_short == (each.real_bytes < each.told_bytes));
        CHECK(told.body.size() <= each.told_bytes);
        CHECK(content.starts_with(told.body));
        if (!told.is_short) {
            CHECK(told.body.size() == each.told_bytes);
        }
    }
    ftp_user user(on);
    co_await user.log_in();
    for (const lie& each : lies) {
        CAPTURE(each.name);
        const std::string data = co_await user.fetch(fmt::format("RETR {}", each.name));
        CHECK(real_content(each).starts_with(data));
        CHECK(data.size() <= each.told_bytes);
        // What ends before its size is not complete (RFC 959 section 3.2).
        CHECK((user.last_code == 226) == (each.real_bytes >= each.told_bytes));
        co_await user.expect("NOOP", 200);
    }
}

}  // namespace

// Goal: framing keeps what was promised, never more or fewer octets without an end of the
// connection (threats.md, V5). Method: stat(2) tells sizes that are not so.
TEST_CASE("odd files: whose size is not what the file system says") {
    small_scene on(1);
    for (const lie& each : lies) {
        const std::string path = fmt::format("{}/{}", served_directory, each.name);
        on.store(path.c_str(),
                 real_content(each).substr(0, std::max<std::size_t>(1, each.real_bytes)));
        const auto file = on.open(path.c_str(), O_WRONLY);
        REQUIRE(on.files().truncate(file, each.real_bytes) == 0);
        on.files().tell_size(file, each.told_bytes);
    }
    on.serve(read_what_lies);
}

namespace {

constexpr std::uint64_t sparse_bytes = (std::uint64_t{5} << 30) + 3;  // Past 2^32.
constexpr std::uint64_t mark_at = (std::uint64_t{1} << 32) + 7;
constexpr std::string_view mark = "beyond 2^32";

task<> read_far_out(runtime::nursery&, small_scene& on) {
    struct row {
        const char* range;
        int status;
        std::uint64_t first;
        std::uint64_t last;
    };
    // RFC 9110 section 14.1.2; threats.md, V10.
    static constexpr row rows[] = {
        {"bytes=4294967303-4294967313", 206, mark_at, mark_at + 10},
        {"bytes=4294967295-4294967296", 206, 4294967295, 4294967296},
        {"bytes=-1", 206, sparse_bytes - 1, sparse_bytes - 1},
        {"bytes=5368709120-", 206, 5368709120, sparse_bytes - 1},
        {"bytes=5368709120-9223372036854775807", 206, 5368709120, sparse_bytes - 1},
        {"bytes=5368709120-9223372036854775808", 206, 5368709120, sparse_bytes - 1},
        {"bytes=5368709120-18446744073709551616", 206, 5368709120, sparse_bytes - 1},
        {"bytes=5368709123-", 416, 0, 0},
        {"bytes=18446744073709551616-18446744073709551617", 416, 0, 0},
        // As 2^32 + 4294967302 would be, cut to 64 bits.
        {"bytes=18446744078004518918-18446744078004518919", 416, 0, 0},
    };
    for (const row& each : rows) {
        CAPTURE(each.range);
        const auto got = co_await ask(on, "/sparse", fmt::format("Range: {}\r\n", each.range));
        CHECK(got.head.status == each.status);
        if (each.status == 206) {
            const auto size = each.last - each.first + 1;
            CHECK(got.body.size() == size);
            CHECK(got.head.only("content-range") ==
                  fmt::format("bytes {}-{}/{}", each.first, each.last, sparse_bytes));
            const std::string expected =
                each.first == mark_at ? std::string(mark) : std::string(size, '\0');
            CHECK(got.body == expected);
        } else {
            CHECK(got.head.only("content-range") == fmt::format("bytes */{}", sparse_bytes));
        }
    }
    ftp_user user(on);
    co_await user.log_in();
    co_await user.expect("SIZE sparse", 213);
    CHECK(user.last_line == fmt::format("213 {}", sparse_bytes));
    co_await user.expect(fmt::format("REST {}", sparse_bytes - 3), 350);
    const std::string tail = co_await user.fetch("RETR sparse");
    CHECK(tail == std::string(3, '\0'));
    CHECK(user.last_code == 226);
    co_await user.expect(fmt::format("REST {}", sparse_bytes + 1), 350);
    const std::string nothing = co_await user.fetch("RETR sparse");
    CHECK(nothing.empty());
    CHECK(user.last_code >= 500);
    for (const std::string_view each : {"9223372036854775808", "18446744073709551616", "-1"}) {
        CAPTURE(each);
        co_await user.expect(fmt::format("REST {}", each), 501);
    }
}

}  // namespace

// Goal: places past 2^32 are those that were asked for, and numbers past 2^63 and 2^64 do not wrap
// (threats.md, V10).
TEST_CASE("odd files: sparse, larger than 4 GiB") {
    small_scene on(1);
    on.store("/srv/sparse", "at the beginning");
    const auto file = on.open("/srv/sparse", O_WRONLY);
    REQUIRE(on.files().truncate(file, sparse_bytes) == 0);
    REQUIRE(on.files().write(file, std::as_bytes(std::span(mark)), mark_at) ==
            static_cast<std::int64_t>(mark.size()));
    on.serve(read_far_out);
}

namespace {

/// threats.md, V11.
const std::vector<std::string>& hostile_names() {
    static const std::vector<std::string> names = {
        "line\nfeed",
        "carriage\rreturn",
        "\x1b[31mred",
        "del\x7f"
        "ete",
        "a\"quote'",
        "<script>alert(1)<script>",
        "a&amp;b",
        "100%41",
        "semi;colon",
        " leading",
        "-dash",
        "trailing ",
        "\xff\xfe not UTF-8",
        "javascript:alert(1)",
        "226 Transfer complete",
        "x\r\n226 Transfer complete",
        std::string(255, 'n'),
    };
    return names;
}

std::string percent_encoded(std::string_view name) {
    std::string out;
    for (const char each : name) {
        out += fmt::format("%{:02X}", static_cast<unsigned char>(each));
    }
    return out;
}

bool has_raw_control(std::string_view text) {
    return std::ranges::any_of(text, [](char each) {
        const auto octet = static_cast<unsigned char>(each);
        return (octet < 0x20 && octet != '\n') || octet == 0x7f;
    });
}

task<> meet_hostile_names(runtime::nursery&, small_scene& on) {
    const auto page = co_await ask(on, "/");
    CHECK(page.head.status == 200);
    CHECK_FALSE(has_raw_control(page.body));
    CHECK_FALSE(page.body.contains("<script>alert"));
    CHECK_FALSE(page.body.contains("href=\"javascript:"));
    for (const auto& each : hostile_names()) {
        CAPTURE(each);
        const auto got = co_await ask(on, "/" + percent_encoded(each));
        CHECK(got.head.status == 200);
        CHECK(got.body == each);
    }
    ftp_user user(on);
    co_await user.log_in();
    for (const std::string command : {"LIST", "NLST", "MLSD"}) {
        CAPTURE(command);
        const std::string listing = co_await user.fetch(command);
        CHECK(user.last_code == 226);
        std::size_t lines = 0;
        for (std::size_t at = 0; at < listing.size(); ++lines) {
            const auto end = listing.find("\r\n", at);
            REQUIRE(end != std::string::npos);
            const auto line = std::string_view(listing).substr(at, end - at);
            CAPTURE(line);
            // People read LIST; programs take names from the others, and need them as they are.
            CHECK_FALSE((command == "LIST" && has_raw_control(line)));
            CHECK(line.find_first_of("\r\n") == std::string_view::npos);
            at = end + 2;
        }
        // No name makes a line of its own. MLSD tells of the directory itself, too.
        CHECK(lines == hostile_names().size() + (command == "MLSD" ? 1 : 0));
    }
    for (const auto& each : hostile_names()) {
        if (each.contains('\n') || each.contains('\r')) {
            continue;  // No command can hold it (RFC 959 section 5.3).
        }
        CAPTURE(each);
        std::string typed;  // RFC 854: 255 is doubled on the way.
        for (const char octet : each) {
            typed.append(octet == '\xff' ? 2 : 1, octet);
        }
        const std::string content = co_await user.fetch("RETR ./" + typed);
        CHECK(content == each);
        CHECK(user.last_code == 226);
    }
}

}  // namespace

// Goal: names of every kind are shown harmless and stay reachable (threats.md, V11).
TEST_CASE("odd files: hostile names") {
    small_scene on(1);
    for (const auto& each : hostile_names()) {
        on.store(fmt::format("{}/{}", served_directory, each).c_str(), each);
    }
    on.serve(meet_hostile_names);
}

}  // namespace ferry::sim::test
