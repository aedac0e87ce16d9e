#include "vfs/leftovers.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ferry/base/kernel.hpp"
#include "ferry/runtime/op.hpp"
#include "ferry/runtime/wait.hpp"
#include "vfs/beneath.hpp"

namespace ferry::vfs {

namespace {

/// A directory on the way down, and what of it has been read.
struct level {
    unique_fd directory;
    std::string path;  ///< Beneath the root.
    runtime::directory_batch batch{};
    std::size_t next = 0;  ///< Of the batch's records.
};

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

runtime::task<result<void>> read_batch(runtime::core& here, level& at, int root) {
    const auto read = co_await runtime::op_wait(
        here.io(), runtime::opcode::list_directory, at.directory.get(), runtime::never,
        [&at, root](runtime::op& list) {
            list.args.list_directory = {
                .batch = &at.batch, .root = root, .directory = at.path.c_str(), .can_wait = true};
        });
    at.next = 0;
    if (!read) {
        co_return failure(read.error());
    }
    co_return result<void>{};
}

/// Removes the file `name` if nobody holds it.
runtime::task<bool> remove_unclaimed(runtime::core& here, int directory, const std::string& name) {
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

}  // namespace

bool claim(int file) noexcept {
    if (kernel::flock(file, LOCK_EX | LOCK_NB) != 0) {
        return errno != EWOULDBLOCK;
    }
    struct stat status{};
    return kernel::fstat(file, status) != 0 || status.st_nlink > 0;
}

runtime::task<std::size_t> remove_leftovers(runtime::core& here, int root) {
    const runtime::stop_scope& scope = co_await runtime::current_scope();
    std::size_t removed = 0;
    std::vector<level> way;  // As deep as the tree: bounded by the length of a path.
    auto top = co_await open_beneath(
        here, {.directory = root, .name = ".", .flags = O_RDONLY | O_DIRECTORY});
    if (top) {
        way.push_back({.directory = std::move(*top), .path = "."});
    }
    while (!way.empty() && !scope.stop_requested()) {
        level& at = way.back();
        if (at.next == at.batch.records.size()) {
            if (at.batch.at_end) {
                way.pop_back();
                continue;
            }
            const auto read = co_await read_batch(here, at, root);
            if (!read) {
                way.pop_back();
            }
            continue;
        }
        const auto record = at.batch.records[at.next++];
        const std::string name = at.batch.names.substr(record.name_offset, record.name_bytes);
        if (record.status_errno != 0 || record.is_symlink) {
            continue;
        }
        const auto& status = record.status;
        if (is_upload_name(name) &&
            may_be_upload(status.stx_mode, status.stx_uid, status.stx_nlink)) {
            const bool is_gone = co_await remove_unclaimed(here, at.directory.get(), name);
            removed += is_gone ? 1U : 0U;
        } else if (S_ISDIR(status.stx_mode)) {
            auto opened =
                co_await open_beneath(here, {.directory = at.directory.get(),
                                             .name = name.c_str(),
                                             .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW});
            if (opened) {
                std::string path = at.path + '/' + name;
                way.push_back({.directory = std::move(*opened), .path = std::move(path)});
            }
        }
    }
    co_return removed;
}

}  // namespace ferry::vfs
