#include "ferry/vfs/home_counter.hpp"

#include <fmt/format.h>

#include <functional>
#include <new>
#include <utility>

#include "ferry/base/log.hpp"
#include "ferry/runtime/stop.hpp"

namespace ferry::vfs {

void home_counter::ask(const std::shared_ptr<home>& which) {
    auto due = homes_.try_count(which, here_.now());
    if (due) {
        waiting_.push_back(std::move(*due));
        asked_.announce();
    }
}

runtime::task<> home_counter::run() {
    co_await runtime::with_nursery(here_, &home_counter::start_counts, std::ref(*this));
}

runtime::task<> home_counter::start_counts(runtime::nursery& all, home_counter& self) {
    const runtime::stop_scope& scope = co_await runtime::current_scope();
    while (!scope.stop_requested()) {
        if (self.waiting_.empty()) {
            static_cast<void>(co_await self.asked_.wait());
            continue;
        }
        auto turn = co_await self.permits_.take(runtime::never);
        if (!turn) {
            continue;
        }
        auto next = std::move(self.waiting_.front());
        self.waiting_.pop_front();
        try {
            all.start(&home_counter::count_one, std::ref(self), std::move(next), std::move(*turn));
        } catch (const std::bad_alloc&) {
            log::warning("what is in a home could not be counted: memory is out");
        }
    }
    self.waiting_.clear();
}

runtime::task<> home_counter::count_one(home_counter& self, home_table::count under_way,
                                        [[maybe_unused]] runtime::permits::permit turn) {
    const runtime::stop_scope& scope = co_await runtime::current_scope();
    const home& which = under_way.which();
    const auto files = co_await self.files_.subtree(self.here_, which.at());
    if (!files) {
        co_return;
    }
    const auto status = co_await (*files)->status(self.here_, {});
    if (!status || which.id() != directory_id{.device = status->device, .inode = status->inode}) {
        co_return;  // Another directory has its name now: who logs in has that for a home.
    }
    self.homes_.begin_walk(under_way);
    const auto found = co_await (*files)->measure(self.here_, self.turns_);
    if (scope.stop_requested()) {
        co_return;
    }
    if (found.passed_over != 0) {
        log::warning(fmt::format(
            "there is more in the home {:?} than its quota knows of: {} director{} could not be "
            "read",
            which.at().text(), found.passed_over, found.passed_over == 1 ? "y" : "ies"));
    }
    self.homes_.end_walk(std::move(under_way), found, self.here_.now());
}

}  // namespace ferry::vfs
