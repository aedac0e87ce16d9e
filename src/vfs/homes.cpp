#include "ferry/vfs/homes.hpp"

#include <algorithm>

#include "vfs/name_locks.hpp"

namespace ferry::vfs {
namespace {

amount sum_of(amount a, amount b) noexcept {
    return {.octets = a.octets + b.octets, .files = a.files + b.files};
}

amount difference(amount a, amount b) noexcept {
    return {.octets = a.octets - b.octets, .files = a.files - b.files};
}

std::uint64_t not_negative(std::int64_t value) noexcept {
    return value < 0 ? 0 : static_cast<std::uint64_t>(value);
}

/// True when `more` fits beside `used`. Nothing more always does: who is over his quota may still
/// replace what he has.
bool fits(std::uint64_t used, std::uint64_t more, std::uint64_t most) noexcept {
    return most == 0 || more == 0 || (used <= most && more <= most - used);
}

template <class Range, class Value>
bool contains(const Range& some, const Value& one) noexcept {
    return std::ranges::find(some, one) != std::ranges::end(some);
}

/// How much `now` is more than `before`.
std::uint64_t growth(std::uint64_t before, std::uint64_t now) noexcept {
    return now > before ? now - before : 0;
}

/// `counted` where it can be right: a walk found `seen`, and `moved` has changed meanwhile.
std::int64_t corrected(std::int64_t counted, std::uint64_t seen, std::uint64_t moved) noexcept {
    const auto middle = static_cast<std::int64_t>(seen);
    const auto reach = static_cast<std::int64_t>(moved);
    return std::clamp(counted, middle - reach, middle + reach);
}

}  // namespace

home_table::home_table() : names_(std::make_shared<name_locks>()) {}

std::shared_ptr<home> home_table::enter(const path& at, directory_id id) {
    auto entered = homes_.use([&](known_homes& known) {
        auto& by_id = known.by_id[id];
        for (const std::size_t each : by_id) {
            if (known.all[each]->at() == at) {
                return known.all[each];
            }
        }
        auto& by_name = known.by_name[std::string(at.text())];
        auto made = std::make_shared<home>(at, id);
        for (numbers* each : {&by_id, &by_name}) {  // All or nothing, if memory is out.
            each->reserve(each->size() + 1);
        }
        known.all.reserve(known.all.size() + 1);
        by_id.push_back(known.all.size());
        by_name.push_back(known.all.size());
        known.all.push_back(made);
        entered_.store(known.all.size(), std::memory_order_release);
        return made;
    });
    has_any_.store(true, std::memory_order_release);
    return entered;
}

home_table::use home_table::use_of(const home& which) {
    return homes_.use([&](known_homes&) noexcept {
        return use{.used = sum_of(
                       {.octets = not_negative(which.octets_), .files = not_negative(which.files_)},
                       which.set_aside_),
                   .under_way = sum_of(which.set_aside_, which.changing_),
                   .is_counted = which.is_counted_,
                   .is_exact = which.is_exact_};
    });
}

std::vector<std::shared_ptr<home>> home_table::all() {
    return homes_.use([](const known_homes& known) { return known.all; });
}

bool home_table::is_root(directory_id id) const noexcept {
    return std::ranges::find(roots_, id, &root::id) != roots_.end();
}

std::vector<std::shared_ptr<home>> home_table::homes_of(std::span<const directory_id> way) {
    return homes_.use([&](const known_homes& known) {
        numbers found;
        const auto add = [&found](const auto& some, const auto& key) {
            if (const auto its = some.find(key); its != some.end()) {
                found.insert(found.end(), its->second.begin(), its->second.end());
            }
        };
        for (const auto& each : way) {
            add(known.by_id, each);
        }
        for (const root& mounted : roots_) {
            if (!contains(way, mounted.id)) {
                continue;
            }
            // A tree that is mounted somewhere lies in the homes above that name, too.
            for (path above = mounted.at;; above = above.parent()) {
                add(known.by_name, above.text());
                if (above.is_root()) {
                    break;
                }
            }
        }
        std::ranges::sort(found);
        const auto twice = std::ranges::unique(found);
        found.erase(twice.begin(), twice.end());
        std::vector<std::shared_ptr<home>> homes;
        homes.reserve(found.size());
        for (const std::size_t each : found) {
            homes.push_back(known.all[each]);
        }
        return homes;
    });
}

result<void> home_table::set_aside(homes all, const held_to& limit, amount before, amount now) {
    const bool is_done = homes_.use([&](known_homes&) noexcept {
        if (limit.where && contains(all, limit.where)) {
            const home& its = *limit.where;
            const bool has_room = fits(not_negative(its.octets_) + its.set_aside_.octets,
                                       growth(before.octets, now.octets), limit.most.octets_max) &&
                                  fits(not_negative(its.files_) + its.set_aside_.files,
                                       growth(before.files, now.files), limit.most.files_max);
            if (!has_room) {
                return false;
            }
        }
        for (const auto& each : all) {
            each->set_aside_ = difference(sum_of(each->set_aside_, now), before);
        }
        return true;
    });
    if (!is_done) {
        return failure(errc::over_quota);
    }
    return {};
}

void home_table::move_aside(homes from, homes to, amount aside) noexcept {
    homes_.use([&](known_homes&) noexcept {
        for (const auto& each : from) {
            each->set_aside_ = difference(each->set_aside_, aside);
        }
        for (const auto& each : to) {
            each->set_aside_ = sum_of(each->set_aside_, aside);
        }
    });
}

void home_table::begin_change(homes all, amount size) noexcept {
    homes_.use([&](known_homes&) noexcept {
        for (const auto& each : all) {
            each->changing_ = sum_of(each->changing_, size);
            each->churn_ = sum_of(each->churn_, size);
        }
    });
}

void home_table::end_change(homes all, const change& what) noexcept {
    homes_.use([&](known_homes&) noexcept {
        for (const auto& each : all) {
            each->changing_ = difference(each->changing_, what.size);
            each->octets_ += static_cast<std::int64_t>(what.added.octets - what.removed.octets);
            each->files_ += static_cast<std::int64_t>(what.added.files - what.removed.files);
            each->set_aside_ =
                difference(sum_of(each->set_aside_, what.aside_now), what.aside_before);
        }
    });
}

void home_table::doubt(homes all) noexcept {
    homes_.use([&](known_homes&) noexcept { doubt_each(all); });
}

void home_table::doubt_all() noexcept {
    homes_.use([](const known_homes& known) noexcept { doubt_each(known.all); });
}

void home_table::doubt_since(std::size_t known) noexcept {
    homes_.use(
        [known](const known_homes& its) noexcept { doubt_each(homes(its.all).subspan(known)); });
}

void home_table::doubt_each(homes all) noexcept {
    for (const auto& each : all) {
        each->count_again_ = {};
        each->is_exact_ = false;
        each->is_doubted_ = true;
    }
}

void home_table::question(home& which) noexcept {
    homes_.use([&which](const known_homes&) noexcept {
        which.count_again_ = std::min(which.count_again_, which.may_count_again_);
    });
}

void home_table::question_all() noexcept {
    homes_.use([](const known_homes& known) noexcept {
        for (const auto& each : known.all) {
            each->count_again_ = std::min(each->count_again_, each->may_count_again_);
        }
    });
}

std::optional<home_table::count> home_table::try_count(std::shared_ptr<home> which,
                                                       runtime::time_point now) {
    const bool may = homes_.use([&](known_homes&) noexcept {
        const bool is_due = !which->is_counted_ || now >= which->count_again_;
        const bool begins = is_due && !which->is_being_counted_;
        which->is_being_counted_ |= begins;
        return begins;
    });
    if (!may) {
        return std::nullopt;
    }
    return count(*this, std::move(which), now);
}

void home_table::begin_walk(count& under_way) noexcept {
    home& its = *under_way.which_;
    under_way.renames_ended_ = renames_ended_.load(std::memory_order_acquire);
    under_way.churn_ = homes_.use([&](known_homes&) noexcept {
        its.is_doubted_ = false;
        return difference(its.churn_, its.changing_);
    });
}

void home_table::end_walk(count under_way, const measured& found,
                          runtime::time_point now) noexcept {
    // By one that had begun before, too.
    const bool is_torn = renames_begun_.load(std::memory_order_acquire) != under_way.renames_ended_;
    homes_.use([&](known_homes&) noexcept {
        home& its = *under_way.which_;
        its.may_count_again_ =
            now + std::max(questioned_count_again_after,
                           questioned_count_again_walks * (now - under_way.begun_));
        if (is_torn && its.is_counted_) {  // What is counted is worth more.
            count_again(its, now);
            return;
        }
        const amount moved = difference(its.churn_, under_way.churn_);
        const bool is_still = moved == amount{} && !is_torn && !its.is_doubted_;
        const bool is_whole = found.passed_over == 0;
        if (its.is_counted_) {
            const auto octets = corrected(its.octets_, found.sum.octets, moved.octets);
            const auto files = corrected(its.files_, found.sum.files, moved.files);
            // What could not be read is still there.
            its.octets_ = is_whole ? octets : std::max(octets, its.octets_);
            its.files_ = is_whole ? files : std::max(files, its.files_);
        } else {  // The most that it can be: never too little.
            its.octets_ = static_cast<std::int64_t>(found.sum.octets + moved.octets);
            its.files_ = static_cast<std::int64_t>(found.sum.files + moved.files);
        }
        its.is_exact_ = is_whole && (is_still || its.is_exact_);
        its.is_counted_ = true;
        if (its.is_exact_ || !is_whole) {
            its.count_again_ = now + count_again_after;
            its.inexact_wait_ = inexact_count_again_after;
        } else {
            count_again(its, now);
        }
    });
}

void home_table::count_again(home& which, runtime::time_point now) noexcept {
    which.count_again_ = now + which.inexact_wait_;
    which.inexact_wait_ = std::min(2 * which.inexact_wait_, count_again_after);
}

void home_table::give_up(home& which) noexcept {
    homes_.use([&](known_homes&) noexcept { which.is_being_counted_ = false; });
}

}  // namespace ferry::vfs
