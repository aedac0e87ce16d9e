#pragma once

#include <cstdint>

namespace ferry::sim::test {

/// While it is there, all that OpenSSL draws comes from `seed`, on whatever thread: keys, nonces,
/// identifiers; and its clock stands. So the same world has the same octets on its wires. One at a
/// time in a process, and never in one that talks to others.
class tls_chance {
  public:
    explicit tls_chance(std::uint64_t seed);
    tls_chance(const tls_chance&) = delete;
    tls_chance& operator=(const tls_chance&) = delete;
    ~tls_chance();
};

}  // namespace ferry::sim::test
