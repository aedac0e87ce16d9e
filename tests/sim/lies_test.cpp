#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <vector>

#include "ftp_client.hpp"
#include "http_client.hpp"
#include "live_run.hpp"
#include "lying_proxy.hpp"

// A test that cannot fail is worth nothing: here the clients are lied to, and must notice.
namespace ferry::sim::test {
namespace {

using runtime::task;

task<> start_clients(runtime::nursery& all, live_run& run, const live_server& server,
                     const lying_proxy& proxy) {
    const bool is_ftp = proxy.told().is_ftp;
    for (std::size_t i = 0; i < 2; ++i) {
        auto context = run.context(fmt::format("client {}", i), server, i);
        context.is_patient = false;
        context.conversations = 6;
        (is_ftp ? context.ftp : context.http) = proxy.at();
        if (is_ftp) {
            all.start(&run_ftp_client, std::move(context));
        } else {
            all.start(&run_http_client, std::move(context));
        }
    }
    co_return;
}

task<> talk_through(runtime::nursery& all, live_run& run, const live_server& server,
                    lying_proxy& proxy) {
    all.start(&lying_proxy::run, std::ref(proxy));
    co_await runtime::with_nursery(run.machine.here(), start_clients, std::ref(run),
                                   std::cref(server), std::cref(proxy));
    all.request_stop();
}

/// What the clients say of a lie, within a few seeds; empty: it went unnoticed.
std::string confront(const lie& told, std::uint64_t seeds = 24) {
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        live_run run(seed);
        run.numbers.slack = std::chrono::milliseconds(700);
        live_server server(run.model, run.numbers);
        lying_proxy proxy(run.machine.here(), told.is_ftp ? server.ftp() : server.http(), told);
        run.machine.run(&talk_through, std::ref(run), std::cref(server), std::ref(proxy));
        run.check_disk(server);
        if (!run.findings.is_clean()) {
            return run.findings.describe();
        }
    }
    return {};
}

std::vector<lie> http_lies() {
    return {
        {.name = "an octet of a body", .corrupt_from = 70'000},
        {.name = "the answer to another request",
         .to_server = true,
         .find = "/static/e.bin",
         .replace = "/static/f.bin"},
        {.name = "an answer that ends early", .end_after = 5'000},
        {.name = "an answer twice",
         .find = "HTTP/1.1 204 No Content\r\n",
         .replace = "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 204 No Content\r\n"},
        {.name = "another status", .find = "HTTP/1.1 206 ", .replace = "HTTP/1.1 200 "},
        {.name = "found what is not there",
         .find = "HTTP/1.1 404 Not Found",
         .replace = "HTTP/1.1 403 Forbidden"},
        {.name = "a length that is not so",
         .find = "Content-Length: 1024\r\n",
         .replace = "Content-Length: 1023\r\n"},
        {.name = "two framings",
         .find = "Content-Length: ",
         .replace = "Transfer-Encoding: chunked\r\nContent-Length: "},
        {.name = "a part that is another",
         .find = "Content-Range: bytes ",
         .replace = "Content-Range: bytes 1"},
        {.name = "one tag for all", .find = "ETag: \"", .replace = "ETag: \"x\"\r\nX-Old-Tag: \""},
        {.name = "no tag", .find = "ETag: ", .replace = "X-Tag: "},
        {.name = "a bare line feed", .find = "Server: ferry\r\n", .replace = "Server: ferry\n"},
        {.name = "a row that is not there",
         .find = "<tr><td><a href=\"./d.bin\"><bdi>d.bin</bdi></a><td>",
         .replace = "<tr><td><a href=\"./dd.bin\"><bdi>dd.bin</bdi></a>"},
        {.name = "staying when told to go",
         .find = "Connection: close",
         .replace = "X-Was: close-to"},
        {.name = "a redirect elsewhere", .find = "Location: /", .replace = "Location: /x/"},
        {.name = "whatever is asked with a condition",
         .to_server = true,
         .find = "If-Match: ",
         .replace = "X-Match-: "},
        {.name = "confirmed, and stored elsewhere",
         .to_server = true,
         .find = "PUT /clients/0/",
         .replace = "PUT /clients/1/"},
        {.name = "an octet of an upload", .to_server = true, .corrupt_from = 30'000},
    };
}

std::vector<lie> ftp_lies() {
    return {
        {.name = "another code", .is_ftp = true, .find = "250 ", .replace = "257 "},
        {.name = "a failure that was none", .is_ftp = true, .find = "226 T", .replace = "451 T"},
        {.name = "success that was none", .is_ftp = true, .find = "550 ", .replace = "250 "},
        {.name = "no final reply",
         .is_ftp = true,
         .find = "226 Transfer complete\r\n",
         .replace = ""},
        {.name = "two final replies",
         .is_ftp = true,
         .find = "226 Transfer complete\r\n",
         .replace = "226 Transfer complete\r\n226 Transfer complete\r\n"},
        {.name = "another size", .is_ftp = true, .find = "213 ", .replace = "213 1"},
        {.name = "another directory", .is_ftp = true, .find = "257 \"/", .replace = "257 \"/x"},
        {.name = "another file",
         .is_ftp = true,
         .to_server = true,
         .find = "RETR /",
         .replace = "RETR /static/site/"},
        {.name = "another type",
         .is_ftp = true,
         .to_server = true,
         .find = "TYPE I\r\n",
         .replace = "TYPE A\r\n"},
        {.name = "another offset",
         .is_ftp = true,
         .to_server = true,
         .find = "REST ",
         .replace = "REST 1"},
        {.name = "replaced and not appended",
         .is_ftp = true,
         .to_server = true,
         .find = "APPE ",
         .replace = "STOR "},
        {.name = "stored elsewhere",
         .is_ftp = true,
         .to_server = true,
         .find = "STOR /clients/",
         .replace = "STOR /clients/0/.."},
        {.name = "a bare line feed", .is_ftp = true, .find = "\r\n", .replace = "\n"},
        {.name = "a lone IAC", .is_ftp = true, .find = "200 ", .replace = "200 \xff"},
        {.name = "nothing deleted",
         .is_ftp = true,
         .to_server = true,
         .find = "DELE ",
         .replace = "CWD /static/../home\r\nDELE "},
        {.name = "an end in the middle", .is_ftp = true, .end_after = 900},
    };
}

/// One octet of a file on the disk, changed behind the model's back; its time tells nothing.
void spoil(const std::string& file, std::streamoff at) {
    const auto modified = std::filesystem::last_write_time(file);
    std::fstream inside(file, std::ios::binary | std::ios::in | std::ios::out);
    inside.seekg(at);
    const char octet = static_cast<char>(inside.get() ^ 1);
    inside.seekp(at);
    inside.put(octet);
    inside.close();
    std::filesystem::last_write_time(file, modified);
}

task<> ask_http(runtime::nursery&, live_run& run, const live_server& server, bool& is_right) {
    auto context = run.context("http", server, 0);
    is_right = co_await check_http_answer(context, "/static/h.bin");
}

/// What the disk's lie is called; empty when nobody noticed. `change` gets the served directory.
std::string confront_with_disk(void (*change)(const std::string& root)) {
    live_run run(1);
    live_server server(run.model, run.numbers);
    change(server.directory().string());
    bool is_right = true;
    run.machine.run(&ask_http, std::ref(run), std::cref(server), std::ref(is_right));
    CHECK_FALSE(is_right);
    const auto before = run.findings.violations().size();
    run.check_disk(server);
    CHECK(run.findings.violations().size() > before);  // The final look sees it, too.
    return run.findings.describe();
}

}  // namespace

TEST_CASE("clients: wrong octets on a data connection are noticed") {
    bool is_noticed = false;
    for (std::uint64_t seed = 1; seed <= 8 && !is_noticed; ++seed) {
        live_run run(seed);
        live_server server(run.model, run.numbers);
        for (const auto* name : {"d", "e", "f", "g", "h", "i"}) {
            spoil(fmt::format("{}/static/{}.bin", server.directory().string(), name), 512);
        }
        lying_proxy honest(run.machine.here(), server.ftp(), {.name = "none", .is_ftp = true});
        run.machine.run(&talk_through, std::ref(run), std::cref(server), std::ref(honest));
        // A digest of them that is wrong may be seen first.
        is_noticed = std::ranges::any_of(run.findings.violations(), [](const auto& each) {
            return each.rule == "octets of a file are wrong";
        });
    }
    CHECK(is_noticed);
}

TEST_CASE("clients: what the disk makes up is noticed") {
    SUBCASE("nothing is wrong: nothing is said") {
        live_run run(1);
        live_server server(run.model, run.numbers);
        bool is_right = false;
        run.machine.run(&ask_http, std::ref(run), std::cref(server), std::ref(is_right));
        CHECK(is_right);
        run.check_disk(server);
        CHECK_MESSAGE(run.findings.is_clean(), run.findings.describe());
    }
    SUBCASE("an octet") {
        CHECK(!confront_with_disk([](const std::string& root) {
                   spoil(root + "/static/h.bin", 1'400'000);
               }).empty());
    }
    SUBCASE("the first octet") {
        CHECK(!confront_with_disk([](const std::string& root) {
                   spoil(root + "/static/h.bin", 0);
               }).empty());
    }
    SUBCASE("an end that is missing") {
        CHECK(!confront_with_disk([](const std::string& root) {
                   std::filesystem::resize_file(root + "/static/h.bin", 1'499'999);
               }).empty());
    }
    SUBCASE("a mixture of two files") {
        CHECK(!confront_with_disk([](const std::string& root) {
                   std::ifstream other(root + "/static/i.bin", std::ios::binary);
                   std::string octets(700'000, '\0');
                   other.read(octets.data(), 700'000);
                   std::fstream torn(root + "/static/h.bin",
                                     std::ios::binary | std::ios::in | std::ios::out);
                   torn << octets;
               }).empty());
    }
    SUBCASE("no file") {
        CHECK(!confront_with_disk([](const std::string& root) {
                   std::filesystem::remove(root + "/static/h.bin");
               }).empty());
    }
    SUBCASE("a directory in its place") {
        CHECK(!confront_with_disk([](const std::string& root) {
                   std::filesystem::remove(root + "/static/h.bin");
                   std::filesystem::create_directory(root + "/static/h.bin");
               }).empty());
    }
}

// Else all that the others show is that a proxy is noticed.
TEST_CASE("clients: a proxy that tells no lie is believed") {
    // Each seed costs as much as a lie that goes unnoticed; most are noticed within so many.
    constexpr std::uint64_t seeds = 5;
    CHECK(confront({.name = "none"}, seeds) == "");
    CHECK(confront({.name = "none", .is_ftp = true}, seeds) == "");
}

TEST_CASE("clients: lies over HTTP are noticed") {
    for (const auto& told : http_lies()) {
        CAPTURE(told.name);
        const auto said = confront(told);
        CHECK(!said.empty());
    }
}

TEST_CASE("clients: lies over FTP are noticed") {
    for (const auto& told : ftp_lies()) {
        CAPTURE(told.name);
        const auto said = confront(told);
        CHECK(!said.empty());
    }
}

}  // namespace ferry::sim::test
