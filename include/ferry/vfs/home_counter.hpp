#pragma once

#include <cstddef>
#include <deque>
#include <memory>

#include "ferry/base/result.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/permits.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/wait.hpp"
#include "ferry/vfs/homes.hpp"
#include "ferry/vfs/listing_bounds.hpp"
#include "ferry/vfs/tree.hpp"

namespace ferry::vfs {

/// Finds out what is in homes, beside the service, as `tree::measure` does it: `at_once_max` of
/// them at a time for each core, so that a huge one does not keep all others from being stored to;
/// first come, first served. Make one a core. Outlives the trees that are held to a quota on it.
class home_counter {
  public:
    static constexpr std::size_t at_once_max = 4;

    /// `files`: the whole tree.
    home_counter(runtime::core& here, const tree& files, home_table& homes,
                 listing_bounds& turns) noexcept
        : here_(here),
          files_(files),
          homes_(homes),
          turns_(turns),
          asked_(here.io()),
          permits_(here, at_once_max) {}

    /// Counts what is asked for, until it is asked to stop. Once.
    [[nodiscard]] runtime::task<> run();

    /// Lets `which` be counted if that is due (`home_table::try_count`). Never waits for it.
    /// Throws std::bad_alloc.
    void ask(const std::shared_ptr<home>& which);

    /// The same when its sum has refused somebody: as soon as that may be.
    void ask_again(const std::shared_ptr<home>& which);

    /// Asks, and waits until it is known what is in `which`. errc::timed_out: not in `most`;
    /// cancelled.
    [[nodiscard]] runtime::task<result<void>> wait_for(const std::shared_ptr<home>& which,
                                                       runtime::duration most);

  private:
    [[nodiscard]] static runtime::task<> start_counts(runtime::nursery& all, home_counter& self);
    [[nodiscard]] static runtime::task<std::unique_ptr<tree>> open_home(home_counter& self,
                                                                        const home& which);
    [[nodiscard]] static runtime::task<> count_one(home_counter& self, home_table::count under_way,
                                                   runtime::permits::permit turn);

    runtime::core& here_;
    const tree& files_;
    home_table& homes_;
    listing_bounds& turns_;
    runtime::event asked_;
    runtime::permits permits_;
    std::deque<home_table::count> waiting_;
};

}  // namespace ferry::vfs
