#include "file_systems.hpp"

#include <dirent.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <utility>

#include "ferry/base/unique_fd.hpp"
#include "ferry/runtime/op.hpp"
#include "runtime/blocking.hpp"

namespace ferry::sim_test {

namespace {

facts facts_of(const struct stat& status) {
    return {.mode = status.st_mode,
            .links = status.st_nlink,
            .size_bytes = S_ISDIR(status.st_mode) ? 0 : static_cast<std::uint64_t>(status.st_size)};
}

void add_lines(const runtime::directory_batch& batch, std::vector<std::string>& lines) {
    for (const runtime::directory_record& each : batch.records) {
        std::string line = batch.names.substr(each.name_offset, each.name_bytes);
        if (each.is_symlink) {
            line += " -> " + batch.names.substr(each.target_offset, each.target_bytes);
        }
        if (each.status_errno != 0) {
            line += " errno " + std::to_string(each.status_errno);
        } else {
            line += " " + text_of({.mode = each.status.stx_mode,
                                   .links = each.status.stx_nlink,
                                   .size_bytes =
                                       S_ISDIR(each.status.stx_mode) ? 0 : each.status.stx_size});
        }
        lines.push_back(std::move(line));
    }
}

}  // namespace

std::string text_of(const facts& what) {
    return "mode " + std::to_string(what.mode) + " links " + std::to_string(what.links) + " size " +
           std::to_string(what.size_bytes);
}

simulated::simulated(std::uint64_t seed)
    : rng_(seed), disk_([] { return timespec{.tv_sec = 1'700'000'000, .tv_nsec = 0}; }, rng_) {
    REQUIRE(disk_.make_directory(nullptr, "/top", 0755) == 0);
    REQUIRE(disk_.open(nullptr, "/top", {.flags = O_RDONLY | O_DIRECTORY, .mode = 0, .resolve = 0},
                       open_[0]) == 0);
}

std::int64_t simulated::open(const at_path& at, const open_how& how, std::size_t into) {
    sim::open_file_ptr opened;
    const int result = disk_.open(open_[at.base], at.path.c_str(), how, opened);
    if (result == 0) {
        open_[into] = std::move(opened);
    }
    return result;
}

std::int64_t simulated::read(std::size_t slot, std::string& into, std::uint64_t offset) {
    return disk_.read(open_[slot], std::as_writable_bytes(std::span(into)), offset);
}

std::int64_t simulated::write(std::size_t slot, std::string_view octets, std::uint64_t offset) {
    return disk_.write(open_[slot], std::as_bytes(std::span(octets)), offset);
}

std::int64_t simulated::truncate(std::size_t slot, std::uint64_t size_bytes) {
    return disk_.truncate(open_[slot], size_bytes);
}

std::int64_t simulated::sync(std::size_t slot, bool data_only) {
    return disk_.sync(open_[slot], data_only);
}

std::int64_t simulated::change_mode(std::size_t slot, mode_t mode) {
    return disk_.change_mode(open_[slot], mode);
}

std::int64_t simulated::copy(std::size_t from, std::uint64_t from_offset, std::size_t to,
                             std::uint64_t to_offset, std::uint64_t size_bytes) {
    return disk_.copy_range(open_[from], from_offset, open_[to], to_offset, size_bytes);
}

std::int64_t simulated::lock(std::size_t slot, int operation) {
    return disk_.lock(open_[slot], operation);
}

std::int64_t simulated::status(std::size_t slot, facts& into) {
    struct stat status{};
    const int result = disk_.status(open_[slot], status);
    into = facts_of(status);
    return result;
}

std::int64_t simulated::list(std::size_t slot, const std::string& path,
                             std::vector<std::string>& lines) {
    if (open_[slot] != nullptr) {
        open_[slot]->position = 0;
    }
    runtime::directory_batch batch;
    while (!batch.at_end) {
        const auto got = disk_.list(open_[slot], batch, open_[0], path.c_str());
        if (got < 0) {
            return got;
        }
        add_lines(batch, lines);
    }
    std::ranges::sort(lines);
    return 0;
}

std::int64_t simulated::rename(const at_path& from, const at_path& to, unsigned flags) {
    return disk_.rename(open_[from.base], from.path.c_str(), open_[to.base], to.path.c_str(),
                        flags);
}

std::int64_t simulated::link(const at_path& from, const at_path& to, int flags) {
    return disk_.link(open_[from.base], from.path.c_str(), nullptr, open_[to.base], to.path.c_str(),
                      flags);
}

std::int64_t simulated::link_open(std::size_t slot, const at_path& to) {
    if (open_[slot] == nullptr) {
        return -ENOENT;
    }
    return disk_.link(nullptr, "", open_[slot], open_[to.base], to.path.c_str(), AT_SYMLINK_FOLLOW);
}

std::int64_t simulated::unlink(const at_path& at, int flags) {
    return disk_.unlink(open_[at.base], at.path.c_str(), flags);
}

std::int64_t simulated::make_directory(const at_path& at, mode_t mode) {
    return disk_.make_directory(open_[at.base], at.path.c_str(), mode);
}

std::int64_t simulated::make_symlink(const at_path& at, const std::string& target) {
    return disk_.make_symlink(open_[at.base], at.path.c_str(), target.c_str());
}

std::int64_t simulated::make_fifo(const at_path& at, mode_t mode) {
    return disk_.make_fifo(open_[at.base], at.path.c_str(), mode);
}

std::int64_t simulated::watch(std::size_t slot, std::uint32_t mask) {
    return open_[slot] == nullptr ? -ENOENT : watching_.add(*open_[slot]->what, mask);
}

std::int64_t simulated::end_watch(int number) {
    return watching_.remove(number);
}

std::vector<std::string> simulated::events() {
    return lines_.read_all([this](std::span<std::byte> into) { return watching_.read(into); });
}

std::map<std::string, std::string> simulated::everything() {
    std::map<std::string, std::string> all;
    for (const std::string& path : disk_.names()) {
        if (path.size() <= top.size()) {
            continue;
        }
        const std::string plain = path.ends_with('/') ? path.substr(0, path.size() - 1) : path;
        sim::open_file_ptr found;
        REQUIRE(disk_.open(nullptr, plain.c_str(),
                           {.flags = O_PATH | O_NOFOLLOW, .mode = 0, .resolve = 0}, found) == 0);
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

bool simulated::suits(std::size_t slot, bool is_directory, mode_t access) const {
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

bool simulated::escapes(const at_path& at, bool follows_last) {
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
                          {.flags = O_PATH, .mode = 0, .resolve = RESOLVE_BENEATH}, here) == -EXDEV;
    }
    return !is_inside(here);
}

bool simulated::is_inside(sim::open_file_ptr here) {
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

namespace {

class real final : public file_system {
  public:
    real() {
        std::string pattern = std::filesystem::temp_directory_path() / "ferry-unit-sim-XXXXXX";
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        path_ = pattern;
        REQUIRE(::mkdir((path_ + "/top").c_str(), 0755) == 0);
        open_[0].reset(::open((path_ + "/top").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        REQUIRE(open_[0]);
        watching_.reset(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
        REQUIRE(watching_);
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
        if (offset == runtime::at_position) {
            return outcome(::read(open_[slot].get(), into.data(), into.size()));
        }
        return outcome(
            ::pread(open_[slot].get(), into.data(), into.size(), static_cast<off_t>(offset)));
    }
    std::int64_t write(std::size_t slot, std::string_view octets, std::uint64_t offset) override {
        if (offset == runtime::at_position) {
            return outcome(::write(open_[slot].get(), octets.data(), octets.size()));
        }
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
    std::int64_t lock(std::size_t slot, int operation) override {
        return outcome(::flock(open_[slot].get(), operation | LOCK_NB));
    }
    std::int64_t status(std::size_t slot, facts& into) override {
        struct stat status{};
        const int result = ::fstat(open_[slot].get(), &status);
        into = facts_of(status);
        return outcome(result);
    }
    std::int64_t list(std::size_t slot, const std::string& path,
                      std::vector<std::string>& lines) override {
        for (;;) {
            ::lseek(open_[slot].get(), 0, SEEK_SET);
            lines.clear();
            runtime::directory_batch batch;
            runtime::op what(runtime::opcode::list_directory, open_[slot].get(), nullptr);
            what.args.list_directory = {
                .batch = &batch, .root = open_[0].get(), .directory = path.c_str()};
            bool was_disturbed = false;  // Somebody on this machine renamed something meanwhile.
            while (!batch.at_end) {
                const auto got = runtime::perform_blocking(what);
                if (got < 0) {
                    return got;
                }
                was_disturbed |= std::ranges::any_of(
                    batch.records, [](const auto& each) { return each.status_errno == EAGAIN; });
                add_lines(batch, lines);
            }
            if (!was_disturbed) {
                std::ranges::sort(lines);
                return 0;
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
    std::int64_t watch(std::size_t slot, std::uint32_t mask) override {
        const std::string path = "/proc/self/fd/" + std::to_string(open_[slot].get());
        return outcome(::inotify_add_watch(watching_.get(), path.c_str(), mask));
    }
    std::int64_t end_watch(int number) override {
        return outcome(::inotify_rm_watch(watching_.get(), number));
    }
    std::vector<std::string> events() override {
        return lines_.read_all([this](std::span<std::byte> into) {
            return outcome(::read(watching_.get(), into.data(), into.size()));
        });
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
    unique_fd watching_;
    event_lines lines_;
    std::array<unique_fd, slots_max> open_;
};

}  // namespace

std::unique_ptr<file_system> make_real() {
    return std::make_unique<real>();
}

}  // namespace ferry::sim_test
