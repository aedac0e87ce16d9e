#pragma once

#include <string>

#include "ferry/base/wall_clock.hpp"
#include "ferry/net/tls_certificate.hpp"

namespace ferry::net_test {

/// A certificate for `name`, of its own.
[[nodiscard]] inline net::tls_identity identity_for(const std::string& name) {
    auto made = net::make_self_signed({name}, read_wall_clock().seconds).value();
    made.called = name;
    return made;
}

/// The same with an RSA key.
[[nodiscard]] net::tls_identity rsa_identity_for(const std::string& name);

/// What an authority says of the first certificate of `whom`, which vouches for itself: good, for a
/// day (RFC 6960). DER. `begun_seconds`: when it said so, from now.
[[nodiscard]] std::string ocsp_response_for(const net::tls_identity& whom, long begun_seconds = 0);

}  // namespace ferry::net_test
