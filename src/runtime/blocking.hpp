#pragma once

#include <cstdint>

#include "ferry/runtime/op.hpp"

namespace ferry::runtime {

/// Does one of the operations of the offload pool (list_directory, copy_range, compute) with plain
/// system calls, on a thread that may block. Returns what belongs in `op::result`; touches nothing
/// of the operation but its arguments, so the core may read the rest meanwhile.
[[nodiscard]] std::int64_t perform_blocking(op& what) noexcept;

}  // namespace ferry::runtime
