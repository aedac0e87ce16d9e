#pragma once

#include <cstdint>
#include <string_view>

#include "ferry/base/error.hpp"

namespace ferry::http {

/// The status codes ferry answers with (RFC 9110 section 15; 429 and 431 are RFC 6585, 507 RFC
/// 4918). The value is the number on the wire. One row each in `status.cpp`.
enum class status : std::uint16_t {
    continue_ = 100,
    upload_resumption_supported = 104,  ///< draft-ietf-httpbis-resumable-upload section 5.
    ok = 200,
    created = 201,
    no_content = 204,
    partial_content = 206,
    moved_permanently = 301,
    found = 302,
    see_other = 303,
    not_modified = 304,
    temporary_redirect = 307,
    permanent_redirect = 308,
    bad_request = 400,
    unauthorized = 401,
    forbidden = 403,
    not_found = 404,
    method_not_allowed = 405,
    not_acceptable = 406,
    request_timeout = 408,
    conflict = 409,
    gone = 410,
    length_required = 411,
    precondition_failed = 412,
    content_too_large = 413,
    uri_too_long = 414,
    unsupported_media_type = 415,
    range_not_satisfiable = 416,
    expectation_failed = 417,
    misdirected_request = 421,
    upgrade_required = 426,
    too_many_requests = 429,
    request_header_fields_too_large = 431,
    internal_server_error = 500,
    not_implemented = 501,
    bad_gateway = 502,
    service_unavailable = 503,
    http_version_not_supported = 505,
    insufficient_storage = 507,
};

[[nodiscard]] constexpr std::uint16_t code_of(status what) noexcept {
    return static_cast<std::uint16_t>(what);
}

/// True for 4xx and 5xx: the answers that carry a page of ferry's own and no validators.
[[nodiscard]] constexpr bool is_error(status what) noexcept {
    return code_of(what) >= 400;
}

/// True for 5xx: the request may have been right (RFC 9110 section 15.6).
[[nodiscard]] constexpr bool is_server_error(status what) noexcept {
    return code_of(what) >= 500;
}

/// The reason phrase, such as "Not Found" (RFC 9110 section 15).
[[nodiscard]] std::string_view reason_phrase(status what) noexcept;

/// The whole status line with its CRLF, always of version 1.1 whatever the client spoke: a server
/// names the highest version of the request's major version that it conforms to (RFC 9110
/// section 2.5). Cost: one table look-up.
[[nodiscard]] std::string_view status_line(status what) noexcept;

/// The answer to a failure of the tree or of the system (threats.md, V13). `errc::closed` and
/// `errc::reset` get 500, which nobody will read.
[[nodiscard]] status status_for(errc what) noexcept;

}  // namespace ferry::http
