#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/unique_fd.hpp"
#include "ferry/runtime/uring.hpp"
#include "option_values.hpp"
#include "worker.hpp"

namespace ferry::load {

/// SIGINT and SIGTERM, which from now on are read from the descriptor alone: before there are
/// threads.
[[nodiscard]] unique_fd take_ending_signals();

/// As many descriptors as the system lets us have.
void raise_descriptor_limit();

/// The CPUs this process may use, at least 1.
[[nodiscard]] std::size_t usable_cpus();

/// A ring for each of `threads`; none: epoll. Errors: why there is no ring where one was demanded.
[[nodiscard]] std::expected<std::vector<runtime::uring_grant>, std::string> grant_rings(
    io_wish wanted, std::size_t threads);

/// Has all workers work, each on a thread of its own, until they have ended; shows progress on a
/// terminal. `begin` is called when all are ready. Signals end them early, a second one the
/// process. Returns whether one did. Errors: what could not be set up; then nobody has worked.
[[nodiscard]] std::expected<bool, std::string> work_together(std::span<worker* const> workers,
                                                             const unique_fd& signals,
                                                             const std::function<void()>& begin);

/// From the first one's start to the last one's end.
[[nodiscard]] double seconds_of(std::span<worker* const> workers);

/// False: errno says why.
[[nodiscard]] bool write_file(const std::string& name, std::string_view text);

}  // namespace ferry::load
