#include "sim/port_table.hpp"

#include <algorithm>
#include <cerrno>

#include "ferry/base/assert.hpp"

namespace ferry::sim {

namespace {

constexpr std::uint32_t ephemeral_count =
    port_table::ephemeral_last - port_table::ephemeral_first + 1U;

// TCP_TIMEWAIT_LEN; a connect may have the pair after a second (net.ipv4.tcp_tw_reuse).
constexpr auto time_wait_length = std::chrono::seconds(60);
constexpr auto time_wait_reuse_after = std::chrono::seconds(1);
constexpr std::size_t time_waits_max = 32'768;  // net.ipv4.tcp_max_tw_buckets.

struct bound_address {
    const inet_address& address;
    int v6_only;
};

/// Whether some packet could be for both.
bool overlap(const bound_address& a, const bound_address& b) noexcept {
    if (a.address.octets == b.address.octets) {
        return true;
    }
    if (a.address.is_wildcard() && b.address.is_wildcard()) {
        return a.v6_only == 0 && b.v6_only == 0;  // One of each family.
    }
    const auto covers = [](const bound_address& all, const bound_address& one) {
        if (!all.address.is_wildcard()) {
            return false;
        }
        return all.address.is_v4() ? one.address.is_v4() : !one.address.is_v4() || all.v6_only == 0;
    };
    return covers(a, b) || covers(b, a);
}

/// How well a listener fits; 0 is not at all. The kernel's compute_score.
int fitness(const socket& listener, const inet_address& to) noexcept {
    if (listener.local.octets == to.octets) {
        return listener.family == AF_INET ? 4 : 3;
    }
    if (!listener.local.is_wildcard()) {
        return 0;
    }
    if (listener.local.is_v4()) {
        return to.is_v4() ? 2 : 0;
    }
    return to.is_v4() && listener.options.v6_only != 0 ? 0 : 1;
}

void remove_from(std::vector<socket*>& list, socket& which) noexcept {
    list.back()->port_index = which.port_index;
    list[which.port_index] = list.back();
    list.pop_back();
}

}  // namespace

bool port_table::is_taken(const socket& which, const inet_address& address, bool ephemeral,
                          runtime::time_point now) const {
    const bound_address wanted{.address = address, .v6_only = which.options.v6_only};
    const auto conflicts = [&](const socket* old) {
        if (old == &which ||
            !overlap(wanted, {.address = old->local, .v6_only = old->options.v6_only})) {
            return false;
        }
        const bool reused = which.options.reuse_address != 0 && old->options.reuse_address != 0 &&
                            old->at != socket::stage::listening;
        const bool shared = which.options.reuse_port != 0 && old->options.reuse_port != 0;
        return ephemeral || (!reused && !shared);
    };
    const auto found = ports_.find(address.port);
    if (found != ports_.end() && (std::ranges::any_of(found->second.listeners, conflicts) ||
                                  std::ranges::any_of(found->second.others, conflicts))) {
        return true;
    }
    const auto first =
        waiting_.lower_bound({.local = {.port = address.port, .octets = {}}, .remote = {}});
    for (auto each = first; each != waiting_.end() && each->first.local.port == address.port;
         ++each) {
        const auto& [ends, how] = *each;
        const bool reused = which.options.reuse_address != 0 && how.reuse_address;
        const bool shared = which.options.reuse_port != 0 && how.reuse_port;
        if (how.since + time_wait_length > now &&
            overlap(wanted, {.address = ends.local, .v6_only = how.v6_only}) &&
            (ephemeral || (!reused && !shared))) {
            return true;
        }
    }
    return false;
}

int port_table::bind(socket& which, inet_address address, runtime::time_point now, random& rng) {
    which.chose_port = address.port != 0;
    if (address.port != 0) {
        if (is_taken(which, address, false, now)) {
            which.chose_port = false;
            return -EADDRINUSE;
        }
    } else {
        const auto start = static_cast<std::uint32_t>(rng.below(ephemeral_count));
        std::uint32_t tried = 0;
        do {
            if (tried == ephemeral_count) {
                return -EADDRINUSE;
            }
            address.port =
                static_cast<std::uint16_t>(ephemeral_first + (start + tried++) % ephemeral_count);
        } while (is_taken(which, address, true, now));
    }
    which.local = address;
    take(which, address.port);
    return 0;
}

void port_table::take(socket& which, std::uint16_t port) {
    owners& bucket = ports_[port];
    which.local.port = port;
    which.has_port = true;
    which.port_index = bucket.others.size();
    bucket.others.push_back(&which);
    bucket.fixed += which.connect_chose_port ? 0 : 1;
}

int port_table::listen(socket& which, runtime::time_point now) {
    if (is_taken(which, which.local, false, now)) {
        return -EADDRINUSE;
    }
    owners& bucket = ports_[which.local.port];
    remove_from(bucket.others, which);
    which.port_index = bucket.listeners.size();
    bucket.listeners.push_back(&which);
    return 0;
}

void port_table::stop_listening(socket& which) noexcept {
    owners& bucket = ports_[which.local.port];
    remove_from(bucket.listeners, which);
    which.port_index = bucket.others.size();
    bucket.others.push_back(&which);
}

void port_table::release(socket& which) noexcept {
    if (!which.has_port) {
        return;
    }
    const auto found = ports_.find(which.local.port);
    FERRY_ASSERT(found != ports_.end());
    owners& bucket = found->second;
    remove_from(bucket.others, which);
    bucket.fixed -= which.connect_chose_port ? 0 : 1;
    if (bucket.others.empty() && bucket.listeners.empty()) {
        ports_.erase(found);
    }
    which.has_port = false;
    which.chose_port = false;
    which.connect_chose_port = false;
}

void port_table::join(socket& accepted) {
    take(accepted, accepted.local.port);
}

socket* port_table::find_listener(const inet_address& to, random& rng) const {
    const auto found = ports_.find(to.port);
    if (found == ports_.end()) {
        return nullptr;
    }
    socket* best = nullptr;
    int best_fitness = 0;
    std::uint64_t equals = 0;
    for (socket* each : found->second.listeners) {
        const int its_fitness = fitness(*each, to);
        if (its_fitness > best_fitness) {
            best = each;
            best_fitness = its_fitness;
            equals = 1;
        } else if (its_fitness == best_fitness && its_fitness > 0 && rng.below(++equals) == 0) {
            best = each;  // Only those that share the port are equals.
        }
    }
    return best;
}

bool port_table::is_waiting(const inet_ends& ends, runtime::time_point now) const {
    const auto found = waiting_.find(ends);
    return found != waiting_.end() && found->second.since + time_wait_reuse_after > now;
}

int port_table::choose_for_connect(socket& which, runtime::time_point now, random& rng) {
    const auto start = static_cast<std::uint32_t>(rng.below(ephemeral_count));
    for (std::uint32_t tried = 0; tried < ephemeral_count; ++tried) {
        const auto port =
            static_cast<std::uint16_t>(ephemeral_first + (start + tried) % ephemeral_count);
        const auto bucket = ports_.find(port);
        inet_ends ends{.local = which.local, .remote = which.remote};
        ends.local.port = port;
        // Nobody connects to himself, and a port somebody bound is left to him.
        if ((bucket != ports_.end() && bucket->second.fixed > 0) || ends.local == ends.remote ||
            connected_.contains(ends) || is_waiting(ends, now)) {
            continue;
        }
        which.connect_chose_port = true;
        take(which, port);
        return 0;
    }
    return -EADDRNOTAVAIL;
}

int port_table::claim(socket& which, runtime::time_point now, random& rng) {
    if (!which.has_port) {
        if (const int failed = choose_for_connect(which, now, rng); failed != 0) {
            return failed;
        }
    }
    const inet_ends ends{.local = which.local, .remote = which.remote};
    if (is_waiting(ends, now) || !connected_.try_emplace(ends, &which).second) {
        return -EADDRNOTAVAIL;
    }
    waiting_.erase(ends);
    return 0;
}

void port_table::claim_accepted(socket& which) {
    const inet_ends ends{.local = which.local, .remote = which.remote};
    connected_.try_emplace(ends, &which);
    waiting_.erase(ends);
}

void port_table::give_up_claim(const socket& which) noexcept {
    const auto found = connected_.find({.local = which.local, .remote = which.remote});
    if (found != connected_.end() && found->second == &which) {
        connected_.erase(found);
    }
}

socket* port_table::find_end(const inet_ends& ends) const noexcept {
    const auto found = connected_.find(ends);
    return found == connected_.end() ? nullptr : found->second;
}

void port_table::keep_waiting(const socket& which, runtime::time_point now) {
    const inet_ends ends{.local = which.local, .remote = which.remote};
    waiting_[ends] = {.since = now,
                      .reuse_address = which.options.reuse_address != 0,
                      .reuse_port = which.options.reuse_port != 0,
                      .v6_only = which.options.v6_only};
    waiting_order_.push_back(ends);
    while (!waiting_order_.empty()) {
        const auto oldest = waiting_.find(waiting_order_.front());
        if (oldest != waiting_.end()) {
            if (oldest->second.since + time_wait_length > now &&
                waiting_order_.size() <= time_waits_max) {
                break;
            }
            waiting_.erase(oldest);
        }
        waiting_order_.pop_front();
    }
}

}  // namespace ferry::sim
