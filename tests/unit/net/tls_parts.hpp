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

}  // namespace ferry::net_test
