#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ferry::vfs {

/// Goes on with a CRC-32C (RFC 3720 appendix B.4), 0 at the beginning, over `octets`. With the
/// processor's instruction where it has one (x86 with SSE 4.2), else by tables, eight octets a
/// step.
[[nodiscard]] std::uint32_t crc32c(std::uint32_t before,
                                   std::span<const std::byte> octets) noexcept;

/// The same by tables always: what the instruction is compared with.
[[nodiscard]] std::uint32_t crc32c_by_tables(std::uint32_t before,
                                             std::span<const std::byte> octets) noexcept;

}  // namespace ferry::vfs
