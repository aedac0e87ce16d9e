#include "ferry/base/assert.hpp"

#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace ferry {
namespace {

constexpr int told_within_milliseconds = 1'000;

}  // namespace

void assertion_failed(const char* expression, const char* file, int line) noexcept {
    // What stands still is worse than what ends: a standard error that nobody reads is left alone.
    pollfd room{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
    if (::poll(&room, 1, told_within_milliseconds) > 0) {
        std::fprintf(stderr, "ferry: assertion failed: %s at %s:%d\n", expression, file, line);
    }
    std::abort();
}

}  // namespace ferry
