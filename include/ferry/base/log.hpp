#pragma once

#include <cstdint>
#include <string_view>

/// Diagnostics to standard error: one line an event, lower case, with the value, the limit and the
/// likely cause (style.md, 12). Not the access log, which is per request and in `server`.
namespace ferry::log {

enum class level : std::uint8_t { debug, info, warning, error, off };

/// Sets the least level that is printed. Call before threads start.
void set_level(level least) noexcept;

/// True when a message of `at` would be printed: ask before building an expensive one.
[[nodiscard]] bool enabled(level at) noexcept;

/// Prints one line; control octets in `message` are escaped. Never throws, never blocks for longer
/// than one write to standard error.
void write(level at, std::string_view message) noexcept;

inline void debug(std::string_view message) noexcept {
    write(level::debug, message);
}
inline void info(std::string_view message) noexcept {
    write(level::info, message);
}
inline void warning(std::string_view message) noexcept {
    write(level::warning, message);
}
inline void error(std::string_view message) noexcept {
    write(level::error, message);
}

}  // namespace ferry::log
