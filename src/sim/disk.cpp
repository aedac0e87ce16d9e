#include "sim/disk.hpp"

#include <fcntl.h>
#include <sys/inotify.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "sim/dentry.hpp"
#include "sim/disk_state.hpp"
#include "sim/inotify.hpp"
#include "sim/path_walk.hpp"

namespace ferry::sim {

namespace {

constexpr mode_t file_mode_mask = 0022;  // The umask.
constexpr mode_t all_mode_bits = 07777;
constexpr mode_t directory_mode_bits = 01777;
constexpr long tick_nanoseconds = 4'000'000;  // CONFIG_HZ=250.
constexpr std::size_t symlink_bytes_max = 4'095;
constexpr int large_file_flag = 0100000;  // O_LARGEFILE of the kernel; 0 in 64-bit headers.

constexpr int flags_known = O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND |
                            O_NONBLOCK | O_SYNC | O_ASYNC | O_DIRECT | O_DIRECTORY | O_NOFOLLOW |
                            O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE | large_file_flag;
constexpr int flags_with_path = O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC;
constexpr int flags_of_open_only = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC;
constexpr std::uint64_t resolve_known = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS |
                                        RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_IN_ROOT |
                                        RESOLVE_CACHED;

/// What open(2) was asked for.
struct request {
    int flags;
    mode_t mode;
    std::uint64_t resolve;

    [[nodiscard]] bool has(int flag) const noexcept { return (flags & flag) == flag; }
    [[nodiscard]] bool creates() const noexcept { return has(O_CREAT) && !has(O_PATH); }
    [[nodiscard]] bool is_exclusive() const noexcept { return creates() && has(O_EXCL); }
    [[nodiscard]] bool writes() const noexcept { return (flags & O_ACCMODE) != O_RDONLY; }
    [[nodiscard]] bool follows_last() const noexcept { return !has(O_NOFOLLOW) && !is_exclusive(); }
};

/// What openat2(2) refuses before it looks at any path.
int judge(const open_how& how) noexcept {
    if ((how.flags & ~std::uint64_t{static_cast<unsigned>(flags_known)}) != 0 ||
        (how.resolve & ~resolve_known) != 0) {
        return -EINVAL;
    }
    const request what{.flags = static_cast<int>(how.flags),
                       .mode = static_cast<mode_t>(how.mode),
                       .resolve = how.resolve};
    const bool makes = what.has(O_CREAT) || what.has(O_TMPFILE);
    if ((how.resolve & RESOLVE_BENEATH) != 0 && (how.resolve & RESOLVE_IN_ROOT) != 0) {
        return -EINVAL;
    }
    if (makes ? (how.mode & ~std::uint64_t{all_mode_bits}) != 0 : how.mode != 0) {
        return -EINVAL;
    }
    if (what.has(O_CREAT) && what.has(O_DIRECTORY)) {
        return -EINVAL;  // O_TMPFILE, which holds O_DIRECTORY, too.
    }
    if (what.has(O_PATH) && (what.flags & ~flags_with_path) != 0) {
        return -EINVAL;
    }
    const bool has_unnamed_flag = (what.flags & (O_TMPFILE & ~O_DIRECTORY)) != 0;
    if (has_unnamed_flag && (!what.has(O_TMPFILE) || !what.writes())) {
        return -EINVAL;
    }
    if ((how.resolve & RESOLVE_CACHED) != 0 && (makes || what.has(O_TRUNC))) {
        return -EAGAIN;
    }
    return 0;
}

/// Whether what is there may be opened so (may_open in fs/namei.c, and the open of its kind).
int judge(const inode& what, const request& asked) noexcept {
    if (what.is_symlink()) {
        return -ELOOP;
    }
    if (what.is_directory() && (asked.writes() || asked.has(O_TRUNC))) {
        return -EISDIR;
    }
    if (what.is_fifo() && (asked.flags & O_ACCMODE) == O_WRONLY && asked.has(O_NONBLOCK) &&
        what.readers == 0) {
        return -ENXIO;
    }
    return 0;
}

inode* base_of(const open_file_ptr& directory) noexcept {
    return directory == nullptr ? nullptr : directory->what.get();
}

/// By what name a walk has come to `found`.
dentry_ptr dentry_of(const path_walk& walk, inode& found) {
    return found.is_directory() ? dentry_of(found) : dentry_of(found, *walk.at, walk.name);
}

/// What is open from now on: that is told.
open_file_ptr open_by(dentry_ptr name, int flags) {
    auto opened = make_open_file(std::move(name), flags);
    notify_entry(*opened->by, IN_OPEN, true);
    return opened;
}

}  // namespace

// ------------------------------------------------------------------------------------- the state

disk::state::state(std::function<timespec()> clock, ferry::random& chance)
    : wall_clock(std::move(clock)), rng(chance) {
    ledger->name_seed = rng.next();
    root = make(S_IFDIR | 0755);
    root->links = 2;
    root->parent = root.get();
}

disk::state::~state() {
    ++ledger->life;  // Whoever has something open tells nobody any more.
    log.clear();
    // Every pointer from one inode to another, or those that form a circle stay for ever.
    std::vector<inode_ptr> all;
    for (const auto& [number, each] : ledger->all) {
        all.push_back(each->shared_from_this());
    }
    for (const inode_ptr& each : all) {
        each->names.clear();
        each->durable.names.clear();
        each->parent_of_dead = nullptr;
    }
}

timespec disk::state::now() const {
    timespec when = wall_clock();
    when.tv_nsec -= when.tv_nsec % tick_nanoseconds;
    return when;
}

int disk::state::check(const open_file_ptr& file) const noexcept {
    if (file == nullptr) {
        return -EBADF;
    }
    return file->life == ledger->life ? 0 : -EIO;
}

int disk::state::check_open(const open_file_ptr& file) const noexcept {
    if (const int failed = check(file)) {
        return failed;
    }
    return (file->flags & O_PATH) != 0 ? -EBADF : 0;
}

int disk::state::check_base(const open_file_ptr& directory) const noexcept {
    return directory == nullptr ? 0 : check(directory);
}

inode_ptr disk::state::make(mode_t mode) {
    return std::make_shared<inode>(ledger, mode, now());
}

void disk::state::add_name(inode& directory, const std::string& name, const inode_ptr& what) {
    const timespec when = now();
    directory.names.set(directory_names::place_of(name, ledger->name_seed), name, what);
    directory.is.modified = directory.is.changed = when;
    what->may_get_first_name = false;
    what->is.changed = when;
    if (what->is_directory()) {
        what->links = 2;
        what->parent = &directory;
        what->own_name = name;
        ++directory.links;
    } else {
        ++what->links;
    }
    log.note(directory, nullptr,
             {.first = {.directory = directory.shared_from_this(), .name = name, .what = what},
              .second = {}},
             when);
    log.write_back_if_much(*ledger);
    notify_name(directory, name, *what, IN_CREATE);
}

// ----------------------------------------------------------------------------------------- open

disk::disk(std::function<timespec()> wall_clock, ferry::random& rng)
    : state_(std::make_unique<state>(std::move(wall_clock), rng)) {}

disk::~disk() = default;

open_file_ptr disk::root() const {
    return make_open_file(dentry_of(*state_->root), O_PATH | O_DIRECTORY);
}

int disk::open(const open_file_ptr& directory, const char* path, const open_how& how,
               open_file_ptr& opened) {
    state& my = *state_;
    if (const int refused = judge(how)) {
        return refused;
    }
    if (const int failed = my.check_base(directory)) {
        return failed;
    }
    if ((how.resolve & RESOLVE_CACHED) != 0 && my.is_cold && my.rng.below(2) == 0) {
        return -EAGAIN;
    }
    const request asked{.flags = static_cast<int>(how.flags),
                        .mode = static_cast<mode_t>(how.mode) & ~file_mode_mask,
                        .resolve = how.resolve};
    path_walk walk(*my.root, asked.resolve);
    if (const int failed = walk.begin(base_of(directory), path)) {
        return failed;
    }
    const int kept_flags = asked.flags & ~flags_of_open_only;
    inode* found = nullptr;
    if (asked.has(O_PATH) || asked.has(O_TMPFILE)) {
        const int failed = walk.to_end(
            {.follows_link = !asked.has(O_NOFOLLOW), .wants_directory = asked.has(O_DIRECTORY)},
            found);
        if (failed != 0) {
            return failed;
        }
        if (asked.has(O_PATH)) {
            opened = make_open_file(dentry_of(walk, *found), kept_flags);
            return 0;
        }
        if (found->is_dead()) {
            return -EPERM;  // As ext4 has it; tmpfs makes one.
        }
        const inode_ptr made = my.make(S_IFREG | asked.mode);
        made->may_get_first_name = !asked.has(O_EXCL);
        opened = open_by(make_unnamed_dentry(*made, *found), kept_flags);
        return 0;
    }

    bool wants_directory = asked.has(O_DIRECTORY);
    bool follows_last = asked.follows_last();
    for (;;) {
        if (const int failed = walk.to_last()) {
            return failed;
        }
        if (walk.last != last_component::name) {
            if (const int failed = walk.step_dots()) {
                return failed;
            }
            found = walk.at;
            break;
        }
        if (walk.has_slash && asked.creates()) {
            return -EISDIR;
        }
        if (walk.has_slash) {
            wants_directory = true;
            follows_last = true;
        }
        if (const int failed = walk.look_up(found)) {
            return failed;
        }
        if (found == nullptr || !found->is_symlink() || !follows_last) {
            break;
        }
        if (const int failed = walk.follow(*found)) {
            return failed;
        }
    }
    if (found == nullptr) {
        if (!asked.creates()) {
            return -ENOENT;
        }
        const inode_ptr made = my.make(S_IFREG | asked.mode);
        my.add_name(*walk.at, std::string(walk.name), made);
        opened = open_by(dentry_of(walk, *made), kept_flags);
        return 0;
    }
    if (asked.is_exclusive()) {
        return -EEXIST;
    }
    if (asked.creates() && found->is_directory()) {
        return -EISDIR;
    }
    if (wants_directory && !found->is_directory()) {
        return -ENOTDIR;
    }
    if (const int refused = judge(*found, asked)) {
        return refused;
    }
    opened = open_by(dentry_of(walk, *found), kept_flags);
    if (asked.has(O_TRUNC) && found->is_regular()) {
        my.resize(*opened, 0);
    }
    return 0;
}

std::uint64_t disk::type() const noexcept {
    return state_->type;
}

void disk::set_type(std::uint64_t type) noexcept {
    state_->type = type;
}

void disk::tell_size(const open_file_ptr& file, std::uint64_t size_bytes) noexcept {
    file->what->told_size_bytes = size_bytes;
}

void disk::set_cold(bool is_cold) noexcept {
    state_->is_cold = is_cold;
}

// ---------------------------------------------------------------------------------------- names

namespace {

/// True when `inner` is `outer` or lies beneath it.
bool is_within(const inode& inner, const inode& outer) noexcept {
    for (const inode* each = &inner;; each = each->parent) {
        if (each == &outer) {
            return true;
        }
        if (each == each->parent) {
            return false;
        }
    }
}

/// Where a new name is to go (filename_create in fs/namei.c).
int find_free(inode& disk_root, inode* from, const char* path, bool is_for_directory,
              name_place& into) {
    if (const int failed = find_place(disk_root, from, path, into)) {
        return failed;
    }
    if (into.last != last_component::name) {
        return -EEXIST;
    }
    if (const int failed = look_up_name(into)) {
        return failed;
    }
    if (into.found != nullptr) {
        return -EEXIST;
    }
    return into.has_slash && !is_for_directory ? -ENOENT : 0;
}

/// What vfs_rename in fs/namei.c, and the file system after it, refuse.
int judge_rename(const name_place& from, const name_place& to) noexcept {
    if (from.found == to.found) {
        return 0;
    }
    if (to.found == nullptr) {
        return 0;
    }
    if (from.found->is_directory() && !to.found->is_directory()) {
        return -ENOTDIR;
    }
    if (!from.found->is_directory() && to.found->is_directory()) {
        return -EISDIR;
    }
    return to.found->names.empty() ? 0 : -ENOTEMPTY;
}

dentry_ptr dentry_of(const name_place& of) {
    return of.found->is_directory() ? dentry_of(*of.found)
                                    : dentry_of(*of.found, *of.directory, of.name);
}

/// Takes from a directory that was removed, or replaced, its links and what it held of others.
void bury(inode& directory) {
    --directory.parent->links;
    directory.parent_of_dead = directory.parent->shared_from_this();
    directory.links = 0;
}

}  // namespace

int disk::rename(const open_file_ptr& from_directory, const char* from,
                 const open_file_ptr& to_directory, const char* to, unsigned flags) {
    state& my = *state_;
    if ((flags & ~unsigned{RENAME_NOREPLACE}) != 0) {
        return -EINVAL;  // What every file system may say to RENAME_EXCHANGE and RENAME_WHITEOUT.
    }
    for (const open_file_ptr* each : {&from_directory, &to_directory}) {
        if (const int failed = my.check_base(*each)) {
            return failed;
        }
    }
    name_place source;
    name_place target;
    if (const int failed = find_place(*my.root, base_of(from_directory), from, source)) {
        return failed;
    }
    if (const int failed = find_place(*my.root, base_of(to_directory), to, target)) {
        return failed;
    }
    if (source.last != last_component::name) {
        return -EBUSY;
    }
    if (target.last != last_component::name) {
        return (flags & RENAME_NOREPLACE) != 0 ? -EEXIST : -EBUSY;
    }
    if (const int failed = look_up_name(source)) {
        return failed;
    }
    if (source.found == nullptr) {
        return -ENOENT;
    }
    if (const int failed = look_up_name(target)) {
        return failed;
    }
    if (target.found != nullptr && (flags & RENAME_NOREPLACE) != 0) {
        return -EEXIST;
    }
    const bool is_directory = source.found->is_directory();
    if (!is_directory && (source.has_slash || target.has_slash)) {
        return -ENOTDIR;
    }
    if (is_directory && is_within(*target.directory, *source.found)) {
        return -EINVAL;
    }
    if (target.found != nullptr && target.found->is_directory() &&
        is_within(*source.directory, *target.found)) {
        return -ENOTEMPTY;
    }
    if (const int refused = judge_rename(source, target)) {
        return refused;
    }
    if (source.found == target.found) {
        return 0;  // Two names of one file stay two.
    }

    const timespec when = my.now();
    const std::uint64_t seed = my.ledger->name_seed;
    const inode_ptr moved = source.found->shared_from_this();
    const inode_ptr replaced = target.found == nullptr ? nullptr : target.found->shared_from_this();
    inode& left = *source.directory;
    inode& entered = *target.directory;
    const dentry_ptr entry = dentry_of(source);
    dentry_ptr replaced_entry = replaced == nullptr ? nullptr : dentry_of(target);
    left.names.set(directory_names::place_of(source.name, seed), source.name, nullptr);
    entered.names.set(directory_names::place_of(target.name, seed), target.name, moved);
    for (inode* each : {&left, &entered}) {
        each->is.modified = each->is.changed = when;
    }
    moved->is.changed = when;
    if (replaced != nullptr) {
        replaced->is.changed = when;
        if (replaced->is_directory()) {
            bury(*replaced);
        } else {
            replaced->drop_name();
        }
    }
    if (is_directory) {
        --left.links;
        ++entered.links;
        moved->parent = &entered;
        moved->own_name = target.name;
    }
    entry->parent = dentry_of(entered);
    entry->name = target.name;
    my.log.note(
        left, &entered,
        {.first = {.directory = left.shared_from_this(), .name = source.name, .what = {}},
         .second = {.directory = entered.shared_from_this(), .name = target.name, .what = moved}},
        when);
    my.log.write_back_if_much(*my.ledger);
    const std::uint32_t cookie = ++my.ledger->last_cookie;
    notify_name(left, source.name, *moved, IN_MOVED_FROM, cookie);
    notify_name(entered, target.name, *moved, IN_MOVED_TO, cookie);
    if (replaced != nullptr) {
        notify_self(*replaced, IN_ATTRIB);
        replaced_entry->is_unlinked = true;
    }
    notify_self(*moved, IN_MOVE_SELF);
    replaced_entry = nullptr;  // Unless it is open the inode is removed now, if that was its last.
    return 0;
}

int disk::link(const open_file_ptr& from_directory, const char* from, const open_file_ptr& source,
               const open_file_ptr& to_directory, const char* to, int flags) {
    state& my = *state_;
    if ((flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) != 0) {
        return -EINVAL;
    }
    inode* what = nullptr;
    if (source != nullptr) {
        if (const int failed = my.check(source)) {
            return failed;
        }
        what = source->what.get();
    } else {
        if (const int failed = my.check_base(from_directory)) {
            return failed;
        }
        path_walk walk(*my.root, 0);
        if (const int failed = walk.begin(base_of(from_directory), from)) {
            return failed;
        }
        if (const int failed =
                walk.to_end({.follows_link = (flags & AT_SYMLINK_FOLLOW) != 0}, what)) {
            return failed;
        }
    }
    if (const int failed = my.check_base(to_directory)) {
        return failed;
    }
    name_place target;
    if (const int failed = find_free(*my.root, base_of(to_directory), to, false, target)) {
        return failed;
    }
    if (what->is_directory()) {
        return -EPERM;
    }
    if (what->links == 0 && !what->may_get_first_name) {
        return -ENOENT;
    }
    notify_self(*what, IN_ATTRIB);
    my.add_name(*target.directory, target.name, what->shared_from_this());
    return 0;
}

int disk::unlink(const open_file_ptr& directory, const char* path, int flags) {
    state& my = *state_;
    if ((flags & ~AT_REMOVEDIR) != 0) {
        return -EINVAL;
    }
    if (const int failed = my.check_base(directory)) {
        return failed;
    }
    const bool removes_directory = (flags & AT_REMOVEDIR) != 0;
    name_place at;
    if (const int failed = find_place(*my.root, base_of(directory), path, at)) {
        return failed;
    }
    switch (at.last) {
        case last_component::name:
            break;
        case last_component::dot:
            return removes_directory ? -EINVAL : -EISDIR;
        case last_component::dot_dot:
            return removes_directory ? -ENOTEMPTY : -EISDIR;
        case last_component::none:
            return removes_directory ? -EBUSY : -EISDIR;
    }
    if (const int failed = look_up_name(at)) {
        return failed;
    }
    if (at.found == nullptr) {
        return -ENOENT;
    }
    if (removes_directory && !at.found->is_directory()) {
        return -ENOTDIR;
    }
    if (removes_directory && !at.found->names.empty()) {
        return -ENOTEMPTY;
    }
    if (!removes_directory && at.found->is_directory()) {
        return -EISDIR;
    }
    if (!removes_directory && at.has_slash) {
        return -ENOTDIR;
    }

    const timespec when = my.now();
    const inode_ptr gone = at.found->shared_from_this();
    inode& from = *at.directory;
    dentry_ptr entry = dentry_of(at);
    from.names.set(directory_names::place_of(at.name, my.ledger->name_seed), at.name, nullptr);
    from.is.modified = from.is.changed = when;
    gone->is.changed = when;
    if (removes_directory) {
        bury(*gone);
    } else {
        gone->drop_name();
    }
    my.log.note(from, nullptr,
                {.first = {.directory = from.shared_from_this(), .name = at.name, .what = {}},
                 .second = {}},
                when);
    my.log.write_back_if_much(*my.ledger);
    entry->is_unlinked = true;
    if (!removes_directory) {
        notify_self(*gone, IN_ATTRIB);
    }
    entry = nullptr;  // Unless it is open the inode is removed now, if that was its last name.
    notify_name(from, at.name, *gone, IN_DELETE);
    return 0;
}

int disk::make_directory(const open_file_ptr& directory, const char* path, mode_t mode) {
    state& my = *state_;
    if (const int failed = my.check_base(directory)) {
        return failed;
    }
    name_place at;
    if (const int failed = find_free(*my.root, base_of(directory), path, true, at)) {
        return failed;
    }
    my.add_name(*at.directory, at.name,
                my.make(S_IFDIR | (mode & directory_mode_bits & ~file_mode_mask)));
    return 0;
}

int disk::make_symlink(const open_file_ptr& directory, const char* path, const char* target) {
    state& my = *state_;
    const std::string_view says(target);
    if (says.empty()) {
        return -ENOENT;
    }
    if (says.size() > symlink_bytes_max) {
        return -ENAMETOOLONG;
    }
    if (const int failed = my.check_base(directory)) {
        return failed;
    }
    name_place at;
    if (const int failed = find_free(*my.root, base_of(directory), path, false, at)) {
        return failed;
    }
    const inode_ptr made = my.make(S_IFLNK | 0777);
    made->target = says;
    my.add_name(*at.directory, at.name, made);
    return 0;
}

int disk::make_fifo(const open_file_ptr& directory, const char* path, mode_t mode) {
    state& my = *state_;
    if (const int failed = my.check_base(directory)) {
        return failed;
    }
    name_place at;
    if (const int failed = find_free(*my.root, base_of(directory), path, false, at)) {
        return failed;
    }
    my.add_name(*at.directory, at.name,
                my.make(S_IFIFO | (mode & all_mode_bits & ~file_mode_mask)));
    return 0;
}

// ---------------------------------------------------------------------------------------- crash

std::size_t disk::crash(const crash_weather& weather) {
    state& my = *state_;
    inode_ledger& ledger = *my.ledger;
    std::vector<inode_ptr> all;
    for (const auto& [number, each] : ledger.all) {
        all.push_back(each->shared_from_this());
    }
    const std::size_t lost = my.log.lose_power(ledger, weather, my.rng);
    ++ledger.life;
    for (const inode_ptr& each : all) {
        each->links = 0;
        each->opens = 0;
        each->readers = 0;
        each->lock.holders.clear();
        each->dentries.clear();
        each->watches.clear();
        each->names.clear();
        each->parent = nullptr;
        each->parent_of_dead = nullptr;
        each->may_get_first_name = false;
        each->last_change_order = 0;
    }

    // What the durable names lead to is all there is.
    ledger.used_blocks = 0;
    my.root->parent = my.root.get();
    my.root->links = 2;
    std::vector<inode*> waiting{my.root.get()};
    while (!waiting.empty()) {
        inode& directory = *waiting.back();
        waiting.pop_back();
        directory.names = directory.durable.names;
        directory.is = directory.durable.is;
        for (const auto& [place, entry] : directory.names.all()) {
            inode& each = *entry.what;
            if (each.is_directory()) {
                each.parent = &directory;
                each.own_name = entry.name;
                each.links = 2;
                ++directory.links;
                waiting.push_back(&each);
            } else if (++each.links == 1) {
                each.is = each.durable.is;
                each.content = each.durable.content;
                ledger.used_blocks += each.content.count_blocks();
            }
        }
    }
    for (const inode_ptr& each : all) {
        if (each->links == 0) {
            each->durable.names.clear();
            each->content = {};
        }
    }
    return lost;
}

void disk::set_capacity(std::uint64_t capacity_bytes) noexcept {
    state_->ledger->capacity_blocks = capacity_bytes / block_bytes;
}

std::uint64_t disk::used_bytes() const noexcept {
    return state_->ledger->used_blocks * block_bytes;
}

// ---------------------------------------------------------------------- for models and invariants

bool disk::content(std::string_view path, std::string& into, bool durable) const {
    const std::uint64_t seed = state_->ledger->name_seed;
    const inode* at = state_->root.get();
    for (;;) {
        path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
        if (path.empty()) {
            break;
        }
        const std::string_view name = path.substr(0, path.find('/'));
        path.remove_prefix(name.size());
        const directory_names& names = durable ? at->durable.names : at->names;
        at = names.find(directory_names::place_of(name, seed), name);
        if (at == nullptr) {
            return false;
        }
    }
    if (!at->is_regular()) {
        return false;
    }
    file_content synced;
    if (durable) {
        synced = state_->log.durable_content(*at);
    }
    const file_content& octets = durable ? synced : at->content;
    into.resize(static_cast<std::size_t>(octets.size_bytes()));
    octets.read(std::as_writable_bytes(std::span(into)), 0);
    return true;
}

namespace {

/// Calls `visit(path, inode)` for every name beneath `top`, which is `path` and ends with '/'; as
/// those of directories do.
template <class Visit>
void for_each_name(inode& top, const std::string& path, Visit visit) {
    std::vector<std::pair<std::string, inode*>> waiting{{path, &top}};
    while (!waiting.empty()) {
        const auto [above, directory] = std::move(waiting.back());
        waiting.pop_back();
        for (const auto& [place, entry] : directory->names.all()) {
            const bool is_directory = entry.what->is_directory();
            const std::string name = above + entry.name + (is_directory ? "/" : "");
            visit(name, *entry.what);
            if (is_directory) {
                waiting.emplace_back(name, entry.what.get());
            }
        }
    }
}

}  // namespace

std::vector<std::string> disk::names() const {
    std::vector<std::string> all;
    for_each_name(*state_->root, "/",
                  [&all](const std::string& path, const inode&) { all.push_back(path); });
    std::ranges::sort(all);
    return all;
}

void disk::spare(const open_file_ptr& directory, const char* path) {
    name_place at;
    const bool is_there = state_->check_base(directory) == 0 &&
                          find_place(*state_->root, base_of(directory), path, at) == 0 &&
                          at.last == last_component::name && look_up_name(at) == 0 &&
                          at.found != nullptr;
    if (is_there && !at.found->is_directory()) {
        at.found->is_spared = true;
    }
}

void disk::spare_unlocked(const open_file_ptr& what) {
    const auto spare_one = [](const std::string&, inode& each) {
        each.is_spared = each.is_spared || (!each.is_directory() && each.lock.holders.empty());
    };
    if (state_->check(what) != 0) {
        return;
    }
    spare_one({}, *what->what);
    for_each_name(*what->what, "/", spare_one);
}

void disk::forget_spared() noexcept {
    for (const auto& [number, each] : state_->ledger->all) {
        each->is_spared = false;
    }
}

std::vector<std::string> disk::spared() const {
    std::vector<std::string> all;
    for_each_name(*state_->root, "/", [&all](const std::string& path, const inode& each) {
        if (each.is_spared) {
            all.push_back(path);
        }
    });
    std::ranges::sort(all);
    return all;
}

std::size_t disk::count_inodes() const noexcept {
    const auto& all = state_->ledger->all;
    return static_cast<std::size_t>(std::ranges::count_if(
        all, [](const auto& each) { return each.second->links > 0 || each.second->opens > 0; }));
}

}  // namespace ferry::sim
