#pragma once

#include <memory>
#include <vector>

#include "ferry/vfs/path.hpp"
#include "ferry/vfs/tree.hpp"

namespace ferry::vfs {

/// One tree of several, and where it appears.
struct mount {
    path at;
    std::shared_ptr<tree> files;  ///< Not null.
    name_rules names = {};        ///< By which it finds names, for those of mounts in it.
};

/// Several trees as one, each under its own name; no name twice. The longest that leads to a name
/// decides whose it is. A value like any tree: a process may have several, over the same trees.
///
/// - Names of mounts, and of the directories on the way to them, are always there: they are listed
///   in the place of what the tree beneath them has under these names, whether that has any or not.
///   Where the mount around one finds names by other spellings, they find it too, and are hidden.
///   What is not there takes no changes (errc::read_only). Without a mount at the root that is such
///   a directory too.
/// - They stay: to remove or rename one, or to rename to one, is errc::denied; making a directory
/// of
///   that name, or renaming to it without replacing, errc::exists; an upload to it, or removing it
///   as a file, errc::is_directory.
/// - `rename` from one tree to another is errc::unsupported, with EXDEV, as from one file system to
///   another.
/// - Symbolic links are followed by the tree they lie in and know of no mounts: they lead to what
///   that tree has under a name, though another is mounted there.
/// - `subtree` takes the mounts with it that lie beneath.
///
/// Cost: what of a name there may be mounts beneath is looked up component by component, and what a
/// mounted tree is to see of it is copied.
[[nodiscard]] std::unique_ptr<tree> make_mount_table(std::vector<mount> mounts);

}  // namespace ferry::vfs
