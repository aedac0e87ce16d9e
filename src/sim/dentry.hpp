#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "sim/inode.hpp"

namespace ferry::sim {

/// A name by which an inode is open, as the kernel's dentry: what is done to the inode is told to
/// who watches the directory of that name, wherever else it has names. A rename takes it along. The
/// end of the name leaves it, and whom it tells, to those who have it open; when they are gone, and
/// the inode has no other name, the inode is removed (IN_DELETE_SELF), even if it is open by
/// another name that is gone.
struct dentry : std::enable_shared_from_this<dentry> {
    dentry(inode& of, dentry_ptr in, std::string_view called);
    dentry(const dentry&) = delete;
    dentry& operator=(const dentry&) = delete;
    ~dentry();

    inode_ptr what;
    dentry_ptr parent;  ///< Of the directory; the root has none.
    std::string name;
    bool is_unlinked = false;  ///< The name is gone, or never was one (O_TMPFILE).
    std::uint64_t life;        ///< Of the disk, between two crashes.
};

/// Of a directory, which has only one.
[[nodiscard]] dentry_ptr dentry_of(inode& directory);
/// Of anything else, which has the name `name` in `directory`.
[[nodiscard]] dentry_ptr dentry_of(inode& what, inode& directory, std::string_view name);
/// Of what was made by O_TMPFILE in `directory`: a name that nobody finds, as Linux calls it.
[[nodiscard]] dentry_ptr make_unnamed_dentry(inode& what, inode& directory);

}  // namespace ferry::sim
