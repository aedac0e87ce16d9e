#include "ferry/auth/failed_logins.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <tuple>
#include <vector>

namespace ferry::auth {

using runtime::time_point;

namespace {

constexpr runtime::duration first_delay = std::chrono::seconds(1);
constexpr unsigned doublings_max = 20;  // Twelve days: no `delay_max` is as long.

}  // namespace

bool failed_logins::is_over(const record& what, time_point now) const noexcept {
    return what.next_answer <= now && (what.failures == 0 || now - what.last >= settings_.memory);
}

runtime::duration failed_logins::delay_after(unsigned failures) const noexcept {
    return std::min<runtime::duration>(first_delay * (1LL << std::min(failures - 1, doublings_max)),
                                       settings_.delay_max);
}

/// Forgets what is over, or else those whom it helps the least: a sixteenth at once, so that
/// somebody with very many addresses does not have every login wait for a pass over all of them.
void failed_logins::make_room(records& known, time_point now) const {
    if (known.size() < settings_.origins_max) {
        return;
    }
    std::erase_if(known, [this, now](const auto& each) { return is_over(each.second, now); });
    if (known.size() < settings_.origins_max) {
        return;
    }
    const auto worth = [](const record& what) { return std::tuple(what.failures, what.last); };
    std::vector<std::tuple<unsigned, time_point>> all;
    all.reserve(known.size());
    for (const auto& [from, what] : known) {
        all.push_back(worth(what));
    }
    auto left = std::max<std::size_t>(all.size() / 16, 1);
    const auto last = all.begin() + static_cast<std::ptrdiff_t>(left) - 1;
    std::ranges::nth_element(all, last);
    std::erase_if(known, [&](const auto& each) {
        if (left == 0 || worth(each.second) > *last) {
            return false;
        }
        --left;
        return true;
    });
}

bool failed_logins::is_heard(const origin& from, time_point now) {
    return known_.use([this, &from, now](const records& known) {
        const auto found = known.find(from);
        return found == known.end() || found->second.next_answer - now <= settings_.delay_max;
    });
}

std::optional<time_point> failed_logins::judge(const origin& from, time_point now, bool is_right) {
    if (settings_.delay_max == runtime::duration{}) {
        return now;
    }
    return known_.use([this, &from, now, is_right](records& known) -> std::optional<time_point> {
        auto found = known.find(from);
        if (found != known.end() && is_over(found->second, now)) {
            known.erase(found);
            found = known.end();
        }
        if (found == known.end()) {
            if (is_right) {
                return now;
            }
            make_room(known, now);
            found = known.emplace(from, record{.last = now, .next_answer = now}).first;
        }
        record& mine = found->second;
        const auto begins = std::max(mine.next_answer, now);
        if (!is_right) {
            ++mine.failures;
            mine.last = now;
        }
        if (begins - now > settings_.delay_max) {
            return std::nullopt;
        }
        if (is_right) {
            mine.failures = 0;
            return begins;  // Behind the answers that were put off before.
        }
        mine.next_answer = begins + delay_after(mine.failures);
        return mine.next_answer;
    });
}

std::size_t failed_logins::size() {
    return known_.use([](const records& known) { return known.size(); });
}

}  // namespace ferry::auth
