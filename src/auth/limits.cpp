#include "ferry/auth/limits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "ferry/base/quantities.hpp"
#include "ferry/base/split.hpp"
#include "ferry/base/units.hpp"

namespace ferry::auth {
namespace {

constexpr std::uint64_t rate_min = 1_KiB;
constexpr std::uint64_t rate_max = 1'024_GiB;
constexpr std::uint64_t home_max = std::uint64_t{1} << 62U;  // Sums of it are no overflow.

/// Where a word puts its number. `both`: a rate each way that other words may say otherwise.
struct word {
    std::string_view name;
    std::uint64_t limits::* count = nullptr;
    bool is_size = false;  ///< That is octets.
    rates limits::* speed = nullptr;
    std::uint64_t rates::* way = nullptr;  ///< Null: both ways.
};

constexpr auto words = std::to_array<word>({
    {.name = "sessions", .count = &limits::sessions_max},
    {.name = "per-address", .count = &limits::sessions_per_address_max},
    {.name = "quota", .count = &limits::home_octets_max, .is_size = true},
    {.name = "files", .count = &limits::home_files_max},
    {.name = "rate", .speed = &limits::together},
    {.name = "download", .speed = &limits::together, .way = &rates::download},
    {.name = "upload", .speed = &limits::together, .way = &rates::upload},
    {.name = "session-rate", .speed = &limits::each_session},
    {.name = "session-download", .speed = &limits::each_session, .way = &rates::download},
    {.name = "session-upload", .speed = &limits::each_session, .way = &rates::upload},
});

constexpr std::string_view known_words =
    "sessions=N, per-address=N, quota=SIZE, files=N, rate=SIZE, download=SIZE, upload=SIZE, "
    "session-rate=SIZE, "
    "session-download=SIZE, session-upload=SIZE";

std::expected<std::uint64_t, std::string> parse_value(const word& what, std::string_view part,
                                                      std::string_view value) {
    if (what.is_size) {
        const auto size = parse_size(value);
        if (!size || *size == 0 || *size > home_max) {
            return std::unexpected(
                fmt::format("{:?} is no limit: octets are wanted, such as 10G", part));
        }
        return *size;
    }
    if (what.count != nullptr) {
        const auto number = parse_number(value);
        if (!number || *number == 0 || *number > home_max) {
            return std::unexpected(
                fmt::format("{:?} is no limit: a number from 1 on is wanted", part));
        }
        return *number;
    }
    const auto size = parse_size(value);
    if (!size || *size < rate_min || *size > rate_max) {
        return std::unexpected(
            fmt::format("{:?} is no limit: octets a second are wanted, {} to {}, such as 10M", part,
                        show_size(rate_min), show_size(rate_max)));
    }
    return *size;
}

void append_word(std::string& text, std::string_view name, const std::string& value) {
    text += fmt::format("{}{}={}", text.empty() ? "" : ",", name, value);
}

}  // namespace

std::expected<limits, std::string> limits::parse(std::string_view text) {
    std::array<std::optional<std::uint64_t>, words.size()> given;
    for (const auto part : split(text, ',')) {
        const auto equals = part.find('=');
        const auto found = std::ranges::find(words, part.substr(0, equals), &word::name);
        if (found == words.end() || equals == std::string_view::npos) {
            return std::unexpected(fmt::format("{:?} is no limit: {}", part, known_words));
        }
        auto& into = given[static_cast<std::size_t>(found - words.begin())];
        if (into) {
            return std::unexpected(fmt::format("{} comes twice", found->name));
        }
        const auto value = parse_value(*found, part, part.substr(equals + 1));
        if (!value) {
            return std::unexpected(value.error());
        }
        into = *value;
    }
    limits made;
    // Those for both ways stand before those for one, which win.
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (!given[i]) {
            continue;
        }
        const word& each = words[i];
        if (each.count != nullptr) {
            made.*each.count = *given[i];
        } else if (each.way != nullptr) {
            made.*each.speed.*each.way = *given[i];
        } else {
            made.*each.speed = {.download = *given[i], .upload = *given[i]};
        }
    }
    return made;
}

std::string limits::text() const {
    std::string made;
    for (const word& each : words) {
        if (each.count != nullptr) {
            if (this->*each.count != 0) {
                append_word(made, each.name,
                            each.is_size ? show_size(this->*each.count)
                                         : fmt::to_string(this->*each.count));
            }
            continue;
        }
        const rates& told = this->*each.speed;
        const bool is_same = told.download == told.upload;
        if (each.way == nullptr ? is_same && told.download != 0 : !is_same && told.*each.way != 0) {
            append_word(made, each.name,
                        show_size(each.way == nullptr ? told.download : told.*each.way));
        }
    }
    return made;
}

}  // namespace ferry::auth
