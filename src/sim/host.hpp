#pragma once

#include <time.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <variant>
#include <vector>

#include "ferry/runtime/op.hpp"
#include "sim/disk.hpp"
#include "sim/faults.hpp"
#include "sim/inotify.hpp"
#include "sim/network.hpp"
#include "sim/world.hpp"

namespace ferry::sim {

/// Simulated descriptors begin here, far above what the test program itself has open.
inline constexpr int first_descriptor = 1 << 20;

[[nodiscard]] constexpr bool is_simulated(int fd) noexcept {
    return fd >= first_descriptor;
}

/// Before a number: the path of what is open (proc(5)).
inline constexpr std::string_view own_descriptors = "/proc/self/fd/";

/// What a descriptor stands for.
using description = std::variant<std::monostate, open_file_ptr, socket_ptr, inotify_ptr>;

/// One simulated computer: descriptors, a disk, a wall clock, what goes wrong on it.
class host {
  public:
    explicit host(world& in);
    host(const host&) = delete;
    host& operator=(const host&) = delete;
    ~host();

    [[nodiscard]] world& in() noexcept { return in_; }
    [[nodiscard]] disk& files() noexcept { return files_; }
    [[nodiscard]] faults& trouble() noexcept { return trouble_; }

    /// The host whose code runs on this thread; null outside of simulations. `ferry::kernel` and
    /// `sim::posix` act on it, or on the real machine when there is none.
    [[nodiscard]] static host* current() noexcept;

    /// Makes a host the current one for as long as it lives.
    class in_use {
      public:
        explicit in_use(host& now) noexcept;
        in_use(const in_use&) = delete;
        in_use& operator=(const in_use&) = delete;
        ~in_use();

      private:
        host* before_;
    };

    /// The lowest free descriptor for `what`, or -EMFILE.
    [[nodiscard]] int install(description what, int status_flags = 0);
    /// The same at a number of the caller's choice, closing what is there: dup3(2). -EBADF: no
    /// such number. What is there already stays open.
    int install_at(int fd, description what, int status_flags = 0);
    /// Null: -EBADF.
    [[nodiscard]] const description* find(int fd) const noexcept;
    [[nodiscard]] open_file_ptr file(int fd) const noexcept;     ///< Null: it is none.
    [[nodiscard]] socket_ptr connection(int fd) const noexcept;  ///< Null: it is none.
    [[nodiscard]] inotify_ptr notices(int fd) const noexcept;    ///< Null: it is none.
    /// What a path beneath `own_descriptors` leads to, if that is a file. Null: nothing (-ENOENT).
    [[nodiscard]] open_file_ptr file_behind(std::string_view path) const noexcept;
    [[nodiscard]] int status_flags(int fd) const noexcept;  ///< F_GETFL, or -EBADF.
    /// F_SETFL, which changes O_APPEND, O_NONBLOCK, O_ASYNC, O_DIRECT and O_NOATIME only. -EBADF,
    /// also of what was opened with O_PATH.
    int set_status_flags(int fd, int flags) noexcept;
    int close(int fd);  ///< 0 or -EBADF. The last one of a description ends it.

    /// Code under test has closed, or used in an operation, a number that stands for nothing: where
    /// threads open files, the next time it stands for somebody else's.
    void note_stray(int fd) {
        ++strays_;
        in_.note("not open", fd);
    }
    [[nodiscard]] std::uint64_t strays() const noexcept { return strays_; }

    [[nodiscard]] std::size_t count_descriptors() const noexcept { return open_; }
    /// Nothing more can be opened: the kernel looks at that first.
    [[nodiscard]] bool is_full() const noexcept { return open_ >= descriptors_max_; }
    [[nodiscard]] std::size_t descriptors_max() const noexcept { return descriptors_max_; }
    void set_descriptors_max(std::size_t count) noexcept { descriptors_max_ = count; }

    /// What may be watched here, and what is.
    [[nodiscard]] const std::shared_ptr<inotify_user>& watching() noexcept { return watching_; }

    [[nodiscard]] timespec wall_clock() const noexcept;
    /// An operator, or NTP, sets the clock. Time itself goes on evenly (threats.md, R12).
    void jump_wall_clock(runtime::duration by) noexcept { wall_offset_ += by; }

    /// What is to be removed here and stays because a fault struck is remembered, by the name
    /// (`disk::spared`): for who checks that nothing else is left. `struck` is told of every
    /// operation that a fault makes fail, the others of calls.
    void struck(const runtime::op& what, int failed_with);
    void struck_removal(int directory, const char* path);
    void struck_lock(int file);
    void struck_look(int file);  ///< At a regular file.

    /// While one lives a program here goes through the files and removes what an earlier one has
    /// left: what a fault keeps it from looking at stays, too. Whatever was spared before is not
    /// any more. One at a time.
    class search {
      public:
        /// Of all beneath the directory `top`, whose text must outlive it.
        search(host& on, const char* top) noexcept;
        search(const search&) = delete;
        search& operator=(const search&) = delete;
        /// Without `finish` all of it counts as not looked at.
        ~search();
        void finish() noexcept { is_finished_ = true; }

      private:
        host& on_;
        const char* top_;
        bool is_finished_ = false;
    };

    /// Loses power: sockets vanish from the network, descriptors are gone, the disk keeps what it
    /// kept. Whoever ran on it must be dropped by the caller, who then may start anew.
    void crash(const crash_weather& weather);

  private:
    struct slot {
        description what;
        int status_flags = 0;
    };
    [[nodiscard]] const slot* slot_of(int fd) const noexcept;
    /// Whoever searches has not got to see what `path` leads to.
    void hide(const open_file_ptr& directory, const char* path);
    /// Ends what no descriptor stands for any more.
    void end_unless_open(const description& gone);
    [[nodiscard]] bool is_open(const description& what) const noexcept;

    world& in_;
    runtime::duration wall_offset_{};
    disk files_;
    faults trouble_;
    std::shared_ptr<inotify_user> watching_ = std::make_shared<inotify_user>();
    int base_ = first_descriptor;  ///< The number of the first slot; another one after each crash.
    std::vector<slot> slots_;
    std::size_t open_ = 0;
    std::size_t lowest_ = 0;  ///< No slot below is free.
    std::uint64_t strays_ = 0;
    std::size_t descriptors_max_ = 20'000;
    bool is_searched_ = false;  ///< A `search` lives.
};

}  // namespace ferry::sim
