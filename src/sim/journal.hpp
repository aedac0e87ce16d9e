#pragma once

#include <sys/stat.h>
#include <time.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <variant>

#include "ferry/base/random.hpp"
#include "sim/inode.hpp"

namespace ferry::sim {

/// `name` of `directory` is `what` from then on; null: nothing's.
struct name_change {
    inode_ptr directory;
    std::string name;
    inode_ptr what;
};
/// One change of names. A rename is one, across directories too.
struct names_changed {
    name_change first;
    name_change second;  ///< Without a directory: there is none.
};
/// chmod(2) or utimensat(2): the attributes as they are since.
struct attributes_changed {
    inode_ptr what;
    inode_attributes now;
};
/// truncate(2): what is done about it is in the inode's own list; here it has its place in the
/// order of things.
struct size_changed {
    inode_ptr what;
};

/// What a journaling file system has not written yet: changes in the order they were made, of which
/// a loss of power keeps a prefix. And when content reaches the disk, which is another matter.
///
/// Everything is durable sooner or later without being synced, as Linux writes back what is dirty:
/// here, all of it whenever there is too much of it to remember.
class journal {
  public:
    void note(inode& changed_names_of, inode* and_of, names_changed what, timespec when);
    void note(attributes_changed what, timespec when);
    void note_resize(inode& what, std::uint64_t size_bytes, timespec when);

    /// fsync(2) and fdatasync(2) of a file, fsync(2) of a directory.
    void sync_file(inode& file, bool data_only);
    void sync_directory(inode& directory);

    /// Makes everything durable if it is much.
    void write_back_if_much(inode_ledger& of);

    /// What a loss of power leaves: the durable half of all inodes. Returns how much was lost.
    std::size_t lose_power(inode_ledger& of, const crash_weather& weather, ferry::random& rng);

    /// How many octets of `file` a crash with no luck would leave, and which.
    [[nodiscard]] file_content durable_content(const inode& file) const;

    void clear() noexcept { changes_.clear(); }

  private:
    struct change {
        std::variant<names_changed, attributes_changed, size_changed> what;
        timespec when{};
    };
    [[nodiscard]] std::uint64_t end() const noexcept { return first_ + changes_.size(); }
    void add(change what);
    void commit(std::uint64_t end);
    void apply(const change& what, std::uint64_t order);
    void sync_content(inode& file);
    [[nodiscard]] std::uint64_t choose_end(const crash_weather& weather, ferry::random& rng) const;

    std::deque<change> changes_;
    std::uint64_t first_ = 0;        ///< The order of the first of `changes_`.
    std::uint64_t end_at_sync_ = 0;  ///< Of a file: so far a crash_weather may want it committed.
};

}  // namespace ferry::sim
