#include "http/send_body.hpp"

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../vfs/scratch.hpp"
#include "../vfs/test_core.hpp"
#include "ferry/vfs/tree.hpp"

using namespace ferry;
using namespace ferry::http;
using runtime::task;
using namespace std::chrono_literals;

namespace {

/// A peer that takes everything up to a number of octets, of files a little at a time.
class taking_stream final : public net::stream {
  public:
    taking_stream(runtime::core& here, std::size_t taken_max)
        : here_(here), taken_max_(taken_max) {}

    std::string taken;

    [[nodiscard]] std::string_view input() const noexcept override { return {}; }
    void take_input(std::string&) override {}
    void consume(std::size_t) noexcept override {}
    task<result<void>> fill(runtime::time_point) override { co_return failure(errc::closed); }
    task<result<std::size_t>> receive(std::span<std::byte>, runtime::time_point) override {
        co_return std::size_t{0};
    }
    task<result<void>> send(std::span<const std::byte> octets, runtime::duration) override {
        take(octets);
        if (taken.size() >= taken_max_) {
            co_return failure(errc::reset);
        }
        co_return result<void>{};
    }
    task<result<std::uint64_t>> send_file(file_message message, runtime::duration) override {
        take(message.head);
        std::array<std::byte, 1'000> some{};
        const vfs::node* const file = file_;
        const auto got = co_await file->read(
            here_,
            std::span(some).first(std::min<std::uint64_t>(some.size(), message.body.size_bytes)),
            message.body.offset);
        if (!got || *got == 0) {
            co_return failure(errc::closed);
        }
        take(std::span(some).first(*got));
        if (taken.size() >= taken_max_) {
            co_return failure(errc::reset);
        }
        co_return message.head.size() + *got;
    }
    void shut_down_sending() noexcept override {}
    task<> close(net::farewell) override { co_return; }
    [[nodiscard]] const net::endpoint& peer() const noexcept override { return nobody_; }
    [[nodiscard]] const net::endpoint& local() const noexcept override { return nobody_; }
    [[nodiscard]] runtime::core& here() noexcept override { return here_; }

    void read_from(const vfs::node& file) noexcept { file_ = &file; }

  private:
    void take(std::span<const std::byte> octets) {
        for (const auto octet : octets) {
            taken += static_cast<char>(octet);
        }
    }

    runtime::core& here_;
    std::size_t taken_max_;
    const vfs::node* file_ = nullptr;
    net::endpoint nobody_{};
};

struct part {
    std::string octets;
    std::uint64_t file_bytes = 0;
};

/// Gives its parts one after the other, then fails if it is to.
class parts_source final : public body_source {
  public:
    parts_source(std::vector<part> parts, bool fails) : parts_(std::move(parts)), fails_(fails) {}

    task<result<void>> next(runtime::core&, body_piece& piece) override {
        CHECK(piece.octets.empty());
        CHECK(piece.file.size_bytes == 0);
        if (at_ == parts_.size()) {
            co_return failure(errc::io);
        }
        piece.octets = parts_[at_].octets;
        piece.file.size_bytes = parts_[at_].file_bytes;
        piece.is_last = ++at_ == parts_.size() && !fails_;
        co_return result<void>{};
    }

  private:
    std::vector<part> parts_;
    bool fails_;
    std::size_t at_ = 0;
};

struct sending_outcome {
    result<void> sent;
    std::string taken;
    std::uint64_t body_bytes = 0;
};

struct trial {
    std::vector<part> parts;
    bool chunked = true;
    bool fails = false;
    std::size_t taken_max = 1'000'000;
};

task<sending_outcome> send_on(runtime::core& here, const vfs::tree& files, trial asked) {
    auto file = co_await files.open(here, vfs::path::parse("/file").value());
    REQUIRE(file);
    taking_stream peer(here, asked.taken_max);
    peer.read_from(*file);
    parts_source source(std::move(asked.parts), asked.fails);
    sending_outcome made;
    made.sent = co_await send_body(peer, source, {.chunked = asked.chunked, .stall_timeout = 1s},
                                   made.body_bytes);
    made.taken = std::move(peer.taken);
    co_return made;
}

sending_outcome send(trial asked) {
    vfs_test::scratch files;
    vfs_test::test_core machine;
    files.write("file", std::string(2'500, 'f'));
    const auto tree = vfs::open_local_tree(files.root().c_str()).value();
    return machine.run(&send_on, std::cref(*tree), std::move(asked));
}

}  // namespace

TEST_CASE("send body: each piece is a chunk, none of no octets (RFC 9112 section 7.1)") {
    const auto made = send({.parts = {{"abc"}, {""}, {std::string(26, 'x')}, {"end"}}});
    CHECK(made.sent);
    CHECK(made.taken == "3\r\nabc\r\n1a\r\n" + std::string(26, 'x') + "\r\n3\r\nend\r\n0\r\n\r\n");
    CHECK(made.body_bytes == 32);
    CHECK(send({.parts = {{""}}}).taken == "0\r\n\r\n");
}

TEST_CASE("send body: a file is in the chunk of what precedes it") {
    const auto content = std::string(2'500, 'f');
    const auto made = send({.parts = {{"head", 2'500}, {"", 2'500}, {"x"}}});
    CHECK(made.sent);
    CHECK(made.taken ==
          "9c8\r\nhead" + content + "\r\n9c4\r\n" + content + "\r\n1\r\nx\r\n0\r\n\r\n");
    CHECK(made.body_bytes == 5'005);
    const auto last = send({.parts = {{"head", 2'500}}});
    CHECK(last.taken == "9c8\r\nhead" + content + "\r\n0\r\n\r\n");
    // The piece behind a file has no octets, and is the last.
    CHECK(send({.parts = {{"head", 2'500}, {""}}}).taken == last.taken);
}

TEST_CASE("send body: without chunks it is as it is (RFC 9112 section 6.3)") {
    const auto made = send({.parts = {{"head", 2'500}, {"x"}}, .chunked = false});
    CHECK(made.sent);
    CHECK(made.taken == "head" + std::string(2'500, 'f') + "x");
    CHECK(made.body_bytes == 2'505);
}

TEST_CASE("send body: what fails is not ended as if it were whole (RFC 9112 section 8)") {
    const auto made = send({.parts = {{"abc"}}, .fails = true});
    CHECK(made.sent == failure(errc::io));
    CHECK(made.taken == "3\r\nabc\r\n");
    CHECK(made.body_bytes == 3);
    // The file is shorter than was said.
    const auto cut = send({.parts = {{"abc", 2'600}, {"next"}}});
    CHECK(cut.sent == failure(errc::closed));
    CHECK_FALSE(cut.taken.ends_with("0\r\n\r\n"));
    CHECK(cut.body_bytes == 2'503);
    // The peer is gone.
    const auto gone = send({.parts = {{"abc", 2'500}, {"next"}}, .taken_max = 1'500});
    CHECK(gone.sent == failure(errc::reset));
}
