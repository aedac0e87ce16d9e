#include "vfs/leftovers.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <string>
#include <utility>

#include "ferry/base/kernel.hpp"
#include "ferry/runtime/op.hpp"
#include "ferry/runtime/wait.hpp"
#include "vfs/beneath.hpp"
#include "vfs/directories_ahead.hpp"

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

/// Opens the directory `path` beneath `root`, which may be longer than the kernel takes at once.
runtime::task<result<unique_fd>> open_directory(runtime::core& here, int root,
                                                const std::string& path) {
    unique_fd above;
    int from = root;
    std::size_t begin = 0;
    while (path.size() - begin >= PATH_MAX) {
        const std::size_t end = path.rfind('/', begin + PATH_MAX - 1);
        if (end == std::string::npos || end <= begin) {
            co_return failure(errc::name_too_long, ENAMETOOLONG);
        }
        const std::string piece = path.substr(begin, end - begin);
        auto opened = co_await open_beneath(
            here,
            {.directory = from, .name = piece.c_str(), .flags = O_PATH | O_DIRECTORY | O_NOFOLLOW});
        if (!opened) {
            co_return failure(opened.error());
        }
        above = std::move(*opened);
        from = above.get();
        begin = end + 1;
    }
    co_return co_await open_beneath(here, {.directory = from,
                                           .name = path.c_str() + begin,
                                           .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW});
}

/// Reads the next batch, in its turn among the listings of clients.
runtime::task<result<void>> read_batch(runtime::core& here, const sweep& how, int directory,
                                       runtime::directory_batch& batch) {
    const auto turn = co_await how.turns.going_on.take(runtime::never);
    if (!turn) {
        co_return failure(turn.error());
    }
    const auto read = co_await runtime::op_wait(
        here.io(), runtime::opcode::list_directory, directory, runtime::never,
        [&batch, &how](runtime::op& list) {
            // Links are of no interest, and so is where they lead.
            list.args.list_directory = {
                .batch = &batch, .root = how.root, .directory = ".", .can_wait = true};
        });
    if (!read) {
        co_return failure(read.error());
    }
    co_return result<void>{};
}

/// Removes the file `name` if nobody holds it.
runtime::task<bool> remove_unclaimed(runtime::core& here, int directory, std::string name) {
    const auto opened =
        co_await open_beneath(here, {.directory = directory,
                                     .name = name.c_str(),
                                     .flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY});
    struct stat status{};
    if (!opened || kernel::fstat(opened->get(), status) != 0 ||
        !may_be_upload(status.st_mode, status.st_uid, status.st_nlink) ||
        kernel::flock(opened->get(), LOCK_EX | LOCK_NB) != 0) {
        co_return false;  // It was another file when its directory was read.
    }
    // Held until the name is gone: its maker, had it been about to claim it, cannot now.
    const auto removed = co_await runtime::op_wait(
        here.io(), runtime::opcode::unlink_at, directory, runtime::never,
        [&name](runtime::op& unlink) { unlink.args.unlink_at = {.path = name.c_str()}; });
    co_return removed.has_value();
}

/// Removes the leftovers in the current directory and remembers the directories in it.
runtime::task<> sweep_directory(runtime::core& here, const sweep& how, directories_ahead& ahead,
                                leftovers_found& found) {
    const auto directory = co_await open_directory(here, how.root, ahead.path());
    if (!directory) {
        co_return;
    }
    runtime::directory_batch batch;
    while (!batch.at_end) {
        const auto read = co_await read_batch(here, how, directory->get(), batch);
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
            } else if (is_upload_name(name) &&
                       may_be_upload(status.stx_mode, status.stx_uid, status.stx_nlink)) {
                const bool is_gone =
                    co_await remove_unclaimed(here, directory->get(), std::string(name));
                found.removed += is_gone ? 1U : 0U;
            }
        }
        co_await here.yield();
    }
}

}  // namespace

bool claim(int file) noexcept {
    if (kernel::flock(file, LOCK_EX | LOCK_NB) != 0) {
        return errno != EWOULDBLOCK;
    }
    struct stat status{};
    return kernel::fstat(file, status) != 0 || status.st_nlink > 0;
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

}  // namespace ferry::vfs
