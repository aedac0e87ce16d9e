#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>

#include "ferry/base/units.hpp"
#include "ferry/runtime/wait.hpp"
#include "machine.hpp"
#include "workshop.hpp"

using namespace ferry;
using namespace ferry::reactor_test;
using namespace ferry::runtime;

namespace {

struct file_job {
    std::string_view head = {};
    int file = -1;
    std::uint64_t offset = 0;
    std::uint64_t size_bytes = 0;
};

void fill(op& what, const file_job& job) {
    what.args.send_file = {.head = std::as_bytes(std::span(job.head)).data(),
                           .head_bytes = job.head.size(),
                           .file = job.file,
                           .offset = job.offset,
                           .size_bytes = job.size_bytes};
}

file_job rest_of(file_job job, std::uint64_t sent_bytes) {
    const auto of_head = std::min<std::uint64_t>(sent_bytes, job.head.size());
    job.head.remove_prefix(static_cast<std::size_t>(of_head));
    job.offset += sent_bytes - of_head;
    job.size_bytes -= sent_bytes - of_head;
    return job;
}

/// Sends until all of `job` has gone or the file has ended, as a protocol does; ends our side.
task<std::uint64_t> send_whole_file(core& here, int socket, file_job job) {
    std::uint64_t total = 0;
    while (!job.head.empty() || job.size_bytes > 0) {
        const auto sent = co_await op_wait(here.io(), opcode::send_file, socket, never,
                                           [&](op& fresh) { fill(fresh, job); });
        REQUIRE(sent.has_value());
        if (*sent == 0) {
            break;
        }
        total += static_cast<std::uint64_t>(*sent);
        job = rest_of(job, static_cast<std::uint64_t>(*sent));
        co_await here.yield();
    }
    posix::shutdown(socket, SHUT_WR);
    co_return total;
}

/// Reads to the end; `pause_turns` turns go by before each read.
task<> read_whole(core& here, int socket, std::string& into, unsigned pause_turns) {
    std::vector<std::byte> piece(65'536);
    for (;;) {
        for (unsigned i = 0; i < pause_turns; ++i) {
            co_await here.yield();
        }
        const auto got =
            co_await op_wait(here.io(), opcode::receive, socket, never, [&](op& fresh) {
                fresh.args.receive = {.data = piece.data(), .size_bytes = piece.size()};
            });
        REQUIRE(got.has_value());
        if (*got == 0) {
            co_return;
        }
        into.append(static_cast<const char*>(static_cast<const void*>(piece.data())),
                    static_cast<std::size_t>(*got));
    }
}

struct transfer {
    std::string got;
    std::uint64_t reported = 0;
};

/// Moves `job` through a fresh connection, both ends on `host`.
transfer move_through(machine& host, file_job job, unsigned pause_turns = 0) {
    transfer done;
    const auto pair = tcp_pair();
    host.run_task(
        [](nursery& home, const socket_pair& ends, file_job what, transfer& into,
           unsigned pause) -> task<> {
            home.start(read_whole, std::ref(home.here()), ends.far.get(), std::ref(into.got),
                       pause);
            into.reported = co_await send_whole_file(home.here(), ends.near.get(), what);
        },
        std::cref(pair), job, std::ref(done), pause_turns);
    return done;
}

/// Throws the file's pages out of memory. False where that cannot be done (a file system in
/// memory).
bool make_file_cold(int file) {
    posix::fsync(file);
    posix::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    char octet = 0;
    iovec into{&octet, 1};
    return ::preadv2(file, &into, 1, 0, RWF_NOWAIT) < 0 && errno == EAGAIN;
}

/// Makes both ends hold so little that a quantum never fits.
void keep_little(const socket_pair& pair) {
    const int small = 16'384;
    kernel::setsockopt(pair.near.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    kernel::setsockopt(pair.far.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
}

constexpr std::size_t big_file_bytes = 3U << 20U;

}  // namespace

TEST_CASE("send_file: a head alone, a file alone, both, neither") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        const std::string content = pattern(20'000);
        const unique_fd file = directory.make_file("file", content);
        const std::string head = pattern(300, 2);
        CHECK(move_through(host, {.head = head, .file = file.get()}).got == head);
        CHECK(move_through(host, {.file = file.get(), .size_bytes = 20'000}).got == content);
        CHECK(move_through(host, {.head = head, .file = file.get(), .size_bytes = 20'000}).got ==
              head + content);
        CHECK(move_through(host, {.head = head, .file = -1}).got == head);
        CHECK(move_through(host, {.file = file.get(), .offset = 19'999, .size_bytes = 1}).got ==
              content.substr(19'999));

        const auto pair = tcp_pair();
        probe nothing(host, opcode::send_file, pair.near.get());
        fill(nothing, {.file = file.get()});
        host.submit(nothing);
        host.finish(nothing);
        CHECK(nothing.results == std::vector<std::int64_t>{0});
    }
}

TEST_CASE("send_file: one of nothing waits for room in its socket") {
    for (const backend& under_test : backends()) {
        for (const bool is_cancelled : {false, true}) {
            CAPTURE(under_test.name);
            const auto world = under_test.make_world();
            CAPTURE(is_cancelled);
            machine host(under_test);
            const auto pair = tcp_pair();
            keep_little(pair);
            const std::string much = pattern(big_file_bytes);
            probe full(host, opcode::send, pair.near.get());
            full.args.send = {.data = std::as_bytes(std::span(much)).data(),
                              .size_bytes = much.size()};
            host.submit(full);
            host.turn(4);
            probe nothing(host, opcode::send_file, pair.near.get());
            fill(nothing, {});
            host.submit(nothing);
            host.turn(4);
            REQUIRE(nothing.in_flight);
            host.io().cancel(full);
            host.finish(full);
            if (is_cancelled) {
                host.io().cancel(nothing);
            }
            while (nothing.in_flight) {
                static_cast<void>(is_cancelled ? std::string() : drain(pair.far.get()));
                host.turn(1);
            }
            CHECK(nothing.results == std::vector<std::int64_t>{is_cancelled ? -ECANCELED : 0});
        }
    }
}

TEST_CASE("send_file: every length around a page and a quantum, from every alignment") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        const std::string content = pattern(big_file_bytes);
        const unique_fd file = directory.make_file("file", content);
        for (const std::uint64_t offset : {0U, 1U, 4'095U, 4'097U}) {
            for (const std::uint64_t size_bytes :
                 {1U, 4'095U, 4'096U, 4'097U, 524'288U, 1'048'575U, 1'048'576U, 1'048'577U}) {
                CAPTURE(offset);
                CAPTURE(size_bytes);
                const auto done = move_through(host, {.head = "HTTP",
                                                      .file = file.get(),
                                                      .offset = offset,
                                                      .size_bytes = size_bytes});
                CHECK(done.reported == size_bytes + 4);
                CHECK((done.got == "HTTP" + content.substr(offset, size_bytes)));
            }
        }
    }
}

TEST_CASE("send_file: past 4 GiB in a sparse file") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        const unique_fd file = directory.make_file("sparse", "");
        constexpr std::uint64_t where = 5_GiB + 12'345;
        const std::string content = pattern(100'000);
        REQUIRE(posix::pwrite(file.get(), content.data(), content.size(), where) == 100'000);
        const auto done = move_through(
            host,
            {.head = "head", .file = file.get(), .offset = where - 10, .size_bytes = 100'010});
        CHECK((done.got == "head" + std::string(10, '\0') + content));
    }
}

TEST_CASE("send_file: a file shorter than promised gives a short count and then 0, never a hang") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        const std::string content = pattern(10'000);
        const unique_fd file = directory.make_file("file", content);
        for (const std::uint64_t promised : {10'001U, 16'384U, 700'000U, 5'000'000U}) {
            CAPTURE(promised);
            const auto done = move_through(
                host, {.head = "head", .file = file.get(), .offset = 0, .size_bytes = promised});
            CHECK(done.reported == 10'004);
            CHECK(done.got == "head" + content);
        }
        const auto past = move_through(
            host, {.head = "head", .file = file.get(), .offset = 50'000, .size_bytes = 100});
        CHECK(past.got == "head");
        const unique_fd empty = directory.make_file("empty", "");
        CHECK(move_through(host, {.file = empty.get(), .size_bytes = 100}).reported == 0);
    }
}

TEST_CASE("send_file: a file truncated while it is sent ends the transfer (threats.md, V6)") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        const unique_fd file = directory.make_file("file", pattern(big_file_bytes));
        const auto pair = tcp_pair();
        probe each(host, opcode::send_file, pair.near.get());
        file_job job{.file = file.get(), .offset = 0, .size_bytes = big_file_bytes};
        std::string got;
        std::uint64_t sent_bytes = 0;
        for (unsigned step = 0; each.results.empty() || each.results.back() != 0; ++step) {
            REQUIRE(step < 10'000);
            if (!each.in_flight) {
                fill(each, job);
                host.submit(each);
            }
            host.turn(1);
            if (!each.in_flight && each.results.back() > 0) {
                sent_bytes += static_cast<std::uint64_t>(each.results.back());
                job = rest_of(job, static_cast<std::uint64_t>(each.results.back()));
            }
            if (step == 1) {
                REQUIRE(posix::ftruncate(file.get(), 1'000) == 0);
            }
            got += drain(pair.far.get());
        }
        CHECK(sent_bytes < big_file_bytes);
    }
}

TEST_CASE("send_file: to a slow reader all of it arrives") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        const std::string content = pattern(2 * big_file_bytes);
        const unique_fd file = directory.make_file("file", content);
        const auto done = move_through(
            host, {.head = "head", .file = file.get(), .size_bytes = content.size()}, 5);
        CHECK((done.got == "head" + content));
    }
}

TEST_CASE("send_file: cold pages are fetched without this core, every octet exact") {
    for (const backend& under_test : backends()) {
        if (!under_test.is_on_real_files) {
            continue;
        }
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        const std::string content = pattern(big_file_bytes);
        const unique_fd file = directory.make_file("file", content);
        if (!make_file_cold(file.get())) {
            MESSAGE("skipped: /var/tmp is a file system whose pages never go cold");
            continue;
        }
        const auto before = host.io().counters().cold_reads;
        const auto done = move_through(
            host, {.head = "head", .file = file.get(), .offset = 0, .size_bytes = content.size()});
        CHECK((done.got == "head" + content));
        CHECK(host.io().counters().cold_reads > before);
        const auto warmed = host.io().counters().cold_reads;
        static_cast<void>(move_through(host, {.file = file.get(), .size_bytes = content.size()}));
        CHECK(host.io().counters().cold_reads == warmed);
    }
}

TEST_CASE("send_file: a cancel half way reports exactly what went") {
    for (const backend& under_test : backends()) {
        for (const bool cold : {false, true}) {
            for (unsigned turns = 0; turns < 4; ++turns) {
                CAPTURE(under_test.name);
                const auto world = under_test.make_world();
                CAPTURE(cold);
                CAPTURE(turns);
                machine host(under_test);
                const temporary_directory directory;
                const std::string content = pattern(big_file_bytes);
                const unique_fd file = directory.make_file("file", content);
                auto pair = tcp_pair();
                keep_little(pair);
                if (cold) {
                    static_cast<void>(make_file_cold(file.get()));
                }
                probe each(host, opcode::send_file, pair.near.get());
                fill(each, {.head = "head", .file = file.get(), .size_bytes = content.size()});
                host.submit(each);
                host.turn(turns);
                REQUIRE(each.in_flight);  // A quantum does not fit into these buffers.
                host.io().cancel(each);
                host.finish(each);
                host.settle();
                REQUIRE(each.results.size() == 1);
                const auto result = each.results.front();
                REQUIRE(result >= 4);  // The head at least went at once.
                const auto went = static_cast<std::size_t>(result);
                pair.near.reset();
                std::string got;
                while (got.size() < went) {
                    got += drain(pair.far.get());
                    host.turn(1);
                }
                CHECK((got == ("head" + content).substr(0, went)));
                std::byte more{};
                probe end(host, opcode::receive, pair.far.get());
                end.args.receive = {.data = &more, .size_bytes = 1};
                host.submit(end);
                host.finish(end);
                CHECK(end.results == std::vector<std::int64_t>{0});
            }
        }
    }
}

TEST_CASE("send_file: a deadline ends it: progress first, then errc::timed_out") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        const unique_fd file = directory.make_file("file", pattern(big_file_bytes));
        const auto pair = tcp_pair();
        keep_little(pair);
        host.run_task(
            [](nursery& home, int socket, int from) -> task<> {
                const auto until = home.here().now() + std::chrono::milliseconds(20);
                file_job job{
                    .head = "head", .file = from, .offset = 0, .size_bytes = big_file_bytes};
                for (unsigned calls = 0; calls < 100; ++calls) {
                    const auto sent = co_await op_wait(home.here().io(), opcode::send_file, socket,
                                                       until, [&](op& fresh) { fill(fresh, job); });
                    if (!sent) {
                        CHECK(sent.error() == errc::timed_out);
                        CHECK(job.head.empty());
                        co_return;
                    }
                    REQUIRE(*sent > 0);
                    job = rest_of(job, static_cast<std::uint64_t>(*sent));
                }
                CHECK(false);
            },
            pair.near.get(), file.get());
    }
}

TEST_CASE("send_file: a file that cannot be read fails it, nothing sent") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        const auto pair = tcp_pair();
        const unique_fd no_file(posix::open(directory.path("").c_str(), O_RDONLY | O_DIRECTORY));
        probe each(host, opcode::send_file, pair.near.get());
        fill(each, {.file = no_file.get(), .size_bytes = 100});
        host.submit(each);
        host.finish(each);
        REQUIRE(each.results.size() == 1);
        CHECK(each.results.front() < 0);
        CHECK(each.results.front() != -ECANCELED);
    }
}

TEST_CASE("send_file: many at once through a short queue, cold and warm, all exact") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test, {.submission_entries = 8, .completion_entries = 8});
        const temporary_directory directory;
        constexpr std::size_t transfers = 40;
        std::vector<unique_fd> files;
        std::vector<socket_pair> pairs;
        std::vector<transfer> done(transfers);
        for (std::size_t i = 0; i < transfers; ++i) {
            files.push_back(directory.make_file("file-" + std::to_string(i), pattern(150'000, i)));
            if (i % 2 == 0) {
                static_cast<void>(make_file_cold(files.back().get()));
            }
            pairs.push_back(tcp_pair());
        }
        host.run_task(
            [](nursery& home, const std::vector<unique_fd>& from,
               const std::vector<socket_pair>& through, std::vector<transfer>& into) -> task<> {
                for (std::size_t i = 0; i < from.size(); ++i) {
                    home.start(read_whole, std::ref(home.here()), through[i].far.get(),
                               std::ref(into[i].got), 0U);
                    home.start(
                        [](core& here, int socket, int file, transfer& reports) -> task<> {
                            reports.reported = co_await send_whole_file(
                                here, socket, {.head = "h", .file = file, .size_bytes = 150'000});
                        },
                        std::ref(home.here()), through[i].near.get(), from[i].get(),
                        std::ref(into[i]));
                }
                co_return;
            },
            std::cref(files), std::cref(pairs), std::ref(done));
        for (std::size_t i = 0; i < transfers; ++i) {
            CAPTURE(i);
            CHECK(done[i].reported == 150'001);
            CHECK((done[i].got == "h" + pattern(150'000, i)));
        }
    }
}
