#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sim/disk.hpp"
#include "sim/file_content.hpp"

namespace ferry::sim {

/// What the inodes of one disk have in common. Lives as long as the last of them.
struct inode_ledger {
    std::uint64_t life = 0;  ///< Which one, between two crashes.
    std::uint64_t last_number = 1;
    std::uint64_t name_seed = 0;  ///< Of the order in which directories list.
    std::uint64_t capacity_blocks = ~std::uint64_t{0};
    std::uint64_t used_blocks = 0;          ///< Of inodes with a name or open.
    std::map<std::uint64_t, inode*> all;    ///< By number: with a name, open or merely remembered.
    std::map<std::uint64_t, inode*> dirty;  ///< Those of `all` with content that was not synced.
    std::size_t unsynced_writes = 0;
    std::uint32_t last_cookie = 0;  ///< Of IN_MOVED_FROM and IN_MOVED_TO.
    std::uint64_t unsynced_blocks = 0;

    [[nodiscard]] std::uint64_t free_blocks() const noexcept {
        return capacity_blocks > used_blocks ? capacity_blocks - used_blocks : 0;
    }
};
using inode_ledger_ptr = std::shared_ptr<inode_ledger>;

/// The names in one directory, in an order that has nothing to do with their spelling and that no
/// change of other names disturbs, so that a listing can go on where it stood.
class directory_names {
  public:
    struct entry {
        std::string name;
        inode_ptr what;
    };
    /// Above all places: a listing that is over stands there.
    static constexpr std::uint64_t end_place = ~std::uint64_t{0} >> 1U;

    [[nodiscard]] static std::uint64_t place_of(std::string_view name, std::uint64_t seed) noexcept;

    [[nodiscard]] inode* find(std::uint64_t place, std::string_view name) const noexcept;
    /// Gives `name` to `what`, or to nothing if that is null.
    void set(std::uint64_t place, std::string_view name, inode_ptr what);

    [[nodiscard]] const std::map<std::uint64_t, entry>& all() const noexcept { return all_; }
    [[nodiscard]] bool empty() const noexcept { return all_.empty(); }
    void clear() noexcept { all_.clear(); }

  private:
    std::map<std::uint64_t, entry> all_;
};

/// What chmod(2), utimensat(2) and whatever changes a file as a whole leave behind.
struct inode_attributes {
    mode_t mode = 0;  ///< With the kind.
    timespec modified{};
    timespec changed{};
};

/// A change of size that was not synced.
struct resize {
    std::uint64_t size_bytes = 0;
    std::uint64_t order = 0;  ///< Of the change in the journal.
};
/// A write that was not synced.
struct unsynced_write {
    content_piece piece;
    timespec when{};
};
using content_change = std::variant<unsynced_write, resize>;

/// What flock(2) has given.
struct advisory_lock {
    bool is_exclusive = false;
    std::vector<const open_file*> holders;

    [[nodiscard]] bool is_held_by(const open_file* file) const noexcept {
        return std::ranges::find(holders, file) != holders.end();
    }
    void release(const open_file* file) noexcept { std::erase(holders, file); }
};

class inotify_instance;

/// That somebody watches an inode.
struct inode_watch {
    inotify_instance* by = nullptr;
    int number = 0;          ///< The watch descriptor.
    std::uint32_t mask = 0;  ///< Events, IN_EXCL_UNLINK, IN_ONESHOT.
};

struct inode : std::enable_shared_from_this<inode> {
    inode(inode_ledger_ptr of, mode_t mode, timespec now);
    inode(const inode&) = delete;
    inode& operator=(const inode&) = delete;
    ~inode();

    inode_ledger_ptr ledger;
    std::uint64_t number;
    inode_attributes is;  ///< As programs see it; `durable.is` as on the disk.
    timespec accessed{};
    timespec born{};
    std::uint32_t links = 0;
    std::uint32_t opens = 0;
    std::uint32_t readers = 0;        ///< Descriptors that read from it: of a FIFO.
    bool may_get_first_name = false;  ///< Made by O_TMPFILE, without O_EXCL, never named.
    bool is_spared = false;           ///< `disk::spare`
    std::optional<std::uint64_t> told_size_bytes;  ///< `disk::tell_size`
    advisory_lock lock;
    std::string target;  ///< Of a symbolic link.
    file_content content;

    directory_names names;
    inode* parent = nullptr;  ///< Of a directory; the root's is itself.
    std::string own_name;     ///< Of a directory, in `parent`; the last one it had.
    inode_ptr
        parent_of_dead;  ///< Keeps the parent of one that was removed: ".." still leads there.

    std::vector<dentry*> dentries;  ///< By which it is open; of a directory one at the most.
    std::vector<inode_watch> watches;

    struct durable_half {
        inode_attributes is;
        file_content content;
        directory_names names;
        std::uint64_t attributes_order = 0;  ///< Changes in the journal before it are in `is`.
    } durable;
    std::vector<content_change> unsynced;  ///< Since `durable.content`, in the order made.
    std::uint64_t last_change_order = 0;   ///< 1 + that of the last change in the journal; or 0.

    [[nodiscard]] bool is_directory() const noexcept { return S_ISDIR(is.mode); }
    [[nodiscard]] bool is_symlink() const noexcept { return S_ISLNK(is.mode); }
    [[nodiscard]] bool is_regular() const noexcept { return S_ISREG(is.mode); }
    [[nodiscard]] bool is_fifo() const noexcept { return S_ISFIFO(is.mode); }
    /// A directory that was removed: nothing can be made in it.
    [[nodiscard]] bool is_dead() const noexcept { return links == 0; }
    /// As stat(2) tells it.
    [[nodiscard]] std::uint64_t size_bytes() const noexcept;

    [[nodiscard]] inode* find(std::string_view name) const noexcept {
        return names.find(directory_names::place_of(name, ledger->name_seed), name);
    }

    /// One name less. Gives its space back with the last name and descriptor.
    void drop_name() noexcept;
    void drop_descriptor() noexcept;
    /// Says that `content` has gained or lost blocks since there were `before`.
    void count_blocks_since(std::uint64_t before) noexcept;

    void note_unsynced(content_change what);
    void forget_unsynced() noexcept;

  private:
    void give_space_back_if_gone() noexcept;
};

/// Makes what open(2) returns: its end is told to the inode.
[[nodiscard]] open_file_ptr make_open_file(dentry_ptr by, int flags);

}  // namespace ferry::sim
