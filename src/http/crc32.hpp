#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ferry::http {

/// The CRC-32 of .ZIP files (ISO 3309, polynomial 0xEDB88320 reflected), taken piece by piece.
/// Cost: some 0.5 ns an octet, eight at a time; no allocation.
class crc32 {
  public:
    void add(std::span<const std::byte> octets) noexcept;
    [[nodiscard]] std::uint32_t value() const noexcept { return ~state_; }

  private:
    std::uint32_t state_ = 0xFFFF'FFFF;
};

}  // namespace ferry::http
