#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ferry::http {

/// The CRC-32 of .ZIP files (ISO 3309), taken piece by piece by zlib. No allocation.
class crc32 {
  public:
    void add(std::span<const std::byte> octets) noexcept;
    [[nodiscard]] std::uint32_t value() const noexcept { return value_; }

  private:
    std::uint32_t value_ = 0;
};

}  // namespace ferry::http
