#include "ferry/base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace ferry {

void assertion_failed(const char* expression, const char* file, int line) noexcept {
    std::fprintf(stderr, "ferry: assertion failed: %s at %s:%d\n", expression, file, line);
    std::abort();
}

}  // namespace ferry
