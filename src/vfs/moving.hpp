#pragma once

#include "ferry/base/result.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/vfs/homes.hpp"
#include "ferry/vfs/metadata.hpp"
#include "ferry/vfs/path.hpp"
#include "ferry/vfs/tree.hpp"
#include "vfs/name_locks.hpp"

namespace ferry::vfs {

/// What a tree has said of a name, which is to be so still when something happens to it.
struct expected_name {
    const tree& files;
    const path& name;
    const metadata& status;
};

/// errc::busy: it is not any more. Errors else as `tree::status`. For who has the name alone.
[[nodiscard]] runtime::task<result<void>> expect_still(runtime::core& here, expected_name what);

/// A rename between two open directories.
struct name_move {
    int from_directory = -1;
    const char* from = nullptr;
    int to_directory = -1;
    const char* to = nullptr;
    bool replaces = true;                     ///< False: errc::exists when `to` is taken.
    const expected_name* expected = nullptr;  ///< Of `from`; null: nothing.
    name_locks& locks;
    home_table* homes = nullptr;  ///< That it counts for; null: none.
    held_to limit{};
};

/// Renames: what `tree::rename` promises of names in two directories. Where it leaves a home or
/// comes into one what is moved is counted there: of a directory all that lies beneath, so that
/// takes a walk.
[[nodiscard]] runtime::task<result<void>> move_name(runtime::core& here, name_move what);

}  // namespace ferry::vfs
