#pragma once

#include <cstdint>

#include "ferry/runtime/core.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/time.hpp"
#include "ferry/vfs/homes.hpp"
#include "ferry/vfs/path.hpp"
#include "ferry/vfs/tree.hpp"
#include "ferry/vfs/tree_options.hpp"
#include "vfs/file_system.hpp"
#include "vfs/name_locks.hpp"

namespace ferry::vfs {

/// Where the content of an upload stands until its commit.
enum class holding_place : std::uint8_t {
    unnamed_if_possible,  ///< O_TMPFILE; a hidden name where the file system or /proc lacks it.
    hidden_name,          ///< Under a name of ours, as if O_TMPFILE did not exist.
};

struct upload_target {
    int root = -1;  ///< Names are resolved beneath it; used until `begin_upload` has returned.
    const path& name;
    holding_place holding = holding_place::unnamed_if_possible;
    link_policy links = link_policy::inside;
    file_system home{};                         ///< What is known of the tree's.
    runtime::offload_pool* closing = nullptr;   ///< As for `close_file`.
    name_locks* locks = nullptr;                ///< Taken by the commit; null: it excludes nobody.
    runtime::duration parts_kept{};             ///< As for `tree::keep_parts`.
    home_table* homes = nullptr;                ///< That it counts for; null: none.
    held_to limit{};                            ///< The quota it keeps to.
    replacement_table* replacements = nullptr;  ///< Where it is noted; null: nowhere.
};

/// Begins an upload: what `tree::begin_upload` promises. Copies the old content first for `append`
/// and `restart`, in pieces on the offload pool.
[[nodiscard]] runtime::task<result<upload>> begin_upload(runtime::core& here, upload_target target,
                                                         upload_options options);

}  // namespace ferry::vfs
