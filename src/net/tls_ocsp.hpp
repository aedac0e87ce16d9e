#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "net/tls_openssl.hpp"

namespace ferry::net {

/// What is wrong with `der` as the response that is stapled to `certificate` (RFC 6960 section
/// 4.2.1): no response of OCSP, no successful one, or one of other certificates. Empty when nothing
/// is. Who signed it is for clients to judge.
[[nodiscard]] std::string why_not_stapled(std::string_view der, X509* certificate);

/// Until when such a response holds, in seconds of the wall clock (nextUpdate, RFC 6960 section
/// 4.2.2.1): clients that are shown one that is over part, and would not from who shows none. It
/// holds for ever where it does not say, and not at all where it cannot be read.
[[nodiscard]] std::int64_t end_of_staple(std::string_view der, X509* certificate);

}  // namespace ferry::net
