#include "net/tls_used_tickets.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace ferry::net {
namespace {

constexpr std::size_t filter_bits = std::size_t{1} << 23U;
constexpr std::size_t word_bits = 64;
constexpr std::size_t marks = 4;

struct mark {
    std::size_t word = 0;
    std::uint64_t bit = 0;
};

/// Where `id` leaves its marks: it is random, so four parts of it are as good as four digests.
std::array<mark, marks> marks_of(std::span<const unsigned char, tls_used_tickets::id_bytes> id) {
    std::array<std::uint32_t, marks> parts{};
    static_assert(sizeof parts == tls_used_tickets::id_bytes);
    std::memcpy(parts.data(), id.data(), sizeof parts);
    std::array<mark, marks> made{};
    for (std::size_t i = 0; i < marks; ++i) {
        const auto at = parts[i] % filter_bits;
        made[i] = {.word = at / word_bits, .bit = std::uint64_t{1} << (at % word_bits)};
    }
    return made;
}

}  // namespace

/// False: memory is out.
bool tls_used_tickets::open(std::int64_t now) noexcept {
    try {
        for (auto& each : filters_) {
            each.words.resize(filter_bits / word_bits);
        }
        opened_ = now;
        return true;
    } catch (const std::bad_alloc&) {
        filters_[0].words.clear();
        return false;
    }
}

void tls_used_tickets::turn_over(std::int64_t now) noexcept {
    std::swap(filters_[0], filters_[1]);
    auto& fresh = filters_[0];
    std::ranges::fill(fresh.words, 0);
    fresh.uses = 0;
    fresh.begun = now;
    opened_ = now;
}

std::int64_t tls_used_tickets::issue_time(std::int64_t now) noexcept {
    if (now + set_back_ < latest_) {
        set_back_ = latest_ - now;
    }
    latest_ = now + set_back_;
    return latest_;
}

bool tls_used_tickets::use(const ticket& which, std::int64_t now,
                           std::int64_t lifetime_seconds) noexcept {
    now = issue_time(now);
    auto& current = filters_[0];
    if (current.words.empty() && !open(now)) {
        return false;
    }
    if (current.uses >= uses_max || now - opened_ >= lifetime_seconds) {
        turn_over(now);
    }
    if (which.issued > now || which.issued <= filters_[1].begun) {
        return false;
    }
    const auto own = marks_of(which.id);
    const bool was_used = std::ranges::any_of(filters_, [&own](const filter& in) {
        return std::ranges::all_of(
            own, [&in](const mark& each) { return (in.words[each.word] & each.bit) != 0; });
    });
    if (was_used) {
        return false;
    }
    for (const auto& each : own) {
        current.words[each.word] |= each.bit;
    }
    ++current.uses;
    return true;
}

}  // namespace ferry::net
