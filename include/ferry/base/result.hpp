#pragma once

#include <expected>
#include <utility>

#include "ferry/base/error.hpp"

namespace ferry {

/// What the world may refuse: a value, or the `error` to decide by. What we did wrong is
/// `FERRY_ASSERT`, never a result.
template <class T>
using result = std::expected<T, error>;

/// Makes the failing arm of a `result`: `return failure(errc::not_found);`
[[nodiscard]] inline std::unexpected<error> failure(errc code, int os_errno = 0) noexcept {
    return std::unexpected(error{.code = code, .os_errno = os_errno});
}

/// The same from an error that another result carried.
[[nodiscard]] inline std::unexpected<error> failure(error what) noexcept {
    return std::unexpected(what);
}

/// The same from an `errno` value (positive).
[[nodiscard]] inline std::unexpected<error> failure_from_errno(int os_errno) noexcept {
    return std::unexpected(error_from_errno(os_errno));
}

}  // namespace ferry

/// Declares `name` as the value of `expression` (a result), or returns its error from the enclosing
/// plain function. In a coroutine name the result and `co_return failure(...)` by hand.
#define FERRY_TRY(name, expression)                     \
    auto name##_result = (expression);                  \
    if (!name##_result) {                               \
        return ::ferry::failure(name##_result.error()); \
    }                                                   \
    auto name = std::move(*name##_result)
