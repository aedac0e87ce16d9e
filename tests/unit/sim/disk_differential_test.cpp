// Goal: the simulated disk answers as Linux does. Method: thousands of random operations on it and,
// the same ones, on a directory of this machine; after each the results, what is open, and at short
// intervals the whole trees are compared.

#include <dirent.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/base/unique_fd.hpp"
#include "sim/disk.hpp"

using namespace ferry;

namespace {

constexpr unsigned trees_every = 4;    // Steps: what has gone wrong in one shows in the next.
constexpr std::size_t slots_max = 10;  // What is open; the first is the root, for ever.

/// What both must say of a file.
struct facts {
    mode_t mode = 0;
    unsigned long links = 0;
    std::uint64_t size_bytes = 0;  ///< Not of a directory: that is the file system's own affair.

    friend bool operator==(const facts&, const facts&) = default;
};

facts facts_of(const struct stat& status) {
    return {.mode = status.st_mode,
            .links = status.st_nlink,
            .size_bytes = S_ISDIR(status.st_mode) ? 0 : static_cast<std::uint64_t>(status.st_size)};
}

std::string text_of(const facts& what) {
    return "mode " + std::to_string(what.mode) + " links " + std::to_string(what.links) + " size " +
           std::to_string(what.size_bytes);
}

struct at_path {
    std::size_t base;
    std::string path;
};

/// A file system by its system calls, with what is open in numbered slots.
class file_system {
  public:
    file_system() = default;
    file_system(const file_system&) = delete;
    file_system& operator=(const file_system&) = delete;
    virtual ~file_system() = default;

    virtual std::int64_t open(const at_path& at, const open_how& how, std::size_t into) = 0;
    virtual void close(std::size_t slot) = 0;
    virtual std::int64_t read(std::size_t slot, std::string& into, std::uint64_t offset) = 0;
    virtual std::int64_t write(std::size_t slot, std::string_view octets, std::uint64_t offset) = 0;
    virtual std::int64_t truncate(std::size_t slot, std::uint64_t size_bytes) = 0;
    virtual std::int64_t sync(std::size_t slot, bool data_only) = 0;
    virtual std::int64_t change_mode(std::size_t slot, mode_t mode) = 0;
    virtual std::int64_t copy(std::size_t from, std::uint64_t from_offset, std::size_t to,
                              std::uint64_t to_offset, std::uint64_t size_bytes) = 0;
    virtual std::int64_t status(std::size_t slot, facts& into) = 0;
    virtual std::int64_t list(std::size_t slot, std::vector<std::string>& names) = 0;
    virtual std::int64_t rename(const at_path& from, const at_path& to, unsigned flags) = 0;
    virtual std::int64_t link(const at_path& from, const at_path& to, int flags) = 0;
    virtual std::int64_t link_open(std::size_t slot, const at_path& to) = 0;
    virtual std::int64_t unlink(const at_path& at, int flags) = 0;
    virtual std::int64_t make_directory(const at_path& at, mode_t mode) = 0;
    virtual std::int64_t make_symlink(const at_path& at, const std::string& target) = 0;
    virtual std::int64_t make_fifo(const at_path& at, mode_t mode) = 0;

    /// Every name beneath the root with what it is, line by line.
    virtual std::map<std::string, std::string> everything() = 0;
};

class simulated final : public file_system {
  public:
    explicit simulated(std::uint64_t seed)
        : rng_(seed), disk_([] { return timespec{.tv_sec = 1'700'000'000, .tv_nsec = 0}; }, rng_) {
        REQUIRE(disk_.make_directory(nullptr, "/top", 0755) == 0);
        REQUIRE(disk_.open(nullptr, "/top",
                           {.flags = O_RDONLY | O_DIRECTORY, .mode = 0, .resolve = 0},
                           open_[0]) == 0);
    }

    std::int64_t open(const at_path& at, const open_how& how, std::size_t into) override {
        sim::open_file_ptr opened;
        const int result = disk_.open(open_[at.base], at.path.c_str(), how, opened);
        if (result == 0) {
            open_[into] = std::move(opened);
        }
        return result;
    }
    void close(std::size_t slot) override { open_[slot] = nullptr; }
    std::int64_t read(std::size_t slot, std::string& into, std::uint64_t offset) override {
        return disk_.read(open_[slot], std::as_writable_bytes(std::span(into)), offset);
    }
    std::int64_t write(std::size_t slot, std::string_view octets, std::uint64_t offset) override {
        return disk_.write(open_[slot], std::as_bytes(std::span(octets)), offset);
    }
    std::int64_t truncate(std::size_t slot, std::uint64_t size_bytes) override {
        return disk_.truncate(open_[slot], size_bytes);
    }
    std::int64_t sync(std::size_t slot, bool data_only) override {
        return disk_.sync(open_[slot], data_only);
    }
    std::int64_t change_mode(std::size_t slot, mode_t mode) override {
        return disk_.change_mode(open_[slot], mode);
    }
    std::int64_t copy(std::size_t from, std::uint64_t from_offset, std::size_t to,
                      std::uint64_t to_offset, std::uint64_t size_bytes) override {
        return disk_.copy_range(open_[from], from_offset, open_[to], to_offset, size_bytes);
    }
    std::int64_t status(std::size_t slot, facts& into) override {
        struct stat status{};
        const int result = disk_.status(open_[slot], status);
        into = facts_of(status);
        return result;
    }
    std::int64_t list(std::size_t slot, std::vector<std::string>& names) override {
        if (open_[slot] != nullptr) {
            open_[slot]->position = 0;
        }
        runtime::directory_batch batch;
        while (!batch.at_end) {
            const auto got = disk_.list(open_[slot], batch, open_[0], "unused");
            if (got < 0) {
                return got;
            }
            for (const auto& each : batch.records) {
                names.push_back(batch.names.substr(each.name_offset, each.name_bytes));
            }
        }
        std::ranges::sort(names);
        return 0;
    }
    std::int64_t rename(const at_path& from, const at_path& to, unsigned flags) override {
        return disk_.rename(open_[from.base], from.path.c_str(), open_[to.base], to.path.c_str(),
                            flags);
    }
    std::int64_t link(const at_path& from, const at_path& to, int flags) override {
        return disk_.link(open_[from.base], from.path.c_str(), nullptr, open_[to.base],
                          to.path.c_str(), flags);
    }
    std::int64_t link_open(std::size_t slot, const at_path& to) override {
        if (open_[slot] == nullptr) {
            return -ENOENT;
        }
        return disk_.link(nullptr, "", open_[slot], open_[to.base], to.path.c_str(),
                          AT_SYMLINK_FOLLOW);
    }
    std::int64_t unlink(const at_path& at, int flags) override {
        return disk_.unlink(open_[at.base], at.path.c_str(), flags);
    }
    std::int64_t make_directory(const at_path& at, mode_t mode) override {
        return disk_.make_directory(open_[at.base], at.path.c_str(), mode);
    }
    std::int64_t make_symlink(const at_path& at, const std::string& target) override {
        return disk_.make_symlink(open_[at.base], at.path.c_str(), target.c_str());
    }
    std::int64_t make_fifo(const at_path& at, mode_t mode) override {
        return disk_.make_fifo(open_[at.base], at.path.c_str(), mode);
    }

    std::map<std::string, std::string> everything() override {
        std::map<std::string, std::string> all;
        for (const std::string& path : disk_.names()) {
            if (path.size() <= top.size()) {
                continue;
            }
            const std::string plain = path.ends_with('/') ? path.substr(0, path.size() - 1) : path;
            sim::open_file_ptr found;
            REQUIRE(disk_.open(nullptr, plain.c_str(),
                               {.flags = O_PATH | O_NOFOLLOW, .mode = 0, .resolve = 0},
                               found) == 0);
            struct stat status{};
            REQUIRE(disk_.status(found, status) == 0);
            std::string text = text_of(facts_of(status));
            std::string content;
            if (disk_.content(plain, content)) {
                text += " holds " + content;
            }
            all.emplace(plain.substr(top.size()), std::move(text));
        }
        return all;
    }

    [[nodiscard]] bool is_open(std::size_t slot) const { return open_[slot] != nullptr; }
    /// A directory, or a regular file opened for `access` or for both.
    [[nodiscard]] bool suits(std::size_t slot, bool is_directory, mode_t access) const {
        struct stat status{};
        if (open_[slot] == nullptr || disk_.status(open_[slot], status) != 0) {
            return false;
        }
        if (is_directory) {
            return S_ISDIR(status.st_mode);
        }
        const auto mode = static_cast<mode_t>(open_[slot]->flags & (O_ACCMODE | O_PATH));
        return S_ISREG(status.st_mode) && (mode == access || mode == O_RDWR);
    }

    /// True when `path` leads out of the root, by "..", a link or from where it begins: then it
    /// must not be tried on the real one.
    bool escapes(const at_path& at, bool follows_last) {
        std::string path = at.path;
        if (!follows_last) {  // The directory of the last component.
            path.resize(std::min(path.find_last_not_of('/') + 1, path.size()));
            const std::string_view last = std::string_view(path).substr(path.rfind('/') + 1);
            if (last != "..") {
                path.resize(path.size() - last.size());
                path += ".";
            }
        }
        sim::open_file_ptr here;
        const open_how how{.flags = O_PATH, .mode = 0, .resolve = 0};
        if (path.starts_with('/')) {
            return true;
        }
        if (disk_.open(open_[at.base], path.c_str(), how, here) != 0) {
            // It fails; where? If it were beneath the root the same would.
            return disk_.open(open_[at.base], path.c_str(),
                              {.flags = O_PATH, .mode = 0, .resolve = RESOLVE_BENEATH},
                              here) == -EXDEV;
        }
        return !is_inside(here);
    }

  private:
    static constexpr std::string_view top = "/top/";

    bool is_inside(sim::open_file_ptr here) {
        struct stat status{};
        struct stat root{};
        REQUIRE(disk_.status(open_[0], root) == 0);
        REQUIRE(disk_.status(here, status) == 0);
        if (!S_ISDIR(status.st_mode)) {
            return true;  // Nothing but the root is outside.
        }
        for (;;) {
            if (status.st_ino == root.st_ino) {
                return true;
            }
            const auto before = status.st_ino;
            sim::open_file_ptr above;
            REQUIRE(disk_.open(here, "..", {.flags = O_PATH, .mode = 0, .resolve = 0}, above) == 0);
            here = std::move(above);
            REQUIRE(disk_.status(here, status) == 0);
            if (status.st_ino == before) {
                return false;
            }
        }
    }

    ferry::random rng_;
    sim::disk disk_;
    std::array<sim::open_file_ptr, slots_max> open_;
};

class real final : public file_system {
  public:
    real() {
        std::string pattern = std::filesystem::temp_directory_path() / "ferry-unit-sim-XXXXXX";
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        path_ = pattern;
        REQUIRE(::mkdir((path_ + "/top").c_str(), 0755) == 0);
        open_[0].reset(::open((path_ + "/top").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        REQUIRE(open_[0]);
    }
    ~real() override {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    std::int64_t open(const at_path& at, const open_how& how, std::size_t into) override {
        open_how closed_on_exec = how;
        closed_on_exec.flags |= O_CLOEXEC;
        for (;;) {
            const auto result = ::syscall(SYS_openat2, open_[at.base].get(), at.path.c_str(),
                                          &closed_on_exec, sizeof closed_on_exec);
            if (result >= 0) {
                open_[into].reset(static_cast<int>(result));
                return 0;
            }
            if (errno != EAGAIN) {  // Somebody on this machine renamed something meanwhile.
                return -errno;
            }
        }
    }
    void close(std::size_t slot) override { open_[slot].reset(); }
    std::int64_t read(std::size_t slot, std::string& into, std::uint64_t offset) override {
        return outcome(
            ::pread(open_[slot].get(), into.data(), into.size(), static_cast<off_t>(offset)));
    }
    std::int64_t write(std::size_t slot, std::string_view octets, std::uint64_t offset) override {
        return outcome(
            ::pwrite(open_[slot].get(), octets.data(), octets.size(), static_cast<off_t>(offset)));
    }
    std::int64_t truncate(std::size_t slot, std::uint64_t size_bytes) override {
        return outcome(::ftruncate(open_[slot].get(), static_cast<off_t>(size_bytes)));
    }
    std::int64_t sync(std::size_t slot, bool) override {
        // Never to the disk, that would take long; but is it a descriptor that could be synced?
        const int fd = open_[slot].get();
        struct stat status{};
        if (::fstat(fd, &status) != 0 || (::fcntl(fd, F_GETFL) & O_PATH) != 0) {
            return -EBADF;
        }
        return S_ISFIFO(status.st_mode) ? -EINVAL : 0;
    }
    std::int64_t change_mode(std::size_t slot, mode_t mode) override {
        return outcome(::fchmod(open_[slot].get(), mode));
    }
    std::int64_t copy(std::size_t from, std::uint64_t from_offset, std::size_t to,
                      std::uint64_t to_offset, std::uint64_t size_bytes) override {
        auto in = static_cast<off64_t>(from_offset);
        auto out = static_cast<off64_t>(to_offset);
        return outcome(
            ::copy_file_range(open_[from].get(), &in, open_[to].get(), &out, size_bytes, 0));
    }
    std::int64_t status(std::size_t slot, facts& into) override {
        struct stat status{};
        const int result = ::fstat(open_[slot].get(), &status);
        into = facts_of(status);
        return outcome(result);
    }
    std::int64_t list(std::size_t slot, std::vector<std::string>& names) override {
        const int fd = open_[slot].get();
        ::lseek(fd, 0, SEEK_SET);
        alignas(dirent64) std::array<char, 4'096> raw;
        for (;;) {
            const auto got = ::getdents64(fd, raw.data(), raw.size());
            if (got < 0) {
                return -errno;
            }
            if (got == 0) {
                std::ranges::sort(names);
                return 0;
            }
            for (long offset = 0; offset < got;) {
                const auto* entry =
                    static_cast<const dirent64*>(static_cast<const void*>(raw.data() + offset));
                offset += entry->d_reclen;
                const std::string_view name = entry->d_name;
                if (name != "." && name != "..") {
                    names.emplace_back(name);
                }
            }
        }
    }
    std::int64_t rename(const at_path& from, const at_path& to, unsigned flags) override {
        return outcome(::renameat2(open_[from.base].get(), from.path.c_str(), open_[to.base].get(),
                                   to.path.c_str(), flags));
    }
    std::int64_t link(const at_path& from, const at_path& to, int flags) override {
        return outcome(::linkat(open_[from.base].get(), from.path.c_str(), open_[to.base].get(),
                                to.path.c_str(), flags));
    }
    std::int64_t link_open(std::size_t slot, const at_path& to) override {
        const std::string from = "/proc/self/fd/" + std::to_string(open_[slot].get());
        return outcome(::linkat(AT_FDCWD, from.c_str(), open_[to.base].get(), to.path.c_str(),
                                AT_SYMLINK_FOLLOW));
    }
    std::int64_t unlink(const at_path& at, int flags) override {
        return outcome(::unlinkat(open_[at.base].get(), at.path.c_str(), flags));
    }
    std::int64_t make_directory(const at_path& at, mode_t mode) override {
        return outcome(::mkdirat(open_[at.base].get(), at.path.c_str(), mode));
    }
    std::int64_t make_symlink(const at_path& at, const std::string& target) override {
        return outcome(::symlinkat(target.c_str(), open_[at.base].get(), at.path.c_str()));
    }
    std::int64_t make_fifo(const at_path& at, mode_t mode) override {
        return outcome(::mkfifoat(open_[at.base].get(), at.path.c_str(), mode));
    }

    std::map<std::string, std::string> everything() override {
        std::map<std::string, std::string> all;
        const unique_fd root(::openat(open_[0].get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        add_all(root.get(), "", all);
        return all;
    }

  private:
    static std::int64_t outcome(std::int64_t result) { return result < 0 ? -errno : result; }

    static void add_all(int directory, const std::string& prefix,
                        std::map<std::string, std::string>& all) {
        DIR* const listing = ::fdopendir(::dup(directory));
        REQUIRE(listing != nullptr);
        while (const dirent* const entry = ::readdir(listing)) {
            const std::string name = entry->d_name;
            if (name == "." || name == "..") {
                continue;
            }
            struct stat status{};
            REQUIRE(::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0);
            std::string text = text_of(facts_of(status));
            if (S_ISREG(status.st_mode)) {
                const unique_fd file(::openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC));
                std::string content(static_cast<std::size_t>(status.st_size), '\0');
                REQUIRE(::pread(file.get(), content.data(), content.size(), 0) == status.st_size);
                text += " holds " + content;
            }
            all.emplace(prefix + name, std::move(text));
            if (S_ISDIR(status.st_mode)) {
                const unique_fd inner(
                    ::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
                add_all(inner.get(), prefix + name + "/", all);
            }
        }
        ::closedir(listing);
    }

    std::string path_;
    std::array<unique_fd, slots_max> open_;
};

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

    void read() {
        const std::size_t slot = random_slot(false, O_RDONLY);
        std::string our(rng_.below(3) * rng_.below(9'000), '\0');
        std::string their = our;
        const std::uint64_t offset = rng_.below(2) * rng_.below(12'000);
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
        const std::uint64_t offset = rng_.below(2) * rng_.below(12'000);
        tell("write " + std::to_string(slot) + " " + std::to_string(octets.size()) + " at " +
                 std::to_string(offset),
             ours_.write(slot, octets, offset), theirs_.write(slot, octets, offset));
    }

    void on_open_file() {
        const std::size_t slot = random_slot();
        const std::string on = " " + std::to_string(slot);
        switch (rng_.below(5)) {
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
            default: {
                std::vector<std::string> our;
                std::vector<std::string> their;
                tell("list" + on, ours_.list(slot, our), theirs_.list(slot, their));
                CHECK(our == their);
                break;
            }
        }
    }

    ferry::random rng_;
    simulated ours_;
    real theirs_;
    std::string told_;
    std::map<std::string, std::size_t> outcomes_;
};

}  // namespace

TEST_CASE("disk: does what the file system of this machine does") {
    const mode_t before = ::umask(0022);
    std::map<std::string, std::size_t> outcomes;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        CAPTURE(seed);
        comparison both(seed);
        for (unsigned step = 0; step < 3'000; ++step) {
            CAPTURE(step);
            both.step();
            CAPTURE(both.told());
            both.compare_open();
            if (step % trees_every == 0) {
                both.compare_trees();
            }
        }
        both.compare_trees();
        for (const auto& [what, count] : both.outcomes()) {
            outcomes[what] += count;
        }
    }
    for (const auto& [what, count] : outcomes) {
        MESSAGE(what << " x " << count);
    }
    ::umask(before);
}
