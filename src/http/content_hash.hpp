#pragma once

#include <string>
#include <string_view>

namespace ferry::http {

/// The hash-source of a Content-Security-Policy for the inline script or style `text`, so that it
/// may run and nothing else may: `'sha256-` and 44 octets of Base64, quotes included (W3C CSP Level
/// 3, section 2.3.1). `'none'` where this OpenSSL has no SHA-256. Cost: the digest.
[[nodiscard]] std::string content_hash(std::string_view text);

}  // namespace ferry::http
