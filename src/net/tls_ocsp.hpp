#pragma once

#include <string>
#include <string_view>

#include "net/tls_openssl.hpp"

namespace ferry::net {

/// What is wrong with `der` as the response that is stapled to `certificate` (RFC 6960 section
/// 4.2.1): no response of OCSP, no successful one, or one of other certificates. Empty when nothing
/// is. Who signed it and how long it holds is for clients to judge.
[[nodiscard]] std::string why_not_stapled(std::string_view der, X509* certificate);

}  // namespace ferry::net
