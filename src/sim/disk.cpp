#include "sim/disk.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include "ferry/base/assert.hpp"
#include "sim/file_content.hpp"

namespace ferry::sim {

namespace {

constexpr std::uint64_t device = 0x801;
constexpr mode_t file_mode_mask = 0022;  // The umask.
constexpr std::size_t name_bytes_max = 255;
constexpr unsigned links_max = 40;
constexpr std::size_t journal_max = 1'024;
constexpr std::size_t unsynced_max = 1'024;
constexpr std::uint64_t size_bytes_max = std::uint64_t{1} << 62U;

/// The order of a directory's names, as good as any other and always the same.
std::uint64_t place_of(std::string_view name) noexcept {
    std::uint64_t hash = 0xCBF29CE484222325U;
    for (const char letter : name) {
        hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001B3U;
    }
    hash ^= hash >> 29U;
    hash *= 0xBF58476D1CE4E5B9U;
    return (hash ^ (hash >> 32U)) | 1U;  // Above 0, where a listing begins.
}

using place = std::pair<std::uint64_t, std::string>;

place place_for(std::string_view name) {
    return {place_of(name), std::string(name)};
}

/// A write or a change of size that was not synced.
struct unsynced {
    std::uint64_t offset = 0;
    std::uint64_t size_bytes = 0;
    bool is_resize = false;  ///< To `size_bytes`.
};

}  // namespace

struct inode {
    std::uint64_t number = 0;
    mode_t mode = 0;
    std::uint32_t links = 0;
    std::uint32_t opens = 0;
    bool may_be_linked = true;  ///< Without a name only what O_TMPFILE made.
    timespec accessed{};
    timespec modified{};
    timespec changed{};
    timespec born{};
    std::string target;  ///< Of a symbolic link.
    const open_file* locked_by = nullptr;

    file_content content;
    file_content durable_content;
    std::vector<unsynced> lost_in_crash;

    inode* parent = nullptr;  ///< Of a directory; itself for the root.
    std::map<place, inode_ptr> entries;
    std::map<place, inode_ptr> durable_entries;
    std::shared_ptr<void> counted;  ///< Its end is the inode's.

    [[nodiscard]] bool is_directory() const noexcept { return S_ISDIR(mode); }
    [[nodiscard]] bool is_link() const noexcept { return S_ISLNK(mode); }
    [[nodiscard]] bool is_regular() const noexcept { return S_ISREG(mode); }
    [[nodiscard]] inode_ptr find(std::string_view name) const {
        const auto found = entries.find(place_for(name));
        return found == entries.end() ? nullptr : found->second;
    }
};

namespace {

/// One step of a change of names: `what` under `name` of `directory`, null for no longer.
struct name_change {
    inode_ptr directory;
    std::string name;
    inode_ptr what;
};
/// Changes that a journal keeps or loses together.
using transaction = std::vector<name_change>;

/// Where a path leads.
struct walked {
    int failed_with = 0;
    inode_ptr parent;
    std::string name;  ///< The last component; empty: `what` is the start itself, or "..".
    inode_ptr what;    ///< Null: nothing has the name.
    bool wants_directory = false;  ///< A '/' at the end.
};

}  // namespace

struct disk::state {
    state(std::function<timespec()> clock, ferry::random& chance)
        : wall_clock(std::move(clock)), rng(chance) {}

    std::function<timespec()> wall_clock;
    ferry::random& rng;
    inode_ptr root;
    std::uint64_t last_number = 1;
    std::vector<transaction> journal;  ///< Not yet durable, oldest first.
    std::size_t committed_by_files =
        0;  ///< Of `journal`: so many a synced file would have committed.
    std::uint64_t capacity_blocks = ~std::uint64_t{0};
    std::uint64_t used_blocks = 0;
    // Every inode that lives: parents are raw and must be found, counts are taken.
    std::shared_ptr<std::size_t> alive = std::make_shared<std::size_t>(0);

    inode_ptr make(mode_t mode) {
        auto made = std::make_shared<inode>();
        made->counted =
            std::shared_ptr<void>(nullptr, [count = alive](const void*) { *count -= 1; });
        *alive += 1;
        made->number = ++last_number;
        made->mode = mode;
        made->born = made->accessed = made->modified = made->changed = wall_clock();
        return made;
    }

    open_file_ptr open(inode_ptr what, int flags) {
        ++what->opens;
        auto made = std::make_unique<open_file>();
        made->what = std::move(what);
        made->flags = flags;
        return {made.release(), [this](open_file* closed) {
                    const std::unique_ptr<open_file> last(closed);
                    if (last->what->locked_by == closed) {
                        last->what->locked_by = nullptr;
                    }
                    --last->what->opens;
                    let_go(*last->what);
                }};
    }

    /// Gives back what a file without name and descriptor holds.
    void let_go(inode& what) noexcept {
        if (what.links == 0 && what.opens == 0) {
            used_blocks -= what.content.blocks();
            what.content = {};
            what.lost_in_crash.clear();
        }
    }

    void touch(inode& directory) { directory.modified = directory.changed = wall_clock(); }

    void apply(transaction&& all) {
        for (const name_change& each : all) {
            auto& entries = each.directory->entries;
            if (each.what != nullptr) {
                entries[place_for(each.name)] = each.what;
            } else {
                entries.erase(place_for(each.name));
            }
            touch(*each.directory);
        }
        journal.push_back(std::move(all));
        if (journal.size() > journal_max) {
            commit_journal(journal_max / 2);  // As a real one does every few seconds.
        }
    }

    void commit_journal(std::size_t count) {
        for (std::size_t index = 0; index < count; ++index) {
            for (const name_change& each : journal[index]) {
                auto& entries = each.directory->durable_entries;
                if (each.what != nullptr) {
                    entries[place_for(each.name)] = each.what;
                } else {
                    entries.erase(place_for(each.name));
                }
            }
        }
        journal.erase(journal.begin(), journal.begin() + static_cast<std::ptrdiff_t>(count));
        committed_by_files -= std::min(committed_by_files, count);
    }

    /// Goes `path` from `start`. `follows_last`: a link at its end is followed too.
    walked walk(const inode_ptr& start, std::string_view path, std::uint64_t resolve,
                bool follows_last) {
        walked at;
        unsigned links = 0;
        at.failed_with = walk_on(at, start, start, path, resolve, follows_last, links);
        return at;
    }

    int walk_on(walked& at, const inode_ptr& start, const inode_ptr& from, std::string_view path,
                std::uint64_t resolve, bool follows_last, unsigned& links) {
        if (path.empty()) {
            return -ENOENT;
        }
        if (path.size() >= PATH_MAX) {
            return -ENAMETOOLONG;
        }
        const bool is_beneath = (resolve & RESOLVE_BENEATH) != 0;
        inode_ptr here = from;
        if (path.front() == '/') {
            if (is_beneath) {
                return -EXDEV;
            }
            here = root;
        }
        at.parent = nullptr;
        at.name.clear();
        at.what = here;
        at.wants_directory = false;
        while (!path.empty()) {
            const std::size_t slashes = std::min(path.find_first_not_of('/'), path.size());
            path.remove_prefix(slashes);
            if (path.empty()) {
                at.wants_directory = true;
                break;
            }
            const std::string_view name = path.substr(0, path.find('/'));
            path.remove_prefix(name.size());
            const bool is_last = path.find_first_not_of('/') == std::string_view::npos;
            if (at.what == nullptr) {
                return -ENOENT;
            }
            here = at.what;
            if (!here->is_directory()) {
                return -ENOTDIR;
            }
            if (name.size() > name_bytes_max) {
                return -ENAMETOOLONG;
            }
            if (name == ".") {
                at.parent = nullptr;
                at.name = ".";
                at.wants_directory = true;
                continue;
            }
            if (name == "..") {
                if (is_beneath && here == start) {
                    return -EXDEV;
                }
                at.what = shared(*here->parent);
                at.parent = nullptr;
                at.name = "..";
                at.wants_directory = true;
                continue;
            }
            at.parent = here;
            at.name = name;
            at.what = here->find(name);
            at.wants_directory = false;
            if (at.what == nullptr && !is_last) {
                return -ENOENT;
            }
            const bool follows = !is_last || follows_last || !path.empty();
            if (at.what != nullptr && at.what->is_link() && follows) {
                if ((resolve & RESOLVE_NO_SYMLINKS) != 0 || ++links > links_max) {
                    return -ELOOP;
                }
                const std::string target = at.what->target;
                const std::string rest(path);
                // Held: the walk replaces what it stands on.
                const inode_ptr directory = here;
                if (const int failed = walk_on(at, start, directory, target, resolve,
                                               rest.empty() ? follows_last : true, links);
                    failed != 0) {
                    return failed;
                }
                if (rest.empty()) {
                    return 0;
                }
                if (at.what == nullptr) {
                    return -ENOENT;
                }
                if (rest.find_first_not_of('/') == std::string::npos) {
                    at.wants_directory = true;
                    return 0;
                }
                const inode_ptr on = at.what;
                if (!on->is_directory()) {
                    return -ENOTDIR;
                }
                return walk_on(at, start, on, std::string_view(rest).substr(1), resolve,
                               follows_last, links);
            }
        }
        return 0;
    }

    /// The counted pointer to a directory that is in the tree.
    inode_ptr shared(inode& directory) {
        if (&directory == root.get()) {
            return root;
        }
        for (const auto& [name, each] : directory.parent->entries) {
            if (each.get() == &directory) {
                return each;
            }
        }
        return root;  // It was removed: what was above it cannot be reached any more.
    }

    [[nodiscard]] bool is_within(const inode& inner, const inode& outer) const noexcept {
        for (const inode* each = &inner;; each = each->parent) {
            if (each == &outer) {
                return true;
            }
            if (each == root.get() || each->parent == nullptr) {
                return false;
            }
        }
    }

    void note_write(inode& file, unsynced what) {
        if (!what.is_resize && !file.lost_in_crash.empty()) {
            unsynced& last = file.lost_in_crash.back();
            if (!last.is_resize && last.offset + last.size_bytes == what.offset &&
                file.lost_in_crash.size() >= 16) {
                last.size_bytes += what.size_bytes;
                return;
            }
        }
        if (file.lost_in_crash.size() >= unsynced_max) {  // Written back by now.
            file.durable_content = file.content;
            file.lost_in_crash.clear();
        }
        file.lost_in_crash.push_back(what);
    }

    /// What a loss of power leaves of a file's content.
    void crash_content(inode& file, const crash_weather& weather) {
        file_content survived = file.durable_content;
        std::vector<std::byte> buffer;
        for (const unsynced& each : file.lost_in_crash) {
            if (!weather.writes_may_survive || rng.below(3) == 0) {
                continue;
            }
            if (each.is_resize) {
                survived.resize(each.size_bytes);
                continue;
            }
            std::uint64_t count = each.size_bytes;
            if (rng.below(3) == 0) {
                // The size has got there, of the octets a part.
                survived.resize(std::max(survived.size_bytes(), each.offset + count));
                count = rng.below(count + 1);
            }
            buffer.resize(std::min<std::size_t>(static_cast<std::size_t>(count), 65'536));
            for (std::uint64_t done = 0; done < count;) {
                const auto piece = std::min<std::uint64_t>(buffer.size(), count - done);
                const auto got = file.content.read(
                    std::span(buffer).first(static_cast<std::size_t>(piece)), each.offset + done);
                if (got == 0) {
                    break;
                }
                survived.write(std::span(buffer).first(got), each.offset + done);
                done += got;
            }
        }
        file.lost_in_crash.clear();
        file.content = survived;
        file.durable_content = std::move(survived);
    }

    void recount(const inode_ptr& directory, std::map<inode*, bool>& seen,
                 const crash_weather& weather) {
        directory->entries = directory->durable_entries;
        directory->links = 2;
        for (const auto& [name, each] : directory->entries) {
            if (each->is_directory()) {
                each->parent = directory.get();
                ++directory->links;
                recount(each, seen, weather);
                continue;
            }
            if (!std::exchange(seen[each.get()], true)) {
                each->links = 0;
                crash_content(*each, weather);
                used_blocks += each->content.blocks();
            }
            ++each->links;
        }
    }
};

disk::disk(std::function<timespec()> wall_clock, ferry::random& rng)
    : state_(std::make_unique<state>(std::move(wall_clock), rng)) {
    state_->root = state_->make(S_IFDIR | 0755);
    state_->root->parent = state_->root.get();
    state_->root->links = 2;
}

disk::~disk() = default;

open_file_ptr disk::root() const {
    return state_->open(state_->root, O_PATH | O_DIRECTORY);
}

int disk::open(const open_file_ptr& directory, const char* path, const open_how& how,
               open_file_ptr& opened) {
    const auto flags = static_cast<int>(how.flags);
    const bool is_path = (flags & O_PATH) != 0;
    const bool is_temporary = (flags & O_TMPFILE) == O_TMPFILE;
    const bool creates = (flags & O_CREAT) != 0 && !is_path;
    const bool is_exclusive = creates && (flags & O_EXCL) != 0;
    const int access = flags & O_ACCMODE;
    const bool writes = !is_path && access != O_RDONLY;
    const auto mode = static_cast<mode_t>(how.mode & 07777U) & ~file_mode_mask;

    if (!directory->what->is_directory() && *path != '/') {
        return -ENOTDIR;
    }
    if (is_temporary && !writes) {
        return -EINVAL;
    }
    const bool follows = (flags & O_NOFOLLOW) == 0 && !is_exclusive;
    auto at = state_->walk(directory->what, path, how.resolve, follows);
    if (at.failed_with != 0) {
        return at.failed_with;
    }
    constexpr int kept_flags = O_ACCMODE | O_APPEND | O_PATH | O_NONBLOCK;
    if (is_temporary) {
        if (at.what == nullptr) {
            return -ENOENT;
        }
        if (!at.what->is_directory()) {
            return -ENOTDIR;
        }
        const inode_ptr made = state_->make(S_IFREG | mode);
        opened = state_->open(made, flags & kept_flags);
        return 0;
    }
    if (at.what == nullptr) {
        if (!creates) {
            return -ENOENT;
        }
        if (at.wants_directory) {
            return -EISDIR;
        }
        if (at.parent == nullptr || at.parent->links == 0) {
            return -ENOENT;
        }
        const inode_ptr made = state_->make(S_IFREG | mode);
        made->links = 1;
        state_->apply({{.directory = at.parent, .name = at.name, .what = made}});
        opened = state_->open(made, flags & kept_flags);
        return 0;
    }
    if (is_exclusive) {
        return -EEXIST;
    }
    if (at.what->is_link() && !is_path) {
        return -ELOOP;
    }
    if (at.what->is_link() && (flags & O_DIRECTORY) != 0) {
        return -ENOTDIR;
    }
    if (((flags & O_DIRECTORY) != 0 || at.wants_directory) && !at.what->is_directory()) {
        return -ENOTDIR;
    }
    if (at.what->is_directory() && (writes || creates)) {
        return -EISDIR;
    }
    const bool is_fifo_without_reader = S_ISFIFO(at.what->mode) && access == O_WRONLY;
    if ((S_ISSOCK(at.what->mode) || is_fifo_without_reader) && !is_path) {
        return -ENXIO;
    }
    opened = state_->open(at.what, flags & kept_flags);
    if ((flags & O_TRUNC) != 0 && writes && at.what->is_regular()) {
        return truncate(opened, 0);
    }
    return 0;
}

std::int64_t disk::read(const open_file_ptr& file, std::span<std::byte> into,
                        std::uint64_t offset) {
    if ((file->flags & O_PATH) != 0 || (file->flags & O_ACCMODE) == O_WRONLY) {
        return -EBADF;
    }
    if (file->what->is_directory()) {
        return -EISDIR;
    }
    const std::uint64_t at = offset == runtime::at_position ? file->position : offset;
    if (at > std::uint64_t{INT64_MAX}) {
        return -EINVAL;
    }
    const auto got = file->what->content.read(into, at);
    if (offset == runtime::at_position) {
        file->position += got;
    }
    return static_cast<std::int64_t>(got);
}

std::int64_t disk::write(const open_file_ptr& file, std::span<const std::byte> octets,
                         std::uint64_t offset) {
    if ((file->flags & O_PATH) != 0 || (file->flags & O_ACCMODE) == O_RDONLY) {
        return -EBADF;
    }
    inode& what = *file->what;
    std::uint64_t at = offset == runtime::at_position ? file->position : offset;
    if ((file->flags & O_APPEND) != 0) {
        at = what.content.size_bytes();
    }
    if (at > std::uint64_t{INT64_MAX}) {
        return -EINVAL;
    }
    if (at >= size_bytes_max) {
        return -EFBIG;
    }
    const auto fits = [&](std::size_t count) {
        return state_->used_blocks + what.content.new_blocks(count, at) <= state_->capacity_blocks;
    };
    std::size_t count = octets.size();
    if (!fits(count)) {
        // Up to the end of the last block there is room for.
        while (count > 0 && !fits(count)) {
            const std::uint64_t end = at + count - 1;
            const std::uint64_t block_begin = end - end % file_content::block_bytes;
            count = block_begin > at ? static_cast<std::size_t>(block_begin - at) : 0;
        }
        if (count == 0) {
            return -ENOSPC;
        }
    }
    const std::size_t before = what.content.blocks();
    what.content.write(octets.first(count), at);
    state_->used_blocks += what.content.blocks() - before;
    state_->note_write(what, {.offset = at, .size_bytes = count});
    what.modified = what.changed = state_->wall_clock();
    if (offset == runtime::at_position) {
        file->position = at + count;
    }
    return static_cast<std::int64_t>(count);
}

int disk::sync(const open_file_ptr& file, [[maybe_unused]] bool data_only) {
    if ((file->flags & O_PATH) != 0) {
        return -EBADF;
    }
    inode& what = *file->what;
    if (!what.is_directory()) {
        what.durable_content = what.content;
        what.lost_in_crash.clear();
        state_->committed_by_files = state_->journal.size();
        return 0;
    }
    std::size_t count = 0;
    for (std::size_t index = 0; index < state_->journal.size(); ++index) {
        for (const name_change& each : state_->journal[index]) {
            count = each.directory.get() == &what ? index + 1 : count;
        }
    }
    state_->commit_journal(count);
    return 0;
}

int disk::truncate(const open_file_ptr& file, std::uint64_t size_bytes) {
    inode& what = *file->what;
    if (!what.is_regular() || (file->flags & O_ACCMODE) == O_RDONLY ||
        (file->flags & O_PATH) != 0) {
        return -EINVAL;
    }
    const std::size_t before = what.content.blocks();
    what.content.resize(size_bytes);
    state_->used_blocks -= before - what.content.blocks();
    state_->note_write(what, {.size_bytes = size_bytes, .is_resize = true});
    what.modified = what.changed = state_->wall_clock();
    return 0;
}

std::int64_t disk::copy_range(const open_file_ptr& from, std::uint64_t from_offset,
                              const open_file_ptr& to, std::uint64_t to_offset,
                              std::uint64_t size_bytes) {
    if ((from->flags & O_PATH) != 0 || (from->flags & O_ACCMODE) == O_WRONLY ||
        (to->flags & O_PATH) != 0 || (to->flags & O_ACCMODE) == O_RDONLY ||
        (to->flags & O_APPEND) != 0) {
        return -EBADF;
    }
    if (from->what->is_directory() || to->what->is_directory()) {
        return -EISDIR;
    }
    if (!from->what->is_regular() || !to->what->is_regular()) {
        return -EINVAL;
    }
    if (from->what == to->what && from_offset < to_offset + size_bytes &&
        to_offset < from_offset + size_bytes) {
        return -EINVAL;
    }
    std::vector<std::byte> buffer(
        static_cast<std::size_t>(std::min<std::uint64_t>(size_bytes, 65'536)));
    std::int64_t copied = 0;
    while (static_cast<std::uint64_t>(copied) < size_bytes) {
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(
            buffer.size(), size_bytes - static_cast<std::uint64_t>(copied)));
        const auto got = from->what->content.read(std::span(buffer).first(wanted),
                                                  from_offset + static_cast<std::uint64_t>(copied));
        if (got == 0) {
            break;
        }
        const auto put =
            write(to, std::span(buffer).first(got), to_offset + static_cast<std::uint64_t>(copied));
        if (put < 0) {
            return copied > 0 ? copied : put;
        }
        copied += put;
        if (static_cast<std::size_t>(put) < got) {
            break;
        }
    }
    return copied;
}

int disk::rename(const open_file_ptr& from_directory, const char* from,
                 const open_file_ptr& to_directory, const char* to, unsigned flags) {
    const auto source = state_->walk(from_directory->what, from, 0, false);
    if (source.failed_with != 0) {
        return source.failed_with;
    }
    const auto target = state_->walk(to_directory->what, to, 0, false);
    if (target.failed_with != 0) {
        return target.failed_with;
    }
    if (source.parent == nullptr || target.parent == nullptr) {
        return -EBUSY;  // "." and "..".
    }
    if (source.what == nullptr) {
        return -ENOENT;
    }
    if (target.what != nullptr && (flags & RENAME_NOREPLACE) != 0) {
        return -EEXIST;
    }
    const bool is_directory = source.what->is_directory();
    if (!is_directory && (source.wants_directory || target.wants_directory)) {
        return -ENOTDIR;
    }
    if (is_directory && state_->is_within(*target.parent, *source.what)) {
        return -EINVAL;
    }
    if (target.what == source.what) {
        return 0;
    }
    if (target.what != nullptr) {
        if (!is_directory && state_->is_within(*source.parent, *target.what)) {
            return -ENOTEMPTY;
        }
        if (is_directory && !target.what->is_directory()) {
            return -ENOTDIR;
        }
        if (!is_directory && target.what->is_directory()) {
            return -EISDIR;
        }
        if (is_directory && !target.what->entries.empty()) {
            return -ENOTEMPTY;
        }
    } else if (target.parent->links == 0) {
        return -ENOENT;
    }
    const inode_ptr replaced = target.what;
    const inode_ptr moved = source.what;
    state_->apply({{.directory = source.parent, .name = source.name, .what = nullptr},
                   {.directory = target.parent, .name = target.name, .what = moved}});
    moved->changed = state_->wall_clock();
    if (is_directory && source.parent != target.parent) {
        moved->parent = target.parent.get();
        --source.parent->links;
        ++target.parent->links;
    }
    if (replaced != nullptr) {
        replaced->changed = state_->wall_clock();
        if (replaced->is_directory()) {
            replaced->links = 0;
            --target.parent->links;
        } else {
            --replaced->links;
            replaced->may_be_linked = replaced->links > 0;
        }
        state_->let_go(*replaced);
    }
    return 0;
}

int disk::link(const open_file_ptr& from_directory, const char* from, const open_file_ptr& source,
               const open_file_ptr& to_directory, const char* to, int flags) {
    inode_ptr what;
    if (source != nullptr) {
        what = source->what;
    } else {
        if (from_directory == nullptr) {
            return -ENOENT;
        }
        const auto found =
            state_->walk(from_directory->what, from, 0, (flags & AT_SYMLINK_FOLLOW) != 0);
        if (found.failed_with != 0) {
            return found.failed_with;
        }
        if (found.what == nullptr) {
            return -ENOENT;
        }
        if (found.wants_directory && !found.what->is_directory()) {
            return -ENOTDIR;
        }
        what = found.what;
    }
    const auto target = state_->walk(to_directory->what, to, 0, false);
    if (target.failed_with != 0) {
        return target.failed_with;
    }
    if (target.what != nullptr || target.parent == nullptr) {
        return -EEXIST;
    }
    if (target.wants_directory || target.parent->links == 0) {
        return -ENOENT;
    }
    if (what->is_directory()) {
        return -EPERM;
    }
    if (what->links == 0 && !what->may_be_linked) {
        return -ENOENT;
    }
    ++what->links;
    what->changed = state_->wall_clock();
    state_->apply({{.directory = target.parent, .name = target.name, .what = what}});
    return 0;
}

int disk::unlink(const open_file_ptr& directory, const char* path, int flags) {
    const auto at = state_->walk(directory->what, path, 0, false);
    if (at.failed_with != 0) {
        return at.failed_with;
    }
    const bool removes_directory = (flags & AT_REMOVEDIR) != 0;
    if (at.parent == nullptr) {
        if (!removes_directory) {
            return -EISDIR;
        }
        return at.name == "." ? -EINVAL : at.name == ".." ? -ENOTEMPTY : -EBUSY;
    }
    if (at.what == nullptr) {
        return -ENOENT;
    }
    if (removes_directory) {
        if (!at.what->is_directory()) {
            return -ENOTDIR;
        }
        if (!at.what->entries.empty()) {
            return -ENOTEMPTY;
        }
    } else {
        if (at.what->is_directory()) {
            return -EISDIR;
        }
        if (at.wants_directory) {
            return -ENOTDIR;
        }
    }
    const inode_ptr gone = at.what;
    state_->apply({{.directory = at.parent, .name = at.name, .what = nullptr}});
    gone->changed = state_->wall_clock();
    if (removes_directory) {
        gone->links = 0;
        --at.parent->links;
    } else {
        --gone->links;
        gone->may_be_linked = gone->links > 0;
    }
    state_->let_go(*gone);
    return 0;
}

int disk::make_directory(const open_file_ptr& directory, const char* path, mode_t mode) {
    const auto at = state_->walk(directory->what, path, 0, false);
    if (at.failed_with != 0) {
        return at.failed_with;
    }
    if (at.what != nullptr || at.parent == nullptr) {
        return -EEXIST;
    }
    if (at.parent->links == 0) {
        return -ENOENT;
    }
    const inode_ptr made = state_->make(S_IFDIR | ((mode & 07777U) & ~file_mode_mask));
    made->links = 2;
    made->parent = at.parent.get();
    ++at.parent->links;
    state_->apply({{.directory = at.parent, .name = at.name, .what = made}});
    return 0;
}

int disk::make_symlink(const open_file_ptr& directory, const char* path, const char* target) {
    const auto at = state_->walk(directory->what, path, 0, false);
    if (at.failed_with != 0) {
        return at.failed_with;
    }
    if (at.what != nullptr || at.parent == nullptr) {
        return -EEXIST;
    }
    if (*target == '\0' || at.wants_directory || at.parent->links == 0) {
        return -ENOENT;
    }
    const inode_ptr made = state_->make(S_IFLNK | 0777);
    made->target = target;
    made->links = 1;
    state_->apply({{.directory = at.parent, .name = at.name, .what = made}});
    return 0;
}

int disk::make_fifo(const open_file_ptr& directory, const char* path, mode_t mode) {
    const auto at = state_->walk(directory->what, path, 0, false);
    if (at.failed_with != 0) {
        return at.failed_with;
    }
    if (at.what != nullptr || at.parent == nullptr) {
        return -EEXIST;
    }
    const inode_ptr made = state_->make(S_IFIFO | ((mode & 07777U) & ~file_mode_mask));
    made->links = 1;
    state_->apply({{.directory = at.parent, .name = at.name, .what = made}});
    return 0;
}

namespace {

statx_timestamp stamp(const timespec& when) noexcept {
    statx_timestamp made{};
    made.tv_sec = when.tv_sec;
    made.tv_nsec = static_cast<std::uint32_t>(when.tv_nsec);
    return made;
}

std::uint64_t size_of(const inode& what) noexcept {
    if (what.is_link()) {
        return what.target.size();
    }
    return what.is_directory() ? file_content::block_bytes : what.content.size_bytes();
}

void fill(struct statx& into, const inode& what) noexcept {
    into = {};
    into.stx_mask = STATX_BASIC_STATS | STATX_BTIME;
    into.stx_blksize = file_content::block_bytes;
    into.stx_nlink = what.links;
    into.stx_mode = static_cast<std::uint16_t>(what.mode);
    into.stx_ino = what.number;
    into.stx_size = size_of(what);
    into.stx_blocks = what.content.blocks() * (file_content::block_bytes / 512);
    into.stx_atime = stamp(what.accessed);
    into.stx_mtime = stamp(what.modified);
    into.stx_ctime = stamp(what.changed);
    into.stx_btime = stamp(what.born);
    into.stx_dev_major = major(device);
    into.stx_dev_minor = minor(device);
}

}  // namespace

std::int64_t disk::list(const open_file_ptr& directory, runtime::directory_batch& batch,
                        const open_file_ptr& root, const char* directory_path) {
    if ((directory->flags & O_PATH) != 0) {
        return -EBADF;
    }
    if (!directory->what->is_directory()) {
        return -ENOTDIR;
    }
    batch.records.clear();
    batch.names.clear();
    if (directory->what->links == 0) {
        return -ENOENT;
    }
    const auto& entries = directory->what->entries;
    auto next = entries.lower_bound(place{directory->position + 1, std::string()});
    while (next != entries.end() && batch.records.size() < runtime::directory_batch::records_max) {
        const auto& [at, what] = *next;
        runtime::directory_record record;
        record.name_offset = static_cast<std::uint32_t>(batch.names.size());
        record.name_bytes = static_cast<std::uint32_t>(at.second.size());
        batch.names += at.second;
        fill(record.status, *what);
        if (what->is_link()) {
            record.is_symlink = true;
            record.target_offset = static_cast<std::uint32_t>(batch.names.size());
            record.target_bytes = static_cast<std::uint32_t>(what->target.size());
            batch.names += what->target;
            const auto found =
                root == nullptr
                    ? walked{.failed_with = -EBADF, .parent = nullptr, .name = {}, .what = nullptr}
                    : state_->walk(root->what, std::string(directory_path) + '/' + at.second,
                                   RESOLVE_BENEATH, true);
            record.status_errno = -found.failed_with;
            if (found.failed_with == 0 && found.what == nullptr) {
                record.status_errno = ENOENT;
            } else if (found.failed_with == 0) {
                fill(record.status, *found.what);
            }
        }
        batch.records.push_back(record);
        directory->position = at.first;
        ++next;
    }
    batch.at_end = next == entries.end();
    return static_cast<std::int64_t>(batch.records.size());
}

int disk::status(const open_file_ptr& file, struct stat& status) const {
    const inode& what = *file->what;
    status = {};
    status.st_dev = device;
    status.st_ino = what.number;
    status.st_mode = what.mode;
    status.st_nlink = what.links;
    status.st_size = static_cast<off_t>(size_of(what));
    status.st_blksize = file_content::block_bytes;
    status.st_blocks =
        static_cast<blkcnt_t>(what.content.blocks() * (file_content::block_bytes / 512));
    status.st_atim = what.accessed;
    status.st_mtim = what.modified;
    status.st_ctim = what.changed;
    return 0;
}

int disk::change_mode(const open_file_ptr& file, mode_t mode) {
    if ((file->flags & O_PATH) != 0) {
        return -EBADF;
    }
    file->what->mode = (file->what->mode & S_IFMT) | (mode & 07777U);
    file->what->changed = state_->wall_clock();
    return 0;
}

int disk::set_times(const open_file_ptr& file, const timespec times[2]) {
    const timespec now = state_->wall_clock();
    const auto set = [&now](timespec& into, const timespec& wanted) {
        if (wanted.tv_nsec != UTIME_OMIT) {
            into = wanted.tv_nsec == UTIME_NOW ? now : wanted;
        }
    };
    set(file->what->accessed, times[0]);
    set(file->what->modified, times[1]);
    file->what->changed = now;
    return 0;
}

int disk::lock(const open_file_ptr& file, int operation) {
    if ((file->flags & O_PATH) != 0) {
        return -EBADF;
    }
    const open_file*& holder = file->what->locked_by;
    if ((operation & LOCK_UN) != 0) {
        holder = holder == file.get() ? nullptr : holder;
        return 0;
    }
    if (holder != nullptr && holder != file.get()) {
        return -EWOULDBLOCK;
    }
    holder = file.get();
    return 0;
}

std::size_t disk::crash(const crash_weather& weather) {
    auto& journal = state_->journal;
    const std::size_t least =
        weather.file_sync_commits_names ? std::min(state_->committed_by_files, journal.size()) : 0;
    const auto kept =
        least + static_cast<std::size_t>(state_->rng.below(journal.size() - least + 1));
    const std::size_t lost = journal.size() - kept;
    state_->commit_journal(kept);
    journal.clear();
    state_->committed_by_files = 0;
    state_->used_blocks = 0;
    std::map<inode*, bool> seen;  // Asked, never walked.
    state_->recount(state_->root, seen, weather);
    return lost;
}

void disk::set_capacity(std::uint64_t capacity_bytes) noexcept {
    state_->capacity_blocks = capacity_bytes / file_content::block_bytes;
}

std::uint64_t disk::used_bytes() const noexcept {
    return state_->used_blocks * file_content::block_bytes;
}

bool disk::content(std::string_view path, std::string& into, bool durable) const {
    inode_ptr at = state_->root;
    while (!path.empty()) {
        path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
        const std::string_view name = path.substr(0, path.find('/'));
        path.remove_prefix(name.size());
        if (name.empty()) {
            continue;
        }
        const auto& entries = durable ? at->durable_entries : at->entries;
        const auto found = entries.find(place_for(name));
        if (found == entries.end()) {
            return false;
        }
        at = found->second;
    }
    if (!at->is_regular()) {
        return false;
    }
    const file_content& octets = durable ? at->durable_content : at->content;
    into.resize(static_cast<std::size_t>(octets.size_bytes()));
    octets.read(std::as_writable_bytes(std::span(into)), 0);
    return true;
}

std::vector<std::string> disk::names() const {
    std::vector<std::string> all;
    std::vector<std::pair<std::string, const inode*>> waiting{{"/", state_->root.get()}};
    while (!waiting.empty()) {
        const auto [path, directory] = waiting.back();
        waiting.pop_back();
        for (const auto& [at, each] : directory->entries) {
            const std::string name = path + at.second + (each->is_directory() ? "/" : "");
            all.push_back(name);
            if (each->is_directory()) {
                waiting.emplace_back(name, each.get());
            }
        }
    }
    std::ranges::sort(all);
    return all;
}

std::size_t disk::count_inodes() const noexcept {
    return *state_->alive;
}

}  // namespace ferry::sim
