#include "http/answer_cache.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/http/rules.hpp"
#include "ferry/vfs/listing_cache.hpp"
#include "http/plan.hpp"
#include "web.hpp"

using namespace ferry;
using namespace ferry::http;
using namespace ferry::http::test;
using net_test::pattern;
using runtime::nursery;
using runtime::task;

namespace {

std::string get_request(std::string_view target, std::string_view lines = "") {
    return fmt::format("GET {} HTTP/1.1\r\nHost: a\r\n{}\r\n", target, lines);
}

/// A file that was changed long ago: what is said of it does not change by itself.
void write_settled(const web& on, std::string_view name, std::string_view content) {
    const std::string fresh = std::string(name) + ".new";
    on.files.write(fresh, content);
    const timespec times[] = {{.tv_sec = 1'000'000'000, .tv_nsec = 0},
                              {.tv_sec = 1'000'000'000, .tv_nsec = 0}};
    REQUIRE(::utimensat(AT_FDCWD, (on.files / fresh).c_str(), times, 0) == 0);
    REQUIRE(::rename((on.files / fresh).c_str(), (on.files / name).c_str()) == 0);
}

/// Without the value of Date.
std::string timeless(const answer& whole) {
    std::string text = whole.status_line + '\n';
    for (const auto& [name, value] : whole.fields) {
        text += name + ':' + (name == "Date" ? std::string("then") : value) + '\n';
    }
    return text + whole.body;
}

/// Asks `count` times on one connection. Gives the answers.
task<std::vector<std::string>> ask(web& my, visit& guest, const std::string& request,
                                   std::size_t count) {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < count; ++i) {
        co_await say(my, guest, request);
        const auto got = co_await next_answer(my, guest, request.starts_with("HEAD"));
        all.push_back(timeless(got));
    }
    co_return all;
}

/// An answer that nobody can give, for the table alone.
std::unique_ptr<kept_answer> make_answer(std::string request_head, std::uint64_t hash) {
    auto made = std::make_unique<kept_answer>();
    made->request_head = std::move(request_head);
    made->message =
        fmt::format("{}Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n", status_line(status::ok));
    made->head_bytes = made->message.size();
    made->hash = hash;
    return made;
}

}  // namespace

TEST_CASE("answer cache: whatever is asked again gets the same answer, and it is kept") {
    const std::string large = pattern(30'000, 5);
    for (const std::string& request :
         {get_request("/small.txt"), get_request("/small.txt", "Range: bytes=1-3\r\n"),
          get_request("/empty.txt"), get_request("/large.bin"),
          get_request("/large.bin", "Range: bytes=100-20000\r\n"),
          std::string("HEAD /large.bin HTTP/1.1\r\nHost: a\r\n\r\n"),
          get_request("/small.txt", "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT\r\n"),
          get_request("/dir/"), get_request("/small.txt?download"), get_request("/missing"),
          std::string("HEAD /dir/missing/x HTTP/1.1\r\nHost: a\r\n\r\n")}) {
        web on;
        write_settled(on, "small.txt", "small");
        write_settled(on, "empty.txt", "");
        write_settled(on, "large.bin", large);
        on.files.make_directory("dir");
        write_settled(on, "dir/index.html", "<p>index");
        std::vector<std::string> answers;
        std::size_t kept_bytes = 0;
        std::uint64_t parsed_heads = 0;
        on.run([&](nursery& tasks, web& my) -> task<> {
            auto& guest = my.arrive(tasks);
            answers = co_await ask(my, guest, request, 8);
            kept_bytes = my.shared.inside().answers.size_bytes();
            parsed_heads = my.open_files.counted().hits;
            ::shutdown(guest.client.get(), SHUT_WR);
            co_await until_over(my, guest);
        });
        CAPTURE(request);
        CHECK(kept_bytes > 0);
        CHECK(parsed_heads > 0);
        for (const auto& each : answers) {
            CHECK(each == answers.front());
        }
        const auto& log = on.log.kept;
        REQUIRE(log.size() == 8);
        for (const auto& each : log) {
            CHECK(each.target == log.front().target);
            CHECK(each.host == "a");
            CHECK(each.status == log.front().status);
            CHECK(each.body_bytes == log.front().body_bytes);
            CHECK(each.sent_bytes == log.front().sent_bytes);
            CHECK(each.received_bytes == request.size());
        }
    }
}

// Goal: which part of a file is asked for plays no part in whether an answer is kept, and every
// part is answered, and logged, as without the cache. Method: the same is asked one by one while
// answers are kept, all in one go, and one by one with nothing kept; a field that is logged has the
// range, too.
TEST_CASE("answer cache: one part of a file is answered like another (RFC 9110 section 14.2)") {
    for (const std::string_view name :
         {"/large.bin", "/small.bin", "/empty.bin", "/dir/", "/a.txt"}) {
        std::vector<std::string> all;
        for (const std::string_view range : {"0-0",
                                             "1-3",
                                             "2-9",
                                             "0-65535",
                                             "100-20000",
                                             "100-20000",
                                             "299990-",
                                             "299999-299999",
                                             "299999-900000",
                                             "0-299999",
                                             "0-",
                                             "-5",
                                             "-400000",
                                             "-0",
                                             "300000-",
                                             "5-2",
                                             "0-1,5-6",
                                             "18446744073709551616-",
                                             "0-18446744073709551617",
                                             "--1",
                                             "1--2",
                                             "-",
                                             "",
                                             "7",
                                             "0-99"}) {
            const auto line = fmt::format("Range: bytes={}\r\n", range);
            const auto plain = get_request(name, line);
            const auto traced =
                get_request(name, fmt::format("{}X-Forwarded-For: {}\r\n", line, range));
            all.insert(all.end(), {traced, plain, plain});
        }
        web on;
        write_settled(on, "large.bin", pattern(300'000, 5));
        write_settled(on, "small.bin", pattern(5'000, 6));
        write_settled(on, "empty.bin", "");
        write_settled(on, "a.txt", "a text");
        on.files.make_directory("dir");
        write_settled(on, "dir/index.html", "<p>the index of a directory");
        std::vector<std::string> given[3];
        bool is_kept = false;
        on.run([&](nursery& tasks, web& my) -> task<> {
            auto& guest = my.arrive(tasks);
            auto& table = my.shared.inside().answers;
            for (const auto& each : all) {
                given[0].push_back((co_await ask(my, guest, each, 1)).front());
            }
            is_kept = table.find(get_request(name, "Range: bytes=3-4\r\n"), {}).answer != nullptr;
            co_await say(my, guest, fmt::format("{}", fmt::join(all, "")));
            for (std::size_t i = 0; i < all.size(); ++i) {
                given[1].push_back(timeless(co_await next_answer(my, guest)));
            }
            for (const auto& each : all) {
                table.clear();
                given[2].push_back((co_await ask(my, guest, each, 1)).front());
            }
            ::shutdown(guest.client.get(), SHUT_WR);
            co_await until_over(my, guest);
        });
        CAPTURE(name);
        CHECK(is_kept == (name != "/empty.bin"));
        REQUIRE(on.log.kept.size() == 3 * all.size());
        const auto line_of = [&on](std::size_t which) {
            const auto& each = on.log.kept[which];
            return fmt::format("{} {} {} {} {} {}", each.target, each.status, each.body_bytes,
                               each.received_bytes, each.sent_bytes, each.forwarded_for);
        };
        for (std::size_t i = 0; i < all.size(); ++i) {
            CAPTURE(all[i]);
            CHECK(given[0][i] == given[2][i]);
            CHECK(given[1][i] == given[2][i]);
            CHECK(line_of(i) == line_of(2 * all.size() + i));
            CHECK(line_of(all.size() + i) == line_of(2 * all.size() + i));
        }
    }
}

TEST_CASE("answer cache: what only looks like a range is octets like others") {
    web on;
    answer_cache table(on.here, 1 << 20U);
    struct row {
        std::string_view head;
        std::string_view range;  // Empty: none is seen.
    };
    for (const row& each : {
             row{"GET / HTTP/1.1\r\nRange: bytes=0-9\r\n\r\n", "bytes=0-9"},
             row{"GET / HTTP/1.1\r\nrange: bytes=-9\r\nA: b\r\n\r\n", "bytes=-9"},
             row{"GET / HTTP/1.1\r\nX-Range: bytes=0-9\r\nRANGE: bytes=1-\r\n\r\n", "bytes=1-"},
             row{"GET / HTTP/1.1\r\nIf-Range: bytes=0-9\r\n\r\n", ""},
             row{"GET / HTTP/1.1\r\nRange: bytes=0-1,4-5\r\n\r\n", ""},
             row{"GET / HTTP/1.1\r\nRange: bytes=0-1 \r\n\r\n", ""},
             row{"GET / HTTP/1.1\r\nRange:bytes=0-1\r\n\r\n", ""},
             row{"GET / HTTP/1.1\r\nRange: lines=0-1\r\n\r\n", ""},
             row{"GET /Range: bytes=0-1\r\nHost: a\r\n\r\n", ""},
             row{"G\nRange: bytes=0-1\r\n\r\n", ""},
             row{"GET /bytes=bytes=bytes= HTTP/1.1\r\n\r\n", ""},
         }) {
        CAPTURE(each.head);
        const auto seen = table.find(each.head, {});
        CHECK(seen.head_bytes == each.head.size());
        CHECK(seen.range.in(each.head) == each.range);
        CHECK((seen.hash_around != 0) == !each.range.empty());
    }
}

TEST_CASE("answer cache: many at once, with others in between, are answered in order") {
    web on;
    write_settled(on, "a.txt", "one");
    write_settled(on, "b.txt", "two");
    std::string text;
    for (int i = 0; i < 60; ++i) {
        text += get_request("/a.txt") + get_request(i % 7 == 0 ? "/missing" : "/b.txt");
    }
    text += get_request("/a.txt", "Connection: close\r\n");
    std::string answers;
    on.run([&](nursery& tasks, web& my) -> task<> {
        auto& guest = my.arrive_saying(tasks, text);
        co_await until_over(my, guest);
        while (guest.hears.how == net_test::ending::still_open) {
            co_await net_test::pause(my.here, std::chrono::milliseconds(1));
        }
        answers = guest.hears.octets;
    });
    for (int i = 0; i < 60; ++i) {
        CHECK(take_answer(answers).body == "one");
        const auto second = take_answer(answers);
        CHECK(second.status == (i % 7 == 0 ? 404 : 200));
    }
    CHECK(take_answer(answers).field("Connection") == "close");
    CHECK(answers.empty());
}

TEST_CASE("answer cache: an answer that is dropped while it is given is logged as it was asked") {
    web on;
    write_settled(on, "large.bin", pattern(200'000));
    on.run([](nursery& tasks, web& my) -> task<> {
        auto& guest = my.arrive(tasks);
        net_test::shrink_buffers(guest.client.get());
        net_test::shrink_buffers(guest.served);
        const auto request = get_request("/large.bin", "User-Agent: test/1\r\n");
        const auto before = co_await ask(my, guest, request, 4);
        CHECK(my.shared.inside().answers.size_bytes() > 0);
        co_await say(my, guest, request);
        co_await net_test::pause(my.here, std::chrono::milliseconds(10));
        REQUIRE(my.log.kept.size() == 4);  // It waits for the client.
        my.shared.use_rules(make_sites({}).value());
        REQUIRE(my.shared.inside().answers.size_bytes() == 0);
        // What it was kept in is used for something else.
        const std::vector<std::string> others(1'000, std::string(request.size(), 'Z'));
        const auto answer = co_await next_answer(my, guest);
        CHECK(answer.body.size() == 200'000);
        ::shutdown(guest.client.get(), SHUT_WR);
        co_await until_over(my, guest);
        REQUIRE(my.log.kept.size() == 5);
        for (const auto& each : my.log.kept) {
            CHECK(each.target == "/large.bin");
            CHECK(each.user_agent == "test/1");
        }
    });
}

TEST_CASE("answer cache: what has changed before a request is seen by its answer") {
    web on;
    write_settled(on, "a.txt", "first");
    on.run([](nursery& tasks, web& my) -> task<> {
        auto& guest = my.arrive(tasks);
        const std::string request = get_request("/a.txt");
        const auto before = co_await ask(my, guest, request, 6);
        CHECK(before.back().ends_with("first"));
        CHECK(my.shared.inside().answers.size_bytes() > 0);

        write_settled(my, "a.txt", "other");  // As long, and as old.
        const auto replaced = co_await ask(my, guest, request, 6);
        for (const auto& each : replaced) {
            CHECK(each.ends_with("other"));
        }

        my.files.write("a.txt", "in place");
        const auto written = co_await ask(my, guest, request, 2);
        CHECK(written.front().ends_with("in place"));

        write_settled(my, "a.txt", "again");
        const auto warm = co_await ask(my, guest, request, 6);
        CHECK(warm.back().ends_with("again"));
        CHECK(::unlink((my.files / "a.txt").c_str()) == 0);
        const auto gone = co_await ask(my, guest, request, 1);
        CHECK(gone.front().find(" 404 ") != std::string::npos);
        const auto absent = co_await ask(my, guest, request, 6);
        CHECK(absent.back() == gone.front());
        write_settled(my, "a.txt", "back");
        const auto back = co_await ask(my, guest, request, 2);
        CHECK(back.front().ends_with("back"));
        ::shutdown(guest.client.get(), SHUT_WR);
        co_await until_over(my, guest);
    });
}

// Goal: what Accept-Encoding chooses is kept with all that it was chosen by. Method: each kind of
// choice, asked again and again; the table is asked whether it has the answer.
TEST_CASE("answer cache: answers that Accept-Encoding chose are kept") {
    std::string text;
    for (int i = 0; i < 4'000; ++i) {
        text += "what is said again and again\n";
    }
    struct row {
        std::string_view target;
        std::string_view lines;
        std::string_view coding;  // Of the answer; empty: none.
    };
    for (const row& each : {
             row{"/page.html", "Accept-Encoding: gzip\r\n", "gzip"},
             row{"/page.html", "Accept-Encoding: br, gzip\r\nRange: bytes=2-9\r\n", "br"},
             row{"/page.html", "Accept-Encoding: identity\r\n", ""},
             row{"/beside.html", "Accept-Encoding: br, zstd, gzip\r\n", "gzip"},
             row{"/older.bin", "Accept-Encoding: gzip\r\n", ""},
             row{"/noise.txt", "Accept-Encoding: gzip\r\n", ""},
             row{"/large.html", "Accept-Encoding: br\r\n", "br"},
             row{"/image.png", "Accept-Encoding: br, gzip\r\n", ""},
         }) {
        web on;
        on.settings.packing.uses_files_beside = true;
        write_settled(on, "page.html", text);
        write_settled(on, "beside.html", text);
        write_settled(on, "beside.html.gz", "packed long ago");
        write_settled(on, "older.bin.gz", "packed before that");
        write_settled(on, "older.bin", text);
        const timespec times[] = {{.tv_sec = 900'000'000, .tv_nsec = 0},
                                  {.tv_sec = 900'000'000, .tv_nsec = 0}};
        REQUIRE(::utimensat(AT_FDCWD, (on.files / "older.bin.gz").c_str(), times, 0) == 0);
        write_settled(on, "noise.txt", pattern(2'000, 3));
        write_settled(on, "large.html", pattern(60'000, 4) + text);
        write_settled(on, "image.png", pattern(2'000, 5));
        const std::string request = get_request(each.target, each.lines);
        CAPTURE(request);
        std::vector<std::string> answers;
        bool is_kept = false;
        on.run([&](nursery& tasks, web& my) -> task<> {
            auto& guest = my.arrive(tasks);
            answers = co_await ask(my, guest, request, 8);
            is_kept = my.shared.inside().answers.find(request, {}).answer != nullptr;
            ::shutdown(guest.client.get(), SHUT_WR);
            co_await until_over(my, guest);
        });
        CHECK(is_kept);
        for (const auto& answered : answers) {
            CHECK(answered == answers.front());
        }
        const auto coding = fmt::format("Content-Encoding:{}", each.coding);
        CHECK((answers.front().find(coding) != std::string::npos) == !each.coding.empty());
    }
}

TEST_CASE("answer cache: whatever Accept-Encoding chose by is seen when it changes") {
    web on;
    on.settings.packing.uses_files_beside = true;
    const std::string text(3'000, 'x');
    write_settled(on, "a.txt", text);
    on.run([&text](nursery& tasks, web& my) -> task<> {
        auto& guest = my.arrive(tasks);
        const std::string request = get_request("/a.txt", "Accept-Encoding: br, gzip\r\n");
        const auto is_kept = [&] {
            return my.shared.inside().answers.find(request, {}).answer != nullptr;
        };
        const auto packed = co_await ask(my, guest, request, 8);
        CHECK(packed.back().find("Content-Encoding:br") != std::string::npos);
        CHECK(is_kept());

        write_settled(my, "a.txt.gz", "beside");  // What was absent is there.
        const auto beside = co_await ask(my, guest, request, 8);
        for (const auto& each : beside) {
            CHECK(each.ends_with("beside"));
        }
        CHECK(is_kept());
        write_settled(my, "a.txt.br", "better");  // It is preferred.
        const auto better = co_await ask(my, guest, request, 8);
        for (const auto& each : better) {
            CHECK(each.ends_with("better"));
        }
        CHECK(is_kept());

        my.files.write("a.txt", text);  // Younger than either.
        const auto written = co_await ask(my, guest, request, 2);
        CHECK(written.front().find("Last-Modified:Sun, 09 Sep 2001") == std::string::npos);
        CHECK(!written.front().ends_with("better"));

        write_settled(my, "a.txt", text);
        const auto again = co_await ask(my, guest, request, 8);
        CHECK(again.back().ends_with("better"));
        CHECK(::unlink((my.files / "a.txt.br").c_str()) == 0);
        const auto gone = co_await ask(my, guest, request, 8);
        for (const auto& each : gone) {
            CHECK(each.ends_with("beside"));
        }
        CHECK(::unlink((my.files / "a.txt").c_str()) == 0);
        const auto none = co_await ask(my, guest, request, 1);
        CHECK(none.front().find(" 404 ") != std::string::npos);
        ::shutdown(guest.client.get(), SHUT_WR);
        co_await until_over(my, guest);
    });
}

TEST_CASE("answer cache: packed octets that have given way to others are made again") {
    web on;
    on.settings.packing.cache_bytes_max = 400;  // Those of one file.
    write_settled(on, "a.txt", std::string(30'000, 'a'));
    write_settled(on, "b.txt", std::string(30'000, 'b'));
    on.run([](nursery& tasks, web& my) -> task<> {
        auto& guest = my.arrive(tasks);
        constexpr std::string_view gzip = "Accept-Encoding: gzip\r\n";
        const auto first = co_await ask(my, guest, get_request("/a.txt", gzip), 6);
        const auto second = co_await ask(my, guest, get_request("/b.txt", gzip), 6);
        const auto third = co_await ask(my, guest, get_request("/a.txt", gzip), 2);
        CHECK(first.back() != second.back());
        CHECK(second.back().find("Content-Encoding:gzip") != std::string::npos);
        CHECK(third.front() == first.front());
        CHECK(third.back() == first.front());
        ::shutdown(guest.client.get(), SHUT_WR);
        co_await until_over(my, guest);
    });
}

/// A file that somebody else has in memory (mmap(2)), and writes to without any time saying so.
class mapped_file {
  public:
    mapped_file(const web& on, std::string_view name) {
        const unique_fd file(::open((on.files / name).c_str(), O_RDWR | O_CLOEXEC));
        struct stat status{};
        REQUIRE(::fstat(file.get(), &status) == 0);
        size_bytes_ = static_cast<std::size_t>(status.st_size);
        memory_ = static_cast<char*>(
            ::mmap(nullptr, size_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0));
        REQUIRE(memory_ != MAP_FAILED);
        for (std::size_t at = 0; at < size_bytes_; at += 4'096) {
            write(at, std::string(1, memory_[at]));  // From now on no time tells of it.
        }
        const timespec times[] = {{.tv_sec = 1'000'000'000, .tv_nsec = 0},
                                  {.tv_sec = 1'000'000'000, .tv_nsec = 0}};
        REQUIRE(::futimens(file.get(), times) == 0);
    }
    mapped_file(const mapped_file&) = delete;
    mapped_file& operator=(const mapped_file&) = delete;
    ~mapped_file() { ::munmap(memory_, size_bytes_); }

    void write(std::size_t at, std::string_view octets) {
        octets.copy(memory_ + at, octets.size());
    }

  private:
    char* memory_ = nullptr;
    std::size_t size_bytes_ = 0;
};

// Goal: an answer that is kept says how long its packed octets are; others may have taken their
// place, which are of the same file to all that the file system says. Method: a mapping is written
// to, which no time tells of (decision 0016), after the packed octets have given way.
TEST_CASE("answer cache: an answer goes with packed octets of its own length alone") {
    for (const std::string_view lines :
         {"Accept-Encoding: gzip\r\n", "Accept-Encoding: gzip\r\nRange: bytes=8000-9000\r\n"}) {
        web on;
        on.settings.packing.cache_bytes_max = 70'000;  // Those of one file.
        write_settled(on, "a.txt", pattern(60'000, 6) + std::string(20'000, 'a'));
        write_settled(on, "b.txt", pattern(60'000, 7) + std::string(20'000, 'b'));
        mapped_file elsewhere(on, "a.txt");
        on.run([&](nursery& tasks, web& my) -> task<> {
            auto& guest = my.arrive(tasks);
            const auto request = get_request("/a.txt", lines);
            const auto before = co_await ask(my, guest, request, 6);
            CHECK(my.shared.inside().answers.find(request, {}).answer != nullptr);
            elsewhere.write(0, std::string(60'000, 'a'));
            co_await ask(my, guest, get_request("/b.txt", "Accept-Encoding: gzip\r\n"), 1);
            const auto fresh =
                co_await ask(my, guest, get_request("/a.txt", std::string(lines) + "X: y\r\n"), 1);
            const auto after = co_await ask(my, guest, request, 2);
            CHECK(fresh.front() != before.front());
            CHECK(after.front() == fresh.front());
            CHECK(after.back() == fresh.front());
            ::shutdown(guest.client.get(), SHUT_WR);
            co_await until_over(my, guest);
        });
    }
}

// Goal: a listing that is asked for again is neither parsed nor planned, in whatever form it goes.
// Method: each form, asked again and again; the table is asked whether it has the answer.
TEST_CASE("answer cache: listings are kept, packed or not") {
    for (const std::string& request :
         {get_request("/dir/"),
          get_request("/dir/", "Accept-Encoding: gzip, deflate, br, zstd\r\n"),
          get_request("/dir/?format=json", "Accept-Encoding: gzip\r\n"),
          get_request("/dir/?sort=size"), get_request("/dir/", "If-None-Match: *\r\n"),
          std::string("HEAD /dir/ HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br\r\n\r\n")}) {
        web on;
        on.files.make_directory("dir");
        for (int i = 0; i < 200; ++i) {
            write_settled(on, fmt::format("dir/file number {}", i), "x");
        }
        std::vector<std::string> answers;
        bool is_kept = false;
        bool has_planned_large = true;
        on.run([&](nursery& tasks, web& my) -> task<> {
            vfs::listing_cache kept(my.here, {.trusted_max = std::chrono::hours(1)});
            my.listings.kept = &kept;
            auto& guest = my.arrive(tasks);
            answers = co_await ask(my, guest, request, 8);
            const auto* const found = my.shared.inside().answers.find(request, {}).answer;
            is_kept = found != nullptr;
            const bool is_large = found != nullptr && found->part.size_bytes > 16 * 1024;
            {
                // So many large listings are being sent: the next is planned, which asks the
                // cache of listings once more.
                std::vector<runtime::permits::permit> all;
                while (auto one = my.listings.held.try_take()) {
                    all.push_back(std::move(*one));
                }
                const auto before = kept.counted().hits;
                const auto once_more = co_await ask(my, guest, request, 1);
                answers.push_back(once_more.front());
                has_planned_large = kept.counted().hits == before + (is_large ? 2 : 1);
            }
            ::shutdown(guest.client.get(), SHUT_WR);
            co_await until_over(my, guest);
            my.listings.kept = nullptr;
        });
        CAPTURE(request);
        CHECK(is_kept);
        CHECK(has_planned_large);
        for (const auto& each : answers) {
            CHECK(each == answers.front());
        }
    }
}

TEST_CASE("answer cache: whatever changes in a directory is seen by the next listing of it") {
    struct row {
        std::string_view what;
        void (*change)(const web&);
        bool is_listing;
        bool is_kept;  // Again.
    };
    const auto shell = [](const web& on, const std::string& line) {
        REQUIRE(std::system(fmt::format("cd '{}' && {{ {}; }}", on.files.root(), line).c_str()) ==
                0);
    };
    static constexpr auto in_shell = shell;
    for (const row& each : std::initializer_list<row>{
             {"a file is stored", [](const web& on) { on.files.write("dir/new", "x"); }, true,
              true},
             {"a file grows", [](const web& on) { in_shell(on, "echo more >> dir/f"); }, true,
              true},
             {"a file is removed", [](const web& on) { in_shell(on, "rm dir/f"); }, true, true},
             {"a file is renamed", [](const web& on) { in_shell(on, "mv dir/f dir/g"); }, true,
              true},
             {"a directory is made", [](const web& on) { on.files.make_directory("dir/sub"); },
              true, false},
             {"an index is made", [](const web& on) { write_settled(on, "dir/index.html", "i"); },
              false, true},
             {"another directory takes the name",
              [](const web& on) { in_shell(on, "mkdir o; echo > o/z; mv dir away; mv o dir"); },
              true, true},
             {"a link takes the name",
              [](const web& on) { in_shell(on, "mv dir away; mkdir o; ln -s o dir"); }, true, true},
             {"it is removed", [](const web& on) { in_shell(on, "rm -r dir"); }, false, true},
         }) {
        for (const std::string_view lines : {"", "Accept-Encoding: br\r\n"}) {
            CAPTURE(each.what);
            web on;
            on.files.make_directory("dir");
            write_settled(on, "dir/f", "x");
            const std::string request = get_request("/dir/", lines);
            std::vector<std::string> before;
            std::vector<std::string> after;
            std::string planned;
            bool was_kept = false;
            bool is_kept = false;
            on.run([&](nursery& tasks, web& my) -> task<> {
                vfs::listing_cache kept(my.here, {.trusted_max = std::chrono::hours(1)});
                my.listings.kept = &kept;
                auto& guest = my.arrive(tasks);
                const auto is_in_table = [&] {
                    const auto* const found = my.shared.inside().answers.find(request, {}).answer;
                    return found != nullptr && (!found->is_listing || !found->listing.expired());
                };
                before = co_await ask(my, guest, request, 8);
                was_kept = is_in_table();
                each.change(my);
                after = co_await ask(my, guest, request, 8);
                is_kept = is_in_table();
                my.listings.kept = nullptr;
                my.shared.inside().answers.clear();
                const auto anew = co_await ask(my, guest, request, 1);
                planned = anew.front();
                ::shutdown(guest.client.get(), SHUT_WR);
                co_await until_over(my, guest);
            });
            CHECK(was_kept);
            CHECK(is_kept == each.is_kept);
            CHECK(before.front() != after.front());
            CHECK((planned.find("Vary:Accept") != std::string::npos) == each.is_listing);
            for (const auto& answered : after) {
                CHECK(answered == planned);
            }
        }
    }
}

TEST_CASE("answer cache: rules that are read anew count from then on") {
    web on;
    write_settled(on, "a.txt", "text");
    on.run([](nursery& tasks, web& my) -> task<> {
        auto& guest = my.arrive(tasks);
        const auto before = co_await ask(my, guest, get_request("/a.txt"), 6);
        CHECK(before.back().find("X-New:") == std::string::npos);
        auto made = make_sites({.standard = {.headers = {{.set = {{"X-New", "yes"}}}}}});
        CHECK(made.has_value());
        if (made) {
            my.shared.use_rules(std::move(*made));
        }
        const auto after = co_await ask(my, guest, get_request("/a.txt"), 2);
        CHECK(after.front().find("X-New:yes") != std::string::npos);
        ::shutdown(guest.client.get(), SHUT_WR);
        co_await until_over(my, guest);
    });
}

TEST_CASE("answer cache: the table has answers to whole heads in their context alone") {
    web on;
    answer_cache table(on.here, 1 << 20U);
    const std::string head = get_request("/x");
    const answer_context clear{};
    CHECK(table.find(head.substr(0, head.size() - 1), clear).head_bytes == 0);
    CHECK(table.find("POST" + head, clear).head_bytes == 0);
    const auto seen = table.find(head + "GET", clear);
    CHECK(seen.head_bytes == head.size());
    CHECK_FALSE(table.wants(seen.hash));  // For the first time.
    CHECK(table.wants(seen.hash));
    table.keep(make_answer(head, seen.hash));
    CHECK(table.find(head, clear).answer != nullptr);
    CHECK(table.find(head + head, clear).answer != nullptr);
    CHECK(table.find(head, {.is_secure = true}).answer == nullptr);
    CHECK(table.find(head, {.has_accounts = true}).answer == nullptr);
    CHECK(table.find(get_request("/y"), clear).answer == nullptr);
    CHECK(table.find(head, clear).answer != nullptr);
    auto& kept = *table.find(head, clear).answer;
    table.refresh(kept);
    CHECK(kept.message.find("1994") == std::string::npos);
    CHECK(kept.message.ends_with(" GMT\r\n\r\n"));
    table.clear();
    CHECK(table.size_bytes() == 0);
    CHECK(table.find(head, clear).answer == nullptr);
}

TEST_CASE("answer cache: no more is kept than the limit, and what is used stays") {
    constexpr std::size_t bytes_max = 16 * 1'024;
    web on;
    answer_cache table(on.here, bytes_max);
    for (int i = 0; i < 1'000; ++i) {
        const auto head = get_request(fmt::format("/{}", i));
        const auto hash = table.find(head, {}).hash;
        static_cast<void>(table.wants(hash));
        if (table.wants(hash)) {
            auto fresh = make_answer(head, hash);
            const auto used = std::make_shared<vfs::shared_file>(vfs::node({}, {}));
            fresh->file = used;  // Gone at once: it may be pushed out.
            table.keep(std::move(fresh));
        }
        CHECK(table.size_bytes() <= bytes_max);
    }
    CHECK(table.size_bytes() > bytes_max / 4);
    const auto large =
        get_request("/large", fmt::format("X: {}\r\n", std::string(bytes_max / 2, 'x')));
    bool is_kept = false;
    for (int tries = 0; tries < 10 && !is_kept; ++tries) {  // Others go, wherever they are.
        const auto hash = table.find(large, {}).hash;
        static_cast<void>(table.wants(hash));
        if (table.wants(hash)) {
            table.keep(make_answer(large, hash));
        }
        is_kept = table.find(large, {}).answer != nullptr;
    }
    CHECK(is_kept);
    CHECK(table.size_bytes() <= bytes_max);

    answer_cache none(on.here, 0);
    CHECK(none.find(get_request("/x"), {}).head_bytes == 0);
    CHECK_FALSE(none.wants(1));
}
