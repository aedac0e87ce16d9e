#include "ftp/reply_writer.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "../allocation_faults.hpp"
#include "ferry/net/endpoint.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/uring.hpp"

using namespace ferry;
using runtime::core;
using runtime::nursery;
using runtime::task;

namespace {

/// A control connection that only takes octets, each send in a later turn.
class sink final : public net::stream {
  public:
    explicit sink(core& home) noexcept : here_(home) {}

    [[nodiscard]] std::string_view input() const noexcept override { return {}; }
    void take_input(std::string&) override {}
    void consume(std::size_t) noexcept override {}
    [[nodiscard]] task<result<void>> fill(runtime::time_point) override {
        co_return failure(errc::closed);
    }
    [[nodiscard]] task<result<std::size_t>> receive(std::span<std::byte>,
                                                    runtime::time_point) override {
        co_return std::size_t{0};
    }
    [[nodiscard]] task<result<void>> send(std::span<const std::byte> octets,
                                          runtime::duration) override {
        CHECK_FALSE(is_sending_);
        is_sending_ = true;
        co_await here_.yield();
        is_sending_ = false;
        if (failures > 0) {
            --failures;
            throw std::bad_alloc();
        }
        if (octets_left < octets.size()) {
            octets = octets.first(std::exchange(octets_left, std::size_t{0}));
            timed_out = true;
        }
        taken.append(static_cast<const char*>(static_cast<const void*>(octets.data())),
                     octets.size());
        ++sends;
        if (std::exchange(timed_out, false)) {
            co_return failure(errc::timed_out);
        }
        co_return result<void>{};
    }
    [[nodiscard]] task<result<std::uint64_t>> send_file(file_message, runtime::duration) override {
        co_return failure(errc::unsupported);
    }
    void shut_down_sending() noexcept override {}
    [[nodiscard]] task<> close(net::farewell) override { co_return; }
    [[nodiscard]] const net::endpoint& peer() const noexcept override { return nowhere_; }
    [[nodiscard]] const net::endpoint& local() const noexcept override { return nowhere_; }
    [[nodiscard]] core& here() noexcept override { return here_; }

    std::string taken;
    int sends = 0;
    int failures = 0;
    /// What the peer still takes: the send that passes it times out in mid-line.
    std::size_t octets_left = std::numeric_limits<std::size_t>::max();
    bool timed_out = false;

  private:
    core& here_;
    net::endpoint nowhere_;
    bool is_sending_ = false;
};

struct fixture {
    runtime::offload_pool pool{1};
    std::unique_ptr<runtime::reactor> ring =
        runtime::make_uring_reactor({.receive_buffers = 16}, pool).value();
    core here{0, *ring, ferry::random(1)};
    runtime::stop_scope stop;
    sink control{here};
    ftp::client_names names{nullptr};
    ftp::reply_writer replies{control, names, std::chrono::seconds(1)};
    std::size_t failing = 0;  ///< Which allocation fails.
    bool has_failed = false;

    void run(task<> (*body)(nursery&, fixture&)) {
        runtime::run_core(here, stop, body, std::ref(*this));
    }
};

task<> write_one(fixture& on, std::string text) {
    const auto written = co_await on.replies.write({200, std::move(text)});
    CHECK(written.has_value());
}

task<> write_octets(fixture& on, std::string octets) {
    const auto written = co_await on.replies.write_octets(octets);
    CHECK(written.has_value());
}

}  // namespace

TEST_CASE("reply_writer: two writers, whole replies, one send at a time") {
    fixture session;
    session.run([](nursery& bottom, fixture& on) -> task<> {
        bottom.start(write_one, std::ref(on), std::string("one"));
        bottom.start(write_octets, std::ref(on), std::string("\xff\xfc\x06"));
        co_return;
    });
    CHECK(session.control.taken == "200 one\r\n\xff\xfc\x06");
    CHECK(session.control.sends == 2);
}

// threats.md, R14: want of memory ends one of the two; the other does not wait for it for ever.
TEST_CASE("reply_writer: what is held goes in front of the next reply, in one send") {
    fixture on;
    on.run([](nursery&, fixture& with) -> task<> {
        with.replies.hold({150, "Beginning"});
        CHECK(with.control.sends == 0);
        const auto written = co_await with.replies.write({226, "Over"});
        CHECK(written.has_value());
    });
    CHECK(on.control.taken == "150 Beginning\r\n226 Over\r\n");
    CHECK(on.control.sends == 1);
}

TEST_CASE("reply_writer: a send that throws keeps what is held and not its own, to be said again") {
    fixture on;
    on.control.failures = 1;
    on.run([](nursery&, fixture& with) -> task<> {
        with.replies.hold({150, "Beginning"});
        CHECK_THROWS_AS(static_cast<void>(co_await with.replies.write({226, "Over"})),
                        std::bad_alloc);
        const auto written = co_await with.replies.write({226, "Over"});
        CHECK(written.has_value());
    });
    CHECK(on.control.taken == "150 Beginning\r\n226 Over\r\n");
    CHECK(on.control.sends == 1);
}

TEST_CASE("reply_writer: a send that throws lets the other writer go on") {
    fixture session;
    session.control.failures = 1;
    session.run([](nursery& bottom, fixture& on) -> task<> {
        bottom.start(
            [](fixture& of) -> task<> {
                bool has_thrown = false;
                try {
                    static_cast<void>(co_await of.replies.write({200, "lost"}));
                } catch (const std::bad_alloc&) {
                    has_thrown = true;
                }
                CHECK(has_thrown);
            },
            std::ref(on));
        bottom.start(write_one, std::ref(on), std::string("two"));
        co_return;
    });
    CHECK(session.control.taken == "200 two\r\n");
}

// threats.md, R14. A refusal was said twice where the memory for sending it was missing.
TEST_CASE("reply_writer: who is out of memory may say it again, and it is said once") {
    if (!ferry::test::allocation_fault::is_possible) {
        return;
    }
    constexpr std::size_t allocations_max = 50;
    std::size_t which = 1;
    for (bool has_failed = true; has_failed && which < allocations_max; ++which) {
        CAPTURE(which);
        fixture session;
        session.failing = which;
        session.run([](nursery&, fixture& on) -> task<> {
            const ftp::reply said{551, std::string(100, 'x')};
            bool is_said = false;
            try {
                const ferry::test::allocation_fault fault(on.failing);
                const auto written = co_await on.replies.write(said);
                is_said = written.has_value();
                on.has_failed = fault.has_happened();
            } catch (const std::bad_alloc&) {
                on.has_failed = true;
            }
            if (!is_said) {
                const auto again = co_await on.replies.write(said);
                CHECK(again.has_value());
            }
        });
        has_failed = session.has_failed;
        CHECK(session.control.taken == "551 " + std::string(100, 'x') + "\r\n");
    }
    CHECK(which > 2);
    CHECK(which < allocations_max);
}

// RFC 959 section 4.2: a reply is a line: none begins in the middle of another.
// it.
TEST_CASE("reply_writer: nothing follows a reply of which only a part was taken") {
    fixture session;
    session.control.octets_left = 9;
    session.run([](nursery&, fixture& on) -> task<> {
        const auto half = co_await on.replies.write({200, "never read"});
        REQUIRE_FALSE(half.has_value());
        CHECK(half.error() == errc::timed_out);
        on.control.octets_left = 1'000;
        const auto last = co_await on.replies.write({421, "Nothing heard for too long"});
        REQUIRE_FALSE(last.has_value());
        CHECK(last.error() == errc::reset);
        const auto octets = co_await on.replies.write_octets("\xff\xfc\x06");
        CHECK_FALSE(octets.has_value());
    });
    CHECK(session.control.taken == "200 never");
    CHECK(session.control.sends == 1);
}
