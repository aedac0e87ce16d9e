#pragma once

#include <cstdint>

#include "ferry/runtime/op.hpp"

namespace ferry::runtime {

/// Does an operation on files, directories or memory with plain system calls, on a thread that may
/// block; of a `send_file`, reads its window into memory, which is not what it returns then.
/// Returns what belongs in `op::result`; touches nothing of the operation but its arguments and its
/// progress, which the core leaves alone meanwhile, so the core may read the rest.
[[nodiscard]] std::int64_t perform_blocking(op& what) noexcept;

/// The same of a `read` or `write` on a pipe or terminal that was ready a moment ago: moves as
/// little as it can take at once, so that it blocks only if somebody else was faster.
[[nodiscard]] std::int64_t perform_blocking_little(op& what) noexcept;

/// Does a `list_directory` that looks again at names, without asking another file system than the
/// directory's. True: over, with `op::result` set. False: something lies elsewhere, and whoever may
/// block has to do all of it.
[[nodiscard]] bool look_again_nearby(op& what) noexcept;

}  // namespace ferry::runtime
