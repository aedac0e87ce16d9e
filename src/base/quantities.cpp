#include "ferry/base/quantities.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <span>

#include "ferry/base/ascii.hpp"
#include "ferry/base/units.hpp"

namespace ferry {
namespace {

struct unit {
    std::string_view name;
    std::uint64_t factor;
};

/// In milliseconds, largest first.
constexpr auto duration_units = std::to_array<unit>(
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}});

/// In octets, largest first. "kB" is left out: it means 1000 to half the world.
constexpr auto size_units = std::to_array<unit>({{"TiB", 1'024_GiB},
                                                 {"T", 1'024_GiB},
                                                 {"GiB", 1_GiB},
                                                 {"G", 1_GiB},
                                                 {"MiB", 1_MiB},
                                                 {"M", 1_MiB},
                                                 {"KiB", 1_KiB},
                                                 {"k", 1_KiB}});

/// A number with the name of one of `units`; `plain` is the factor of a number alone.
std::optional<std::uint64_t> parse_with_unit(std::string_view text, std::span<const unit> units,
                                             std::uint64_t plain) noexcept {
    const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto number = parse_number(text.substr(0, digits));
    const auto suffix = text.substr(digits);
    auto factor = plain;
    if (!suffix.empty()) {
        const auto found = std::ranges::find_if(units, [suffix](const unit& each) {
            return ascii::equal_ignoring_case(each.name, suffix);
        });
        if (found == units.end()) {
            return std::nullopt;
        }
        factor = found->factor;
    }
    if (!number || *number > std::numeric_limits<std::uint64_t>::max() / factor) {
        return std::nullopt;
    }
    return *number * factor;
}

/// `value` with the largest of `units` that divides it, or as a plain number.
std::string show_with_unit(std::uint64_t value, std::span<const unit> units) {
    const auto found = std::ranges::find_if(units, [value](const unit& each) {
        return value >= each.factor && value % each.factor == 0;
    });
    return found == units.end() ? fmt::to_string(value)
                                : fmt::format("{}{}", value / found->factor, found->name);
}

}  // namespace

std::optional<std::uint64_t> parse_number(std::string_view text) noexcept {
    std::uint64_t value = 0;
    const auto* const last = text.data() + text.size();
    const auto [end, failed] = std::from_chars(text.data(), last, value);
    if (failed != std::errc{} || end != last) {
        return std::nullopt;
    }
    return value;
}

std::optional<std::uint64_t> parse_size(std::string_view text) noexcept {
    return parse_with_unit(text, size_units, 1);
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) noexcept {
    const auto count = parse_with_unit(text, duration_units, 1'000);
    if (!count || *count > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
        return std::nullopt;
    }
    return std::chrono::milliseconds(static_cast<std::int64_t>(*count));
}

std::string show_size(std::uint64_t value) {
    // TiB are read and not written: bounds are told in GiB.
    return show_with_unit(value, std::span(size_units).subspan(2));
}

std::string show_duration(std::chrono::milliseconds value) {
    if (value.count() == 0) {
        return "0s";
    }
    // Days are read and not written: 24h says more beside 1h and 5m.
    return show_with_unit(static_cast<std::uint64_t>(value.count()),
                          std::span(duration_units).subspan(1));
}

}  // namespace ferry
