#pragma once

#include "ferry/base/memory_advice.hpp"

namespace ferry::server {

/// What the allocator of this program understands: mimalloc's, or that of a sanitizer, which is
/// told nothing.
[[nodiscard]] memory_advice advice_to_allocator() noexcept;

}  // namespace ferry::server
