#include "ferry/net/address_table.hpp"

#include <algorithm>

namespace ferry::net {

/// True when one made anew would do as well.
bool address_table::is_over(const address_usage& use, runtime::time_point now) const noexcept {
    const auto saved = [this] {
        return limits_.requests_per_second == 0
                   ? runtime::duration::zero()
                   : runtime::duration(std::chrono::seconds(limits_.requests_saved_max)) /
                         static_cast<std::int64_t>(limits_.requests_per_second);
    }();
    return use.requests.is_paid_for(now - saved) &&
           use.sent.is_paid_for(now - runtime::token_bucket::burst);
}

/// Forgets what is over, or else everybody of whom there is no connection: so that each pass over
/// all of them is paid for by as many who came since the last.
void address_table::make_room(shard& in, runtime::time_point now) const {
    if (in.known.size() < std::max(in.sweep_at, idle_of_shard_max_)) {
        return;
    }
    std::size_t idle = 0;
    std::erase_if(in.known, [&](const auto& each) {
        const bool is_idle = each.second.use_count() == 1;
        const bool goes = is_idle && is_over(*each.second, now);
        idle += is_idle && !goes ? 1 : 0;
        return goes;
    });
    if (idle >= idle_of_shard_max_ / 2) {
        std::erase_if(in.known, [](const auto& each) { return each.second.use_count() == 1; });
        idle = 0;
    }
    in.sweep_at = in.known.size() - idle + idle_of_shard_max_;
}

std::shared_ptr<address_usage> address_table::of(const endpoint& who, runtime::time_point now) {
    const auto wanted = customer_of(who);
    // Neighbours in a network spread by what tells them apart: the last octet of what counts.
    const auto last = wanted.is_v6 ? wanted.prefix : wanted.prefix >> 32U;
    auto& where = shards_[(last ^ last >> 8U) % shards_count];
    return where.use([&](shard& in) {
        const auto found = in.known.find(wanted);
        if (found != in.known.end()) {
            return found->second;
        }
        make_room(in, now);
        return in.known.emplace(wanted, std::make_shared<address_usage>()).first->second;
    });
}

std::size_t address_table::size() {
    std::size_t sum = 0;
    for (auto& each : shards_) {
        sum += each.use([](const shard& in) { return in.known.size(); });
    }
    return sum;
}

}  // namespace ferry::net
