#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>

#include "server/config.hpp"

namespace ferry::server {

/// What moves the octets of this process: decided once, before anything is bound.
enum class io_backend : std::uint8_t { uring, epoll };

struct io_choice {
    io_backend uses = io_backend::uring;
    std::string notice;           ///< One line for the log and for `--check`: which, and why.
    bool is_second_best = false;  ///< io_uring would have been better: the notice is a warning.
};

/// Picks what `wish` asks for, given why io_uring cannot be had here; empty: it can.
///
/// Errors: one line for a person: io_uring alone would do, and it is not there.
[[nodiscard]] std::expected<io_choice, std::string> choose_io(io_wish wish,
                                                              const std::string& why_no_uring);

/// How many threads the offload pool gets, where `wish` is 0: two beside io_uring, which lists and
/// copies there only; as many as cores (4 to 64) beside epoll, which leaves all waiting for the
/// disk to it.
[[nodiscard]] std::size_t count_offload_threads(std::size_t wish, io_backend beside,
                                                std::size_t cores) noexcept;

}  // namespace ferry::server
