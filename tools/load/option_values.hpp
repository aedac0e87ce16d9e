#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "ferry/base/ascii.hpp"
#include "ferry/base/quantities.hpp"

namespace ferry::load {

enum class io_wish : std::uint8_t { automatic, uring, epoll };

inline constexpr auto io_wishes = std::to_array<std::pair<std::string_view, io_wish>>(
    {{"auto", io_wish::automatic}, {"uring", io_wish::uring}, {"epoll", io_wish::epoll}});

inline constexpr std::size_t connections_max = 60'000;
inline constexpr std::size_t threads_max = 1'024;
inline constexpr std::uint64_t rate_max = 1'000'000'000;
inline constexpr std::uint64_t operations_max = std::uint64_t{1} << 62;
inline constexpr std::uint64_t files_max = 100'000'000;

/// Why a program ends before it has begun.
struct ending {
    int status = 0;
    std::string text;
};

/// One word of `known`, in any case.
template <class Value>
CLI::Validator word_in(Value& into, std::span<const std::pair<std::string_view, Value>> known) {
    return {[&into, known](std::string& text) {
                for (const auto& [word, value] : known) {
                    if (ascii::equal_ignoring_case(word, text)) {
                        into = value;
                        return std::string();
                    }
                }
                return fmt::format("{} is not known", text);
            },
            ""};
}

/// 1 to `most`.
template <class Number>
CLI::Validator number_in(Number& into, std::uint64_t most) {
    return {[&into, most](std::string& text) {
                const auto read = parse_number(text);
                if (!read || *read == 0 || *read > most) {
                    return fmt::format("{} is no number from 1 to {}", text, most);
                }
                into = static_cast<Number>(*read);
                return std::string();
            },
            ""};
}

/// "10k", "1m", up to `most` octets.
[[nodiscard]] CLI::Validator size_in(std::uint64_t& into, std::uint64_t most);

/// "500ms", "10s": more than nothing, and not more than a year.
[[nodiscard]] CLI::Validator duration_in(std::chrono::milliseconds& into);

}  // namespace ferry::load
