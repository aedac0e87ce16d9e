#pragma once

#include "ferry/base/result.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/vfs/homes.hpp"
#include "vfs/name_locks.hpp"

namespace ferry::vfs {

/// A rename between two open directories.
struct name_move {
    int from_directory = -1;
    const char* from = nullptr;
    int to_directory = -1;
    const char* to = nullptr;
    bool replaces = true;  ///< False: errc::exists when `to` is taken.
    name_locks& locks;
    home_table* homes = nullptr;  ///< That it counts for; null: none.
    held_to limit{};
};

/// Renames: what `tree::rename` promises of names in two directories. Where it leaves a home or
/// comes into one what is moved is counted there: of a directory all that lies beneath, so that
/// takes a walk.
[[nodiscard]] runtime::task<result<void>> move_name(runtime::core& here, name_move what);

}  // namespace ferry::vfs
