#pragma once

#include <cstdint>

namespace ferry {

/// Sizes in octets: `64_KiB`.
consteval std::uint64_t operator""_KiB(unsigned long long count) {
    return count * 1024U;
}
consteval std::uint64_t operator""_MiB(unsigned long long count) {
    return count * 1024U * 1024U;
}
consteval std::uint64_t operator""_GiB(unsigned long long count) {
    return count * 1024U * 1024U * 1024U;
}

}  // namespace ferry
