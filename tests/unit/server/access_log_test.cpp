#include "server/access_log.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "../allocation_faults.hpp"
#include "../net/loopback.hpp"
#include "ferry/base/assert.hpp"
#include "ferry/base/background_writer.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/runtime/wait.hpp"

using namespace ferry;
using namespace ferry::runtime;
using namespace ferry::server;
using namespace std::chrono_literals;
using net_test::pause;

namespace {

constexpr std::size_t much_buffer_bytes = 1'000'000;

access_record record_of(std::string_view target) {
    return {.peer = "192.0.2.7",
            .user = {},
            .when = {.seconds = 1'000'000'000, .nanoseconds = 0},
            .method = "GET",
            .target = target,
            .protocol = "HTTP/1.1",
            .status = 200,
            .body_bytes = 5,
            .referer = {},
            .user_agent = {}};
}

std::string line_of(std::string_view target) {
    std::string line;
    access_log_formatter().append(line, record_of(target));
    return line;
}

/// A file without a name, open for appending.
unique_fd make_file() {
    std::string name = "/var/tmp/ferry-access-log-XXXXXX";
    unique_fd made(::mkostemp(name.data(), O_APPEND | O_CLOEXEC));
    FERRY_ASSERT(made);
    FERRY_ASSERT(::unlink(name.c_str()) == 0);
    return made;
}

std::string content_of(int file) {
    std::string all;
    std::array<char, 65'536> piece;
    for (;;) {
        const auto got = ::pread(file, piece.data(), piece.size(), static_cast<off_t>(all.size()));
        if (got <= 0) {
            return all;
        }
        all.append(piece.data(), static_cast<std::size_t>(got));
    }
}

std::vector<std::string> logged_lines(std::string_view text) {
    std::vector<std::string> lines;
    while (!text.empty()) {
        const auto end = text.find('\n');
        if (end == std::string_view::npos) {
            lines.push_back("(not whole) " + std::string(text));
            return lines;
        }
        lines.emplace_back(text.substr(0, end + 1));
        text.remove_prefix(end + 1);
    }
    return lines;
}

/// A pipe as small as the system makes one.
struct small_pipe {
    small_pipe() {
        int ends[2];
        FERRY_ASSERT(::pipe2(ends, O_CLOEXEC) == 0);
        reader.reset(ends[0]);
        writer.reset(ends[1]);
        FERRY_ASSERT(::fcntl(writer.get(), F_SETPIPE_SZ, 4'096) >= 0);
    }
    /// What is there now.
    [[nodiscard]] std::string drain() const {
        std::string all;
        std::array<char, 65'536> piece;
        ::fcntl(reader.get(), F_SETFL, O_NONBLOCK);
        for (;;) {
            const auto got = ::read(reader.get(), piece.data(), piece.size());
            if (got <= 0) {
                return all;
            }
            all.append(piece.data(), static_cast<std::size_t>(got));
        }
    }
    unique_fd reader;
    unique_fd writer;
};

/// Standard error, read instead of shown, for as long as this lives.
class captured_errors {
  public:
    captured_errors() : before_(::dup(STDERR_FILENO)), file_(make_file()) {
        FERRY_ASSERT(::dup2(file_.get(), STDERR_FILENO) >= 0);
    }
    captured_errors(const captured_errors&) = delete;
    captured_errors& operator=(const captured_errors&) = delete;
    ~captured_errors() { ::dup2(before_.get(), STDERR_FILENO); }

    [[nodiscard]] std::string text() const { return content_of(file_.get()); }

  private:
    unique_fd before_;
    unique_fd file_;
};

/// The number after `before` in `text`, or 0.
std::uint64_t number_after(std::string_view text, std::string_view before) {
    const auto at = text.find(before);
    return at == std::string_view::npos
               ? 0
               : std::strtoull(std::string(text.substr(at + before.size())).c_str(), nullptr, 10);
}

/// How many lines `text` says were dropped, all in all.
std::uint64_t dropped_in(std::string_view text) {
    constexpr std::string_view before = "warning ferry: access log: ";
    std::uint64_t all = 0;
    for (auto at = text.find(before); at != std::string_view::npos; at = text.find(before)) {
        text.remove_prefix(at);
        all += number_after(text, before);
        text.remove_prefix(before.size());
    }
    return all;
}

background_writer make_writer(const small_pipe& pipe) {
    return background_writer::open(pipe.writer.get(), {}).value();
}

/// What `writer` still has and writes, now that it is read.
std::string drain(background_writer& writer, const small_pipe& pipe) {
    std::string all;
    while (!writer.finish(1ms)) {
        all += pipe.drain();
    }
    return all + pipe.drain();
}

/// Octets that a writer has accepted, at most, when nobody reads what it writes.
std::size_t held_bytes_max(const background_writer& writer) {
    int buffer_bytes = 0;
    socklen_t size_bytes = sizeof buffer_bytes;
    FERRY_ASSERT(::getsockopt(writer.inlet(), SOL_SOCKET, SO_SNDBUF, &buffer_bytes, &size_bytes) ==
                 0);
    // The last that finds room may be a whole message, and the thread has another in its hands.
    return static_cast<std::size_t>(buffer_bytes) + 2 * 4'096;
}

/// Runs `log` beside `body(core, log, arguments...)` until that has ended, then lets it write its
/// last.
template <class Body, class... Arguments>
void run_beside(access_log& log, net_test::test_core& machine, Body body, Arguments... arguments) {
    stop_scope until;
    machine.run(
        [](nursery& bottom, access_log& to, stop_scope& scope, Body what,
           Arguments... with) -> task<> {
            bottom.start(
                [](access_log& written, stop_scope& ended) -> task<> {
                    co_await written.run().in_scope(ended);
                },
                std::ref(to), std::ref(scope));
            co_await what(bottom.here(), to, std::move(with)...);
            scope.request_stop();
        },
        std::ref(log), std::ref(until), body, std::move(arguments)...);
}

}  // namespace

TEST_CASE("access_log: without a descriptor it wants nothing and ends at once") {
    net_test::test_core machine;
    access_log log(machine.here, -1, much_buffer_bytes);
    CHECK_FALSE(log.wants_records());
    log.record(record_of("/"));
    machine.run([](nursery&, access_log& nothing) -> task<> { co_await nothing.run(); },
                std::ref(log));
}

TEST_CASE("access_log: everything is written, in order, at the latest when it stops") {
    net_test::test_core machine;
    const auto file = make_file();
    access_log log(machine.here, file.get(), much_buffer_bytes);
    CHECK(log.wants_records());
    std::string expected;
    for (int i = 0; i < 100; ++i) {
        expected += line_of("/" + std::to_string(i));
    }
    run_beside(log, machine, [](core& here, access_log& to) -> task<> {
        for (int i = 0; i < 100; ++i) {
            to.record(record_of("/" + std::to_string(i)));
            if (i % 10 == 0) {
                co_await here.yield();
            }
        }
    });
    CHECK(content_of(file.get()) == expected);
}

TEST_CASE(
    "access_log: lines are written within a second, and sooner when half the buffer is full") {
    net_test::test_core machine;
    static const auto file = make_file();  // Lambdas that are coroutines capture nothing.
    access_log log(machine.here, file.get(), 10'000);
    run_beside(log, machine, [](core& here, access_log& to) -> task<> {
        to.record(record_of("/one"));
        co_await pause(here, 100ms);
        CHECK(content_of(file.get()).empty());
        co_await pause(here, 1'100ms);
        CHECK(content_of(file.get()) == line_of("/one"));
        std::string expected = line_of("/one");
        for (std::size_t octets = 0; octets < 5'000; octets += line_of("/x").size()) {
            to.record(record_of("/x"));
            expected += line_of("/x");
        }
        co_await pause(here, 100ms);
        CHECK(content_of(file.get()) == expected);
    });
}

TEST_CASE("access_log: what finds the buffer full is dropped and counted (threats.md, R15)") {
    const captured_errors errors;
    net_test::test_core machine;
    const auto file = make_file();
    access_log log(machine.here, file.get(), 4'096);
    for (int i = 0; i < 1'000; ++i) {
        log.record(record_of("/dropped"));
    }
    run_beside(log, machine, [](core& here, access_log& to) -> task<> {
        co_await pause(here, 50ms);
        to.record(record_of("/after"));
    });
    const auto lines = logged_lines(content_of(file.get()));
    // One line may go beyond the buffer.
    CHECK(lines.size() == 4'095 / line_of("/dropped").size() + 2);
    CHECK(lines.front() == line_of("/dropped"));
    CHECK(lines.back() == line_of("/after"));
    CHECK(number_after(errors.text(), "access log: ") == 1'000 - (lines.size() - 1));
}

TEST_CASE("access_log: a pipe nobody reads blocks nobody, and ends the process in time") {
    const captured_errors errors;
    net_test::test_core machine;
    static small_pipe pipe;
    auto writer = make_writer(pipe);
    access_log log(machine.here, writer.inlet(), 20'000);
    const auto began = std::chrono::steady_clock::now();
    run_beside(log, machine, [](core& here, access_log& to) -> task<> {
        for (int i = 0; i < 5'000; ++i) {
            to.record(record_of("/" + std::to_string(i)));
            const auto before = here.now();
            co_await here.yield();
            CHECK(here.now() - before < 1s);
        }
    });
    CHECK(std::chrono::steady_clock::now() - began < 10s);
    const auto lines = logged_lines(drain(writer, pipe));
    CHECK(lines.size() > 10);
    CHECK(lines.size() < 4'500);
    for (std::size_t i = 0; i < 100 && i < lines.size(); ++i) {
        CHECK(lines[i] == line_of("/" + std::to_string(i)));
    }
    CHECK(dropped_in(errors.text()) == 5'000 - lines.size());
}

TEST_CASE("access_log: a pipe that is read again goes on where it stood") {
    const captured_errors errors;
    net_test::test_core machine;
    static small_pipe pipe;
    static std::string read;
    read.clear();
    auto writer = make_writer(pipe);
    static constexpr int count = 60;  // Lines that a pipe takes in parts only.
    static const auto target_of = [](int i) {
        return "/" + std::string(10'000, static_cast<char>('a' + i % 26));
    };
    access_log log(machine.here, writer.inlet(), much_buffer_bytes);
    run_beside(log, machine, [](core& here, access_log& to) -> task<> {
        for (int i = 0; i < count; ++i) {
            to.record(record_of(target_of(i)));
        }
        co_await pause(here, 3'500ms);  // Longer than one write may take.
        for (int i = 0; i < 10'000 && logged_lines(read).size() < count; ++i) {
            read += pipe.drain();
            co_await pause(here, 1ms);
        }
        to.record(record_of("/last"));
        for (int i = 0; i < 2'000 && !read.ends_with(line_of("/last")); ++i) {
            read += pipe.drain();
            co_await pause(here, 1ms);
        }
    });
    const auto lines = logged_lines(read);
    REQUIRE(lines.size() == count + 1);
    for (int i = 0; i < count; ++i) {
        CHECK(lines[static_cast<std::size_t>(i)] == line_of(target_of(i)));
    }
    CHECK(lines.back() == line_of("/last"));
    CHECK(errors.text().empty());  // Nothing was lost.
}

TEST_CASE("access_log: what waits for a slow reader counts towards the buffer") {
    const captured_errors errors;
    net_test::test_core machine;
    static small_pipe pipe;
    static std::string read;
    read.clear();
    auto writer = make_writer(pipe);
    access_log log(machine.here, writer.inlet(), 20'000);
    run_beside(log, machine, [](core& here, access_log& to) -> task<> {
        for (int i = 0; i < 10'000; ++i) {
            to.record(record_of("/x"));
            co_await pause(here, i % 100 == 0 ? 5ms : 0ms);
        }
        while (read.size() < 20'000) {
            read += pipe.drain();
            co_await pause(here, 1ms);
        }
    });
    // What was read gave as much room again.
    const auto read_meanwhile = read.size();
    read += drain(writer, pipe);
    CHECK(read.size() <= 20'000 + 4'096 + held_bytes_max(writer) + read_meanwhile);
    for (const auto& line : logged_lines(read)) {
        CHECK(line == line_of("/x"));
    }
    CHECK(dropped_in(errors.text()) == 10'000 - logged_lines(read).size());
}

// Goal: somebody who looks after a log nobody reads learns of it while it happens. Method: the only
// report that can come before the end is the one that does not wait for the reader.
TEST_CASE("access_log: that lines are dropped is told while nobody reads") {
    static const captured_errors errors;
    net_test::test_core machine;
    static small_pipe pipe;
    auto writer = make_writer(pipe);
    access_log log(machine.here, writer.inlet(), 20'000);
    run_beside(log, machine, [](core& here, access_log& to) -> task<> {
        for (int i = 0; i < 5'000; ++i) {
            to.record(record_of("/x"));
            co_await here.yield();
        }
        for (int i = 0; i < 500 && dropped_in(errors.text()) == 0; ++i) {
            co_await pause(here, 10ms);
        }
        CHECK(dropped_in(errors.text()) > 0);
    });
    static_cast<void>(drain(writer, pipe));
}

// A line that was cut off by a full disk is ended before the next begins. Here the limit on the
// size of files is the disk.
TEST_CASE("access_log: a line cut off by a failure is ended before the next") {
    const captured_errors errors;
    const auto before = std::signal(SIGXFSZ, SIG_IGN);
    rlimit limit_before{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &limit_before) == 0);
    net_test::test_core machine;
    static const auto file = make_file();
    const auto lines_that_fit = 10 * line_of("/x").size();
    const rlimit lowered{.rlim_cur = lines_that_fit + 20, .rlim_max = limit_before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &lowered) == 0);
    access_log log(machine.here, file.get(), 4'000);
    run_beside(
        log, machine,
        [](core& here, access_log& to, rlimit enough) -> task<> {
            for (int i = 0; i < 40; ++i) {  // More than half the buffer: written at once.
                to.record(record_of("/x"));
            }
            co_await pause(here, 100ms);
            ::setrlimit(RLIMIT_FSIZE, &enough);
            to.record(record_of("/last"));
        },
        limit_before);
    std::signal(SIGXFSZ, before);
    const auto lines = logged_lines(content_of(file.get()));
    REQUIRE(lines.size() == 12);
    for (std::size_t i = 0; i < 11; ++i) {
        CHECK(lines[i] == line_of("/x"));
    }
    CHECK(lines.back() == line_of("/last"));
    CHECK(number_after(errors.text().substr(errors.text().find("lines are lost")),
                       "access log: ") == 29);
}

// Goal: whoever rotates logs finds each line once, whole, in one file or the next. Method: the log
// goes over again and again while lines come, and says when it has left a file.
TEST_CASE("access_log: another file takes over between two lines") {
    net_test::test_core machine;
    static std::vector<unique_fd> files;
    files.clear();
    for (int i = 0; i < 5; ++i) {
        files.push_back(make_file());
    }
    access_log log(machine.here, files[0].get(), 4'000);
    std::string expected;
    for (int i = 0; i < 400; ++i) {
        expected += line_of("/" + std::to_string(i));
    }
    run_beside(log, machine, [](core& here, access_log& to) -> task<> {
        for (std::size_t file = 1; file <= files.size(); ++file) {
            for (std::size_t i = (file - 1) * 80; i < file * 80; ++i) {
                to.record(record_of("/" + std::to_string(i)));
                co_await pause(here, i % 10 == 0 ? 1ms : 0ms);
            }
            if (file < files.size()) {
                auto previous = std::make_shared<const int>(0);
                std::weak_ptr<const int> is_held = previous;
                to.go_over_to({.fd = files[file].get(), .previous = std::move(previous)});
                for (int turns = 0; turns < 1'000 && !is_held.expired(); ++turns) {
                    co_await pause(here, 1ms);
                }
                CHECK(is_held.expired());
            }
        }
    });
    std::string all;
    for (const auto& each : files) {
        const auto content = content_of(each.get());
        CHECK_FALSE(content.empty());
        CHECK(content.ends_with('\n'));
        all += content;
    }
    CHECK(all == expected);
}

TEST_CASE("access_log: of two successors at once the later counts, and both let go") {
    net_test::test_core machine;
    static const auto first = make_file();
    static const auto second = make_file();
    static const auto third = make_file();
    access_log log(machine.here, first.get(), 4'000);
    auto held = std::make_shared<const int>(0);
    log.record(record_of("/"));
    log.go_over_to({.fd = second.get(), .previous = held});
    log.go_over_to({.fd = third.get(), .previous = held});
    CHECK(held.use_count() == 2);  // Nothing is written to the second: nobody has to wait for it.
    run_beside(log, machine, [](core&, access_log&) -> task<> { co_return; });
    CHECK(held.use_count() == 1);
    CHECK(content_of(first.get()).empty());
    CHECK(content_of(second.get()).empty());
    CHECK(content_of(third.get()) == line_of("/"));
}

// A disk that is full has half a line; the rest of it must not begin the next file.
TEST_CASE("access_log: half a line stays half, and the next file begins with a whole one") {
    const captured_errors errors;
    const auto before = std::signal(SIGXFSZ, SIG_IGN);
    rlimit limit_before{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &limit_before) == 0);
    net_test::test_core machine;
    static const auto file = make_file();
    static const auto other = make_file();
    const rlimit lowered{.rlim_cur = 10 * line_of("/x").size() + 20,
                         .rlim_max = limit_before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &lowered) == 0);
    access_log log(machine.here, file.get(), 4'000);
    run_beside(log, machine, [](core& here, access_log& to) -> task<> {
        for (int i = 0; i < 40; ++i) {  // More than half the buffer: written at once.
            to.record(record_of("/x"));
        }
        co_await pause(here, 100ms);
        to.record(record_of("/last"));
        to.go_over_to({.fd = other.get(), .previous = nullptr});
        co_await pause(here, 100ms);
    });
    ::setrlimit(RLIMIT_FSIZE, &limit_before);
    std::signal(SIGXFSZ, before);
    CHECK(content_of(other.get()) == line_of("/last"));
    CHECK(dropped_in(errors.text()) == 30);
}

TEST_CASE("access_log: a log that cannot be written says so once, and serving goes on") {
    const captured_errors errors;
    net_test::test_core machine;
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    const unique_fd inlet(ends[0]);
    unique_fd(ends[1]).reset();
    access_log log(machine.here, inlet.get(), 4'096);
    run_beside(log, machine, [](core& here, access_log& to) -> task<> {
        for (int i = 0; i < 500; ++i) {
            to.record(record_of("/"));
            co_await here.yield();
        }
        co_await pause(here, 20ms);
    });
    const auto text = errors.text();
    const auto first = text.find("lines are lost");
    CHECK(first != std::string::npos);
    CHECK(text.find("lines are lost", first + 1) == std::string::npos);
    CHECK(dropped_in(text) == 500);
}

// Goal: lines of several cores do not mix, though they share one descriptor. Method: two cores on
// threads of their own write lines of many lengths to one pipe, or one file, as fast as they can.
TEST_CASE("access_log: the lines of two cores stay whole") {
    for (const bool to_pipe : {false, true}) {
        CAPTURE(to_pipe);
        const auto file = make_file();
        small_pipe pipe;
        auto writer = make_writer(pipe);
        const int target = to_pipe ? writer.inlet() : file.get();
        const auto write_all = [target](char name) {
            net_test::test_core machine;
            access_log log(machine.here, target, 20'000);
            static constexpr int lines_each = 2'000;
            run_beside(
                log, machine,
                [](core& here, access_log& to, char letter) -> task<> {
                    ferry::random rng(static_cast<std::uint64_t>(letter));
                    for (int i = 0; i < lines_each; ++i) {
                        to.record(record_of(std::string(1 + rng.below(700), letter)));
                        if (i % 10 == 0) {
                            co_await pause(here, 1ms);
                        }
                    }
                },
                name);
        };
        std::string read;
        std::thread reader;
        if (to_pipe) {
            reader = std::thread([&read, &pipe] {
                std::array<char, 65'536> piece;
                for (;;) {
                    const auto got = ::read(pipe.reader.get(), piece.data(), piece.size());
                    if (got <= 0) {
                        return;
                    }
                    read.append(piece.data(), static_cast<std::size_t>(got));
                }
            });
        }
        std::thread other(write_all, 'b');
        write_all('a');
        other.join();
        CHECK(writer.finish(10s));
        if (to_pipe) {
            pipe.writer.reset();
            reader.join();
        } else {
            read = content_of(file.get());
        }
        std::map<char, int> counted;
        for (const auto& line : logged_lines(read)) {
            const auto begin = line.find("GET ") + 4;
            const auto end = line.find(" HTTP/1.1\"");
            REQUIRE(end != std::string::npos);
            const auto target_text = std::string_view(line).substr(begin, end - begin);
            REQUIRE(line == line_of(target_text));
            REQUIRE(std::ranges::count(target_text, target_text.front()) ==
                    static_cast<std::ptrdiff_t>(target_text.size()));
            ++counted[target_text.front()];
        }
        CHECK(counted['a'] > 500);  // A slow machine may drop some.
        CHECK(counted['b'] > 500);
    }
}

// Goal: want of memory costs lines, never the process or half a line (threats.md, R14). Method: the
// first allocation fails, then the second, and so on until there are no more.
TEST_CASE("access_log: any allocation may fail" *
          doctest::skip(!test::allocation_fault::is_possible)) {
    const captured_errors errors;
    bool happened = true;
    for (std::size_t which = 1; happened; ++which) {
        CAPTURE(which);
        net_test::test_core machine;
        const auto file = make_file();
        access_log log(machine.here, file.get(), 1'000);
        run_beside(
            log, machine,
            [](core& here, access_log& to, std::size_t number, bool& failed) -> task<> {
                const access_record record = record_of("/x");
                const test::allocation_fault fault(number);
                for (int i = 0; i < 30; ++i) {
                    to.record(record);
                    co_await here.yield();
                }
                failed = fault.has_happened();
            },
            which, std::ref(happened));
        const auto lines = logged_lines(content_of(file.get()));
        for (const auto& line : lines) {
            CHECK(line == line_of("/x"));
        }
        CHECK(lines.size() >= 10);
    }
}
