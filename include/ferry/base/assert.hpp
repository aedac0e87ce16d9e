#pragma once

namespace ferry {

/// Prints what was false and where, then aborts. For our own mistakes only: what a peer, a disk or
/// a user does is a `result`.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;

}  // namespace ferry

/// Checked in every build, release included: a wrong server is worse than a stopped one.
#define FERRY_ASSERT(expression)                          \
    (static_cast<bool>(expression) ? static_cast<void>(0) \
                                   : ::ferry::assertion_failed(#expression, __FILE__, __LINE__))
