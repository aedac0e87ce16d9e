#include "http/range.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <tuple>

#include "ferry/base/ascii.hpp"

namespace ferry::http {
namespace {

/// One member as written: "first-last", "first-" or "-last", the last then being a suffix length.
struct range_spec {
    std::optional<std::uint64_t> first;
    std::optional<std::uint64_t> last;
};

/// Reads 1*DIGIT, holding at 2^64 - 1; nothing for anything else.
std::optional<std::uint64_t> parse_position(std::string_view digits) {
    constexpr auto max = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t value = 0;
    for (const char c : digits) {
        if (!ascii::is_digit(c)) {
            return std::nullopt;
        }
        const auto digit = static_cast<std::uint64_t>(c - '0');
        value = value > (max - digit) / 10 ? max : value * 10 + digit;
    }
    return digits.empty() ? std::nullopt : std::optional(value);
}

result<range_spec> parse_spec(std::string_view member) {
    const auto dash = member.find('-');
    if (dash == std::string_view::npos) {
        return failure(errc::invalid);
    }
    const auto first_digits = member.substr(0, dash);
    const auto last_digits = member.substr(dash + 1);
    const range_spec spec{.first = parse_position(first_digits),
                          .last = parse_position(last_digits)};
    const bool well_formed = (spec.first || first_digits.empty()) &&
                             (spec.last || last_digits.empty()) && (spec.first || spec.last);
    if (!well_formed || (spec.first && spec.last && *spec.last < *spec.first)) {
        return failure(errc::invalid);
    }
    return spec;
}

/// The octets `spec` means; nothing when it is unsatisfiable. `size_bytes` is not 0.
std::optional<byte_range> resolve(const range_spec& spec, std::uint64_t size_bytes) {
    if (!spec.first) {
        const auto suffix = std::min(*spec.last, size_bytes);
        return suffix == 0
                   ? std::nullopt
                   : std::optional(byte_range{.offset = size_bytes - suffix, .size_bytes = suffix});
    }
    if (*spec.first >= size_bytes) {
        return std::nullopt;
    }
    const auto last = std::min(spec.last.value_or(size_bytes - 1), size_bytes - 1);
    return byte_range{.offset = *spec.first, .size_bytes = last - *spec.first + 1};
}

}  // namespace

result<std::vector<byte_range>> parse_range(std::string_view value, const range_limits& limits) {
    constexpr std::string_view unit = "bytes=";
    if (!ascii::equal_ignoring_case(value.substr(0, unit.size()), unit)) {
        return failure(errc::invalid);
    }
    auto list = value.substr(unit.size());
    std::vector<byte_range> ranges;
    std::size_t members = 0;
    bool any = false;
    bool suffix_of_nothing = false;
    for (bool more = true; more;) {
        if (++members > limits.ranges_max) {
            return failure(errc::exhausted);
        }
        const auto comma = list.find(',');
        const auto member = ascii::trim(list.substr(0, comma));
        more = comma != std::string_view::npos;
        list.remove_prefix(more ? comma + 1 : list.size());
        if (member.empty()) {  // RFC 9110 section 5.6.1.2: empty members are passed over.
            continue;
        }
        any = true;
        FERRY_TRY(spec, parse_spec(member));
        if (limits.size_bytes == 0) {
            suffix_of_nothing = suffix_of_nothing || (!spec.first && *spec.last != 0);
        } else if (const auto range = resolve(spec, limits.size_bytes)) {
            ranges.push_back(*range);
        }
    }
    if (!any || suffix_of_nothing) {
        return failure(errc::invalid);
    }
    if (ranges.empty()) {
        return failure(errc::not_found);
    }
    return ranges;
}

std::vector<byte_range> merge_ranges(std::vector<byte_range> ranges) {
    const auto touch = [](const byte_range& a, const byte_range& b) {
        const auto& [low, high] = a.offset <= b.offset ? std::tie(a, b) : std::tie(b, a);
        return high.offset - low.offset <= low.size_bytes ||
               high.offset - low.offset - low.size_bytes <= part_gap_bytes_max;
    };
    for (std::size_t i = 0; i < ranges.size(); ++i) {
        for (std::size_t other = i + 1; other < ranges.size();) {
            if (!touch(ranges[i], ranges[other])) {
                ++other;
                continue;
            }
            const auto begin = std::min(ranges[i].offset, ranges[other].offset);
            const auto end = std::max(ranges[i].offset + ranges[i].size_bytes,
                                      ranges[other].offset + ranges[other].size_bytes);
            ranges[i] = {.offset = begin, .size_bytes = end - begin};
            ranges.erase(ranges.begin() + static_cast<std::ptrdiff_t>(other));
            other = i + 1;  // It may touch by now what it did not before.
        }
    }
    return ranges;
}

}  // namespace ferry::http
