#include "net/kernel_tls.hpp"

#include <doctest/doctest.h>
#include <openssl/ssl.h>

#include <fstream>
#include <functional>
#include <iterator>
#include <string>

#include "ferry/net/send_plan.hpp"
#include "ferry/net/tls_stream.hpp"
#include "kernel_like_stream.hpp"
#include "loopback.hpp"
#include "tls_client.hpp"
#include "tls_parts.hpp"

using namespace ferry;
using namespace ferry::net;
using namespace ferry::net_test;
using namespace ferry::runtime;
using namespace std::chrono_literals;

namespace {

/// A stream upon a machine whose kernel may seal, and its client.
struct kernel_tls_scene {
    explicit kernel_tls_scene(const tls_client_options& how = {}, bool is_wanted = true)
        : by(tls_server::make({.identities = {identity_for("localhost")},
                               .tickets = std::make_shared<tls_ticket_keys>(),
                               .seals_in_kernel = is_wanted})
                 .value()),
          client(how) {}

    test_core machine;
    core& here = machine.here;
    connection_ends ends = connect_ends();
    plain_stream below{machine.here, std::move(ends.near)};
    kernel_like_stream kernel{below};
    tls_stream stream{kernel};
    std::shared_ptr<const tls_server> by;
    tls_client client;
    bool is_shaken = false;
    std::string heard;
    ending saw = ending::still_open;

    template <class Body>
    void run(Body body) {
        machine.run(body, std::ref(*this));
    }
};

task<> client_sends_all(kernel_tls_scene& on) {
    const auto all = on.client.take();
    static_cast<void>(co_await say(on.here, on.ends.far.get(), all));
}

/// Shakes hands, then listens to the end.
task<> be_client(kernel_tls_scene& on) {
    while (on.saw == ending::still_open) {
        if (!on.is_shaken) {
            on.is_shaken = on.client.shake_hands() == tls_client::progress::done;
            co_await client_sends_all(on);
        }
        const auto more = co_await hear_some(on.here, on.ends.far.get());
        on.client.give(more.octets);
        on.heard += on.is_shaken ? on.client.read() : std::string();
        on.saw = more.how;
    }
}

task<> begin(nursery& tasks, kernel_tls_scene& on) {
    tasks.start(be_client, std::ref(on));
    const auto begun = co_await on.stream.accept({.by = on.by});
    REQUIRE(begun);
    while (!on.is_shaken) {
        co_await pause(on.here, 1ms);
    }
}

task<> end(kernel_tls_scene& on, farewell how = farewell::orderly) {
    co_await on.stream.close(how);
    while (on.saw == ending::still_open) {
        co_await pause(on.here, 1ms);
    }
}

task<> send_one_thing_more(kernel_tls_scene& on) {
    REQUIRE(co_await on.stream.send(as_octets("under way"), 5s));
}

/// Sends a head and the file behind it, as a protocol does.
task<> send_whole(kernel_tls_scene& on, std::string_view head, int file, std::size_t size_bytes) {
    send_plan plan;
    plan.add(as_octets(head));
    plan.add(file_span{.fd = file, .offset = 0, .size_bytes = size_bytes});
    std::uint64_t sent_bytes = 0;
    const auto sent = co_await execute(on.stream, plan, {.stall_timeout = 5s}, sent_bytes);
    REQUIRE(sent);
    REQUIRE(sent_bytes == head.size() + size_bytes);
}

}  // namespace

TEST_CASE("why_no_kernel_tls: says what the kernel says of itself") {
    const auto why = why_no_kernel_tls();  // Which may bring it in.
    std::ifstream list("/proc/sys/net/ipv4/tcp_available_ulp");
    const std::string all{std::istreambuf_iterator<char>(list), {}};
    CHECK(why.empty() == all.contains("tls"));
    CHECK((why.empty() || why.contains("modprobe tls")));
}

TEST_CASE("begin_sealing: what is no connection has no TLS, and nothing has happened to it") {
    const auto ends = connect_ends();
    const unique_fd lonely(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    CHECK(!begin_sealing(lonely.get(), {}));
    if (why_no_kernel_tls().empty()) {
        CHECK(begin_sealing(ends.near.get(), {}));
        CHECK(!begin_sealing(ends.near.get(), {.version = 0x0303}));  // It has a key.
        return;
    }
    CHECK(!begin_sealing(ends.near.get(), {}));
    REQUIRE(::send(ends.near.get(), "clear", 5, 0) == 5);
    std::string got(5, '\0');
    CHECK(::recv(ends.far.get(), got.data(), got.size(), MSG_WAITALL) == 5);
    CHECK(got == "clear");
}

TEST_CASE("kernel_tls: from the first large file on the kernel seals all, by each cipher") {
    for (const char* suite :
         {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}) {
        CAPTURE(suite);
        kernel_tls_scene on({.suites = suite});
        on.run([](nursery& tasks, kernel_tls_scene& my) -> task<> {
            co_await begin(tasks, my);
            const auto content = pattern(700'000);
            const auto file = unnamed_file(content);
            REQUIRE(co_await my.stream.send(as_octets("sealed here;"), 5s));
            co_await send_whole(my, "so is what is small;", file.get(), 50'000);
            CHECK(my.kernel.asked == 0);
            co_await send_whole(my, "a head;", file.get(), content.size());
            CHECK(my.kernel.asked == 1);
            CHECK(my.kernel.file_octets == content.size());
            REQUIRE(co_await my.stream.send(as_octets("an answer;"), 5s));
            co_await send_whole(my, "", file.get(), 10);
            my.client.write("a question");
            co_await client_sends_all(my);
            REQUIRE(co_await my.stream.fill(my.here.now() + 5s));
            CHECK(my.stream.input() == "a question");
            const auto much = pattern(400'000, 3);
            REQUIRE(co_await my.stream.send(as_octets(much), 5s));
            CHECK(my.kernel.asked == 1);
            co_await end(my);
            CHECK((my.heard == "sealed here;so is what is small;" + content.substr(0, 50'000) +
                                   "a head;" + content + "an answer;" + content.substr(0, 10) +
                                   much));
            CHECK(my.client.has_ended());
        });
    }
}

TEST_CASE("kernel_tls: where the kernel does not do it, or is not to, all is as before") {
    struct row {
        const char* name;
        int version;
        bool is_wanted;
        int asked;
    };
    for (const row& each :
         {row{"it refuses", TLS1_3_VERSION, true, 1}, row{"TLS 1.2", TLS1_2_VERSION, true, 0},
          row{"it is not to", TLS1_3_VERSION, false, 0}}) {
        CAPTURE(each.name);
        kernel_tls_scene on({.version = each.version}, each.is_wanted);
        on.kernel.can_seal = false;
        on.run([](nursery& tasks, kernel_tls_scene& my) -> task<> {
            co_await begin(tasks, my);
            const auto content = pattern(300'000);
            const auto file = unnamed_file(content);
            co_await send_whole(my, "twice:", file.get(), content.size());
            co_await send_whole(my, "", file.get(), content.size());
            co_await end(my);
            CHECK((my.heard == "twice:" + content + content));
            CHECK(my.client.has_ended());
            CHECK(my.kernel.file_octets == 0);
        });
        CHECK(on.kernel.asked == each.asked);
    }
}

TEST_CASE("kernel_tls: it goes on by the key there is, renewed ones too (RFC 8446 section 4.6.3)") {
    kernel_tls_scene on;
    on.run([](nursery& tasks, kernel_tls_scene& my) -> task<> {
        co_await begin(tasks, my);
        for (int i = 0; i < 2; ++i) {
            REQUIRE(my.client.renew_keys());
            my.client.write("x");
            co_await client_sends_all(my);
            REQUIRE(co_await my.stream.fill(my.here.now() + 5s));
        }
        const auto content = pattern(300'000);
        const auto file = unnamed_file(content);
        co_await send_whole(my, "", file.get(), content.size());
        CHECK(my.kernel.asked == 1);
        co_await end(my);
        CHECK((my.heard == content));
        CHECK(my.client.has_ended());
    });
}

TEST_CASE("kernel_tls: who wants new keys of the kernel has our end instead, in order") {
    kernel_tls_scene on;
    on.run([](nursery& tasks, kernel_tls_scene& my) -> task<> {
        co_await begin(tasks, my);
        const auto content = pattern(300'000);
        const auto file = unnamed_file(content);
        co_await send_whole(my, "", file.get(), content.size());
        REQUIRE(my.client.renew_keys());
        my.client.write("x");
        co_await client_sends_all(my);
        const auto refused = co_await my.stream.fill(my.here.now() + 5s);
        CHECK(refused.error() == errc::invalid);
        CHECK(my.stream.why() == "new keys are asked for, and the kernel seals by one");
        const auto sent = co_await my.stream.send(as_octets("content behind the end"), 5s);
        CHECK(sent.error() == errc::reset);
        co_await end(my);
        CHECK((my.heard == content));
        CHECK(my.client.has_ended());
        CHECK(!my.client.has_failed());
    });
}

TEST_CASE("kernel_tls: what is wrong is said by an alert, behind what is being sent") {
    kernel_tls_scene on;
    on.run([](nursery& tasks, kernel_tls_scene& my) -> task<> {
        co_await begin(tasks, my);
        const auto content = pattern(300'000);
        const auto file = unnamed_file(content);
        co_await send_whole(my, "", file.get(), content.size());
        event room(*my.machine.io);
        my.kernel.full = &room;
        tasks.start(send_one_thing_more, std::ref(my));
        static_cast<void>(
            co_await say(my.here, my.ends.far.get(),
                         std::string("\x17\x03\x03\0\x14", 5) + "twenty forged octets"));
        const auto refused = co_await my.stream.fill(my.here.now() + 5s);
        CHECK(refused.error() == errc::invalid);
        my.kernel.full = nullptr;
        room.announce();
        co_await end(my);
        CHECK((my.heard == content + "under way"));
        CHECK(my.client.has_failed());  // By bad_record_mac.
    });
}

TEST_CASE("kernel_tls: behind what is lost for want of memory comes nothing (threats.md, R14)") {
    kernel_tls_scene on;
    on.run([](nursery& tasks, kernel_tls_scene& my) -> task<> {
        co_await begin(tasks, my);
        const auto content = pattern(300'000);
        const auto file = unnamed_file(content);
        co_await send_whole(my, "", file.get(), content.size());
        my.kernel.lacks_memory = true;
        const auto lost = co_await my.stream.send(as_octets("half of this"), 5s);
        CHECK(lost.error() == errc::exhausted);
        my.kernel.lacks_memory = false;
        const auto behind = co_await my.stream.send(as_octets("content"), 5s);
        CHECK(behind.error() == errc::reset);
        co_await end(my);
        CHECK((my.heard == content));
        CHECK(!my.client.has_ended());  // No close_notify either: it is not whole.
    });
}
