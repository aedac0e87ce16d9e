#include "ferry/net/address_rules.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

#include "ferry/base/ascii.hpp"

namespace ferry::net {
namespace {

constexpr unsigned v4_bits = 32;
constexpr unsigned v6_bits = 128;
constexpr unsigned mapped_bits = v6_bits - v4_bits;

constexpr endpoint local{.family = address_family::local, .octets = {}, .port = 0, .scope_id = 0};

unsigned most_bits(const endpoint& of) noexcept {
    switch (of.family) {
        case address_family::v4:
            return v4_bits;
        case address_family::v6:
            return v6_bits;
        case address_family::local:
            return 0;
    }
    return 0;
}

result<unsigned> parse_bits(std::string_view text, unsigned most) {
    unsigned value = 0;
    const bool is_number = !text.empty() && text.size() <= 3 &&
                           std::ranges::all_of(text, ascii::is_digit) &&
                           (text.size() == 1 || text.front() != '0');
    if (!is_number) {
        return failure(errc::invalid);
    }
    std::from_chars(text.data(), text.data() + text.size(), value);
    if (value > most) {
        return failure(errc::invalid);
    }
    return value;
}

/// True when the first `bits` bits are the same.
bool is_same_prefix(const endpoint& a, const endpoint& b, unsigned bits) noexcept {
    const auto whole = static_cast<std::ptrdiff_t>(bits / 8);
    if (!std::equal(a.octets.begin(), a.octets.begin() + whole, b.octets.begin())) {
        return false;
    }
    const unsigned rest = bits % 8;
    const auto at = static_cast<std::size_t>(whole);
    return rest == 0 || (a.octets[at] ^ b.octets[at]) >> (8 - rest) == 0;
}

/// `where` without what lies behind its first `bits` bits.
endpoint first_of(const endpoint& where, unsigned bits) noexcept {
    endpoint made = where;
    for (std::size_t i = 0; i < made.octets.size(); ++i) {
        const auto kept = std::clamp(static_cast<int>(bits) - static_cast<int>(8 * i), 0, 8);
        made.octets[i] = static_cast<std::uint8_t>(made.octets[i] & (0xFF00U >> kept));
    }
    return made;
}

/// The bits of the block that has the most of those that contain `where`.
std::optional<unsigned> closest(const std::vector<address_block>& blocks,
                                const endpoint& where) noexcept {
    std::optional<unsigned> most;
    for (const auto& each : blocks) {
        if (each.contains(where) && (!most || each.bits() > *most)) {
            most = each.bits();
        }
    }
    return most;
}

}  // namespace

result<address_block> address_block::parse(std::string_view text) {
    if (text == format_address(local)) {
        address_block every;
        every.first_ = local;
        return every;
    }
    const auto slash = std::min(text.find('/'), text.size());
    FERRY_TRY(address, parse_address(text.substr(0, slash)));
    address_block made;
    made.bits_ = most_bits(address);
    if (slash < text.size()) {
        FERRY_TRY(bits, parse_bits(text.substr(slash + 1), made.bits_));
        made.bits_ = bits;
    }
    if (first_of(address, made.bits_) != address) {
        return failure(errc::invalid);
    }
    made.first_ = unmapped(address);
    if (made.first_.family != address.family) {
        if (made.bits_ < mapped_bits) {
            return failure(errc::invalid);
        }
        made.bits_ -= mapped_bits;
    }
    return made;
}

bool address_block::contains(const endpoint& where) const noexcept {
    const auto address = unmapped(where);
    return address.family == first_.family && is_same_prefix(address, first_, bits_);
}

std::string address_block::text() const {
    const auto address = format_address(first_);
    return bits_ == most_bits(first_) ? address : address + "/" + std::to_string(bits_);
}

bool contains(const std::vector<address_block>& blocks, const endpoint& where) noexcept {
    return std::ranges::any_of(
        blocks, [&where](const address_block& each) { return each.contains(where); });
}

bool address_rules::allows(const endpoint& where) const noexcept {
    const auto denies = closest(denied, where);
    const auto allows = closest(allowed, where);
    if (!allows) {
        return !denies && allowed.empty();
    }
    return !denies || *allows > *denies;
}

}  // namespace ferry::net
