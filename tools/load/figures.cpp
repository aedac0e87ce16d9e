#include "figures.hpp"

#include <fmt/format.h>

#include "server/json_text.hpp"

namespace ferry::load {

std::string show_time(double nanoseconds) {
    constexpr auto units = std::to_array<std::string_view>({"ns", "us", "ms"});
    for (const auto unit : units) {
        if (nanoseconds < 999.5) {
            const int decimals = nanoseconds < 9.995 ? 2 : (nanoseconds < 99.95 ? 1 : 0);
            return fmt::format("{:.{}f}{}", nanoseconds, unit == "ns" ? 0 : decimals, unit);
        }
        nanoseconds /= 1000;
    }
    return fmt::format("{:.2f}s", nanoseconds);
}

double rate(double count, double seconds) noexcept {
    return seconds > 0 ? count / seconds : 0;
}

std::string counted(std::size_t count, std::string_view what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string in_json(std::string_view text) {
    std::string made = "\"";
    server::append_json_text(made, text);
    return made + '"';
}

std::string latency_json(const histogram& of) {
    std::string made = fmt::format("{{\"mean\": {:.0f}", of.mean());
    for (const double each : shown_percentiles) {
        made += fmt::format(", \"p{}\": {}", each, of.percentile(each));
    }
    return made + fmt::format(", \"max\": {}}}", of.max());
}

std::string latency_text(const histogram& of) {
    std::string made;
    for (const double each : shown_percentiles) {
        made += fmt::format("  {:>5}% {:>8}\n", each,
                            show_time(static_cast<double>(of.percentile(each))));
    }
    return made + fmt::format("     max {:>8}\n", show_time(static_cast<double>(of.max())));
}

}  // namespace ferry::load
