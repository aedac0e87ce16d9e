#include "ferry/vfs/home_counter.hpp"

#include <fmt/format.h>

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
    const runtime::stop_scope& scope = co_await runtime::current_scope();
    while (!scope.stop_requested()) {
        if (waiting_.empty()) {
            static_cast<void>(co_await asked_.wait());
            continue;
        }
        auto next = std::move(waiting_.front());
        waiting_.pop_front();
        try {
            co_await count_one(std::move(next));
        } catch (const std::bad_alloc&) {
            log::warning("what is in a home could not be counted: memory is out");
        }
    }
    waiting_.clear();
}

runtime::task<> home_counter::count_one(home_table::count under_way) {
    const runtime::stop_scope& scope = co_await runtime::current_scope();
    const home& which = under_way.which();
    const auto files = co_await files_.subtree(here_, which.at());
    if (!files) {
        co_return;
    }
    const auto status = co_await (*files)->status(here_, {});
    if (!status || which.id() != directory_id{.device = status->device, .inode = status->inode}) {
        co_return;  // Another directory has its name now: who logs in has that for a home.
    }
    homes_.begin_walk(under_way);
    const auto found = co_await (*files)->measure(here_, turns_);
    if (scope.stop_requested()) {
        co_return;
    }
    if (found.passed_over != 0) {
        log::warning(fmt::format(
            "there is more in the home {:?} than its quota knows of: {} director{} could not be "
            "read",
            which.at().text(), found.passed_over, found.passed_over == 1 ? "y" : "ies"));
    }
    homes_.end_walk(std::move(under_way), found, here_.now());
}

}  // namespace ferry::vfs
