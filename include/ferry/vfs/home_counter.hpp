#pragma once

#include <deque>
#include <memory>

#include "ferry/runtime/core.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/wait.hpp"
#include "ferry/vfs/homes.hpp"
#include "ferry/vfs/listing_bounds.hpp"
#include "ferry/vfs/tree.hpp"

namespace ferry::vfs {

/// Finds out what is in homes, beside the service: one of them at a time for each core,
/// first come, first served, as `tree::measure` does it. Make one a core. Outlives the trees that
/// are held to a quota on it.
class home_counter {
  public:
    /// `files`: the whole tree.
    home_counter(runtime::core& here, const tree& files, home_table& homes,
                 listing_bounds& turns) noexcept
        : here_(here), files_(files), homes_(homes), turns_(turns), asked_(here.io()) {}

    /// Counts what is asked for, until it is asked to stop. Once.
    [[nodiscard]] runtime::task<> run();

    /// Lets `which` be counted if that is due (`home_table::try_count`). Never waits for it.
    /// Throws std::bad_alloc.
    void ask(const std::shared_ptr<home>& which);

  private:
    [[nodiscard]] runtime::task<> count_one(home_table::count under_way);

    runtime::core& here_;
    const tree& files_;
    home_table& homes_;
    listing_bounds& turns_;
    runtime::event asked_;
    std::deque<home_table::count> waiting_;
};

}  // namespace ferry::vfs
