#include "vfs/walk.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <optional>
#include <string_view>
#include <utility>

#include "ferry/runtime/permits.hpp"
#include "ferry/runtime/stop.hpp"
#include "ferry/runtime/wait.hpp"
#include "ferry/vfs/path.hpp"
#include "vfs/beneath.hpp"
#include "vfs/directories_ahead.hpp"
#include "vfs/system_metadata.hpp"
#include "vfs/upload_part.hpp"

namespace ferry::vfs {
namespace {

runtime::task<result<void>> read_batch_of(runtime::core& here, int directory,
                                          runtime::directory_batch& batch) {
    const auto read = co_await runtime::op_wait(
        here.io(), runtime::opcode::list_directory, directory, runtime::never,
        [&batch, directory](runtime::op& list) {
            // Links are of no interest, and so is where they lead.
            list.args.list_directory = {
                .batch = &batch, .root = directory, .directory = ".", .can_wait = true};
        });
    if (!read) {
        co_return failure(read.error());
    }
    co_return result<void>{};
}

/// True for a name that is there and says nothing of what it is: in a directory that may be read
/// and not searched. A link has no status where it may not be followed, and needs none.
bool is_unknown(const runtime::directory_record& record) noexcept {
    return record.status_errno != 0 && record.status_errno != ENOENT && !record.is_symlink;
}

/// Counts one name.
amount amount_of(const runtime::directory_record& record, std::string_view name) noexcept {
    const bool has_vanished = record.status_errno == ENOENT && !record.is_symlink;
    if (has_vanished || (is_reserved_name(name) && !is_part_name(name))) {
        return {};
    }
    const bool has_octets =
        record.status_errno == 0 && !record.is_symlink && S_ISREG(record.status.stx_mode);
    return {.octets = has_octets ? record.status.stx_size : 0, .files = 1};
}

/// True for a directory whose content counts here.
bool leads_on(const runtime::directory_record& record, std::span<const directory_id> apart) {
    if (record.status_errno != 0 || record.is_symlink || !S_ISDIR(record.status.stx_mode)) {
        return false;
    }
    const auto status = metadata_of(record.status);
    const directory_id id{.device = status.device, .inode = status.inode};
    return std::ranges::find(apart, id) == apart.end();
}

/// Counts what is in the current directory and remembers the directories in it.
runtime::task<> measure_directory(runtime::core& here, const measuring& what,
                                  directories_ahead& ahead, measured& found) {
    const auto directory = co_await open_walked(here, what.root, ahead.path());
    if (!directory) {
        found.passed_over += directory.error() == errc::not_found ? 0U : 1U;
        co_return;
    }
    runtime::directory_batch batch;
    bool has_unknown = false;
    while (!batch.at_end) {
        result<void> read;
        if (what.turns != nullptr) {
            read = co_await read_walked(here, *what.turns, directory->get(), batch);
        } else {
            read = co_await read_batch_of(here, directory->get(), batch);
        }
        if (!read) {
            found.passed_over += read.error().os_errno == ENOENT ? 0U : 1U;
            co_return;
        }
        for (const auto& record : batch.records) {
            const auto name =
                std::string_view(batch.names).substr(record.name_offset, record.name_bytes);
            const amount its = amount_of(record, name);
            found.sum.octets += its.octets;
            found.sum.files += its.files;
            has_unknown |= is_unknown(record);
            if (leads_on(record, what.apart)) {
                found.passed_over += ahead.add(name) ? 0U : 1U;
            }
        }
        co_await here.yield();
    }
    found.passed_over += has_unknown ? 1U : 0U;
}

}  // namespace

runtime::task<result<unique_fd>> open_walked(runtime::core& here, int root,
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

runtime::task<result<void>> read_walked(runtime::core& here, listing_bounds& turns, int directory,
                                        runtime::directory_batch& batch) {
    const auto turn = co_await turns.going_on.take(runtime::never);
    if (!turn) {
        co_return failure(turn.error());
    }
    const auto read = co_await read_batch_of(here, directory, batch);
    co_return read;
}

runtime::task<measured> measure(runtime::core& here, measuring what) {
    const runtime::stop_scope& scope = co_await runtime::current_scope();
    measured found;
    directories_ahead ahead(what.ahead_bytes_max);
    while (!scope.stop_requested() && ahead.advance()) {
        co_await measure_directory(here, what, ahead, found);
    }
    co_return found;
}

}  // namespace ferry::vfs
