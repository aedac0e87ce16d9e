#include "vfs/upload.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "ferry/base/kernel.hpp"
#include "ferry/base/units.hpp"
#include "ferry/runtime/compute.hpp"
#include "ferry/runtime/op.hpp"
#include "ferry/runtime/stop.hpp"
#include "ferry/runtime/wait.hpp"
#include "vfs/beneath.hpp"
#include "vfs/charge.hpp"
#include "vfs/closing.hpp"
#include "vfs/file_system.hpp"
#include "vfs/leftovers.hpp"
#include "vfs/name_locks.hpp"
#include "vfs/system_metadata.hpp"
#include "vfs/upload_part.hpp"

namespace ferry::vfs {

struct upload::state {
    unique_fd directory;  ///< O_PATH: where the name is, and the hidden one beside it.
    unique_fd file;       ///< For writing.
    std::string name;     ///< What the commit gives it.
    std::string hidden;   ///< What it is called meanwhile; empty: nothing.
    std::string part;     ///< What it is called if it is cut off; empty: then it is dropped.
    upload_mode mode = upload_mode::replace;
    bool only_if_unchanged = false;
    /// Where the mode or the above asks: what the name was; none: free.
    std::optional<metadata> entry;
    file_system home;          ///< What is known of it, or of another one.
    bool is_quick = false;     ///< What is done to names in the directory waits for no network.
    std::uint64_t offset = 0;  ///< Where the next octet goes.
    std::uint64_t written_bytes = 0;
    std::uint64_t end_bytes = 0;       ///< The file's size, by what has been written.
    std::uint64_t reserved_bytes = 0;  ///< There is room for a file of that size; 0: nobody knows.
    std::optional<error> lost;  ///< Set by the first write that failed: the content has a gap.
    bool is_commit_begun = false;
    runtime::offload_pool* closing = nullptr;
    name_locks* locks = nullptr;  ///< Of the tree, or none.
    charge counted;               ///< What is set aside of the account's quota and in other homes.
    amount replaced;              ///< So much of what is written is not more than there was.
    replacement_table* replacements = nullptr;  ///< Of the tree, or none.
    std::string account;                        ///< That it is noted for; empty: none.
    replacement_table::attempt attempt;         ///< Where a file has the name.
    const runtime::core* here = nullptr;        ///< Whose clock tells when it was cut off.
    bool is_rest = false;                       ///< It goes on with a part.
    bool is_apart = false;                      ///< Its part is known whoever has the name.
    bool reads_back = false;
    std::uint64_t begun_bytes = 0;  ///< Of the part that it goes on with.
    bool is_taken_back = false;     ///< The file is longer than `end_bytes`.

    state() = default;
    state(const state&) = delete;
    state& operator=(const state&) = delete;
    // The name goes inline, because a destructor cannot wait: one entry of a directory that is in
    // memory, and no block is freed while the file is open. Closing it frees them.
    ~state() {
        if (attempt) {
            attempt.was_cut_off(here->now());
        }
        if (!hidden.empty()) {
            static_cast<void>(kernel::unlinkat(directory.get(), hidden.c_str(), 0));
        }
        close_file(std::move(file), closing);
    }
};

namespace {

// One write holds the core for 0.1 ms (datapath.md, 12); then others have their turn.
constexpr std::size_t write_bytes_max = 256_KiB;
// A hidden name has 64 random bits: a second attempt is never needed unless somebody plants names.
constexpr unsigned hidden_name_attempts_max = 8;
// A file whose blocks are freed in some microseconds.
constexpr std::uint64_t quick_bytes_max = 1_MiB;
constexpr mode_t private_permissions = 0600;
constexpr auto zero = runtime::duration::zero();

/// Writes all of `octets` to `file` at `offset`, going on after short writes.
runtime::task<result<void>> write_all(runtime::core& here, int file,
                                      std::span<const std::byte> octets, std::uint64_t offset) {
    while (!octets.empty()) {
        const auto piece = octets.first(std::min(octets.size(), write_bytes_max));
        const auto put = co_await runtime::op_wait(
            here.io(), runtime::opcode::write, file, runtime::never, [&](runtime::op& write) {
                write.args.write = {
                    .data = piece.data(), .size_bytes = piece.size(), .offset = offset};
            });
        if (!put) {
            co_return failure(put.error());
        }
        if (*put == 0) {
            co_return failure(errc::io);  // Neither progress nor a reason: it would spin.
        }
        const auto put_bytes = static_cast<std::size_t>(*put);
        octets = octets.subspan(put_bytes);
        offset += put_bytes;
        if (!octets.empty()) {
            co_await here.yield();
        }
    }
    co_return result<void>{};
}

struct copy_job {
    int from = -1;
    int to = -1;
    std::uint64_t size_bytes = 0;
};

/// True when copy_file_range(2) is not to be had for these two files, whatever the reason.
bool lacks_copy_range(const error& refused) noexcept {
    return refused.os_errno == EXDEV || refused.os_errno == EOPNOTSUPP ||
           refused.os_errno == EINVAL || refused.os_errno == ENOSYS;
}

/// Copies the first `size_bytes` of a file to the same place in another: shared blocks where the
/// file system can, else in the kernel, else through memory. Returns how many there were, fewer if
/// the file has shrunk.
runtime::task<result<std::uint64_t>> copy_content(runtime::core& here, copy_job job) {
    std::uint64_t done = 0;
    while (done < job.size_bytes) {
        const auto copied = co_await runtime::op_wait(
            here.io(), runtime::opcode::copy_range, job.from, runtime::never,
            [&](runtime::op& copy) {
                copy.args.copy_range = {.from_offset = done,
                                        .to = job.to,
                                        .to_offset = done,
                                        .size_bytes = job.size_bytes - done};
            });
        if (!copied && !lacks_copy_range(copied.error())) {
            co_return failure(copied.error());
        }
        if (!copied || *copied == 0) {
            break;  // 0 may be the end, or a file system that copies nothing: reading tells.
        }
        done += static_cast<std::uint64_t>(*copied);
    }
    if (done == job.size_bytes) {
        co_return done;
    }
    const auto buffer = std::make_unique_for_overwrite<std::byte[]>(write_bytes_max);
    while (done < job.size_bytes) {
        const auto size_bytes = std::min<std::uint64_t>(write_bytes_max, job.size_bytes - done);
        const auto got = co_await runtime::op_wait(
            here.io(), runtime::opcode::read, job.from, runtime::never, [&](runtime::op& read) {
                read.args.read = {.data = buffer.get(), .size_bytes = size_bytes, .offset = done};
            });
        if (!got) {
            co_return failure(got.error());
        }
        if (*got == 0) {
            break;
        }
        const auto got_bytes = static_cast<std::size_t>(*got);
        const auto put = co_await write_all(here, job.to, {buffer.get(), got_bytes}, done);
        if (!put) {
            co_return failure(put.error());
        }
        done += got_bytes;
        co_await here.yield();
    }
    co_return done;
}

/// What has the name at the beginning of an upload.
struct old_file {
    std::optional<metadata> status;  ///< None: no file that the new one takes the place of.
    std::optional<node> content;     ///< To take over from, when the mode does.
};

/// What has a name in the directory of the upload, a link not followed; nothing when it is free.
runtime::task<result<std::optional<metadata>>> entry_of(runtime::core& here,
                                                        const upload::state& my, const char* name) {
    co_return co_await find_entry(here, my.directory.get(), name, my.is_quick);
}

/// For `create`: the name must be free, of a dangling link too.
runtime::task<result<old_file>> expect_free(runtime::core& here, const upload::state& my) {
    const auto entry = co_await entry_of(here, my, my.name.c_str());
    if (!entry) {
        co_return failure(entry.error());
    }
    if (*entry) {
        co_return failure(errc::exists, EEXIST);
    }
    co_return old_file{};
}

/// For `append` and `restart`: the file clients see under the name, through a link if it is one.
runtime::task<result<old_file>> find_content(runtime::core& here, const upload_target& target) {
    auto opened = co_await open_node(here, {.root = target.root,
                                            .name = target.name,
                                            .links = target.links,
                                            .closing = target.closing});
    if (!opened && opened.error() == errc::not_found) {
        co_return old_file{};
    }
    if (!opened) {
        co_return failure(opened.error());
    }
    if (opened->is_directory()) {
        co_return failure(errc::is_directory, EISDIR);
    }
    old_file found{.status = opened->status(), .content = {}};
    found.content = std::move(*opened);
    co_return found;
}

/// For `replace`: what the new file takes the place of. Nothing of it is opened for reading:
/// whoever may write a file need not be allowed to read it.
runtime::task<result<old_file>> find_replaced(runtime::core& here, const upload_target& target,
                                              const upload::state& my) {
    if (my.is_quick) {  // Nothing or a file, and that is known here; a link leads elsewhere.
        const auto entry = co_await entry_of(here, my, my.name.c_str());
        if (!entry) {
            co_return failure(entry.error());
        }
        if (!*entry || (*entry)->kind == file_kind::regular) {
            co_return old_file{.status = *entry, .content = {}};
        }
    }
    const auto opened = co_await open_beneath(here, {.directory = target.root,
                                                     .name = target.name.relative(),
                                                     .flags = O_PATH,
                                                     .links = target.links});
    if (!opened && (opened.error() == errc::not_found || opened.error() == errc::outside_tree)) {
        co_return old_file{};  // Nothing, or a link to nowhere: like rename(2) it is replaced
                               // itself.
    }
    if (!opened) {
        co_return failure(opened.error());
    }
    const auto status = servable_status(opened->get(), target.name);
    if (!status) {
        co_return failure(status.error());
    }
    if (status->kind == file_kind::directory) {
        co_return failure(errc::is_directory, EISDIR);
    }
    co_return old_file{.status = *status, .content = {}};
}

constexpr bool takes_over(upload_mode mode) noexcept {
    return mode == upload_mode::append || mode == upload_mode::restart;
}

/// True when nobody has replaced, written or removed in the meantime what an upload began with.
bool is_same(const std::optional<metadata>& before, const std::optional<metadata>& now) noexcept {
    if (!before || !now) {
        return !before && !now;
    }
    return is_still(*before, *now);
}

/// What is there under the name, as far as the mode cares.
runtime::task<result<old_file>> find_old(runtime::core& here, const upload_target& target,
                                         const upload::state& my) {
    switch (my.mode) {
        case upload_mode::create:
            co_return co_await expect_free(here, my);
        case upload_mode::append:
        case upload_mode::restart:
            co_return co_await find_content(here, target);
        case upload_mode::replace:
            break;
    }
    co_return co_await find_replaced(here, target, my);
}

/// True when an unnamed file could be given a name later: linkat(2) finds it by way of /proc, which
/// a chroot may lack.
bool can_name_unnamed() noexcept {
    return kernel::faccessat(AT_FDCWD, "/proc/self/fd", F_OK, 0) == 0;
}

/// Of the file that takes the content.
int access_of(const upload::state& my) noexcept {
    return my.reads_back ? O_RDWR : O_WRONLY;
}

/// Makes the file that takes the content, unnamed.
runtime::task<result<void>> open_unnamed(runtime::core& here, upload::state& my, mode_t mode) {
    auto opened = co_await open_beneath(here, {.directory = my.directory.get(),
                                               .name = ".",
                                               .flags = O_TMPFILE | access_of(my),
                                               .mode = mode,
                                               .is_local = my.is_quick});
    if (!opened) {
        co_return failure(opened.error());
    }
    my.file = std::move(*opened);
    co_return result<void>{};
}

/// Makes the file that takes the content, under a hidden name.
runtime::task<result<void>> open_hidden(runtime::core& here, upload::state& my, mode_t mode) {
    for (unsigned attempt = 0; attempt < hidden_name_attempts_max; ++attempt) {
        std::string name = make_upload_name(here);
        auto opened = co_await open_beneath(here, {.directory = my.directory.get(),
                                                   .name = name.c_str(),
                                                   .flags = access_of(my) | O_CREAT | O_EXCL,
                                                   .mode = mode,
                                                   .is_local = my.is_quick});
        if (!opened && opened.error() != errc::exists) {
            co_return failure(opened.error());
        }
        if (!opened) {
            continue;
        }
        my.file = std::move(*opened);
        my.hidden = std::move(name);  // From here on somebody removes it, whatever is thrown.
        const bool is_ours = co_await claim(here, my.file.get(), my.home);
        if (is_ours) {
            co_return result<void>{};
        }
        my.hidden.clear();
        my.file.reset();
    }
    co_return failure(errc::busy, EEXIST);
}

/// True when the file system has no unnamed files, in the ways open(2) lists for O_TMPFILE. A
/// directory that is really gone fails again when a name is made in it.
bool lacks_unnamed(const error& refused) noexcept {
    return refused.os_errno == EOPNOTSUPP || refused.os_errno == EISDIR ||
           refused.os_errno == EINVAL || refused.os_errno == ENOENT;
}

runtime::task<result<void>> open_temporary(runtime::core& here, upload::state& my,
                                           holding_place holding, mode_t mode) {
    if (holding == holding_place::unnamed_if_possible && can_name_unnamed()) {
        const auto opened = co_await open_unnamed(here, my, mode);
        if (opened || !lacks_unnamed(opened.error())) {
            co_return opened;
        }
    }
    // In a scope of its own: an open that made the name and reported a stop would leave it behind.
    runtime::stop_scope unstopped;
    co_return co_await open_hidden(here, my, mode).in_scope(unstopped);
}

/// Takes over what the new content begins with and sets where writing goes on.
runtime::task<result<void>> take_over(runtime::core& here, upload::state& my, const node& old,
                                      std::uint64_t restart_offset) {
    const auto copied = co_await copy_content(
        here, {.from = old.fd(), .to = my.file.get(), .size_bytes = old.status().size_bytes});
    if (!copied) {
        co_return failure(copied.error());
    }
    my.offset = my.mode == upload_mode::append ? *copied : restart_offset;
    my.end_bytes = *copied;
    if (*copied < old.status().size_bytes) {
        co_return failure(errc::busy);  // Somebody truncated it: the commit would be refused.
    }
    co_return result<void>{};
}

/// What refuses a reservation because of its size. All else says nothing of room: a file system
/// that cannot reserve, a call that was interrupted.
bool is_about_room(const error& refused) noexcept {
    return refused == errc::no_space || refused == errc::over_quota || refused == errc::too_large ||
           refused == errc::cancelled;
}

/// Sets room aside for what is to come, behind what there is.
runtime::task<result<void>> reserve(runtime::core& here, upload::state& my,
                                    std::uint64_t size_bytes) {
    const std::uint64_t end = my.mode == upload_mode::append ? my.offset + size_bytes : size_bytes;
    if (size_bytes < reserved_bytes_min || end <= my.end_bytes) {
        co_return result<void>{};
    }
    const auto reserved = co_await runtime::op_wait(
        here.io(), runtime::opcode::allocate, my.file.get(), runtime::never, [&](runtime::op& op) {
            op.args.allocate = {.offset = my.end_bytes, .size_bytes = end - my.end_bytes};
        });
    if (reserved) {
        my.reserved_bytes = end;
    } else if (is_about_room(reserved.error())) {
        co_return failure(reserved.error());
    }
    co_return result<void>{};
}

/// Hard-links the unnamed file as `name` by what it is called in /proc.
runtime::task<result<void>> link_by_proc(runtime::core& here, const upload::state& my,
                                         const char* name) {
    const std::string source = fmt::format("/proc/self/fd/{}", my.file.get());
    const auto linked = co_await runtime::op_wait(
        here.io(), runtime::opcode::link_at, AT_FDCWD, runtime::never, [&](runtime::op& link) {
            link.args.link_at = {.from = source.c_str(),
                                 .to_directory = my.directory.get(),
                                 .to = name,
                                 .flags = AT_SYMLINK_FOLLOW,
                                 .is_local = my.is_quick};
        });
    if (!linked) {
        co_return failure(linked.error());
    }
    co_return result<void>{};
}

/// Hard-links the unnamed file as `name`: errc::exists when it is taken. By its descriptor, which
/// costs half of what a name in /proc does; before Linux 6.10 that wants CAP_DAC_READ_SEARCH, and
/// errc::not_found is how it is refused.
runtime::task<result<void>> link_unnamed(runtime::core& here, const upload::state& my,
                                         const char* name) {
    const auto linked = co_await runtime::op_wait(
        here.io(), runtime::opcode::link_at, my.file.get(), runtime::never, [&](runtime::op& link) {
            link.args.link_at = {.from = "",
                                 .to_directory = my.directory.get(),
                                 .to = name,
                                 .flags = AT_EMPTY_PATH,
                                 .is_local = my.is_quick};
        });
    if (linked) {
        co_return result<void>{};
    }
    if (linked.error() == errc::not_found) {
        co_return co_await link_by_proc(here, my, name);
    }
    co_return failure(linked.error());
}

/// Gives the unnamed file a hidden name, from where a rename can take the place of another file.
runtime::task<result<void>> link_hidden(runtime::core& here, upload::state& my) {
    // Nobody else can have it: it has no name yet.
    static_cast<void>(co_await claim(here, my.file.get(), my.home));
    for (unsigned attempt = 0; attempt < hidden_name_attempts_max; ++attempt) {
        std::string name = make_upload_name(here);
        const auto linked = co_await link_unnamed(here, my, name.c_str());
        if (linked) {
            my.hidden = std::move(name);
            co_return result<void>{};
        }
        if (linked.error() != errc::exists) {
            co_return failure(linked.error());
        }
    }
    co_return failure(errc::busy, EEXIST);
}

/// Whether what a rename takes the place of is there, and large: its blocks are freed in the
/// rename, 50 ms a GiB.
runtime::task<bool> replaces_much(runtime::core& here, const upload::state& my) {
    const auto entry = co_await entry_of(here, my, my.name.c_str());
    co_return !entry || (*entry && (*entry)->size_bytes > quick_bytes_max);
}

/// Renames the hidden name to the final one. Without `replace` errc::exists when that is taken.
runtime::task<result<void>> rename_hidden(runtime::core& here, upload::state& my, bool replace) {
    bool is_quick = my.is_quick;
    if (is_quick && replace) {
        const bool frees_much = co_await replaces_much(here, my);
        is_quick = !frees_much;
    }
    const auto renamed = co_await runtime::op_wait(
        here.io(), runtime::opcode::rename_at, my.directory.get(), runtime::never,
        [&](runtime::op& rename) {
            rename.args.rename_at = {.from = my.hidden.c_str(),
                                     .to_directory = my.directory.get(),
                                     .to = my.name.c_str(),
                                     .flags = replace ? 0U : RENAME_NOREPLACE,
                                     .is_local = is_quick};
        });
    if (!renamed) {
        co_return failure(renamed.error());
    }
    my.hidden.clear();
    co_return result<void>{};
}

/// The same as `rename_hidden` without `replace` where renameat2(2) has no flags (NFS, some FUSE):
/// a hard link is as exclusive.
runtime::task<result<void>> link_then_unlink(runtime::core& here, upload::state& my) {
    const auto linked =
        co_await runtime::op_wait(here.io(), runtime::opcode::link_at, my.directory.get(),
                                  runtime::never, [&](runtime::op& link) {
                                      link.args.link_at = {.from = my.hidden.c_str(),
                                                           .to_directory = my.directory.get(),
                                                           .to = my.name.c_str(),
                                                           .flags = 0,
                                                           .is_local = my.is_quick};
                                  });
    if (!linked) {
        co_return failure(linked.error());
    }
    const auto unlinked = co_await runtime::op_wait(
        here.io(), runtime::opcode::unlink_at, my.directory.get(), runtime::never,
        [&](runtime::op& unlink) { unlink.args.unlink_at = {.path = my.hidden.c_str()}; });
    if (unlinked) {
        my.hidden.clear();  // Else the destructor tries once more; the new file stands either way.
    }
    co_return result<void>{};
}

/// Gives the content its name in one step.
runtime::task<result<void>> give_name(runtime::core& here, upload::state& my) {
    const bool replace =
        takes_over(my.mode) ? my.entry.has_value() : my.mode == upload_mode::replace;
    if (my.hidden.empty()) {
        const auto linked = co_await link_unnamed(here, my, my.name.c_str());
        if (linked || !replace || linked.error() != errc::exists) {
            co_return linked;
        }
        const auto hidden = co_await link_hidden(here, my);
        if (!hidden) {
            co_return hidden;
        }
    }
    const auto renamed = co_await rename_hidden(here, my, replace);
    if (!renamed && !replace && renamed.error().os_errno == EINVAL) {
        co_return co_await link_then_unlink(here, my);
    }
    co_return renamed;
}

/// Removes an older part of the upload's owner.
runtime::task<> remove_part(runtime::core& here, upload::state& my) {
    if (my.is_quick) {  // Mostly there is none, and that is known here.
        const auto entry = co_await entry_of(here, my, my.part.c_str());
        if (entry && !*entry) {
            co_return;
        }
    }
    const removed_name part{.directory = my.directory.get(),
                            .name = my.part.c_str(),
                            .locks = my.counted.counts() ? my.locks : nullptr};
    static_cast<void>(co_await remove_counted(here, my.counted, part));
}

/// Cuts the file where its octets end.
runtime::task<result<void>> cut_at(runtime::core& here, int file, std::uint64_t end_bytes) {
    const auto cut = co_await runtime::run_offloaded(
        here,
        +[](int fd, std::uint64_t end) { return kernel::ftruncate(fd, end) == 0 ? 0 : errno; },
        file, end_bytes);
    if (!cut) {
        co_return failure(cut.error());
    }
    if (*cut != 0) {
        co_return failure_from_errno(*cut);
    }
    co_return result<void>{};
}

/// Gives back what was set aside and not needed: it would stay behind the file's end for ever.
runtime::task<> give_back_room(runtime::core& here, upload::state& my) {
    if (my.reserved_bytes > my.end_bytes) {
        // Refused, it costs room and harms nobody.
        static_cast<void>(co_await cut_at(here, my.file.get(), my.end_bytes));
    }
}

/// Gives a part that an upload has taken its name back, unless a newer one has it by now: then the
/// upload's end removes it: whether it has. For an upload that never begins.
runtime::task<bool> give_part_back(runtime::core& here, upload::state& my) {
    my.name = my.part;
    my.mode = upload_mode::create;
    runtime::stop_scope unstopped;  // A rename that has happened and says it was stopped.
    if (my.file) {                  // What was set aside before there was no more room.
        static_cast<void>(co_await cut_at(here, my.file.get(), my.end_bytes).in_scope(unstopped));
    }
    const auto back = co_await give_name(here, my).in_scope(unstopped);
    co_return back.has_value();
}

/// How much a file of `end_bytes` is more than what it takes the place of: what an upload sets
/// aside. The old file has its place until the commit, and the new one takes it over then.
amount growth_of(std::uint64_t end_bytes, amount replaced) noexcept {
    return {.octets = end_bytes > replaced.octets ? end_bytes - replaced.octets : 0,
            .files = 1 - replaced.files};
}

/// Sets aside what the file will take once it has `end_bytes`.
result<void> set_aside(upload::state& my, std::uint64_t end_bytes) {
    return my.counted.set_aside(growth_of(end_bytes, my.replaced));
}

/// Before anything is written behind the first `begun_bytes`: what the file is going to have, where
/// that is known, and else room for an octet where it must become more.
result<void> set_aside_first(upload::state& my, const upload_options& options,
                             std::uint64_t begun_bytes) {
    const bool grows = my.mode == upload_mode::append || my.replaced.files == 0;
    std::uint64_t end = begun_bytes + (grows ? 1 : 0);
    if (options.size_bytes && my.counted.limits_octets()) {  // Else it takes what comes.
        const std::uint64_t from = my.mode == upload_mode::append ? begun_bytes : 0;
        const auto rest_max = std::numeric_limits<std::uint64_t>::max() - from;
        end = std::max(begun_bytes, from + std::min(*options.size_bytes, rest_max));
    }
    return set_aside(my, end);
}

/// `give_name`, and counts the file and what it replaces, which is still there: the name is this
/// upload's alone.
runtime::task<result<void>> give_name_counted(runtime::core& here, upload::state& my) {
    if (!my.counted.counts()) {
        const auto named = co_await give_name(here, my);
        my.counted.note_uncounted();
        co_return named;
    }
    const auto entry = co_await entry_of(here, my, my.name.c_str());
    if (!entry) {
        co_return failure(entry.error());
    }
    my.replaced = *entry ? amount_of(**entry) : amount{};
    const auto has_room = set_aside(my, my.end_bytes);
    if (!has_room) {
        co_return has_room;
    }
    const amount made{.octets = my.end_bytes, .files = 1};
    charge::change change(my.counted, {.octets = made.octets + my.replaced.octets,
                                       .files = made.files + my.replaced.files});
    const auto named = co_await give_name(here, my);
    if (named) {
        change.done(made, my.replaced, {});
    }
    co_return named;
}

/// Looks whether a part that has just been taken is the one that was opened, and cuts it at `from`:
/// until the lock was had, another session of the same owner may have left a newer one in its
/// place, or gone on with this one and been cut off again.
runtime::task<result<void>> check_adopted(runtime::core& here, const upload::state& my, int file,
                                          std::uint64_t from) {
    struct stat status{};
    const bool is_known = kernel::fstat(file, status) == 0 && status.st_nlink != 0;
    const auto size_bytes = is_known ? static_cast<std::uint64_t>(status.st_size) : 0;
    const bool is_all = my.mode == upload_mode::append || my.is_apart;
    if (!is_known || (is_all ? size_bytes != from : size_bytes < from)) {
        co_return failure(errc::busy);
    }
    if (size_bytes > from) {
        co_return co_await cut_at(here, file, from);
    }
    co_return result<void>{};
}

/// Makes an open part the file of an upload that goes on at `from`: under a name of this upload's,
/// so that nobody else goes on with it too, and a crash leaves no half of it behind. It has its old
/// name again when that fails.
runtime::task<result<void>> adopt_part(runtime::core& here, upload::state& my, unique_fd file,
                                       std::uint64_t from) {
    const bool is_ours = co_await claim(here, file.get(), my.home);
    if (!is_ours) {
        co_return failure(errc::busy);
    }
    std::string name = make_upload_name(here);
    amount part;
    if (my.counted.counts()) {
        const auto entry = co_await entry_of(here, my, my.part.c_str());
        if (!entry || !*entry) {
            co_return failure(!entry ? entry.error() : error{.code = errc::busy});
        }
        part = amount_of(**entry);
    }
    charge::change change(my.counted, part);
    const auto moved =
        co_await runtime::op_wait(here.io(), runtime::opcode::rename_at, my.directory.get(),
                                  runtime::never, [&](runtime::op& rename) {
                                      rename.args.rename_at = {.from = my.part.c_str(),
                                                               .to_directory = my.directory.get(),
                                                               .to = name.c_str(),
                                                               .flags = 0};
                                  });
    if (!moved) {
        co_return failure(moved.error() == errc::not_found ? error{.code = errc::busy}
                                                           : moved.error());
    }
    my.hidden = std::move(name);
    const auto checked = co_await check_adopted(here, my, file.get(), from);
    if (!checked) {
        const bool is_back = co_await give_part_back(here, my);
        if (!is_back) {
            change.done({}, part, {});
        }
        co_return checked;
    }
    change.done({}, part, {.octets = from, .files = 1});
    my.file = std::move(file);
    my.offset = my.end_bytes = my.begun_bytes = from;
    my.is_rest = true;
    co_return result<void>{};
}

/// Takes the name of the upload's part alone, where that counts: its size is looked at, or what has
/// it.
runtime::task<result<name_locks::hold>> hold_part_name(runtime::core& here,
                                                       const upload::state& my) {
    if (!my.counted.counts() || my.locks == nullptr) {
        co_return name_locks::hold();
    }
    co_return co_await my.locks->take(here, my.directory.get(), my.part, name_locks::manner::alone);
}

/// Leaves a part that an upload has taken and could not begin with to its owner.
runtime::task<> leave_part(runtime::core& here, upload::state& my) {
    const auto name = co_await hold_part_name(here, my);
    if (!name) {
        co_return;
    }
    const amount part{.octets = my.end_bytes, .files = 1};
    charge::change change(my.counted, part);
    const bool is_back = co_await give_part_back(here, my);
    if (is_back) {
        change.done(part, {}, {});
    }
}

/// Goes on with the part of the upload's owner, if there is one: whether there was.
runtime::task<result<bool>> take_part(runtime::core& here, upload::state& my,
                                      const upload_target& target, const upload_options& options) {
    // Who was told its size a moment ago may still go on with it.
    const bool was_told = my.mode == upload_mode::restart || options.part_bytes.has_value();
    const auto age_max = target.parts_kept + (was_told ? target.parts_kept / 8 : zero);
    auto found = co_await open_a_part(
        here, {.directory = my.directory.get(), .name = my.part.c_str(), .age_max = age_max},
        access_of(my));
    if (!found && found.error() == errc::not_found) {
        co_return false;
    }
    if (!found) {
        co_return failure(found.error());
    }
    const std::uint64_t size_bytes = found->status.size_bytes;
    if (size_bytes != options.part_bytes.value_or(size_bytes)) {
        co_return false;
    }
    const std::uint64_t from =
        my.mode == upload_mode::append || my.is_apart ? size_bytes : options.restart_offset;
    if (from > size_bytes) {
        co_return failure(errc::invalid);
    }
    const auto name = co_await hold_part_name(here, my);
    if (!name) {
        co_return failure(name.error());
    }
    runtime::stop_scope unstopped;  // A rename that has happened and says it was stopped.
    const auto adopted =
        co_await adopt_part(here, my, std::move(found->file), from).in_scope(unstopped);
    if (!adopted) {
        co_return failure(adopted.error());
    }
    co_return true;
}

runtime::task<result<void>> sync(runtime::core& here, int fd, bool is_data_only) {
    const auto synced = co_await runtime::op_wait(
        here.io(), runtime::opcode::sync, fd, runtime::never,
        [is_data_only](runtime::op& what) { what.args.sync.data_only = is_data_only; });
    if (!synced) {
        co_return failure(synced.error());
    }
    co_return result<void>{};
}

/// The name has a whole file now.
void forget_replacement(upload::state& my) noexcept {
    if (my.attempt) {
        my.attempt.is_whole();
    } else if (my.replacements != nullptr && my.account.empty()) {
        my.replacements->forget(my.directory.get(), my.name);
    }
}

/// Notes that the upload is there, if it is not yet.
void note_replacement(upload::state& my) {
    const bool is_noted = my.replacements != nullptr && !my.account.empty() && !my.attempt &&
                          (my.mode == upload_mode::replace || my.is_rest);
    if (!is_noted) {
        return;
    }
    if (auto key = key_of_entry(my.directory.get(), my.name)) {
        my.attempt = my.replacements->begin(std::move(*key), my.account, my.here->now());
    }
}

/// Notes an upload that ends uncommitted and began when nobody had the name, if somebody has it by
/// now: a client that goes on would go on with that file.
runtime::task<> note_if_taken(runtime::core& here, upload::state& my) {
    if (my.replacements == nullptr || my.account.empty() || my.attempt) {
        co_return;
    }
    runtime::stop_scope unstopped;
    const auto entry = co_await entry_of(here, my, my.name.c_str()).in_scope(unstopped);
    if (entry && *entry) {
        note_replacement(my);
    }
}

runtime::task<result<void>> commit_steps(runtime::core& here, upload::state& my, durability level) {
    unique_fd directory;
    if (level == durability::full) {
        // Before anything has happened: a directory that cannot be opened cannot be synced.
        auto opened = co_await open_beneath(
            here, {.directory = my.directory.get(), .name = ".", .flags = O_RDONLY | O_DIRECTORY});
        if (!opened) {
            co_return failure(opened.error());
        }
        directory = std::move(*opened);
    }
    co_await give_back_room(here, my);
    if (level != durability::none) {
        const auto synced = co_await sync(here, my.file.get(), level == durability::data);
        if (!synced) {
            co_return synced;
        }
    }
    const auto looked = co_await my.counted.look_again(here, my.directory.get());
    if (!looked) {
        co_return looked;
    }
    // From the look at what has the name until it is replaced nobody else replaces it.
    name_locks::hold name;
    if (my.locks != nullptr) {
        const bool looks = takes_over(my.mode) || my.only_if_unchanged || my.counted.counts();
        auto taken =
            co_await my.locks->take(here, my.directory.get(), my.name,
                                    looks ? name_locks::manner::alone : name_locks::manner::shared);
        if (!taken) {
            co_return failure(taken.error());
        }
        name = std::move(*taken);
    }
    if (takes_over(my.mode) || my.only_if_unchanged) {
        // Else what another upload has added since would be lost, although it was acknowledged.
        const auto entry = co_await entry_of(here, my, my.name.c_str());
        if (!entry) {
            co_return failure(entry.error());
        }
        if (!is_same(my.entry, *entry)) {
            co_return failure(errc::busy);
        }
    }
    const auto named = co_await give_name_counted(here, my);
    if (named) {
        forget_replacement(my);
    }
    name = {};  // Not for as long as the directory is synced.
    if (!named && named.error() == errc::exists && takes_over(my.mode)) {
        co_return failure(errc::busy, EEXIST);
    }
    if (named && !my.part.empty() && !my.is_apart) {
        try {  // Else it would be seen again when the file is removed.
            co_await remove_part(here, my);
        } catch (const std::bad_alloc&) {
            // It stays: the file has its name, and that is what there is to tell.
        }
    }
    if (!named || level != durability::full) {
        co_return named;
    }
    co_return co_await sync(here, directory.get(), false);
}

runtime::task<result<void>> keep_steps(runtime::core& here, upload::state& my, durability level) {
    if (my.lost || my.is_taken_back) {  // A write that was stopped may have gone further.
        const auto cut = co_await cut_at(here, my.file.get(), my.end_bytes);
        if (!cut) {
            co_return cut;
        }
    } else {
        co_await give_back_room(here, my);
    }
    if (level != durability::none) {
        const auto synced = co_await sync(here, my.file.get(), true);
        if (!synced) {
            co_return synced;
        }
    }
    my.name = my.part;
    my.mode = upload_mode::replace;
    const auto looked = co_await my.counted.look_again(here, my.directory.get());
    if (!looked) {
        co_return looked;
    }
    const auto name = co_await hold_part_name(here, my);
    if (!name) {
        co_return failure(name.error());
    }
    co_return co_await give_name_counted(here, my);
}

/// Begins with a new file, and what it takes over of the old one.
runtime::task<result<void>> begin_new(runtime::core& here, upload::state& my,
                                      const upload_target& target, const old_file& old,
                                      const upload_options& options) {
    const std::uint64_t old_bytes = old.status ? old.status->size_bytes : 0;
    if (options.mode == upload_mode::restart && options.restart_offset > old_bytes) {
        co_return failure(errc::invalid);
    }
    // What takes the place of a private file is private from its first octet on.
    const mode_t mode = old.status ? private_permissions : options.permissions & permission_bits;
    const auto opened = co_await open_temporary(here, my, target.holding, mode);
    if (!opened) {
        co_return failure(opened.error());
    }
    if (old.status) {
        // Refused only where the file system has no modes of its own, and then there is nothing to
        // keep.
        static_cast<void>(kernel::fchmod(my.file.get(), old.status->mode & permission_bits));
    }
    if (old.content) {
        co_return co_await take_over(here, my, *old.content, options.restart_offset);
    }
    co_return result<void>{};
}

/// Finds room, and begins with what there is.
runtime::task<result<void>> begin_content(runtime::core& here, upload::state& my,
                                          const upload_target& target, const old_file& old,
                                          const upload_options& options, bool goes_on) {
    const std::uint64_t taken_bytes =
        takes_over(my.mode) && old.status ? old.status->size_bytes : 0;
    const auto has_room = set_aside_first(my, options, goes_on ? my.end_bytes : taken_bytes);
    if (!has_room) {
        co_return has_room;
    }
    if (!goes_on) {
        const auto begun = co_await begin_new(here, my, target, old, options);
        if (!begun) {
            co_return begun;
        }
    } else if (old.status) {  // It may have another mode by now than when the part was begun.
        static_cast<void>(kernel::fchmod(my.file.get(), old.status->mode & permission_bits));
    }
    if (!options.size_bytes) {
        co_return result<void>{};
    }
    co_return co_await reserve(here, my, *options.size_bytes);
}

}  // namespace

runtime::task<result<upload>> begin_upload(runtime::core& here, upload_target target,
                                           upload_options options) {
    if (target.name.wants_directory()) {
        co_return failure(errc::is_directory, EISDIR);
    }
    auto made = std::make_unique<upload::state>();
    made->mode = options.mode;
    made->is_apart = is_owner_apart(options.part_owner);
    FERRY_ASSERT(!made->is_apart || !takes_over(options.mode));
    made->reads_back = options.reads_back;
    made->closing = target.closing;
    made->locks = target.locks;
    made->home = target.home;
    made->replacements = target.replacements;
    made->account = std::move(options.account);
    made->here = &here;
    made->name = target.name.name();
    const path parent = target.name.parent();
    auto directory = co_await open_beneath(here, {.directory = target.root,
                                                  .name = parent.relative(),
                                                  .flags = O_PATH | O_DIRECTORY,
                                                  .links = target.links});
    if (!directory) {
        co_return failure(directory.error());
    }
    made->directory = std::move(*directory);
    struct stat status{};
    made->is_quick = made->home.waits_for_nobody &&
                     kernel::fstat(made->directory.get(), status) == 0 &&
                     made->home.has_local(status.st_dev);
    auto counted = co_await charge::find(here, target.homes, made->directory.get(), target.limit);
    if (!counted) {
        co_return failure(counted.error());
    }
    made->counted = std::move(*counted);
    const auto known = co_await made->counted.wait_for_count(here);
    if (!known) {
        co_return failure(known.error());
    }

    made->only_if_unchanged = options.only_if_unchanged;
    const bool must_be_same = takes_over(options.mode) || options.only_if_unchanged;
    if (must_be_same || made->counted.counts()) {
        // First: what changes from here on is found at the commit.
        auto entry = co_await entry_of(here, *made, made->name.c_str());
        if (!entry) {
            co_return failure(entry.error());
        }
        made->replaced = *entry ? amount_of(**entry) : amount{};
        if (must_be_same) {
            made->entry = *entry;
        }
    }
    const auto old = co_await find_old(here, target, *made);
    if (!old) {
        co_return failure(old.error());
    }
    const bool is_free = !old->status && !made->entry;
    if ((is_free || made->is_apart) && target.parts_kept > zero) {
        made->part = make_part_name(options.part_owner, made->name);
    }
    if (made->is_apart && made->part.empty()) {
        co_return failure(errc::unsupported);
    }
    bool goes_on = false;
    const bool may_go_on = made->is_apart ? options.part_bytes.has_value()
                                          : takes_over(options.mode) && !made->part.empty();
    if (may_go_on) {
        const auto taken = co_await take_part(here, *made, target, options);
        if (!taken) {
            co_return failure(taken.error());
        }
        goes_on = *taken;
    }
    if (options.part_bytes && !goes_on) {
        co_return failure(errc::busy);
    }
    if (!goes_on && !made->part.empty() && !made->is_apart && made->counted.is_limited()) {
        // Who begins anew cannot see it, and it takes his room.
        co_await remove_part(here, *made);
    }
    const auto begun = co_await begin_content(here, *made, target, *old, options, goes_on);
    if (!begun && goes_on) {
        co_await leave_part(here, *made);
    }
    if (!begun) {
        co_return failure(begun.error());
    }
    if (old->status) {
        note_replacement(*made);  // Before its client hears that it has begun.
    }
    co_return upload(std::move(made));
}

upload::upload(std::unique_ptr<state> made) noexcept : state_(std::move(made)) {}
upload::upload(upload&&) noexcept = default;
upload& upload::operator=(upload&&) noexcept = default;
upload::~upload() = default;

runtime::task<result<void>> upload::write(runtime::core& here, std::span<const std::byte> octets) {
    state& my = *state_;
    FERRY_ASSERT(!my.is_commit_begun);
    if (my.lost) {
        co_return failure(*my.lost);
    }
    const auto has_room = set_aside(my, std::max(my.end_bytes, my.offset + octets.size()));
    if (!has_room) {
        my.lost = has_room.error();
        co_return has_room;
    }
    const auto put = co_await write_all(here, my.file.get(), octets, my.offset);
    if (!put) {
        my.lost = put.error();
        co_return failure(put.error());
    }
    my.offset += octets.size();
    my.end_bytes = std::max(my.end_bytes, my.offset);
    my.written_bytes += octets.size();
    co_return result<void>{};
}

runtime::task<result<void>> upload::write_all_of(runtime::core& here, const node& from) {
    state& my = *state_;
    FERRY_ASSERT(!my.is_commit_begun && my.end_bytes == 0);
    if (my.lost) {
        co_return failure(*my.lost);
    }
    const std::uint64_t size_bytes = from.status().size_bytes;
    const auto has_room = set_aside(my, size_bytes);
    if (!has_room) {
        my.lost = has_room.error();
        co_return has_room;
    }
    struct stat status{};
    const bool costs_room = !my.home.may_share_blocks &&
                            kernel::fstat(my.file.get(), status) == 0 &&
                            my.home.has_local(status.st_dev);
    if (costs_room) {
        const auto reserved = co_await reserve(here, my, size_bytes);
        if (!reserved) {
            my.lost = reserved.error();
            co_return reserved;
        }
    }
    const auto copied = co_await copy_content(
        here, {.from = from.fd(), .to = my.file.get(), .size_bytes = size_bytes});
    if (!copied || *copied < size_bytes) {
        my.lost = copied ? error{.code = errc::busy} : copied.error();
        co_return failure(*my.lost);
    }
    my.offset = my.end_bytes = my.written_bytes = size_bytes;
    co_return result<void>{};
}

runtime::task<result<std::size_t>> upload::read(runtime::core& here, std::span<std::byte> into,
                                                std::uint64_t offset) const {
    const state& my = *state_;
    FERRY_ASSERT(my.reads_back);
    const auto got = co_await runtime::op_wait(
        here.io(), runtime::opcode::read, my.file.get(), runtime::never, [&](runtime::op& read) {
            read.args.read = {.data = into.data(), .size_bytes = into.size(), .offset = offset};
        });
    if (!got) {
        co_return failure(got.error());
    }
    co_return static_cast<std::size_t>(*got);
}

void upload::take_back() noexcept {
    state& my = *state_;
    FERRY_ASSERT(!my.is_commit_begun);
    my.is_taken_back = true;
    my.offset = my.end_bytes = my.begun_bytes;
    my.written_bytes = 0;
}

std::uint64_t upload::size_bytes() const noexcept {
    return state_->end_bytes;
}

std::uint64_t upload::written_bytes() const noexcept {
    return state_->written_bytes;
}

result<metadata> upload::status() const noexcept {
    return metadata_of(state_->file.get());
}

runtime::task<result<void>> upload::keep(runtime::core& here, durability level) {
    state& my = *state_;
    co_await note_if_taken(here, my);
    const bool is_whole_so_far = !my.lost || *my.lost == errc::cancelled;
    const bool has_content = my.end_bytes != 0 || my.is_apart;
    if (my.part.empty() || my.is_commit_begun || !is_whole_so_far || !has_content) {
        co_return failure(errc::unsupported);
    }
    runtime::stop_scope unstopped;
    const auto kept = co_await keep_steps(here, my, level).in_scope(unstopped);
    if (kept) {
        state_.reset();
    }
    co_return kept;
}

runtime::task<> upload::discard(runtime::core& here) {
    if (state_->name != state_->part) {  // Else `keep` has looked, and failed later.
        co_await note_if_taken(here, *state_);
    }
    unique_fd file = std::move(state_->file);
    state_.reset();  // The hidden name goes first: with the descriptor goes the space.
    runtime::stop_scope deaf;
    // A pool without memory for the errand has closed the descriptor with its argument.
    static_cast<void>(co_await runtime::run_offloaded(
                          here, +[](unique_fd closed) { closed.reset(); }, std::move(file))
                          .in_scope(deaf));
}

runtime::task<result<void>> upload::commit(runtime::core& here, durability level) {
    state& my = *state_;
    FERRY_ASSERT(!my.is_commit_begun);
    my.is_commit_begun = true;
    if (my.lost) {
        co_return failure(*my.lost);
    }
    runtime::stop_scope unstopped;
    co_return co_await commit_steps(here, my, level).in_scope(unstopped);
}

}  // namespace ferry::vfs
