#include "vfs/moving.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "counted_tree.hpp"

using namespace ferry;
using namespace ferry::vfs_test;
using vfs::amount;

namespace {

constexpr vfs::quota unbounded{.octets_max = 1U << 30U, .files_max = 1'000};

std::string content_of_size(std::size_t octets) {
    return std::string(octets, 'x');
}

struct planted : counted_tree {
    planted() {
        host.write("f", content_of_size(100));
        plant(host, "ann/f", content_of_size(10));
        plant(host, "ann/d/e/g", content_of_size(20));
        plant(host, "bob/f", content_of_size(1));
    }
};

/// Three homes: all, and in it those of ann and bob.
struct moving_fixture : planted {
    void check() {
        CHECK(used(all) == truth_of("."));
        CHECK(used(ann) == truth_of("ann"));
        CHECK(used(bob) == truth_of("bob"));
    }

    session all = log_in("/", unbounded);
    session ann = log_in("/ann", unbounded);
    session bob = log_in("/bob", unbounded);
};

}  // namespace

TEST_CASE("moving: what goes from one home to another counts there") {
    moving_fixture on;
    CHECK(on.rename({.from = "/f", .to = "/ann/new"}));
    on.check();
    CHECK(on.used(on.ann) == amount{.octets = 130, .files = 5});
    CHECK(on.rename({.from = "/ann/d", .to = "/bob/d"}));
    on.check();
    CHECK(on.used(on.bob) == amount{.octets = 21, .files = 4});
    CHECK(on.rename({.from = "/bob/d/e/", .to = "/e"}));
    on.check();
    CHECK(on.used(on.all) == amount{.octets = 131, .files = 8});
}

TEST_CASE("moving: what it replaces is gone") {
    moving_fixture on;
    CHECK(on.rename({.from = "/ann/f", .to = "/bob/f"}));
    on.check();
    CHECK(on.used(on.bob) == amount{.octets = 10, .files = 1});
    CHECK(on.rename({.from = "/ann/d/e/g", .to = "/f"}));
    on.check();
    on.host.make_directory("bob/empty");
    on.table.doubt({&on.bob.home, 1});
    on.table.doubt({&on.all.home, 1});
    on.bob = on.log_in("/bob", unbounded);
    on.all = on.log_in("/", unbounded);
    CHECK(on.rename({.from = "/ann/d", .to = "/bob/empty"}));
    on.check();
}

TEST_CASE("moving: within a home, onto itself and onto another name of the same file") {
    moving_fixture on;
    CHECK(on.rename({.from = "/ann/f", .to = "/ann/d/f"}));
    on.check();
    CHECK(on.rename({.from = "/ann/d/f", .to = "/ann/d/f"}));
    on.check();
    REQUIRE(::link((on.host / "f").c_str(), (on.host / "bob/same").c_str()) == 0);
    on.table.doubt({&on.bob.home, 1});
    on.table.doubt({&on.all.home, 1});
    on.bob = on.log_in("/bob", unbounded);
    on.all = on.log_in("/", unbounded);
    CHECK(on.rename({.from = "/f", .to = "/bob/same"}));  // rename(2): both stay.
    CHECK(on.host.exists("f"));
    on.check();
}

TEST_CASE("moving: what fails changes nothing") {
    moving_fixture on;
    CHECK_FALSE(on.rename({.from = "/none", .to = "/ann/x"}));
    CHECK_FALSE(on.rename({.from = "/ann", .to = "/ann/d/x"}));
    CHECK_FALSE(on.rename({.from = "/f", .to = "/ann/f", .replace = false}));
    CHECK_FALSE(on.rename({.from = "/ann/d", .to = "/bob"}));
    CHECK_FALSE(on.rename({.from = "/f", .to = "/bob/none/f"}));
    on.check();
}

TEST_CASE("moving: a home is moved with what counts in it") {
    moving_fixture on;
    CHECK(on.rename({.from = "/ann", .to = "/bob/ann"}));
    CHECK(on.used(on.all) == on.truth_of("."));
    CHECK(on.used(on.ann) == on.truth_of("bob/ann"));
    CHECK(on.used(on.bob) == on.truth_of("bob"));
    CHECK(on.upload("/bob/ann/more", content_of_size(5)));
    CHECK(on.used(on.ann) == on.truth_of("bob/ann"));
    CHECK(on.used(on.bob) == on.truth_of("bob"));
}

// Else a directory full of files would count as the file that it has taken the place of (V13).
TEST_CASE("moving: what has been measured must be what is moved") {
    moving_fixture on;
    unsigned looks_before = 0;
    SUBCASE("a directory in the place of a file") {
        on.host.write("x", content_of_size(5));
        looks_before = 1;
    }
    SUBCASE("another directory") {
        on.host.make_directory("x");
        looks_before = 2;  // It has been opened to be read.
    }
    on.machine.io.set_script(
        [&, looks = 0U](runtime::op& what) mutable -> std::optional<std::int64_t> {
            if (what.code == runtime::opcode::open_at &&
                std::string_view(what.args.open_at.path) == "x" && looks++ == looks_before) {
                std::filesystem::rename(on.host / "x", on.host / "gone");
                std::filesystem::rename(on.host / "ann/d", on.host / "x");
            }
            return std::nullopt;
        });
    const auto before = on.used(on.bob);
    CHECK(on.rename({.from = "/x", .to = "/bob/x"}).error() == errc::busy);
    on.machine.io.set_script({});
    CHECK(on.host.exists("x/e/g"));
    CHECK(on.used(on.bob) == before);
    CHECK(on.table.use_of(*on.bob.home).under_way == amount{});
}

// What comes from elsewhere through a trusted link counts as what is stored (threats.md, V13).
TEST_CASE("moving: into a home only what it may have") {
    counted_tree on(vfs::tree_options{.links = vfs::link_policy::trusted});
    plant(on.host, "else/f", content_of_size(50));
    plant(on.host, "ann/f", content_of_size(40));
    on.host.link({.at = "ann/way", .to = on.host / "else"});
    auto ann = on.log_in("/ann", {.octets_max = 89, .files_max = 3});
    const auto move = [&](std::string_view to) {
        return on.as(ann, [&] { return on.rename({.from = "/way/f", .to = to}); });
    };
    CHECK(move("/g").error() == errc::over_quota);
    CHECK(on.used(ann) == amount{.octets = 40, .files = 2});
    CHECK(move("/f"));  // It takes the place of 40.
    CHECK(on.used(ann) == amount{.octets = 50, .files = 2});
}

TEST_CASE("moving: what is not as expected stays where it counts (RFC 9110 section 13.1.1)") {
    moving_fixture on;
    const auto move = [&on](const vfs::metadata& seen) {
        return on.machine.run(
            [](runtime::core& here, const vfs::tree& files,
               const vfs::metadata& status) -> runtime::task<result<void>> {
                const auto from = at("/f");
                const auto to = at("/ann/new");
                co_return co_await files.rename(here,
                                                {.from = from, .to = to, .expected = &status});
            },
            std::cref(*on.all.files), std::cref(seen));
    };
    auto seen = on.status("/f").value();
    seen.size_bytes -= 1;
    CHECK(on.code_of(move(seen)) == errc::busy);
    on.check();
    CHECK(move(on.status("/f").value()));
    on.check();
}
