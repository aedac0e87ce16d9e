#pragma once

#include <cstddef>
#include <string_view>

namespace ferry::server {

/// How many octets at the front of `text` are all plain. `is_plain(char)` is arithmetic on one
/// octet, so that a compiler looks at sixteen in one go. Cost: one pass.
template <class Predicate>
[[nodiscard]] constexpr std::size_t plain_prefix(std::string_view text,
                                                 Predicate is_plain) noexcept {
    constexpr std::size_t block = 16;
    std::size_t done = 0;
    for (; text.size() - done >= block; done += block) {
        unsigned others = 0;
        for (std::size_t i = 0; i < block; ++i) {
            others |= is_plain(text[done + i]) ? 0U : 1U;
        }
        if (others != 0) {
            break;
        }
    }
    while (done < text.size() && is_plain(text[done])) {
        ++done;
    }
    return done;
}

}  // namespace ferry::server
