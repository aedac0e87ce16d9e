#include "vfs/change_watch.hpp"

#include <fmt/format.h>
#include <sys/inotify.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "ferry/base/kernel.hpp"

namespace ferry::vfs {
namespace {

constexpr std::uint32_t entry_changes = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
                                        IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr std::uint32_t content_changes = entry_changes | IN_MODIFY;
constexpr std::uint32_t file_changes = IN_MODIFY | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;

// Who changes files as fast as they are read must not keep a core: past this many reads in a row
// everything counts as changed.
constexpr unsigned reads_in_a_row_max = 64;

}  // namespace

trail::~trail() {
    for (const auto& each : marks_) {
        watch_->release(*each);
    }
}

void trail::break_off() noexcept {
    if (!std::exchange(is_broken_, true)) {
        on_broken();
    }
}

result<std::unique_ptr<change_watch>> change_watch::open() {
    unique_fd events(kernel::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (!events) {
        return failure_from_errno(errno);
    }
    return std::make_unique<change_watch>(std::move(events));
}

change_watch::~change_watch() = default;

result<void> change_watch::watch_entry(trail& what, opened_inode directory, std::string_view name) {
    return watch(what, directory, name, entry_changes);
}

result<void> change_watch::watch_file(trail& what, opened_inode file) {
    return watch(what, file, {}, file_changes);
}

result<void> change_watch::watch_content(trail& what, opened_inode directory) {
    return watch(what, directory, {}, content_changes);
}

/// The watch of what is open as `which`.
result<int> change_watch::find_or_add(opened_inode which, std::uint32_t mask) {
    const inode_key key{.device = which.device, .inode = which.inode};
    if (watch_of_.contains(key)) {
        // It may have been removed, and another one have its number since. That one is open, so
        // whatever became of the first is in the queue by now.
        look();
        if (const auto known = watch_of_.find(key); known != watch_of_.end()) {
            return known->second;
        }
    }
    // All the memory first: what the kernel watches must be known here.
    inodes_.reserve(inodes_.size() + 1);
    inode_table one;
    one.try_emplace(-1).first->second.key = key;
    auto made = one.extract(-1);
    const std::string at = fmt::format("/proc/self/fd/{}", which.fd);
    const auto entry = watch_of_.try_emplace(key, -1).first;
    const int watch = kernel::inotify_add_watch(events_.get(), at.c_str(), mask);
    if (watch < 0) {
        watch_of_.erase(entry);
        return failure_from_errno(errno);
    }
    entry->second = watch;
    made.key() = watch;
    const auto added = inodes_.insert(std::move(made));
    if (!added.inserted && added.position->second.key != key) {
        // The kernel has watched it under another number: overlayfs may give a file a new one when
        // it copies it up.
        watch_of_.erase(std::exchange(added.position->second.key, key));
    }
    return watch;
}

result<void> change_watch::watch(trail& what, opened_inode which, std::string_view name,
                                 std::uint32_t mask) {
    auto mark = std::make_unique<trail::mark>();
    mark->owner = &what;
    mark->name = name;
    what.marks_.reserve(what.marks_.size() + 1);
    FERRY_TRY(watch, find_or_add(which, mask));
    mark->watch = watch;
    what.watch_ = this;
    what.marks_.push_back(std::move(mark));  // From here on its trail releases it.
    auto& kept = *what.marks_.back();
    auto& inode = inodes_.find(watch)->second;
    if (mask == content_changes) {
        inode.content.push_back(kept);
    } else if (name.empty()) {
        inode.itself.push_back(kept);
    } else {
        inode.entries[kept.name].push_back(kept);
    }
    return {};
}

void change_watch::forget(inode_table::iterator which) noexcept {
    if (const auto known = watch_of_.find(which->second.key);
        known != watch_of_.end() && known->second == which->first) {
        watch_of_.erase(known);
    }
    inodes_.erase(which);
}

void change_watch::release(trail::mark& mark) noexcept {
    mark.unlink();
    const auto inode = inodes_.find(mark.watch);
    if (inode == inodes_.end()) {
        return;  // The kernel watches it no more.
    }
    auto& entries = inode->second.entries;
    if (const auto named = entries.find(mark.name);
        named != entries.end() && named->second.empty()) {
        entries.erase(named);
    }
    if (entries.empty() && inode->second.itself.empty() && inode->second.content.empty()) {
        static_cast<void>(kernel::inotify_rm_watch(events_.get(), mark.watch));
        forget(inode);
    }
}

void change_watch::break_marks(marks& some) noexcept {
    while (auto* each = some.pop_front()) {
        each->owner->break_off();
    }
}

void change_watch::tell(marks& some, std::string_view name) noexcept {
    marks told;
    while (auto* each = some.pop_front()) {
        if (each->owner->on_entry(name)) {
            told.push_back(*each);
        } else {
            each->owner->break_off();
        }
    }
    some.append(told);
}

void change_watch::break_all() noexcept {
    // That a watch has ended may be among what was lost. Who adds to one asks the kernel again,
    // which gives the same while it lasts.
    watch_of_.clear();
    for (auto& [watch, inode] : inodes_) {
        break_marks(inode.itself);
        break_marks(inode.content);
        for (auto& [name, list] : inode.entries) {
            break_marks(list);
        }
    }
}

void change_watch::take(int watch, std::uint32_t mask, std::string_view name) noexcept {
    if ((mask & IN_Q_OVERFLOW) != 0) {
        break_all();
        return;
    }
    const auto found = inodes_.find(watch);
    if (found == inodes_.end()) {
        return;  // Of a watch that has been given up since.
    }
    auto& inode = found->second;
    if (!name.empty()) {
        tell(inode.content, name);
        if (const auto entry = inode.entries.find(name); entry != inode.entries.end()) {
            break_marks(entry->second);
        }
        return;
    }
    break_marks(inode.itself);
    break_marks(inode.content);
    for (auto& [entry, list] : inode.entries) {
        break_marks(list);
    }
    if ((mask & IN_IGNORED) != 0) {
        forget(found);  // The kernel watches it no more.
    }
}

void change_watch::look() noexcept {
    alignas(inotify_event) std::array<char, 4'096> buffer;
    for (unsigned reads = 0; reads < reads_in_a_row_max; ++reads) {
        const auto got = kernel::read_events(events_.get(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            if (got == 0 || errno != EAGAIN) {
                break_all();  // Nobody would tell of a change any more.
            }
            return;
        }
        for (std::size_t at = 0; at < static_cast<std::size_t>(got);) {
            inotify_event event{};
            std::memcpy(&event, buffer.data() + at, sizeof event);
            const char* name = buffer.data() + at + sizeof event;
            take(event.wd, event.mask, {name, ::strnlen(name, event.len)});
            at += sizeof event + event.len;
        }
    }
    break_all();
}

}  // namespace ferry::vfs
