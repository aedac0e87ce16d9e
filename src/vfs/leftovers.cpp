#include "vfs/leftovers.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <string>
#include <utility>

#include "ferry/base/kernel.hpp"
#include "ferry/base/wall_clock.hpp"
#include "ferry/runtime/compute.hpp"
#include "ferry/runtime/op.hpp"
#include "ferry/runtime/stop.hpp"
#include "ferry/runtime/wait.hpp"
#include "vfs/beneath.hpp"
#include "vfs/charge.hpp"
#include "vfs/directories_ahead.hpp"
#include "vfs/upload_part.hpp"
#include "vfs/walk.hpp"

namespace ferry::vfs {

namespace {

bool is_upload_name(std::string_view name) noexcept {
    return name.starts_with(upload_prefix) && name.size() == upload_prefix.size() + upload_digits &&
           name.find_first_not_of("0123456789abcdef", upload_prefix.size()) ==
               std::string_view::npos;
}

/// True when a file of that kind, owner and number of names may be an upload's. It never has more
/// names than the hidden one and, between a hard link and its end, the final one.
bool may_be_upload(mode_t mode, uid_t owner, std::uint64_t links) noexcept {
    return S_ISREG(mode) && owner == kernel::geteuid() && links <= 2;
}

/// What there is to know of a file before it may be removed.
struct sight {
    bool is_upload = false;     ///< Still what its directory said.
    bool is_ours = false;       ///< Nobody held it, and now the descriptor does.
    bool is_local = false;      ///< What "nobody" means: see `file_system::is_local`.
    std::int64_t last_use = 0;  ///< Its last change of any kind, in seconds, by its file system.
};

sight look_at(int file, file_system home) noexcept {
    sight seen;
    struct stat status{};
    if (kernel::fstat(file, status) != 0 ||
        !may_be_upload(status.st_mode, status.st_uid, status.st_nlink)) {
        return seen;
    }
    const auto its_own = status.st_dev == home.device ? home : file_system_of(file);
    seen.is_upload = true;
    seen.is_local = its_own.is_local;
    // Its times as of when nobody can have it any more: NFS asks for them anew with a lock.
    seen.is_ours = kernel::flock(file, LOCK_EX | LOCK_NB) == 0 &&
                   (seen.is_local || kernel::fstat(file, status) == 0);
    seen.last_use = std::max(status.st_mtim.tv_sec, status.st_ctim.tv_sec);
    return seen;
}

/// Opens a file to lock it. For writing where that is allowed: NFS makes a byte-range lock of
/// flock(2)'s, and gives an exclusive one to nobody else.
runtime::task<result<unique_fd>> open_to_lock(runtime::core& here, int directory,
                                              const char* name) {
    constexpr int flags = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    auto opened = co_await open_beneath(
        here, {.directory = directory, .name = name, .flags = O_RDWR | flags});
    if (opened || opened.error().os_errno != EACCES) {
        co_return opened;
    }
    co_return co_await open_beneath(
        here, {.directory = directory, .name = name, .flags = O_RDONLY | flags});
}

/// Not a coroutine: it takes no memory, so what has been made can always be removed.
runtime::op_wait remove_name(runtime::core& here, int directory, const char* name) {
    return {here.io(), runtime::opcode::unlink_at, directory, runtime::never,
            [name](runtime::op& unlink) { unlink.args.unlink_at = {.path = name}; }};
}

/// What time it is where `directory` is kept, in seconds: that of a file just made in it. Its clock
/// need not agree with this machine's.
runtime::task<result<std::int64_t>> file_system_time(runtime::core& here, int directory) {
    const std::string name = make_upload_name(here);
    const auto made = co_await open_beneath(here, {.directory = directory,
                                                   .name = name.c_str(),
                                                   .flags = O_WRONLY | O_CREAT | O_EXCL,
                                                   .mode = 0600});
    if (!made) {
        co_return failure(made.error());
    }
    struct stat status{};
    const bool is_known = kernel::fstat(made->get(), status) == 0;
    static_cast<void>(co_await remove_name(here, directory, name.c_str()));
    if (!is_known) {
        co_return failure(errc::io);
    }
    co_return status.st_mtim.tv_sec;
}

/// True when nothing has happened to what was seen in `directory` for `age_min`, by the clock of
/// its file system.
runtime::task<bool> is_old(runtime::core& here, int directory, sight seen,
                           runtime::duration age_min) {
    const auto seconds_min = std::chrono::ceil<std::chrono::seconds>(age_min).count();
    if (seen.is_local) {
        co_return seen.last_use <= read_wall_clock().seconds - seconds_min;
    }
    // In a scope of its own: an open that made the name and reported a stop would leave it behind.
    runtime::stop_scope unstopped;
    const auto now = co_await file_system_time(here, directory).in_scope(unstopped);
    co_return now.has_value() && seen.last_use <= *now - seconds_min;
}

/// Removes the file `name` if it is a leftover, and counts what became of it.
runtime::task<> judge(runtime::core& here, const sweep& how, int directory, std::string name,
                      leftovers_found& found) {
    const auto opened = co_await open_to_lock(here, directory, name.c_str());
    if (!opened) {
        co_return;
    }
    const auto seen = co_await runtime::run_offloaded(here, &look_at, opened->get(), how.home);
    if (!seen || !seen->is_upload) {
        co_return;
    }
    const bool is_part = is_part_name(name);
    auto age_min = is_part ? how.parts_kept + how.parts_kept / 4 : runtime::duration::zero();
    if (!seen->is_local) {  // So long that nobody on any machine can be about to write to it.
        age_min = std::max(age_min, how.age_min);
    }
    bool is_leftover = seen->is_ours;
    if (is_leftover && (!seen->is_local || age_min > runtime::duration::zero())) {
        is_leftover = co_await is_old(here, directory, *seen, age_min);
    }
    if (!is_leftover) {
        found.undecided += seen->is_local || is_part ? 0U : 1U;
        co_return;
    }
    charge counted;  // Other hidden names count nowhere.
    if (is_part) {
        auto found_homes = co_await charge::find(here, how.homes, directory);
        if (!found_homes) {
            co_return;
        }
        counted = std::move(*found_homes);
    }
    // Held until the name is gone: its maker, had it been about to claim it, cannot now.
    const auto removed = co_await remove_counted(here, counted,
                                                 {.directory = directory,
                                                  .name = name.c_str(),
                                                  .locks = counted.counts() ? how.locks : nullptr});
    (is_part ? found.parts_removed : found.removed) += removed ? 1U : 0U;
}

/// Removes the leftovers in the current directory and remembers the directories in it.
runtime::task<> sweep_directory(runtime::core& here, const sweep& how, directories_ahead& ahead,
                                leftovers_found& found) {
    const auto directory = co_await open_walked(here, how.root, ahead.path());
    if (!directory) {
        co_return;
    }
    runtime::directory_batch batch;
    while (!batch.at_end) {
        const auto read = co_await read_walked(here, how.turns, directory->get(), batch);
        if (!read) {
            co_return;
        }
        for (const auto& record : batch.records) {
            const auto& status = record.status;
            if (record.status_errno != 0 || record.is_symlink) {
                continue;
            }
            const auto name =
                std::string_view(batch.names).substr(record.name_offset, record.name_bytes);
            if (S_ISDIR(status.stx_mode)) {
                found.passed_over += ahead.add(name) ? 0U : 1U;
            } else if (((how.what == leftover_kinds::all && is_upload_name(name)) ||
                        is_part_name(name)) &&
                       may_be_upload(status.stx_mode, status.stx_uid, status.stx_nlink)) {
                co_await judge(here, how, directory->get(), std::string(name), found);
            }
        }
        co_await here.yield();
    }
}

}  // namespace

std::string make_upload_name(runtime::core& here) {
    return fmt::format("{}{:0{}x}", upload_prefix, here.rng().next(), upload_digits);
}

bool claim(int file) noexcept {
    if (kernel::flock(file, LOCK_EX | LOCK_NB) != 0) {
        return errno != EWOULDBLOCK;
    }
    struct stat status{};
    return kernel::fstat(file, status) != 0 || status.st_nlink > 0;
}

runtime::task<bool> claim(runtime::core& here, int file, file_system home) {
    struct stat status{};
    if (kernel::fstat(file, status) == 0 && home.has_local(status.st_dev)) {
        co_return claim(file);
    }
    const auto claimed =
        co_await runtime::run_offloaded(here, +[](int held) { return claim(held); }, file);
    co_return claimed ? *claimed : claim(file);  // Without memory for the errand: slow, not unsafe.
}

runtime::task<leftovers_found> remove_leftovers(runtime::core& here, sweep how) {
    const runtime::stop_scope& scope = co_await runtime::current_scope();
    leftovers_found found;
    directories_ahead ahead(how.ahead_bytes_max);
    while (!scope.stop_requested() && ahead.advance()) {
        co_await sweep_directory(here, how, ahead, found);
    }
    co_return found;
}

runtime::task<bool> remove_parts_alone(runtime::core& here, empty_looking what) {
    for (const bool removes : {false, true}) {  // What is there besides must not cost any.
        const auto directory =
            co_await open_beneath(here, {.directory = what.above,
                                         .name = what.name,
                                         .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW});
        if (!directory) {
            co_return false;
        }
        auto counted = co_await charge::find(here, what.homes, directory->get());
        if (!counted) {
            co_return false;
        }
        std::size_t parts = 0;
        runtime::directory_batch batch;
        while (!batch.at_end) {
            const auto read = co_await runtime::op_wait(
                here.io(), runtime::opcode::list_directory, directory->get(), runtime::never,
                [&](runtime::op& list) {
                    list.args.list_directory = {
                        .batch = &batch, .root = directory->get(), .directory = "."};
                });
            if (!read) {
                co_return false;
            }
            for (const auto& record : batch.records) {
                const std::string each(batch.names, record.name_offset, record.name_bytes);
                if (!is_part_name(each) || ++parts > parts_alone_max) {
                    co_return false;
                }
                if (!removes) {
                    continue;
                }
                const auto removed =
                    co_await remove_counted(here, *counted,
                                            {.directory = directory->get(),
                                             .name = each.c_str(),
                                             .locks = counted->counts() ? what.locks : nullptr});
                if (!removed && removed.error() != errc::not_found) {
                    co_return false;
                }
            }
        }
    }
    co_return true;
}

}  // namespace ferry::vfs
