// Goal: the simulated disk answers as Linux does. Method: thousands of random operations on it and,
// the same ones, on a directory of this machine; after each the results, what is open, what inotify
// says of it, and at short intervals the whole trees are compared.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "file_systems.hpp"

using namespace ferry;
using sim_test::at_path;
using sim_test::facts;
using sim_test::file_system;
using sim_test::slots_max;
using sim_test::text_of;

namespace {

constexpr unsigned trees_every = 4;  // Steps: what has gone wrong in one shows in the next.

/// Chooses operations and does each on both.
class comparison {
  public:
    explicit comparison(std::uint64_t seed) : rng_(seed), ours_(seed) {}

    void step() {
        told_.clear();
        const std::uint64_t kind = rng_.below(100);
        if (kind < 26) {
            open();
        } else if (kind < 30) {
            close();
        } else if (kind < 38) {
            rename();
        } else if (kind < 46) {
            link();
        } else if (kind < 58) {
            unlink();
        } else if (kind < 64) {
            make_directory();
        } else if (kind < 69) {
            make_special();
        } else if (kind < 78) {
            read();
        } else if (kind < 88) {
            write();
        } else {
            on_open_file();
        }
    }

    void compare_open() {
        for (std::size_t slot = 0; slot < slots_max; ++slot) {
            facts our;
            facts their;
            const auto our_result = ours_.status(slot, our);
            const auto their_result = theirs_.status(slot, their);
            if (our_result != their_result || our != their) {
                CAPTURE(slot);
                CHECK(our_result == their_result);
                CHECK(text_of(our) == text_of(their));
            }
        }
    }

    void compare_events() {
        const auto our = ours_.events();
        const auto their = theirs_.events();
        CHECK(our == their);
        for (const std::string& each : our) {
            const std::size_t kind = each.find(' ') + 1;
            ++outcomes_["event " + each.substr(kind, each.find(' ', kind) - kind)];
        }
    }

    void compare_trees() {
        const auto our = ours_.everything();
        const auto their = theirs_.everything();
        if (our != their) {
            FAIL_CHECK("the trees differ");
            for (const auto& [path, text] : our) {
                const auto found = their.find(path);
                if (found == their.end() || found->second != text) {
                    MESSAGE(
                        path << " is here " << text.substr(0, 100) << " there "
                             << (found == their.end() ? "missing" : found->second.substr(0, 100)));
                }
            }
            for (const auto& [path, text] : their) {
                if (!our.contains(path)) {
                    MESSAGE(path << " is only there: " << text.substr(0, 100));
                }
            }
        }
    }

    [[nodiscard]] const std::string& told() const noexcept { return told_; }
    [[nodiscard]] const std::map<std::string, std::size_t>& outcomes() const { return outcomes_; }

  private:
    bool chance(std::uint64_t of) { return rng_.below(of) == 0; }

    void tell(const std::string& what, std::int64_t ours, std::int64_t theirs) {
        told_ = what + " = " + std::to_string(ours) + ", really " + std::to_string(theirs);
        if (ours != theirs) {
            CAPTURE(told_);
            CHECK(ours == theirs);
        }
        ++outcomes_[what.substr(0, what.find(' ')) + " " +
                    std::to_string(std::min<std::int64_t>(ours, 0))];
    }

    void close() {
        const std::size_t slot = 1 + rng_.below(slots_max - 1);
        ours_.close(slot);
        theirs_.close(slot);
        tell("close " + std::to_string(slot), 0, 0);
    }

    void make_directory() {
        const auto mode = static_cast<mode_t>(0700 | rng_.below(01000) | (rng_.below(2) << 9U));
        on_name("mkdir " + std::to_string(mode),
                [mode](file_system& on, const at_path& at) { return on.make_directory(at, mode); });
    }

    std::string random_path() {
        static constexpr std::array<std::string_view, 8> names{"a",  "b", "c", "d",
                                                               "ee", "f", "a", "b"};
        if (chance(100)) {
            return chance(2) ? std::string() : std::string(4'095 + rng_.below(2), 'p');
        }
        std::string path = chance(60) ? "./" : "";
        const std::uint64_t depth = chance(3) ? 1 + rng_.below(3) : 1;
        for (std::uint64_t index = 0; index < depth; ++index) {
            if (index > 0) {
                path += chance(30) ? "//" : "/";
            }
            if (chance(25)) {
                path += chance(2) ? "." : "..";
            } else if (chance(150)) {
                path += std::string(255 + rng_.below(2), 'n');
            } else {
                path += names[rng_.below(names.size())];
            }
        }
        if (chance(15)) {
            path += "/";
        }
        return path;
    }

    std::string random_target() {
        if (chance(12)) {
            return chance(3) ? std::string(4'094 + rng_.below(3), 't')
                             : (chance(2) ? "/etc/passwd" : "/");
        }
        return random_path();
    }

    /// What is open, most of the time.
    std::size_t random_slot() {
        std::size_t slot = rng_.below(slots_max);
        for (unsigned attempt = 0; attempt < 5 && !ours_.is_open(slot); ++attempt) {
            slot = rng_.below(slots_max);
        }
        return slot;
    }
    /// What can be written or read, or be a base, most of the time.
    std::size_t random_slot(bool is_directory, mode_t access) {
        std::size_t slot = random_slot();
        for (unsigned attempt = 0; attempt < 5 && !ours_.suits(slot, is_directory, access);
             ++attempt) {
            slot = random_slot();
        }
        return slot;
    }

    std::size_t random_base() {
        const std::size_t slot = chance(3) ? random_slot(true, 0) : 0;
        return ours_.is_open(slot) ? slot : 0;
    }
    at_path random_place() { return {.base = random_base(), .path = random_path()}; }
    static std::string text(const at_path& at) {
        const std::string path =
            at.path.size() > 80 ? std::to_string(at.path.size()) + " letters" : at.path;
        return std::to_string(at.base) + ":" + path;
    }

    template <class Work>
    void on_name(const std::string& what, Work work) {
        const at_path at = random_place();
        if (ours_.escapes(at, false)) {
            return;
        }
        tell(what + " " + text(at), work(ours_, at), work(theirs_, at));
    }

    open_how random_how() {
        std::uint64_t flags = rng_.below(3) | O_NONBLOCK;
        if (chance(10)) {
            flags = O_PATH;
        } else if (chance(8)) {
            flags = O_RDONLY | O_DIRECTORY;
        } else if (chance(4)) {
            flags = O_RDWR | O_NONBLOCK | O_CREAT;
        } else if (chance(12)) {
            flags |= O_TMPFILE;
        } else if (chance(2)) {
            flags |= O_CREAT;
        }
        for (const int each : {O_EXCL, O_TRUNC, O_DIRECTORY, O_NOFOLLOW, O_APPEND}) {
            if (chance(9) && ((flags & O_PATH) == 0 || (each & (O_DIRECTORY | O_NOFOLLOW)) != 0)) {
                flags |= static_cast<unsigned>(each);
            }
        }
        if (chance(200)) {
            flags |= O_PATH;  // Does not go with the others.
        }
        const bool makes = (flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) != 0;
        std::uint64_t resolve = RESOLVE_BENEATH;
        if (chance(2)) {
            resolve |= RESOLVE_NO_MAGICLINKS;
        }
        if (chance(10)) {
            resolve |= RESOLVE_NO_SYMLINKS;
        }
        return {.flags = flags,
                .mode = makes != chance(200) ? 0600 | rng_.below(01000) : 0,
                .resolve = resolve};
    }

    void open() {
        at_path at = random_place();
        if (chance(40)) {
            at.path = "/" + at.path;
        }
        const open_how how = random_how();
        const std::size_t into = 1 + rng_.below(slots_max - 1);
        std::array<char, 100> flags{};
        std::snprintf(flags.data(), flags.size(), "open %o mode %o resolve %x ",
                      static_cast<unsigned>(how.flags), static_cast<unsigned>(how.mode),
                      static_cast<unsigned>(how.resolve));
        tell(flags.data() + text(at), ours_.open(at, how, into), theirs_.open(at, how, into));
    }

    void rename() {
        const at_path from = random_place();
        const at_path to = random_place();
        if (ours_.escapes(from, false) || ours_.escapes(to, false)) {
            return;
        }
        const unsigned flags = chance(4) ? unsigned{RENAME_NOREPLACE} : 0;
        tell("rename " + text(from) + " " + text(to) + " " + std::to_string(flags),
             ours_.rename(from, to, flags), theirs_.rename(from, to, flags));
    }

    void link() {
        const at_path to = random_place();
        if (ours_.escapes(to, false)) {
            return;
        }
        if (chance(3)) {
            const std::size_t slot = random_slot(false, O_WRONLY);
            tell("link-open " + std::to_string(slot) + " " + text(to), ours_.link_open(slot, to),
                 theirs_.link_open(slot, to));
            return;
        }
        const at_path from = random_place();
        const int flags = chance(2) ? AT_SYMLINK_FOLLOW : 0;
        if (ours_.escapes(from, true)) {
            return;
        }
        tell("link " + text(from) + " " + text(to) + " " + std::to_string(flags),
             ours_.link(from, to, flags), theirs_.link(from, to, flags));
    }

    void unlink() {
        const int flags = chance(2) ? AT_REMOVEDIR : 0;
        on_name("unlink " + std::to_string(flags),
                [flags](file_system& on, const at_path& at) { return on.unlink(at, flags); });
    }

    void make_special() {
        if (chance(8)) {
            on_name("fifo",
                    [](file_system& on, const at_path& at) { return on.make_fifo(at, 0666); });
            return;
        }
        const std::string target = random_target();
        on_name("symlink " + target.substr(0, 50), [&target](file_system& on, const at_path& at) {
            return on.make_symlink(at, target);
        });
    }

    /// At the position only of a regular file: a directory's is the file system's own, and nobody
    /// reads or writes the simulated FIFOs.
    std::uint64_t random_offset(std::size_t slot, mode_t access) {
        if (chance(3) && ours_.suits(slot, false, access)) {
            return runtime::at_position;
        }
        if (chance(100)) {
            return std::uint64_t{INT64_MAX} - rng_.below(3);
        }
        return rng_.below(2) * rng_.below(12'000);
    }

    void read() {
        const std::size_t slot = random_slot(false, O_RDONLY);
        std::string our(rng_.below(3) * rng_.below(9'000), '\0');
        std::string their = our;
        const std::uint64_t offset = random_offset(slot, O_RDONLY);
        tell("read " + std::to_string(slot) + " " + std::to_string(our.size()) + " at " +
                 std::to_string(offset),
             ours_.read(slot, our, offset), theirs_.read(slot, their, offset));
        CHECK((our == their));
    }

    void write() {
        const std::size_t slot = random_slot(false, O_WRONLY);
        std::string octets(rng_.below(3) * rng_.below(5'000), '\0');
        for (char& each : octets) {
            each = static_cast<char>('a' + rng_.below(26));
        }
        const std::uint64_t offset = random_offset(slot, O_WRONLY);
        tell("write " + std::to_string(slot) + " " + std::to_string(octets.size()) + " at " +
                 std::to_string(offset),
             ours_.write(slot, octets, offset), theirs_.write(slot, octets, offset));
    }

    void on_open_file() {
        const std::size_t slot = random_slot();
        const std::string on = " " + std::to_string(slot);
        switch (rng_.below(9)) {
            case 0: {
                const std::uint64_t size_bytes = rng_.below(2) * rng_.below(12'000);
                tell("truncate" + on + " " + std::to_string(size_bytes),
                     ours_.truncate(slot, size_bytes), theirs_.truncate(slot, size_bytes));
                break;
            }
            case 1: {
                const bool data_only = chance(2);
                tell("sync" + on, ours_.sync(slot, data_only), theirs_.sync(slot, data_only));
                break;
            }
            case 2: {
                const auto mode = static_cast<mode_t>(0700 | rng_.below(01000));
                tell("chmod" + on, ours_.change_mode(slot, mode), theirs_.change_mode(slot, mode));
                break;
            }
            case 3: {
                const std::size_t from = random_slot(false, O_RDONLY);
                const std::size_t to = random_slot(false, O_WRONLY);
                const std::uint64_t from_offset = rng_.below(8'000);
                const std::uint64_t to_offset = rng_.below(8'000);
                const std::uint64_t size_bytes = rng_.below(10'000);
                tell("copy " + std::to_string(from) + " to " + std::to_string(to) + " " +
                         std::to_string(from_offset) + " " + std::to_string(to_offset) + " " +
                         std::to_string(size_bytes),
                     ours_.copy(from, from_offset, to, to_offset, size_bytes),
                     theirs_.copy(from, from_offset, to, to_offset, size_bytes));
                break;
            }
            case 4: {
                static constexpr std::array<int, 5> operations{LOCK_SH, LOCK_EX, LOCK_UN, LOCK_EX,
                                                               LOCK_SH | LOCK_EX};
                const int operation = operations[rng_.below(operations.size())];
                tell("flock" + on + " " + std::to_string(operation), ours_.lock(slot, operation),
                     theirs_.lock(slot, operation));
                break;
            }
            case 5:
            case 6:
                watch(chance(2) ? slot : random_slot(true, 0));
                break;
            case 7: {
                const auto number = static_cast<int>(rng_.below(100));
                tell("end-watch " + std::to_string(number), ours_.end_watch(number),
                     theirs_.end_watch(number));
                break;
            }
            default: {
                const std::size_t listed = chance(2) ? slot : random_slot(true, 0);
                std::vector<std::string> our;
                std::vector<std::string> their;
                const std::string path = listed == 0 ? "." : random_path();
                tell("list " + std::to_string(listed) + " as " + path.substr(0, 80),
                     ours_.list(listed, path, our), theirs_.list(listed, path, their));
                CHECK(our == their);
                break;
            }
        }
    }

    void watch(std::size_t slot) {
        // Not what comparing the trees does to the real one.
        std::uint32_t mask = IN_ALL_EVENTS & ~std::uint32_t{IN_OPEN | IN_ACCESS | IN_CLOSE_NOWRITE};
        if (chance(4)) {
            mask &= static_cast<std::uint32_t>(rng_.below(IN_ALL_EVENTS)) | IN_MODIFY;
        }
        for (const std::uint32_t each :
             {std::uint32_t{IN_EXCL_UNLINK}, std::uint32_t{IN_ONESHOT}, std::uint32_t{IN_MASK_ADD},
              std::uint32_t{IN_MASK_CREATE}, std::uint32_t{IN_ONLYDIR}}) {
            mask |= chance(10) ? each : 0U;
        }
        tell("watch " + std::to_string(slot) + " " + std::to_string(mask), ours_.watch(slot, mask),
             theirs_.watch(slot, mask));
    }

    ferry::random rng_;
    sim_test::simulated ours_;
    std::unique_ptr<file_system> real_ = sim_test::make_real();
    file_system& theirs_ = *real_;
    std::string told_;
    std::map<std::string, std::size_t> outcomes_;
};

}  // namespace

TEST_CASE("disk: does what the file system of this machine does") {
    struct statfs kind{};
    REQUIRE(::statfs(std::filesystem::temp_directory_path().c_str(), &kind) == 0);
    if (kind.f_type != EXT4_SUPER_MAGIC && kind.f_type != TMPFS_MAGIC) {
        MESSAGE("temporary files are neither on ext4 nor on tmpfs: nothing to compare with");
        return;
    }
    const mode_t before = ::umask(0022);
    std::map<std::string, std::size_t> outcomes;
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        CAPTURE(seed);
        comparison both(seed);
        for (unsigned step = 0; step < 3'000; ++step) {
            CAPTURE(step);
            both.step();
            CAPTURE(both.told());
            both.compare_open();
            both.compare_events();
            if (step % trees_every == 0) {
                both.compare_trees();
            }
        }
        both.compare_trees();
        for (const auto& [what, count] : both.outcomes()) {
            outcomes[what] += count;
        }
    }
    // Of every kind some worked, or nothing much has been compared.
    for (const char* each :
         {"chmod", "copy", "fifo", "flock", "link", "link-open", "list", "mkdir", "open", "read",
          "rename", "symlink", "sync", "truncate", "unlink", "watch", "write"}) {
        CAPTURE(std::string(each));
        CHECK(outcomes[std::string(each) + " 0"] >= 25);
    }
    for (const char* each : {"ATTRIB", "CLOSE_WRITE", "CREATE", "DELETE", "DELETE_SELF", "IGNORED",
                             "MODIFY", "MOVED_FROM", "MOVED_TO", "MOVE_SELF"}) {
        CAPTURE(std::string(each));
        CHECK(outcomes["event " + std::string(each)] >= 25);
    }
    ::umask(before);
}
