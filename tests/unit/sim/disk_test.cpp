#include "sim/disk.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "machine.hpp"
#include "wires.hpp"

using namespace ferry;
using sim_test::machine;
using sim_test::random_octets;
using sim_test::seeds;

namespace {

constexpr std::uint64_t block_bytes = 4'096;

/// Reads a listing to its end; `between` is called after each batch.
template <class Between>
std::map<std::string, unsigned> list_all(machine& on, const std::string& path, Between between) {
    const auto directory = on.open(path, O_RDONLY | O_DIRECTORY);
    std::map<std::string, unsigned> all;
    runtime::directory_batch batch;
    while (!batch.at_end) {
        const auto got = on.files.list(directory, batch, directory, ".");
        REQUIRE(got == static_cast<std::int64_t>(batch.records.size()));
        REQUIRE(batch.records.size() <= runtime::directory_batch::records_max);
        for (const auto& each : batch.records) {
            ++all[batch.names.substr(each.name_offset, each.name_bytes)];
        }
        between();
    }
    return all;
}

}  // namespace

// -------------------------------------------------------------------------------------- capacity

TEST_CASE("disk: a write to a full disk goes as far as there is room, then it is ENOSPC") {
    machine on;
    on.files.set_capacity(10 * block_bytes);
    const auto file = on.make("/f");
    const std::string much(12 * block_bytes, 'x');
    CHECK(on.write(file, much, 100) == static_cast<std::int64_t>(10 * block_bytes - 100));
    CHECK(on.files.used_bytes() == 10 * block_bytes);
    CHECK(on.write(file, "x") == 1);  // At the position, which is 0: no new block.
    CHECK(on.write(file, "x", 10 * block_bytes) == -ENOSPC);
    CHECK(on.write(file, much, 10 * block_bytes - 5) == 5);
    CHECK(on.write(file, much, 0) == static_cast<std::int64_t>(10 * block_bytes));
    const auto other = on.make("/g");                        // A name takes no block.
    REQUIRE(on.files.truncate(file, 9 * block_bytes) == 0);  // One is free, not ten.
    CHECK(on.write(other, much) == static_cast<std::int64_t>(block_bytes));
    REQUIRE(on.files.truncate(other, 0) == 0);
    CHECK(on.write(file, "x", 9 * block_bytes) == 1);
    CHECK(on.write(other, "x") == -ENOSPC);
    CHECK(on.status(other).st_size == 0);
    CHECK(on.files.truncate(other, 100 * block_bytes) == 0);  // Nor does a hole.
    CHECK(on.files.copy_range(file, 0, other, 0, 1) == -ENOSPC);
    CHECK(on.files.copy_range(other, 50 * block_bytes, other, 0, 5) == 5);  // Hole to hole.
}

TEST_CASE("disk: allocate tells whether there is room, and keeps none") {
    machine on;
    on.files.set_capacity(10 * block_bytes);
    const auto file = on.make("/f");
    CHECK(on.write(file, "x", 2 * block_bytes) == 1);
    CHECK(on.files.allocate(file, 0, 10 * block_bytes) == 0);  // One is there already.
    CHECK(on.files.allocate(file, 0, 10 * block_bytes + 1) == -ENOSPC);
    CHECK(on.files.allocate(file, 5 * block_bytes - 1, 5 * block_bytes + 1) == 0);
    CHECK(on.files.allocate(file, 3 * block_bytes, 9 * block_bytes) == 0);
    CHECK(on.files.allocate(file, 3 * block_bytes, 9 * block_bytes + 1) == -ENOSPC);
    CHECK(on.files.used_bytes() == block_bytes);
    CHECK(on.status(file).st_size == static_cast<off_t>(2 * block_bytes + 1));
    CHECK(on.files.allocate(file, 0, 0) == -EINVAL);
    CHECK(on.files.allocate(file, 1, std::uint64_t{1} << 63U) == -EINVAL);
    CHECK(on.files.allocate(file, 1, (std::uint64_t{1} << 63U) - 1) == -EFBIG);
    CHECK(on.files.allocate(on.open("/f", O_RDONLY), 0, 1) == -EBADF);
    CHECK(on.files.allocate(nullptr, 0, 1) == -EBADF);
}

TEST_CASE("disk: space comes back with a cut, and with the last name and descriptor") {
    machine on;
    on.files.set_capacity(10 * block_bytes);
    const std::string much(10 * block_bytes, 'x');
    const auto fill = [&](const char* path) {
        auto file = on.make(path);
        CHECK(on.write(file, much) == static_cast<std::int64_t>(much.size()));
        CHECK(on.write(file, "x") == -ENOSPC);
        return file;
    };
    auto file = fill("/f");
    CHECK(on.files.truncate(file, block_bytes + 1) == 0);
    CHECK(on.files.used_bytes() == 2 * block_bytes);
    CHECK(on.write(file, much, 0) == static_cast<std::int64_t>(much.size()));
    on.open("/f", O_WRONLY | O_TRUNC);
    CHECK(on.files.used_bytes() == 0);
    CHECK(on.write(file, much, 0) == static_cast<std::int64_t>(much.size()));

    REQUIRE(on.files.link(nullptr, "/f", nullptr, nullptr, "/g", 0) == 0);
    REQUIRE(on.unlink("/f") == 0);
    file = nullptr;
    CHECK(on.files.used_bytes() == much.size());  // It is "/g".
    file = on.open("/g", O_RDONLY);
    REQUIRE(on.unlink("/g") == 0);
    CHECK(on.files.used_bytes() == much.size());  // It is open.
    CHECK(on.read("/g") == "none");
    file = nullptr;
    CHECK(on.files.used_bytes() == 0);

    file = fill("/f");
    file = on.make("/g");
    REQUIRE(on.rename("/g", "/f") == 0);  // Replaces it.
    CHECK(on.files.used_bytes() == 0);

    file = on.open("/", O_TMPFILE | O_RDWR);
    CHECK(on.write(file, much) == static_cast<std::int64_t>(much.size()));
    file = nullptr;
    CHECK(on.files.used_bytes() == 0);

    on.files.set_capacity(0);
    file = on.make("/h");
    CHECK(on.write(file, "x") == -ENOSPC);
    on.files.set_capacity(1'000 * block_bytes);
    CHECK(on.write(file, "x") == 1);
}

TEST_CASE("disk: what is used is the blocks of all files with a name or open") {
    bool was_full = false;
    for (std::uint64_t seed = 1; seed <= seeds(50); ++seed) {
        CAPTURE(seed);
        machine on(seed);
        ferry::random rng(seed * 1'000);
        on.files.set_capacity(15 * block_bytes);
        std::vector<sim::open_file_ptr> open(6);
        const auto path = [&rng] { return "/" + std::to_string(rng.below(8)); };
        for (unsigned step = 0; step < 400; ++step) {
            auto& file = open[rng.below(open.size())];
            switch (rng.below(10)) {
                case 0:
                case 1:
                    file = on.open(path(), O_RDWR | O_CREAT);
                    break;
                case 2:
                    file = on.open("/", O_RDWR | O_TMPFILE);
                    break;
                case 3:
                    file = nullptr;
                    break;
                case 4:
                    on.unlink(path().c_str());
                    break;
                case 5:
                    on.rename(path().c_str(), path().c_str());
                    break;
                case 6:
                    on.files.truncate(file, rng.below(10 * block_bytes));
                    break;
                case 7:
                    on.files.copy_range(open[rng.below(open.size())], rng.below(20'000), file,
                                        rng.below(20'000), rng.below(20'000));
                    break;
                case 8:
                    if (rng.below(20) == 0) {
                        on.files.crash({});
                    }
                    break;
                default:
                    on.write(file, random_octets(rng, rng.below(20'000)), rng.below(20'000));
                    break;
            }
            std::map<ino_t, std::uint64_t> sectors;
            const auto count = [&](const sim::open_file_ptr& each) {
                struct stat status{};
                if (each != nullptr && on.files.status(each, status) == 0) {
                    sectors[status.st_ino] = static_cast<std::uint64_t>(status.st_blocks);
                }
            };
            std::ranges::for_each(open, count);
            for (const std::string& name : on.files.names()) {
                count(on.open(name, O_PATH));
            }
            std::uint64_t used = 0;
            for (const auto& [number, each] : sectors) {
                used += each * 512;
            }
            REQUIRE(on.files.used_bytes() == used);
            REQUIRE(used <= 15 * block_bytes);
            was_full |= used == 15 * block_bytes;
            REQUIRE(on.files.count_inodes() == sectors.size() + 1);
        }
    }
    CHECK(was_full);
}

// -------------------------------------------------------------------------------------- listings

TEST_CASE("disk: a long listing has each name once, whatever comes and goes meanwhile") {
    for (std::uint64_t seed = 1; seed <= seeds(20); ++seed) {
        CAPTURE(seed);
        machine on(seed);
        REQUIRE(on.make_directory("/d") == 0);
        for (unsigned index = 0; index < 1'500; ++index) {
            on.make("/d/stays" + std::to_string(index));
            on.make("/d/goes" + std::to_string(index));
        }
        unsigned turn = 0;
        const auto all = list_all(on, "/d", [&] {
            for (unsigned index = turn; index < 1'500; index += 20) {
                REQUIRE(on.unlink(("/d/goes" + std::to_string(index)).c_str()) == 0);
                on.make("/d/comes" + std::to_string(index));
            }
            ++turn;
        });
        std::size_t stayed = 0;
        for (const auto& [name, count] : all) {
            CHECK(count == 1);
            stayed += name.starts_with("stays") ? 1U : 0U;
        }
        CHECK(stayed == 1'500);
    }
}

TEST_CASE("disk: a directory that is removed while it is listed is ENOENT") {
    machine on;
    REQUIRE(on.make_directory("/d") == 0);
    const auto directory = on.open("/d", O_RDONLY);
    REQUIRE(on.unlink("/d", AT_REMOVEDIR) == 0);
    runtime::directory_batch batch;
    CHECK(on.files.list(directory, batch, directory, ".") == -ENOENT);
    // Its ".." leads to where it was, though that is gone too.
    machine other;
    REQUIRE(other.make_directory("/d") == 0);
    REQUIRE(other.make_directory("/d/e") == 0);
    const auto inner = other.open("/d/e", O_RDONLY);
    REQUIRE(other.unlink("/d/e", AT_REMOVEDIR) == 0);
    REQUIRE(other.unlink("/d", AT_REMOVEDIR) == 0);
    sim::open_file_ptr above;
    CHECK(other.files.open(inner, "../..", {.flags = O_PATH, .mode = 0, .resolve = 0}, above) == 0);
    CHECK(other.status(above).st_ino == other.status(other.open("/", O_PATH)).st_ino);
}

// ----------------------------------------------------------------------------------------- times

TEST_CASE("disk: which times a change moves (POSIX, each function's own page)") {
    machine on;
    REQUIRE(on.make_directory("/d") == 0);
    const auto file = on.make("/f");
    const auto root = on.open("/", O_RDONLY);
    const auto other = on.open("/d", O_RDONLY);
    const auto moved = [&](auto change) {
        on.clock.tv_sec += 10;
        change();
        std::string what;
        const auto look = [&](const char* name, const sim::open_file_ptr& of) {
            const auto status = on.status(of);
            what += status.st_mtim.tv_sec == on.clock.tv_sec ? std::string(name) + "m " : "";
            what += status.st_ctim.tv_sec == on.clock.tv_sec ? std::string(name) + "c " : "";
        };
        look("file ", file);
        look("root ", root);
        look("other ", other);
        return what;
    };
    std::array<std::byte, 10> into{};
    CHECK(moved([&] { on.write(file, "x"); }) == "file m file c ");
    CHECK(moved([&] { on.write(file, ""); }).empty());
    CHECK(moved([&] { on.files.read(file, into, 0); }).empty());
    CHECK(moved([&] { on.files.truncate(file, 1); }) == "file m file c ");
    CHECK(moved([&] { on.files.change_mode(file, 0600); }) == "file c ");
    CHECK(moved([&] { on.files.link(nullptr, "/f", nullptr, nullptr, "/d/g", 0); }) ==
          "file c other m other c ");
    CHECK(moved([&] { on.unlink("/d/g"); }) == "file c other m other c ");
    CHECK(moved([&] { on.rename("/f", "/d/f"); }) == "file c root m root c other m other c ");
    CHECK(moved([&] { on.rename("/d/f", "/f"); }) == "file c root m root c other m other c ");
    CHECK(moved([&] { on.unlink("/nothing"); }).empty());
    CHECK(moved([&] { on.make_directory("/d/e"); }) == "other m other c ");
    CHECK(moved([&] { on.open("/f", O_RDWR | O_TRUNC); }) == "file m file c ");
    CHECK(moved([&] { on.open("/new", O_RDWR | O_CREAT); }) == "root m root c ");
    const timespec times[2] = {{.tv_sec = 1, .tv_nsec = UTIME_OMIT}, {.tv_sec = 5, .tv_nsec = 7}};
    CHECK(moved([&] { on.files.set_times(file, times); }) == "file c ");
    CHECK(on.status(file).st_mtim.tv_sec == 5);
    CHECK(on.status(file).st_mtim.tv_nsec == 7);
    CHECK(moved([&] { on.files.set_times(file, nullptr); }) == "file m file c ");
}

// ---------------------------------------------------------------------------------------- others

TEST_CASE("disk: names that are not in memory are EAGAIN to RESOLVE_CACHED, sometimes") {
    machine on;
    on.make("/f");
    sim::open_file_ptr opened;
    const open_how how{.flags = O_RDONLY, .mode = 0, .resolve = RESOLVE_CACHED};
    for (unsigned attempt = 0; attempt < 100; ++attempt) {
        REQUIRE(on.files.open(nullptr, "/f", how, opened) == 0);
    }
    on.files.set_cold(true);
    std::map<int, unsigned> met;
    for (unsigned attempt = 0; attempt < 100; ++attempt) {
        ++met[on.files.open(nullptr, "/f", how, opened)];
    }
    CHECK(met.size() == 2);
    CHECK(met[0] + met[-EAGAIN] == 100);
    const open_how making{.flags = O_RDWR | O_CREAT, .mode = 0644, .resolve = RESOLVE_CACHED};
    on.files.set_cold(false);
    CHECK(on.files.open(nullptr, "/new", making, opened) == -EAGAIN);
}

TEST_CASE("disk: all that is removed is gone") {
    machine on;
    for (unsigned round = 0; round < 3; ++round) {
        for (unsigned index = 0; index < 300; ++index) {
            const std::string name = "/" + std::to_string(index);
            REQUIRE(on.make_directory(name.c_str()) == 0);
            on.write(on.make(name + "/f"), "x");
        }
        REQUIRE(on.files.count_inodes() == 601);
        for (unsigned index = 0; index < 300; ++index) {
            const std::string name = "/" + std::to_string(index);
            REQUIRE(on.unlink((name + "/f").c_str()) == 0);
            REQUIRE(on.unlink(name.c_str(), AT_REMOVEDIR) == 0);
        }
        CHECK(on.files.count_inodes() == 1);
        CHECK(on.files.used_bytes() == 0);
        CHECK(on.files.names().empty());
    }
}

TEST_CASE("disk: a file may be open longer than its disk lives") {
    sim::open_file_ptr file;
    sim::open_file_ptr directory;
    {
        machine on;
        REQUIRE(on.make_directory("/d") == 0);
        file = on.make("/d/f");
        directory = on.open("/d", O_RDONLY);
    }
    CHECK(file.use_count() == 1);
    file = nullptr;
    directory = nullptr;
}
