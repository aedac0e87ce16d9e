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

/// Prints one line; control octets in `message` are escaped. Never throws. Blocks for as long as
/// one write to standard error, or not at all while there is an `in_background`.
void write(level at, std::string_view message) noexcept;

/// While it lives, a thread of its own writes the lines, and who logs waits for nothing, whatever
/// standard error is (threats.md, R15): what finds some hundred lines waiting is dropped and
/// counted. One at a time.
class in_background {
  public:
    /// Where no thread can be had, lines are written as before.
    in_background();
    in_background(const in_background&) = delete;
    in_background& operator=(const in_background&) = delete;
    /// Waits until all is written, for half a second at most.
    ~in_background();
};

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
