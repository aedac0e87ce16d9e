#pragma once

#include <time.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "ferry/base/random.hpp"
#include "ferry/runtime/op.hpp"
#include "sim/disk.hpp"
#include "sim/inode.hpp"
#include "sim/journal.hpp"

namespace ferry::sim {

struct disk::state {
    state(std::function<timespec()> clock, ferry::random& chance);
    state(const state&) = delete;
    state& operator=(const state&) = delete;
    ~state();

    /// The time that changes are stamped with. As the kernel's: that of its last tick, so changes
    /// within one tick have equal times.
    [[nodiscard]] timespec now() const;

    /// 0, -EBADF (null), -EIO (open since before a crash).
    [[nodiscard]] int check(const open_file_ptr& file) const noexcept;
    /// The same for what must have been opened for more than its place (O_PATH): else -EBADF.
    [[nodiscard]] int check_open(const open_file_ptr& file) const noexcept;
    /// The same for the directory of an `_at` call: null is the root.
    [[nodiscard]] int check_base(const open_file_ptr& directory) const noexcept;

    [[nodiscard]] inode_ptr make(mode_t mode);

    /// Gives `name` of `directory` to `what`, one name more for it, and notes it in the journal.
    void add_name(inode& directory, const std::string& name, const inode_ptr& what);

    /// Tells that what was written to `file` is there, in every respect.
    void written(const open_file& file, content_piece piece);
    void resize(const open_file& file, std::uint64_t size_bytes);

    /// How links in a directory that is listed are followed.
    struct link_place {
        const open_file_ptr& root;
        const char* path;  ///< Of the directory, beneath it.
        std::uint64_t resolve;
    };
    /// Fills in all but the name of `record`, which is that of `name` in `from`; texts of links go
    /// to the end of `names`.
    void fill_record(const inode& from, const std::string& name, const link_place& links,
                     std::string& names, runtime::directory_record& record) const;

    std::function<timespec()> wall_clock;
    ferry::random& rng;
    inode_ledger_ptr ledger = std::make_shared<inode_ledger>();
    inode_ptr root;
    journal log;
    bool is_cold = false;
    std::uint64_t type = 0xEF53;  // Of ext4.
};

}  // namespace ferry::sim
