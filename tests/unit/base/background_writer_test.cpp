#include "ferry/base/background_writer.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "ferry/base/assert.hpp"

using namespace ferry;
using namespace std::chrono_literals;

namespace {

/// Something to write to, and its other end, which does not wait.
struct line {
    unique_fd reader;
    unique_fd writer;

    [[nodiscard]] std::string drain() const {
        std::string all;
        std::array<char, 65'536> piece;
        for (;;) {
            const auto got = ::read(reader.get(), piece.data(), piece.size());
            if (got <= 0) {
                return all;
            }
            all.append(piece.data(), static_cast<std::size_t>(got));
        }
    }
};

line make_pipe() {
    int ends[2];
    FERRY_ASSERT(::pipe2(ends, O_CLOEXEC) == 0);
    FERRY_ASSERT(::fcntl(ends[1], F_SETPIPE_SZ, 4'096) >= 0);
    FERRY_ASSERT(::fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
    return {.reader = unique_fd(ends[0]), .writer = unique_fd(ends[1])};
}

/// A terminal and what shows it; without descriptors where there are none.
line make_terminal() {
    line made;
    made.reader.reset(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
    std::array<char, 64> name{};
    if (made.reader && ::unlockpt(made.reader.get()) == 0 &&
        ::ptsname_r(made.reader.get(), name.data(), name.size()) == 0) {
        made.writer.reset(::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    }
    return made;
}

/// All that is still written, until the writer has ended.
std::string drain_all(background_writer& writer, const line& to) {
    std::string all;
    while (!writer.finish(1ms)) {
        all += to.drain();
    }
    return all + to.drain();
}

}  // namespace

TEST_CASE("background_writer: what is offered is written, in order") {
    const auto to = make_pipe();
    auto writer = background_writer::open(to.writer.get(), {});
    REQUIRE(writer);
    std::string expected;
    for (int i = 0; i < 100; ++i) {
        const auto message = "message " + std::to_string(i) + "\n";
        CHECK(writer->offer(message));
        expected += message;
    }
    CHECK(writer->offer(""));  // Not the end.
    CHECK(writer->offer("the last\n"));
    CHECK(writer->finish(10s));
    CHECK(to.drain() == expected + "the last\n");
    CHECK_FALSE(writer->offer("too late"));
}

// Goal: whoever reads may stop for ever, and only the thread minds (threats.md, R15). Method: a
// pipe and a terminal that nobody reads are offered more than they and the socket hold.
TEST_CASE("background_writer: a reader that has stopped holds nobody up") {
    for (const bool is_terminal : {false, true}) {
        CAPTURE(is_terminal);
        const auto to = is_terminal ? make_terminal() : make_pipe();
        if (!to.writer) {
            MESSAGE("skipped: there are no terminals here");
            continue;
        }
        const int flags = ::fcntl(to.writer.get(), F_GETFL);
        auto writer = background_writer::open(to.writer.get(), {});
        REQUIRE(writer);
        const std::string message = std::string(999, 'x') + "\n";
        const auto began = std::chrono::steady_clock::now();
        std::size_t taken = 0;
        std::size_t refused = 0;
        for (int i = 0; i < 10'000; ++i) {
            ++(writer->offer(message) ? taken : refused);
        }
        CHECK(taken > 10);
        CHECK(refused > 1'000);
        CHECK_FALSE(writer->finish(20ms));
        CHECK(std::chrono::steady_clock::now() - began < 10s);
        CHECK(::fcntl(to.writer.get(), F_GETFL) == flags);
        // A terminal shows a new line as two octets.
        const auto shown = drain_all(*writer, to);
        CHECK(shown.size() == taken * (message.size() + (is_terminal ? 1 : 0)));
    }
}

TEST_CASE("background_writer: a target that refuses to wait is waited for all the same") {
    const auto to = make_pipe();
    REQUIRE(::fcntl(to.writer.get(), F_SETFL, O_NONBLOCK) == 0);
    auto writer = background_writer::open(to.writer.get(), {});
    REQUIRE(writer);
    const std::string message(10'000, 'x');
    for (int i = 0; i < 5; ++i) {
        CHECK(writer->offer(message));
    }
    CHECK(drain_all(*writer, to).size() == 50'000);
}

TEST_CASE("background_writer: a failure is told once, and what it cost") {
    static std::atomic<int> failures;
    static std::atomic<int> last_errno;
    static std::atomic<std::uint64_t> lost;
    failures = 0;
    lost = 0;
    const unique_fd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
    REQUIRE(full);
    auto writer = background_writer::open(
        full.get(), {.failed =
                         [](int os_errno) noexcept {
                             ++failures;
                             last_errno = os_errno;
                         },
                     .lost = [](std::uint64_t lines) noexcept { lost += lines; }});
    REQUIRE(writer);
    for (int i = 0; i < 10; ++i) {
        CHECK(writer->offer("one\ntwo\n"));
    }
    CHECK(writer->finish(10s));
    CHECK(failures == 1);
    CHECK(last_errno == ENOSPC);
    CHECK(lost == 20);
}

TEST_CASE("background_writer: messages of many threads stay whole") {
    const auto to = make_pipe();
    auto writer = background_writer::open(to.writer.get(), {});
    REQUIRE(writer);
    static constexpr std::ptrdiff_t messages_each = 100;
    std::vector<std::thread> threads;
    for (const char letter : {'a', 'b', 'c', 'd'}) {
        threads.emplace_back([&writer, letter] {
            for (std::ptrdiff_t i = 0; i < messages_each; ++i) {
                const auto message =
                    std::string(static_cast<std::size_t>(1 + 20 * i % 700), letter) + "\n";
                while (!writer->offer(message)) {
                    std::this_thread::sleep_for(1ms);
                }
            }
        });
    }
    std::string text;
    for (int i = 0; i < 10'000 && std::ranges::count(text, '\n') < 4 * messages_each; ++i) {
        text += to.drain();
        std::this_thread::sleep_for(1ms);
    }
    for (auto& each : threads) {
        each.join();
    }
    std::ptrdiff_t lines = 0;
    for (std::string_view left = text; !left.empty(); ++lines) {
        const auto end = left.find('\n');
        REQUIRE(end != std::string_view::npos);
        CHECK(left.substr(0, end).find_first_not_of(left[0]) == std::string_view::npos);
        left.remove_prefix(end + 1);
    }
    CHECK(lines == 4 * messages_each);
}

TEST_CASE("background_writer: a message that is too long is refused") {
    const auto to = make_pipe();
    auto writer = background_writer::open(to.writer.get(), {});
    REQUIRE(writer);
    CHECK(writer->offer(std::string(background_writer::message_bytes_max, 'x')));
    CHECK_FALSE(writer->offer(std::string(background_writer::message_bytes_max + 1, 'x')));
    CHECK(drain_all(*writer, to).size() == background_writer::message_bytes_max);
}

TEST_CASE("background_writer: what is no descriptor is refused") {
    const auto writer = background_writer::open(-1, {});
    REQUIRE_FALSE(writer);
    CHECK(writer.error().os_errno == EBADF);
}
