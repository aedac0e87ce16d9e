#pragma once

#include <memory>

#include "ferry/base/result.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/vfs/home_counter.hpp"
#include "ferry/vfs/homes.hpp"
#include "ferry/vfs/path.hpp"
#include "ferry/vfs/tree.hpp"

namespace ferry::vfs {

/// What an account may see of the tree, and what its quota is about.
struct account_home {
    std::unique_ptr<tree> files;    ///< What lies there; null: the whole tree, without a quota.
    std::shared_ptr<home> counted;  ///< Null: there is no quota.
};

/// Where homes are opened and counted. All of it outlives the homes.
struct home_services {
    const tree& files;  ///< The whole tree.
    home_table& homes;
    home_counter& counter;
};

/// Opens `root` for an account, held to `most`, which begins to be counted where nobody knows what
/// is there. Errors: as `tree::subtree`.
[[nodiscard]] runtime::task<result<account_home>> open_account_home(runtime::core& here,
                                                                    const home_services& with,
                                                                    const path& root, quota most);

}  // namespace ferry::vfs
