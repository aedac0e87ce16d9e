#include "http/crc32.hpp"

#include <zlib.h>

namespace ferry::http {

void crc32::add(std::span<const std::byte> octets) noexcept {
    if (octets.empty()) {
        return;  // zlib begins anew when it is given no place at all.
    }
    // Octets are octets, whatever zlib calls them.
    value_ = static_cast<std::uint32_t>(::crc32_z(
        value_, static_cast<const Bytef*>(static_cast<const void*>(octets.data())), octets.size()));
}

}  // namespace ferry::http
