// Goal: what a crash leaves is never worse than a journaling file system permits, and comes in the
// order things were done. Method: a few changes whose every outcome is known, and 500 crashes each.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "ferry/base/units.hpp"
#include "machine.hpp"
#include "wires.hpp"

using namespace ferry;
using sim_test::machine;
using sim_test::random_octets;
using sim_test::seeds;

namespace {

constexpr sim::crash_weather rough{};
constexpr sim::crash_weather no_luck{.file_sync_commits_names = false, .writes_may_survive = false};

bool exists(machine& on, const char* path) {
    sim::open_file_ptr found;
    return on.files.open(nullptr, path, {.flags = O_PATH | O_NOFOLLOW, .mode = 0, .resolve = 0},
                         found) == 0;
}

mode_t mode_of(machine& on, const char* path) {
    return on.status(on.open(path, O_PATH)).st_mode & 07777U;
}

}  // namespace

TEST_CASE("disk: an un-synced write over synced octets survives whole, in its first part, or not") {
    std::set<std::string> met;
    for (std::uint64_t seed = 1; seed <= seeds(500); ++seed) {
        CAPTURE(seed);
        machine on(seed);
        const std::string before = random_octets(on.rng, 6'000);
        const auto file = on.make("/f");
        on.write(file, before);
        on.sync("/f");
        on.sync("/");
        on.write(file, std::string(5'000, '#'), 500);
        on.files.crash(rough);
        const std::string found = on.read("/f");
        const auto survived = static_cast<std::size_t>(std::ranges::count(found, '#'));
        std::string expected = before;
        expected.replace(500, survived, survived, '#');
        CHECK((found == expected));
        met.insert(survived == 0 ? "none" : survived == 5'000 ? "whole" : "part");
    }
    CHECK(met == std::set<std::string>{"none", "part", "whole"});
}

TEST_CASE("disk: what is left of a write is what it wrote, not what was written there later") {
    std::set<std::string> met;
    for (std::uint64_t seed = 1; seed <= seeds(500); ++seed) {
        machine on(seed);
        const auto file = on.make("/f");
        on.sync("/");
        on.write(file, "first", 0);
        on.write(file, "later", 0);
        on.files.crash(rough);
        met.insert(on.read("/f"));
    }
    // The second in part over the first, among others.
    for (const char* each : {"", "first", "later", "lirst", "lat"}) {
        CAPTURE(std::string(each));
        CHECK(met.contains(each));
    }
}

TEST_CASE("disk: a change of size survives with the changes of names before it, not without") {
    std::set<std::string> met;
    for (std::uint64_t seed = 1; seed <= seeds(500); ++seed) {
        CAPTURE(seed);
        machine on(seed);
        const auto file = on.make("/f");
        on.write(file, "0123456789");
        on.sync("/f");
        on.sync("/");
        REQUIRE(on.make_directory("/before") == 0);
        REQUIRE(on.files.truncate(file, 4) == 0);
        on.write(file, "ab", 4);
        REQUIRE(on.make_directory("/after") == 0);
        on.files.crash(rough);
        const std::string found = on.read("/f");
        met.insert(found);
        if (exists(on, "/after")) {
            CHECK(found != "0123456789");
        }
        if (!exists(on, "/before")) {
            CHECK(found == "0123456789");
        }
    }
    CHECK(met == std::set<std::string>{"0123456789", "0123", "0123a", "0123ab"});
}

TEST_CASE("disk: a change of size that was synced stays, whatever the journal loses") {
    for (std::uint64_t seed = 1; seed <= seeds(500); ++seed) {
        CAPTURE(seed);
        machine on(seed);
        const std::string octets = random_octets(on.rng, 9'000);
        const auto file = on.make("/f");
        on.write(file, octets);
        on.sync("/f");
        on.sync("/");
        REQUIRE(on.files.truncate(file, 4'500) == 0);
        REQUIRE(on.files.truncate(file, 5'000) == 0);
        on.write(file, "x", 9'000);
        REQUIRE(on.files.sync(file, true) == 0);
        const std::string expected = octets.substr(0, 4'500) + std::string(4'500, '\0') + "x";
        CHECK((on.read("/f", true) == expected));
        on.files.crash(rough);
        CHECK((on.read("/f") == expected));
    }
}

TEST_CASE("disk: a mode that was synced is never undone, a later one may be") {
    std::set<mode_t> met;
    for (std::uint64_t seed = 1; seed <= seeds(500); ++seed) {
        machine on(seed);
        const auto file = on.make("/f");
        on.sync("/");
        REQUIRE(on.files.change_mode(file, 0611) == 0);
        REQUIRE(on.files.change_mode(file, 0622) == 0);
        on.sync("/f");  // The first two are in the journal still.
        REQUIRE(on.files.change_mode(file, 0633) == 0);
        on.files.crash(rough);
        met.insert(mode_of(on, "/f"));
    }
    CHECK(met == std::set<mode_t>{0622, 0633});
}

// The whole way of a committed upload, and the one step that may be left out.
TEST_CASE("disk: fsync, link, rename, fsync of the directory: new, whatever happens") {
    std::set<std::string> met;
    for (std::uint64_t seed = 1; seed <= seeds(500); ++seed) {
        CAPTURE(seed);
        for (const bool syncs_names : {false, true}) {
            machine on(seed);
            on.write(on.make("/f"), "old");
            on.sync("/f");
            on.sync("/");
            const auto file = on.open("/", O_TMPFILE | O_WRONLY);
            on.write(file, "new");
            REQUIRE(on.files.sync(file, false) == 0);
            REQUIRE(on.files.link(nullptr, "", file, nullptr, "/hidden", AT_EMPTY_PATH) == 0);
            REQUIRE(on.rename("/hidden", "/f") == 0);
            if (syncs_names) {
                on.sync("/");
            }
            on.files.crash(rough);
            if (syncs_names) {
                CHECK(on.read("/f") == "new");
                CHECK_FALSE(exists(on, "/hidden"));
            } else {
                met.insert(on.read("/f") + (exists(on, "/hidden") ? " hidden" : ""));
            }
        }
    }
    CHECK(met == std::set<std::string>{"new", "old", "old hidden"});
}

// Goal: no cut of a file into writes, holes and copies is seen in what was synced. Method: random
// ones, and the same on a string.
TEST_CASE("disk: synced content is that of a string treated alike") {
    for (std::uint64_t seed = 1; seed <= seeds(100); ++seed) {
        CAPTURE(seed);
        machine on(seed);
        const auto file = on.make("/f");
        on.sync("/");
        std::string model;
        std::string synced;
        for (unsigned step = 0; step < 100; ++step) {
            const std::size_t offset = on.rng.below(3) * on.rng.below(15'000);
            const std::size_t count = 1 + on.rng.below(12'000);
            const std::size_t from = on.rng.below(model.size() + 1);
            switch (on.rng.below(6)) {
                case 0:
                    model.resize(offset);
                    REQUIRE(on.files.truncate(file, offset) == 0);
                    break;
                case 1:
                    REQUIRE(on.files.sync(file, true) == 0);
                    synced = model;
                    break;
                case 2: {
                    const std::string copied = model.substr(from, count);
                    if (copied.empty() ||
                        (offset < from + copied.size() && from < offset + copied.size())) {
                        break;
                    }
                    REQUIRE(on.files.copy_range(file, from, file, offset, count) ==
                            static_cast<std::int64_t>(copied.size()));
                    model.resize(std::max(model.size(), offset + copied.size()));
                    model.replace(offset, copied.size(), copied);
                    break;
                }
                default: {
                    const std::string octets = random_octets(on.rng, count);
                    on.write(file, octets, offset);
                    model.resize(std::max(model.size(), offset + count));
                    model.replace(offset, count, octets);
                    break;
                }
            }
            REQUIRE((on.read("/f") == model));
        }
        CHECK((on.read("/f", true) == synced));
        // Of a crash without luck only changes of size are left, and no un-synced octet.
        on.files.crash(no_luck);
        const std::string found = on.read("/f");
        for (std::size_t index = 0; index < found.size(); ++index) {
            const char old = index < synced.size() ? synced[index] : '\0';
            REQUIRE((found[index] == old || found[index] == '\0'));
        }
    }
}

TEST_CASE("disk: what a crash leaves of a file with holes has them still") {
    machine on;
    const auto file = on.make("/f");
    REQUIRE(on.files.truncate(file, 5_GiB) == 0);
    on.write(file, "here", 3_GiB - 2);  // Across two blocks.
    CHECK(on.files.used_bytes() == 8_KiB);
    const auto copy = on.make("/copy");
    REQUIRE(on.files.copy_range(file, 1, copy, 0, 2_GiB) ==
            static_cast<std::int64_t>(2_GiB - 4_KiB));
    CHECK(on.files.used_bytes() == 8_KiB);
    REQUIRE(on.files.copy_range(file, 2_GiB, copy, 2_GiB, 2_GiB - 4_KiB) ==
            static_cast<std::int64_t>(2_GiB - 4_KiB));
    CHECK(on.files.used_bytes() == 16_KiB);
    on.sync("/copy");
    on.sync("/f");
    on.sync("/");
    on.files.crash(no_luck);
    CHECK(on.files.used_bytes() == 16_KiB);
    const auto again = on.open("/copy", O_RDONLY);
    CHECK(on.status(again).st_size == static_cast<off_t>(4_GiB - 4_KiB));
    CHECK(on.status(again).st_blocks == 16);
    std::string octets(8, '?');
    REQUIRE(on.files.read(again, std::as_writable_bytes(std::span(octets)), 3_GiB - 4) == 8);
    CHECK(octets == std::string("\0\0here\0\0", 8));
}

TEST_CASE("disk: two changes within one tick have one time, and no number is used twice") {
    machine on;
    on.clock.tv_nsec = 1'000'000;
    const auto file = on.make("/f");
    const auto first = on.status(file);
    CHECK(first.st_mtim.tv_nsec == 0);
    on.clock.tv_nsec = 3'999'999;
    on.write(file, "x");
    CHECK(on.status(file).st_ctim.tv_nsec == 0);
    on.clock.tv_nsec = 4'000'000;
    on.write(file, "x");
    CHECK(on.status(file).st_ctim.tv_nsec == 4'000'000);
    REQUIRE(on.unlink("/f") == 0);
    on.files.crash(rough);
    CHECK(on.status(on.make("/g")).st_ino > first.st_ino);
}

TEST_CASE("disk: a name that is read ahead and then removed is listed without status") {
    machine on;
    for (unsigned index = 0; index < 600; ++index) {
        on.make("/" + std::to_string(index));
    }
    const auto root = on.open("/", O_RDONLY | O_DIRECTORY);
    runtime::directory_batch batch;
    REQUIRE(on.files.list(root, batch, root, ".") == runtime::directory_batch::records_max);
    for (unsigned index = 0; index < 600; ++index) {
        REQUIRE(on.unlink(("/" + std::to_string(index)).c_str()) == 0);
    }
    REQUIRE(on.files.list(root, batch, root, ".") == runtime::directory_batch::records_max);
    for (const auto& each : batch.records) {
        CHECK(each.status_errno == ENOENT);
    }
}
