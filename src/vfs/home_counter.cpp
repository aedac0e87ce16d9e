#include "ferry/vfs/home_counter.hpp"

#include <fmt/format.h>

#include <chrono>
#include <functional>
#include <memory>
#include <new>
#include <utility>

#include "ferry/base/log.hpp"
#include "ferry/runtime/stop.hpp"
#include "ferry/runtime/wait.hpp"

namespace ferry::vfs {

namespace {

constexpr auto try_again = std::chrono::seconds(1);
constexpr unsigned tries_max = 30;
constexpr auto memory_pause = std::chrono::milliseconds(10);
constexpr auto count_pause = std::chrono::milliseconds(5);

}  // namespace

void home_counter::ask(const std::shared_ptr<home>& which) {
    auto due = homes_.try_count(which, here_.now());
    if (due) {
        waiting_.push_back(std::move(*due));
        asked_.announce();
    }
}

void home_counter::ask_again(const std::shared_ptr<home>& which) {
    homes_.question(*which);
    ask(which);
}

runtime::task<result<void>> home_counter::wait_for(const std::shared_ptr<home>& which,
                                                   runtime::duration most) {
    ask(which);
    const auto deadline = here_.now() + most;
    while (!homes_.use_of(*which).is_counted) {
        if (here_.now() >= deadline) {
            co_return failure(errc::timed_out);
        }
        const auto slept = co_await runtime::sleep_until(here_, here_.now() + count_pause);
        if (!slept) {
            co_return failure(slept.error());
        }
        ask(which);  // Who counted may have been stopped, or failed.
    }
    co_return result<void>{};
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
        bool has_begun = false;
        try {
            auto turn = co_await self.permits_.take(runtime::never);
            if (turn) {
                auto next = std::move(self.waiting_.front());
                self.waiting_.pop_front();
                all.start(&home_counter::count_one, std::ref(self), std::move(next),
                          std::move(*turn));
                has_begun = true;
            }
        } catch (const std::bad_alloc&) {
            log::warning("what is in a home could not be counted: memory is out");
        }
        if (!has_begun) {  // Whoever waits for the sum asks again.
            static_cast<void>(
                co_await runtime::sleep_until(self.here_, self.here_.now() + memory_pause));
        }
    }
    self.waiting_.clear();
}

/// The home as a tree; null when it is not there any more. Descriptors and memory may be short for
/// a moment, and somebody waits for the sum: tried again for as long as they do.
runtime::task<std::unique_ptr<tree>> home_counter::open_home(home_counter& self,
                                                             const home& which) {
    for (unsigned tries = 0; tries < tries_max; ++tries) {
        auto files = co_await self.files_.subtree(self.here_, which.at());
        auto why = files ? errc::io : files.error().code;
        if (files) {
            const auto status = co_await (*files)->status(self.here_, {});
            if (status) {
                // Else another directory has its name now: who logs in has that for a home.
                const bool is_it =
                    which.id() == directory_id{.device = status->device, .inode = status->inode};
                co_return is_it ? std::move(*files) : nullptr;
            }
            why = status.error().code;
        }
        if (why == errc::not_found || why == errc::not_directory || why == errc::outside_tree) {
            break;
        }
        const auto slept = co_await runtime::sleep_until(self.here_, self.here_.now() + try_again);
        if (!slept) {
            break;
        }
    }
    co_return nullptr;
}

runtime::task<> home_counter::count_one(home_counter& self, home_table::count under_way,
                                        [[maybe_unused]] runtime::permits::permit turn) {
    const runtime::stop_scope& scope = co_await runtime::current_scope();
    const home& which = under_way.which();
    const auto files = co_await open_home(self, which);
    if (!files) {
        co_return;
    }
    self.homes_.begin_walk(under_way);
    const auto found = co_await files->measure(self.here_, self.turns_);
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
