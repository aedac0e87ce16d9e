// A provider's source of random octets would do, too, in ten times as many lines.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "tls_chance.hpp"

#include <openssl/rand.h>
#include <time.h>

#include <cstddef>
#include <span>
#include <utility>

#include "ferry/base/assert.hpp"
#include "ferry/base/random.hpp"

namespace ferry::sim::test {
namespace {

ferry::random source{0};
bool is_in_use = false;

int draw(unsigned char* into, int octets) {
    for (auto& each : std::span(into, static_cast<std::size_t>(octets))) {
        each = static_cast<unsigned char>(source.next());
    }
    return 1;
}
int take_seed(const void*, int) {
    return 1;
}
int add_seed(const void*, int, double) {
    return 1;
}
int is_seeded() {
    return 1;
}

constexpr RAND_METHOD method{.seed = &take_seed,
                             .bytes = &draw,
                             .cleanup = nullptr,
                             .add = &add_seed,
                             .pseudorand = &draw,
                             .status = &is_seeded};

// What OpenSSL takes for the present: sessions are of one moment, so that a ticket and its age are
// the same octets each time, and a signature over them as long.
constexpr time_t only_moment = 1'800'000'000;

}  // namespace

// In place of the C library's, which OpenSSL calls.
extern "C" time_t time(time_t* into) noexcept {
    timespec now{.tv_sec = only_moment, .tv_nsec = 0};
    if (!is_in_use) {
        static_cast<void>(::clock_gettime(CLOCK_REALTIME, &now));
    }
    if (into != nullptr) {
        *into = now.tv_sec;
    }
    return now.tv_sec;
}

tls_chance::tls_chance(std::uint64_t seed) {
    FERRY_ASSERT(!std::exchange(is_in_use, true));
    source = ferry::random(seed);
    FERRY_ASSERT(::RAND_set_rand_method(&method) == 1);
}

tls_chance::~tls_chance() {
    FERRY_ASSERT(::RAND_set_rand_method(nullptr) == 1);
    is_in_use = false;
}

}  // namespace ferry::sim::test
