// Goal: a loss of power leaves what a journaling file system may leave, no more and no less.
// Method: random changes, some of them synced, then a crash in any weather; whatever is found must
// be one of the states that were promised, and over many seeds each of them must come about.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "machine.hpp"
#include "wires.hpp"

using namespace ferry;
using sim_test::machine;
using sim_test::random_octets;
using sim_test::seeds;

namespace {

sim::crash_weather random_weather(ferry::random& rng) {
    return {.file_sync_commits_names = rng.below(2) == 0, .writes_may_survive = rng.below(4) != 0};
}

/// Every name with the number and the links of what it is.
using name_map = std::map<std::string, std::string>;

name_map names_of(machine& on) {
    name_map all;
    for (const std::string& name : on.files.names()) {
        const auto status = on.status(on.open(
            name.ends_with('/') ? name.substr(0, name.size() - 1) : name, O_PATH | O_NOFOLLOW));
        all.emplace(name,
                    std::to_string(status.st_ino) + " links " + std::to_string(status.st_nlink));
    }
    return all;
}

/// One random change of names, which may fail.
void change_names(machine& on, ferry::random& rng) {
    static constexpr std::array<const char*, 10> paths{"/a",   "/b", "/c",   "/d",   "/d/a",
                                                       "/d/b", "/e", "/e/a", "/d/e", "/d/e/a"};
    const char* const path = paths[rng.below(paths.size())];
    const char* const other = paths[rng.below(paths.size())];
    sim::open_file_ptr made;
    switch (rng.below(7)) {
        case 0:
            std::ignore = on.files.open(
                nullptr, path, {.flags = O_RDWR | O_CREAT | O_EXCL, .mode = 0644, .resolve = 0},
                made);
            break;
        case 1:
            on.make_directory(path);
            break;
        case 2:
            on.unlink(path, rng.below(2) == 0 ? AT_REMOVEDIR : 0);
            break;
        case 3:
            on.files.link(nullptr, path, nullptr, nullptr, other, 0);
            break;
        case 4:
            on.files.make_symlink(nullptr, path, "d");
            break;
        default:
            on.rename(path, other);
            break;
    }
}

/// Replaces "/config" by way of a temporary file, loses power, and tells what is found.
std::string replaced_config(std::uint64_t seed, bool syncs_first, const std::string& before,
                            const std::string& after) {
    machine on(seed);
    {
        const auto config = on.make("/config");
        REQUIRE(on.write(config, before) == static_cast<std::int64_t>(before.size()));
        REQUIRE(on.files.sync(config, false) == 0);
        on.sync("/");
        const auto fresh = on.make("/config.new");
        for (std::size_t offset = 0; offset < after.size(); offset += 1'000) {
            const auto piece = std::string_view(after).substr(offset, 1'000);
            REQUIRE(on.write(fresh, piece) == static_cast<std::int64_t>(piece.size()));
        }
        if (syncs_first) {
            REQUIRE(on.files.sync(fresh, on.rng.below(2) == 0) == 0);
        }
    }
    REQUIRE(on.rename("/config.new", "/config") == 0);
    on.files.crash(random_weather(on.rng));
    return on.read("/config");
}

}  // namespace

TEST_CASE("disk: of the changes of names a prefix survives a crash, all that was synced with it") {
    std::set<std::string> met;
    for (std::uint64_t seed = 1; seed <= seeds(200); ++seed) {
        CAPTURE(seed);
        machine on(seed);
        ferry::random rng(seed * 1'000);
        for (unsigned life = 0; life < 3; ++life) {
            std::vector<name_map> history{names_of(on)};
            std::size_t synced = 0;          // Of `history`: so far by a directory.
            std::size_t synced_by_file = 0;  // As ext4 would have it.
            const std::uint64_t changes = rng.below(40);
            for (std::uint64_t change = 0; change < changes; ++change) {
                change_names(on, rng);
                history.push_back(names_of(on));
                if (rng.below(12) == 0) {
                    on.sync("/");  // The changes in "/" only, and what was before them.
                    const auto root = [](const name_map& names) {
                        std::map<std::string, std::string> own;
                        for (const auto& [name, what] : names) {
                            if (name.find('/', 1) >= name.size() - 1) {
                                own.emplace(name, what.substr(0, what.find(' ')));
                            }
                        }
                        return own;
                    };
                    const auto now = root(history.back());
                    std::size_t last = history.size() - 1;
                    while (last > 0 && root(history[last - 1]) == now) {
                        --last;
                    }
                    synced = std::max(synced, last);
                }
                if (rng.below(12) == 0) {
                    on.files.sync(on.open("/", O_TMPFILE | O_RDWR), false);
                    synced_by_file = history.size() - 1;
                }
            }
            const auto weather = random_weather(rng);
            on.files.crash(weather);
            const std::size_t least =
                weather.file_sync_commits_names ? std::max(synced, synced_by_file) : synced;
            const auto found = names_of(on);
            const auto first = history.begin() + static_cast<std::ptrdiff_t>(least);
            const auto at = std::find(first, history.end(), found);
            CHECK(at != history.end());
            met.insert(found == history.back() ? "all" : found == *first ? "least" : "between");
            REQUIRE(names_of(on) == found);
        }
    }
    CHECK(met == std::set<std::string>{"all", "least", "between"});
}

TEST_CASE("disk: a synced directory's changes survive every crash") {
    for (std::uint64_t seed = 1; seed <= seeds(200); ++seed) {
        CAPTURE(seed);
        machine on(seed);
        REQUIRE(on.make_directory("/d") == 0);
        on.make("/a");
        on.make("/b");
        REQUIRE(on.rename("/a", "/d/a") == 0);
        on.make("/later");
        on.sync("/d");  // And so all that was before its last change.
        on.files.crash(random_weather(on.rng));
        const auto names = on.files.names();
        CHECK(std::ranges::includes(names, std::vector<std::string>{"/b", "/d/", "/d/a"}));
        CHECK(std::ranges::find(names, "/a") == names.end());
    }
}

namespace {

/// A file as its program knows it.
struct tracked {
    std::string path;
    sim::open_file_ptr open;
    std::string model;   ///< What it holds.
    std::string synced;  ///< What it held when it was synced last.
    std::vector<std::string>
        since;  ///< Each write after that, behind so many of '\1' as its offset.

    /// What a crash left may be there: of the size that it was or has become, each octet an old one
    /// or one that was written there.
    [[nodiscard]] bool may_have_become(const std::string& found, bool writes_may_survive) const {
        if (found.size() < synced.size() || found.size() > model.size()) {
            return false;
        }
        for (std::size_t index = 0; index < found.size(); ++index) {
            if (found[index] == (index < synced.size() ? synced[index] : '\0')) {
                continue;  // An old one: most are.
            }
            const bool is_new =
                writes_may_survive && std::ranges::any_of(since, [&](const std::string& each) {
                    return index < each.size() && each[index] == found[index];
                });
            if (!is_new) {
                return false;
            }
        }
        return true;
    }
};

void change_content(machine& on, tracked& file, ferry::random& rng) {
    const auto is_synced = [&](bool data_only) {
        REQUIRE(on.files.sync(file.open, data_only) == 0);
        file.synced = file.model;
        file.since.clear();
    };
    switch (rng.below(8)) {
        case 0:
            is_synced(rng.below(2) == 0);
            break;
        case 1: {
            // Synced at once: what is lost with a cut is another test's affair.
            const auto size_bytes = rng.below(12'000);
            REQUIRE(on.files.truncate(file.open, size_bytes) == 0);
            file.model.resize(size_bytes);
            is_synced(true);
            break;
        }
        default: {
            const auto octets = random_octets(rng, 1 + rng.below(9'000));
            const auto offset = rng.below(12'000);
            REQUIRE(on.write(file.open, octets, offset) ==
                    static_cast<std::int64_t>(octets.size()));
            file.model.resize(std::max(file.model.size(), offset + octets.size()));
            file.model.replace(offset, octets.size(), octets);
            file.since.push_back(std::string(offset, '\1') + octets);
            break;
        }
    }
    REQUIRE((on.read(file.path) == file.model));
    REQUIRE((on.read(file.path, true) == file.synced));
}

}  // namespace

TEST_CASE("disk: what was synced survives every crash, and no octet comes from nowhere") {
    std::size_t lost = 0;
    std::size_t kept = 0;
    std::size_t torn = 0;
    for (std::uint64_t seed = 1; seed <= seeds(200); ++seed) {
        CAPTURE(seed);
        machine on(seed);
        ferry::random rng(seed * 1'000);
        std::array<tracked, 4> all;
        for (std::size_t index = 0; index < all.size(); ++index) {
            all[index].path = "/" + std::to_string(index);
            on.make(all[index].path);
        }
        on.sync("/");
        for (unsigned life = 0; life < 3; ++life) {
            for (tracked& file : all) {
                file.open = on.open(file.path, O_RDWR);
            }
            for (std::uint64_t step = rng.below(20); step > 0; --step) {
                change_content(on, all[rng.below(all.size())], rng);
            }
            const auto weather = random_weather(rng);
            on.files.crash(weather);
            for (tracked& file : all) {
                CAPTURE(file.path);
                const std::string found = on.read(file.path);
                CHECK(file.may_have_become(found, weather.writes_may_survive));
                ++(found == file.model ? kept : found == file.synced ? lost : torn);
                CHECK((on.read(file.path, true) == found));
                file.model = file.synced = found;
                file.since.clear();
            }
        }
    }
    CHECK(lost > 0);
    CHECK(kept > 0);
    CHECK(torn > 0);
}

TEST_CASE("disk: a file that is cut and written anew may be old, empty or torn, never a mixture") {
    const std::string before(9'000, 'o');
    const std::string after(12'000, 'n');
    std::set<std::string> met;
    for (std::uint64_t seed = 1; seed <= seeds(200); ++seed) {
        CAPTURE(seed);
        machine on(seed);
        on.write(on.make("/f"), before);
        on.sync("/f");
        on.sync("/");
        on.write(on.open("/f", O_WRONLY | O_TRUNC), after);
        on.files.crash({.file_sync_commits_names = false, .writes_may_survive = true});
        const std::string found = on.read("/f");
        if (found == before) {
            met.insert("old");
        } else if (found.empty() || found == after) {
            met.insert(found.empty() ? "empty" : "new");
        } else {
            met.insert("torn");
            CHECK(found.find('o') == std::string::npos);
            CHECK(found.size() <= after.size());
        }
    }
    CHECK(met == std::set<std::string>{"empty", "new", "old", "torn"});
}

TEST_CASE("disk: renamed before it is synced a file can tear, synced before it never does") {
    const std::string before(3'000, 'o');
    const std::string after(5'000, 'n');
    std::set<std::string> careless;
    std::set<std::string> careful;
    const auto kind_of = [&](const std::string& found) {
        return found == before ? "old" : found == after ? "new" : "torn";
    };
    for (std::uint64_t seed = 1; seed <= seeds(200); ++seed) {
        careless.insert(kind_of(replaced_config(seed, false, before, after)));
        careful.insert(kind_of(replaced_config(seed, true, before, after)));
    }
    CHECK(careless == std::set<std::string>{"new", "old", "torn"});
    CHECK(careful == std::set<std::string>{"new", "old"});
}

TEST_CASE("disk: an upload linked into place after its sync is whole or not there") {
    const std::string content(10'000, 'u');
    std::set<std::string> met;
    for (std::uint64_t seed = 1; seed <= seeds(200); ++seed) {
        CAPTURE(seed);
        machine on(seed);
        const auto upload = on.open("/", O_TMPFILE | O_RDWR);
        on.write(upload, content);
        const bool syncs = seed % 2 == 0;
        if (syncs) {
            REQUIRE(on.files.sync(upload, true) == 0);
        }
        REQUIRE(on.files.link(nullptr, "", upload, nullptr, "/u", AT_EMPTY_PATH) == 0);
        on.files.crash(random_weather(on.rng));
        const std::string found = on.read("/u");
        met.insert(std::string(syncs ? "synced " : "") + (found == content  ? "whole"
                                                          : found == "none" ? "none"
                                                                            : "torn"));
    }
    CHECK(met == std::set<std::string>{"none", "synced none", "synced whole", "torn", "whole"});
}

TEST_CASE("disk: a removed name may come back, with all that was synced under it") {
    bool came_back = false;
    bool stayed_away = false;
    for (std::uint64_t seed = 1; seed <= seeds(100); ++seed) {
        CAPTURE(seed);
        machine on(seed);
        on.write(on.make("/f"), "content");
        on.sync("/f");
        on.sync("/");
        const bool is_held = seed % 2 == 0;
        const auto held = is_held ? on.open("/f", O_RDONLY) : nullptr;
        REQUIRE(on.unlink("/f") == 0);
        on.files.crash(random_weather(on.rng));
        const bool is_there = on.read("/f") == "content";
        CHECK((is_there || on.read("/f") == "none"));
        CHECK(on.files.used_bytes() == (is_there ? 4'096 : 0));
        came_back |= is_there;
        stayed_away |= !is_there;
        // And it is a file like any other.
        if (is_there) {
            REQUIRE(on.unlink("/f") == 0);
            CHECK(on.files.used_bytes() == 0);
        }
    }
    CHECK(came_back);
    CHECK(stayed_away);
}

TEST_CASE("disk: what is open dies in a crash, the unnamed and every lock with it") {
    machine on;
    const auto file = on.make("/f");
    on.write(file, "content");
    on.sync("/f");
    on.sync("/");
    const auto unnamed = on.open("/", O_TMPFILE | O_RDWR);
    on.write(unnamed, "unnamed");
    const auto root = on.open("/", O_RDONLY | O_DIRECTORY);
    REQUIRE(on.files.lock(file, LOCK_EX) == 0);
    REQUIRE(on.files.count_inodes() == 3);
    on.files.crash({});

    std::array<std::byte, 10> into{};
    struct stat status{};
    sim::open_file_ptr opened;
    runtime::directory_batch batch;
    CHECK(on.files.read(file, into, 0) == -EIO);
    CHECK(on.write(file, "x") == -EIO);
    CHECK(on.files.sync(file, false) == -EIO);
    CHECK(on.files.sync(root, false) == -EIO);
    CHECK(on.files.truncate(file, 0) == -EIO);
    CHECK(on.files.copy_range(file, 0, file, 100, 5) == -EIO);
    CHECK(on.files.status(file, status) == -EIO);
    CHECK(on.files.change_mode(file, 0600) == -EIO);
    CHECK(on.files.set_times(file, nullptr) == -EIO);
    CHECK(on.files.lock(file, LOCK_EX) == -EIO);
    CHECK(on.files.list(root, batch, root, ".") == -EIO);
    CHECK(on.files.open(root, "f", {.flags = O_RDONLY, .mode = 0, .resolve = 0}, opened) == -EIO);
    CHECK(on.files.link(nullptr, "", unnamed, nullptr, "/u", 0) == -EIO);
    CHECK(on.files.rename(root, "f", nullptr, "/g", 0) == -EIO);
    CHECK(on.files.unlink(root, "f", 0) == -EIO);

    CHECK(on.files.count_inodes() == 2);
    CHECK(on.files.used_bytes() == 4'096);
    CHECK(on.read("/f") == "content");
    CHECK(on.files.lock(on.open("/f", O_RDONLY), LOCK_EX) == 0);
}

TEST_CASE("disk: who closes what a crash has closed takes nothing from those after it") {
    machine on;
    auto before = on.make("/f");
    on.write(before, std::string(10'000, 'x'));
    on.sync("/f");
    on.sync("/");
    auto unnamed = on.open("/", O_TMPFILE | O_RDWR);
    on.write(unnamed, std::string(10'000, 'x'));
    on.files.crash({});
    const auto used = on.files.used_bytes();
    CHECK(used == 12'288);
    const auto after = on.open("/f", O_RDWR);
    REQUIRE(on.files.lock(after, LOCK_EX) == 0);
    before = nullptr;
    unnamed = nullptr;
    CHECK(on.files.used_bytes() == used);
    CHECK(on.files.lock(on.open("/f", O_RDWR), LOCK_EX) == -EWOULDBLOCK);
    REQUIRE(on.unlink("/f") == 0);
    CHECK(on.files.used_bytes() == used);  // It is open still.
}

TEST_CASE("disk: the same seed loses the same, another one something else") {
    const auto lost_by = [](std::uint64_t seed) {
        machine on(seed);
        ferry::random rng(1);
        std::string found;
        for (unsigned life = 0; life < 4; ++life) {
            for (unsigned change = 0; change < 40; ++change) {
                change_names(on, rng);
            }
            on.write(on.open("/w", O_RDWR | O_CREAT), random_octets(rng, 100));
            found += std::to_string(on.files.crash(random_weather(on.rng)));
            for (const auto& name : on.files.names()) {
                found += name + on.read(name);
            }
        }
        return found;
    };
    std::set<std::string> all;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const auto first = lost_by(seed);
        CHECK((first == lost_by(seed)));
        all.insert(first);
    }
    CHECK(all.size() == 20);
}

TEST_CASE("disk: what is not synced is written back when it is much") {
    machine on;
    for (unsigned index = 0; index <= 16'384; ++index) {
        on.make("/" + std::to_string(index));
    }
    const auto file = on.open("/0", O_RDWR);
    on.write(file, "early");
    for (unsigned index = 0; index <= 16'384; ++index) {
        on.write(file, "later", 4'096);
    }
    CHECK(on.read("/0", true).starts_with("early"));
    for (unsigned attempt = 0; attempt < 5; ++attempt) {
        on.files.crash({.file_sync_commits_names = false, .writes_may_survive = false});
        CHECK(on.files.names().size() == 16'385);
        CHECK(on.read("/0").starts_with("early"));
    }
}
