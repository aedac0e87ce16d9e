#include "server/top_screen.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

namespace ferry::server {
namespace {

/// The sum of all metrics whose name with its labels begins with `start`.
double sum_of(const json_value& status, std::string_view start) {
    double sum = 0;
    for (const auto& [name, value] : status["metrics"].members()) {
        sum += name.starts_with(start) ? value.number() : 0;
    }
    return sum;
}

double of(const json_value& status, std::string_view name) {
    return status["metrics"][name].number();
}

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

/// Two answers and the time between them.
struct interval {
    const json_value& before;
    const json_value& now;
    bool is_whole = false;  ///< Since the start of the process.
    double seconds = 1;     ///< `unknown`: no time is between them, and nothing that they tell of.

    [[nodiscard]] double increase(std::string_view start) const {
        return std::max(sum_of(now, start) - (is_whole ? 0 : sum_of(before, start)), 0.0);
    }
    [[nodiscard]] double rate(std::string_view start) const { return increase(start) / seconds; }
};

interval between(const json_value& before, const json_value& now) {
    const bool is_whole = before["started"].number() != now["started"].number();
    const auto seconds = now["now"].number() - (is_whole ? now["started"] : before["now"]).number();
    return {.before = before,
            .now = now,
            .is_whole = is_whole,
            .seconds = seconds > 0 ? seconds : unknown};
}

std::string count_text(double value) {
    if (std::isnan(value)) {
        return "-";
    }
    if (value >= 1e6) {
        return fmt::format("{:.1f}M", value / 1e6);
    }
    if (value >= 1e4) {
        return fmt::format("{:.1f}k", value / 1e3);
    }
    return value == std::floor(value) || value >= 100 ? fmt::format("{:.0f}", value)
                                                      : fmt::format("{:.1f}", value);
}

std::string octets_text(double value) {
    if (std::isnan(value)) {
        return "-";
    }
    static constexpr std::array<std::string_view, 5> units = {"B", "KiB", "MiB", "GiB", "TiB"};
    std::size_t unit = 0;
    for (; value >= 1'000 && unit + 1 < units.size(); ++unit) {
        value /= 1'024;
    }
    return unit == 0 || value >= 100 ? fmt::format("{:.0f} {}", value, units[unit])
                                     : fmt::format("{:.1f} {}", value, units[unit]);
}

std::string time_text(double seconds) {
    if (std::isnan(seconds)) {
        return "-";
    }
    if (seconds < 1e-3) {
        return fmt::format("{:.0f} us", seconds * 1e6);
    }
    return seconds < 1 ? fmt::format("{:.1f} ms", seconds * 1e3) : fmt::format("{:.1f} s", seconds);
}

std::string span_text(double seconds) {
    const auto whole = static_cast<std::uint64_t>(std::max(seconds, 0.0));
    if (whole >= 86'400) {
        return fmt::format("{} d {} h", whole / 86'400, whole % 86'400 / 3'600);
    }
    if (whole >= 3'600) {
        return fmt::format("{} h {} min", whole / 3'600, whole % 3'600 / 60);
    }
    return whole >= 60 ? fmt::format("{} min {} s", whole / 60, whole % 60)
                       : fmt::format("{} s", whole);
}

/// The time within which `share` of the requests of an interval were answered; `unknown` without
/// any.
double percentile(const interval& over, double share) {
    constexpr std::string_view start = "ferry_http_request_duration_seconds_bucket{le=\"";
    std::vector<std::pair<double, double>> buckets;  // Bound, and how many are within.
    for (const auto& [name, value] : over.now["metrics"].members()) {
        if (!name.starts_with(start)) {
            continue;
        }
        double bound = std::numeric_limits<double>::infinity();
        std::from_chars(name.data() + start.size(), name.data() + name.size(), bound);
        buckets.emplace_back(bound, value.number() - (over.is_whole ? 0 : of(over.before, name)));
    }
    const double wanted = buckets.empty() ? 0 : buckets.back().second * share;
    if (wanted <= 0) {
        return unknown;
    }
    double bound_below = 0;
    double below = 0;
    for (const auto& [bound, within] : buckets) {
        if (within >= wanted) {
            return std::isinf(bound) ? bound_below
                                     : bound_below + (bound - bound_below) * (wanted - below) /
                                                         std::max(within - below, 1.0);
        }
        bound_below = bound;
        below = within;
    }
    return bound_below;
}

bool is_tail(char c) noexcept {
    return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

/// Whether a character of a name may be shown: no control, nothing that turns the direction.
bool is_harmless(std::string_view character) noexcept {
    const auto first = static_cast<unsigned char>(character.front());
    if (first < 0x80U) {
        return first >= 0x20U && first != 0x7FU;
    }
    const bool is_c1 =
        first == 0xC2U && character.size() > 1 && static_cast<unsigned char>(character[1]) < 0xA0U;
    // U+061C, U+200E and 200F, U+202A to 202E, U+2066 to 2069.
    const bool turns = character == "\xD8\x9C" ||
                       (character >= "\xE2\x80\x8E" && character <= "\xE2\x80\x8F") ||
                       (character >= "\xE2\x80\xAA" && character <= "\xE2\x80\xAE") ||
                       (character >= "\xE2\x81\xA6" && character <= "\xE2\x81\xA9");
    return !is_c1 && !turns;
}

/// As much of `text` as `columns` hold, a column a character, without what is not harmless.
std::string fitted(std::string_view text, std::size_t columns) {
    std::string out;
    while (!text.empty() && columns > 0) {
        std::size_t size = 1;
        while (size < text.size() && is_tail(text[size])) {
            ++size;
        }
        const auto character = text.substr(0, size);
        out += is_harmless(character) ? character : std::string_view("?");
        text.remove_prefix(size);
        --columns;
    }
    return out;
}

std::size_t width_of(std::string_view text) noexcept {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return !is_tail(c); }));
}

/// Of `unknown` an empty one.
std::string bar(double share, std::size_t columns) {
    const auto full = static_cast<std::size_t>(
        std::lround(std::fmin(std::fmax(share, 0.0), 1.0) * static_cast<double>(columns)));
    return std::string(full, '#') + std::string(columns - full, '.');
}

/// Lines, as many as there is room for.
class screen {
  public:
    screen(screen_size size, bool has_style) noexcept : size_(size), has_style_(has_style) {}

    enum class style : std::uint8_t { plain, bold, dim };
    void add(std::string_view line, style how = style::plain) {
        if (rows_ == size_.rows) {
            return;
        }
        ++rows_;
        const bool has_any = has_style_ && how != style::plain;
        out_ += !has_any ? "" : how == style::bold ? "\x1b[1m" : "\x1b[2m";
        out_ += fitted(line, size_.columns);
        out_ += has_any ? "\x1b[0m\n" : "\n";
    }
    [[nodiscard]] std::size_t columns() const noexcept { return size_.columns; }
    [[nodiscard]] std::string take() && { return std::move(out_); }

  private:
    screen_size size_;
    bool has_style_;
    std::size_t rows_ = 0;
    std::string out_;
};

std::string share_text(const interval& over, std::string_view lookups) {
    const auto all = over.increase(lookups);
    const auto hits = over.increase(fmt::format("{}{{result=\"hit\"}}", lookups));
    return all > 0 ? fmt::format("{:.1f} %", 100 * hits / all) : "-";
}

void add_figures(screen& onto, const interval& over) {
    const auto& now = over.now;
    const bool is_stuck = std::ranges::any_of(
        now["cores"].items(), [](const json_value& core) { return !core["fresh"].is_true(); });
    const std::string_view state = is_stuck                    ? "a core does not answer"
                                   : now["draining"].is_true() ? "draining"
                                                               : "serving";
    onto.add(fmt::format("ferry {}  {}  up {}  {}", now["version"].text(), now["io"].text(),
                         span_text(now["now"].number() - now["started"].number()), state),
             screen::style::bold);
    onto.add("");
    double errors = 0;
    for (const auto& [name, value] : now["metrics"].members()) {
        const bool is_one = name.starts_with("ferry_http_requests_total{") &&
                            name.find("code=\"5") != std::string::npos;
        errors += is_one ? value.number() : 0;
    }
    onto.add(
        fmt::format("requests  {}/s HTTP, {}/s FTP     errors of the server {} since its start",
                    count_text(over.rate("ferry_http_requests_total{")),
                    count_text(over.rate("ferry_ftp_replies_total{")), count_text(errors)));
    onto.add(fmt::format("traffic   {}/s sent, {}/s received",
                         octets_text(over.rate("ferry_sent_bytes_total{")),
                         octets_text(over.rate("ferry_received_bytes_total{"))));
    onto.add(fmt::format("clients   {} HTTP, {} FTP, of {}",
                         count_text(of(now, "ferry_connections{protocol=\"http\"}")),
                         count_text(of(now, "ferry_connections{protocol=\"ftp\"}")),
                         count_text(of(now, "ferry_connections_max"))));
    onto.add(fmt::format("latency   half within {}, 99 % within {}",
                         time_text(percentile(over, 0.5)), time_text(percentile(over, 0.99))));
    onto.add(fmt::format("found     files open {}, listings ready {}",
                         share_text(over, "ferry_file_cache_lookups_total"),
                         share_text(over, "ferry_listing_cache_lookups_total")));
    onto.add(fmt::format("machine   {} of memory, {} of {} descriptors",
                         octets_text(of(now, "process_resident_memory_bytes")),
                         count_text(of(now, "process_open_fds")),
                         count_text(of(now, "process_max_fds"))));
}

void add_cores(screen& onto, const interval& over) {
    constexpr std::size_t bar_columns = 20;
    const auto& cores = over.now["cores"].items();
    const auto& earlier = over.before["cores"].items();
    const auto rate = [&](std::size_t index, std::string_view what) {
        const bool has_earlier = !over.is_whole && index < earlier.size();
        const auto start = has_earlier ? earlier[index][what].number() : 0;
        return std::max(cores[index][what].number() - start, 0.0) / over.seconds;
    };
    // The bar of the busiest is full, if it is busy at all.
    constexpr double busy_turns = 1'000;
    double most = busy_turns;
    for (std::size_t i = 0; i < cores.size(); ++i) {
        most = std::fmax(most, rate(i, "turns"));  // The number, if one is none.
    }
    onto.add("");
    for (std::size_t i = 0; i < cores.size(); ++i) {
        onto.add(fmt::format("core {:<3} {} {:>8}/s {:>11}/s{}", i,
                             bar(rate(i, "turns") / most, bar_columns),
                             count_text(rate(i, "requests") + rate(i, "commands")),
                             octets_text(rate(i, "sent") + rate(i, "received")),
                             cores[i]["fresh"].is_true() ? "" : "  does not answer"));
    }
}

void add_transfers(screen& onto, const interval& over) {
    struct line {
        double rate;
        const json_value* of;
    };
    std::vector<line> lines;
    for (const auto& each : over.now["transfers"].items()) {
        const auto is_same = [&each](const json_value& other) {
            return other["connection"].number() == each["connection"].number() &&
                   other["name"].text() == each["name"].text() &&
                   other["moved"].number() <= each["moved"].number();
        };
        const auto& earlier = over.before["transfers"].items();
        const auto found = std::ranges::find_if(earlier, is_same);
        const bool is_new = over.is_whole || found == earlier.end();
        const auto moved =
            is_new ? each["moved"].number() : each["moved"].number() - (*found)["moved"].number();
        const auto seconds = is_new ? std::max(each["seconds"].number(), 0.1) : over.seconds;
        // No rate is one for all lines, or they would have no order.
        lines.push_back(
            {.rate = std::isnan(over.seconds) ? unknown : moved / seconds, .of = &each});
    }
    std::ranges::sort(lines, std::greater(), &line::rate);
    onto.add("");
    onto.add(lines.empty() ? "no transfers under way"
                           : "        rate        moved   done  way   user          name",
             screen::style::dim);
    for (const auto& each : lines) {
        const auto& what = *each.of;
        const auto whole = what["whole"].number();
        const auto user =
            what["user"].text().empty() ? std::string("-") : fitted(what["user"].text(), 12);
        onto.add(fmt::format(
            "{:>10}/s {:>12} {:>6}  {} {:<5}{}{} {}", octets_text(each.rate),
            octets_text(what["moved"].number()),
            whole > 0
                ? fmt::format("{:.0f} %", std::min(100 * what["moved"].number() / whole, 100.0))
                : "-",
            what["upload"].is_true() ? "<" : ">", what["protocol"].text(), user,
            std::string(12 - std::min<std::size_t>(width_of(user), 12), ' '), what["name"].text()));
    }
}

}  // namespace

std::string draw_top(const json_value& before, const json_value& now, screen_size size,
                     bool has_style) {
    screen onto(size, has_style);
    const auto over = between(before, now);
    add_figures(onto, over);
    add_cores(onto, over);
    add_transfers(onto, over);
    return std::move(onto).take();
}

}  // namespace ferry::server
