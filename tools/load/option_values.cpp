#include "option_values.hpp"

namespace ferry::load {

CLI::Validator size_in(std::uint64_t& into, std::uint64_t most) {
    return {[&into, most](std::string& text) {
                const auto read = parse_size(text);
                if (!read || *read > most) {
                    return fmt::format("{} is no size up to {}: 10k, 1m and 1g are sizes", text,
                                       show_size(most));
                }
                into = *read;
                return std::string();
            },
            ""};
}

CLI::Validator duration_in(std::chrono::milliseconds& into) {
    return {[&into](std::string& text) {
                const auto read = parse_duration(text);
                if (!read || *read <= std::chrono::milliseconds(0) ||
                    *read > std::chrono::hours(24 * 365)) {
                    return fmt::format("{} is no duration: 500ms, 10s and 2m are", text);
                }
                into = *read;
                return std::string();
            },
            ""};
}

}  // namespace ferry::load
