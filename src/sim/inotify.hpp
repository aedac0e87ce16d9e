#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "sim/inode.hpp"

namespace ferry::sim {

/// What the one user of a host may have of inotify (inotify(7), "/proc interfaces"; Linux's own
/// numbers) and has.
struct inotify_user {
    std::size_t queued_events_max = 16'384;  ///< Of instances made from then on.
    std::size_t instances_max = 128;
    std::size_t watches_max = 8'192;
    std::size_t instances = 0;
    std::size_t watches = 0;
};

/// An inotify instance: watches of inodes, and a queue of what happened to them. As Linux has it
/// (fs/notify), quirks included: a queue that is full takes IN_Q_OVERFLOW and then nothing until it
/// is read, equal events that follow each other become one, watch descriptors are never used again.
/// Outlives neither a crash nor its last descriptor.
class inotify_instance {
  public:
    explicit inotify_instance(std::shared_ptr<inotify_user> of);
    inotify_instance(const inotify_instance&) = delete;
    inotify_instance& operator=(const inotify_instance&) = delete;
    ~inotify_instance();

    /// inotify_add_watch(2): the watch descriptor, or -EINVAL (mask), -ENOTDIR (IN_ONLYDIR),
    /// -EEXIST (IN_MASK_CREATE), -ENOSPC. IN_DONT_FOLLOW is up to who opened `what`.
    int add(inode& what, std::uint32_t mask);
    /// inotify_rm_watch(2): 0 or -EINVAL.
    int remove(int watch);
    /// read(2): whole events, as many as `into` has room for. -EAGAIN: there is none; -EINVAL: no
    /// room for the first.
    std::int64_t read(std::span<std::byte> into);

    /// Something that `watch` asks for has happened to what it watches, or to `name` in that.
    void tell(int watch, std::uint32_t mask, std::uint32_t cookie, std::string_view name);
    /// What `watch` watches is not watched any more: IN_IGNORED.
    void end(int watch);

  private:
    struct event {
        int watch = -1;
        std::uint32_t mask = 0;
        std::uint32_t cookie = 0;
        std::string name;

        /// As they become one: the cookie does not count.
        [[nodiscard]] bool equals(const event& other) const noexcept;
    };
    void queue(event what);

    std::shared_ptr<inotify_user> user_;
    std::size_t queued_events_max_;
    int last_watch_ = 0;
    std::map<int, inode_ptr> watched_;
    std::deque<event> queue_;
    bool has_overflown_ = false;  ///< IN_Q_OVERFLOW is in the queue.
};
using inotify_ptr = std::shared_ptr<inotify_instance>;

// What the disk tells of its changes; the kernel's hooks (include/linux/fsnotify.h). `mask` is one
// event, without IN_ISDIR.

/// A name of `directory` has come, gone or moved: who watches the directory hears of it.
void notify_name(inode& directory, std::string_view name, const inode& what, std::uint32_t mask,
                 std::uint32_t cookie = 0);
/// Something happened to an inode that has to do with no name of it: who watches it hears of it.
void notify_self(inode& what, std::uint32_t mask);
/// An inode was used or changed by way of `by`: who watches the directory of that name hears of it,
/// and then who watches the inode. What a descriptor did (`through_file`), and no call about
/// attributes, is kept from those with IN_EXCL_UNLINK once the name is gone.
void notify_entry(const dentry& by, std::uint32_t mask, bool through_file);
/// An inode is no more: IN_DELETE_SELF, and its watches end.
void notify_removed(inode& what);

}  // namespace ferry::sim
