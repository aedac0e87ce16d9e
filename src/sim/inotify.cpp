#include "sim/inotify.hpp"

#include <sys/inotify.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "ferry/base/assert.hpp"
#include "sim/dentry.hpp"

namespace ferry::sim {

namespace {

constexpr std::uint32_t how_to_add =
    IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_MASK_CREATE | IN_MASK_ADD | IN_ONESHOT;
constexpr std::uint32_t may_be_asked =
    IN_ALL_EVENTS | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED | IN_ISDIR | how_to_add;
constexpr std::uint32_t kept_of_mask = IN_ALL_EVENTS | IN_EXCL_UNLINK | IN_ONESHOT;

/// The octets of a name in an event: with a NUL, filled up with more.
std::size_t padded(std::size_t name_bytes) noexcept {
    constexpr std::size_t unit = sizeof(inotify_event);
    return name_bytes == 0 ? 0 : (name_bytes + unit) / unit * unit;
}

inode_watch* find(inode& what, const inotify_instance* by) noexcept {
    const auto found = std::ranges::find(what.watches, by, &inode_watch::by);
    return found == what.watches.end() ? nullptr : &*found;
}

struct happening {
    std::uint32_t mask;
    std::uint32_t cookie;
    bool is_excluded;  ///< By IN_EXCL_UNLINK.
};

void tell_watchers(inode& watched, std::string_view name, const happening& what) {
    const auto watches = watched.watches;  // One that was to fire once ends meanwhile.
    for (const inode_watch& each : watches) {
        const bool is_asked = (each.mask & what.mask & IN_ALL_EVENTS) != 0;
        if (is_asked && !(what.is_excluded && (each.mask & IN_EXCL_UNLINK) != 0)) {
            each.by->tell(each.number, what.mask, what.cookie, name);
        }
    }
}

std::uint32_t with_kind(const inode& what, std::uint32_t mask) noexcept {
    return mask | (what.is_directory() ? std::uint32_t{IN_ISDIR} : 0U);
}

}  // namespace

inotify_instance::inotify_instance(std::shared_ptr<inotify_user> of)
    : user_(std::move(of)), queued_events_max_(user_->queued_events_max) {
    ++user_->instances;
}

inotify_instance::~inotify_instance() {
    for (const auto& [number, what] : watched_) {
        std::erase_if(what->watches, [this](const inode_watch& each) { return each.by == this; });
    }
    user_->watches -= watched_.size();
    --user_->instances;
}

int inotify_instance::add(inode& what, std::uint32_t mask) {
    const bool adds = (mask & IN_MASK_ADD) != 0;
    const bool creates = (mask & IN_MASK_CREATE) != 0;
    if (mask == 0 || (mask & ~may_be_asked) != 0 || (adds && creates)) {
        return -EINVAL;
    }
    if ((mask & IN_ONLYDIR) != 0 && !what.is_directory()) {
        return -ENOTDIR;
    }
    if (inode_watch* const before = find(what, this)) {
        if (creates) {
            return -EEXIST;
        }
        before->mask = (adds ? before->mask : 0) | (mask & kept_of_mask);
        return before->number;
    }
    if (user_->watches >= user_->watches_max) {
        return -ENOSPC;
    }
    ++user_->watches;
    watched_.emplace(++last_watch_, what.shared_from_this());
    what.watches.push_back({.by = this, .number = last_watch_, .mask = mask & kept_of_mask});
    return last_watch_;
}

int inotify_instance::remove(int watch) {
    if (!watched_.contains(watch)) {
        return -EINVAL;
    }
    end(watch);
    return 0;
}

std::int64_t inotify_instance::read(std::span<std::byte> into) {
    if (queue_.empty()) {
        return -EAGAIN;
    }
    std::size_t filled = 0;
    while (!queue_.empty()) {
        const event& next = queue_.front();
        const std::size_t name_bytes = padded(next.name.size());
        if (into.size() - filled < sizeof(inotify_event) + name_bytes) {
            break;
        }
        const inotify_event head{.wd = next.watch,
                                 .mask = next.mask,
                                 .cookie = next.cookie,
                                 .len = static_cast<std::uint32_t>(name_bytes)};
        std::memcpy(into.data() + filled, &head, sizeof head);
        filled += sizeof head;
        std::memset(into.data() + filled, 0, name_bytes);
        std::memcpy(into.data() + filled, next.name.data(), next.name.size());
        filled += name_bytes;
        has_overflown_ = has_overflown_ && next.mask != IN_Q_OVERFLOW;
        queue_.pop_front();
    }
    return filled == 0 ? -EINVAL : static_cast<std::int64_t>(filled);
}

void inotify_instance::tell(int watch, std::uint32_t mask, std::uint32_t cookie,
                            std::string_view name) {
    const auto found = watched_.find(watch);
    FERRY_ASSERT(found != watched_.end());
    queue({.watch = watch, .mask = mask, .cookie = cookie, .name = std::string(name)});
    const inode_watch* const which = find(*found->second, this);
    if (which != nullptr && (which->mask & IN_ONESHOT) != 0) {
        end(watch);
    }
}

void inotify_instance::end(int watch) {
    const auto found = watched_.find(watch);
    FERRY_ASSERT(found != watched_.end());
    std::erase_if(found->second->watches,
                  [this](const inode_watch& each) { return each.by == this; });
    watched_.erase(found);
    --user_->watches;
    queue({.watch = watch, .mask = IN_IGNORED, .cookie = 0, .name = {}});
}

bool inotify_instance::event::equals(const event& other) const noexcept {
    return watch == other.watch && mask == other.mask && name == other.name;
}

void inotify_instance::queue(event what) {
    if (queue_.size() >= queued_events_max_) {
        if (!has_overflown_) {
            has_overflown_ = true;
            queue_.push_back({.watch = -1, .mask = IN_Q_OVERFLOW, .cookie = 0, .name = {}});
        }
        return;
    }
    if (queue_.empty() || !queue_.back().equals(what)) {
        queue_.push_back(std::move(what));
    }
}

void notify_name(inode& directory, std::string_view name, const inode& what, std::uint32_t mask,
                 std::uint32_t cookie) {
    tell_watchers(directory, name,
                  {.mask = with_kind(what, mask), .cookie = cookie, .is_excluded = false});
}

void notify_self(inode& what, std::uint32_t mask) {
    // These two had no IN_ISDIR in Linux of old and have none now.
    const bool tells_kind = mask != IN_DELETE_SELF && mask != IN_MOVE_SELF;
    tell_watchers(
        what, {},
        {.mask = tells_kind ? with_kind(what, mask) : mask, .cookie = 0, .is_excluded = false});
}

void notify_entry(const dentry& by, std::uint32_t mask, bool through_file) {
    const happening what{.mask = with_kind(*by.what, mask),
                         .cookie = 0,
                         .is_excluded = through_file && by.is_unlinked};
    if (by.parent != nullptr) {
        tell_watchers(*by.parent->what, by.name, what);
    }
    tell_watchers(*by.what, {}, what);
}

void notify_removed(inode& what) {
    notify_self(what, IN_DELETE_SELF);
    const auto watches = what.watches;
    for (const inode_watch& each : watches) {
        each.by->end(each.number);
    }
}

}  // namespace ferry::sim
