#include "server/flag_values.hpp"

#include <algorithm>

#include "ferry/base/ascii.hpp"

namespace ferry::server {

std::optional<std::vector<std::size_t>> parse_cpus(std::string_view text) {
    std::vector<std::size_t> cpus;
    for (;;) {  // Bounded: a CPU is taken once, so 1024 parts at most get past the check below.
        const auto comma = std::min(text.find(','), text.size());
        const auto part = text.substr(0, comma);
        const auto dash = std::min(part.find('-'), part.size());
        const auto first = parse_number(part.substr(0, dash));
        const auto last = dash < part.size() ? parse_number(part.substr(dash + 1)) : first;
        if (!first || !last || *first > *last || *last >= cpus_max) {
            return std::nullopt;
        }
        for (auto cpu = *first; cpu <= *last; ++cpu) {
            if (std::ranges::find(cpus, cpu) != cpus.end()) {
                return std::nullopt;
            }
            cpus.push_back(cpu);
        }
        if (comma == text.size()) {
            return cpus;
        }
        text.remove_prefix(comma + 1);
    }
}

std::string in_quotes(std::string_view text) {
    constexpr std::size_t shown_bytes_max = 100;
    std::string out = "\"";
    ascii::append_escaped(out, text.substr(0, shown_bytes_max));
    out += text.size() > shown_bytes_max ? "...\"" : "\"";
    return out;
}

}  // namespace ferry::server
