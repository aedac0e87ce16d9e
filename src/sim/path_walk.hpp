#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sim/inode.hpp"

namespace ferry::sim {

/// What the last component of a path is (path_resolution(7)).
enum class last_component : std::uint8_t {
    name,
    dot,
    dot_dot,
    none,  ///< "/": there is none.
};

/// The way along a path, one component after the other, as Linux goes it (fs/namei.c). Holds for as
/// long as nothing changes: it counts no references.
class path_walk {
  public:
    /// `resolve` is that of openat2(2).
    path_walk(inode& disk_root, std::uint64_t resolve) noexcept
        : disk_root_(disk_root), base_(&disk_root), resolve_(resolve) {}

    /// Stands at `from`, or at the disk's root if that is null, with all of `path` to go. It must
    /// stay as long as the walk. 0, or -ENOENT (empty), -ENAMETOOLONG, -ENOTDIR, -EXDEV.
    int begin(inode* from, const char* path);

    /// Goes on to the directory that holds the last component, through every link on the way; 0 or
    /// -errno. Then `at`, `last`, `name` and `has_slash` say where it stands.
    int to_last();

    /// Looks for the last component, which must be a name. 0 with `found`, null if there is none,
    /// or -ENOENT (the directory was removed), -ENAMETOOLONG.
    int look_up(inode*& found) const;

    /// Takes the last component, which must not be a name.
    int step_dots();

    /// Stands before what `link`, the last component, says. 0, -ELOOP, -EXDEV.
    int follow(const inode& link);

    /// All the way: `to_last` and the last component itself, a link followed or not. 0 with
    /// `found`, or -errno: -ENOENT if there is none, -ENOTDIR if it must be a directory and is not.
    struct last_step {
        bool follows_link = true;
        bool wants_directory = false;
    };
    int to_end(last_step how, inode*& found);

    inode* at = nullptr;
    last_component last = last_component::none;
    std::string_view name;
    bool has_slash = false;  ///< After the last component.

  private:
    int begin_at_root();
    int step_up();

    inode& disk_root_;
    inode* base_;  ///< Of RESOLVE_BENEATH and RESOLVE_IN_ROOT.
    std::uint64_t resolve_;
    unsigned links_ = 0;
    std::string spelled_;    ///< What a link said, and what was to come after it.
    std::string_view rest_;  ///< Of the path, or of `spelled_`.
};

/// Where a name is to be made, removed or moved: the last component of a path, no link followed.
struct name_place {
    inode* directory = nullptr;
    last_component last = last_component::none;
    std::string name;
    bool has_slash = false;
    inode* found = nullptr;  ///< By `look_up_name`.
};

/// 0 or -errno.
int find_place(inode& disk_root, inode* from, const char* path, name_place& into);
/// 0, -ENOENT (the directory was removed), -ENAMETOOLONG.
int look_up_name(name_place& in);

}  // namespace ferry::sim
