#include "http/status.hpp"

#include <algorithm>
#include <array>
#include <iterator>

#include "ferry/base/assert.hpp"

namespace ferry::http {
namespace {

struct status_row {
    status what;
    std::string_view line;
};

constexpr auto status_rows = std::to_array<status_row>({
    {status::continue_, "HTTP/1.1 100 Continue\r\n"},
    {status::upload_resumption_supported, "HTTP/1.1 104 Upload Resumption Supported\r\n"},
    {status::ok, "HTTP/1.1 200 OK\r\n"},
    {status::created, "HTTP/1.1 201 Created\r\n"},
    {status::no_content, "HTTP/1.1 204 No Content\r\n"},
    {status::partial_content, "HTTP/1.1 206 Partial Content\r\n"},
    {status::moved_permanently, "HTTP/1.1 301 Moved Permanently\r\n"},
    {status::found, "HTTP/1.1 302 Found\r\n"},
    {status::see_other, "HTTP/1.1 303 See Other\r\n"},
    {status::not_modified, "HTTP/1.1 304 Not Modified\r\n"},
    {status::temporary_redirect, "HTTP/1.1 307 Temporary Redirect\r\n"},
    {status::permanent_redirect, "HTTP/1.1 308 Permanent Redirect\r\n"},
    {status::bad_request, "HTTP/1.1 400 Bad Request\r\n"},
    {status::unauthorized, "HTTP/1.1 401 Unauthorized\r\n"},
    {status::forbidden, "HTTP/1.1 403 Forbidden\r\n"},
    {status::not_found, "HTTP/1.1 404 Not Found\r\n"},
    {status::method_not_allowed, "HTTP/1.1 405 Method Not Allowed\r\n"},
    {status::not_acceptable, "HTTP/1.1 406 Not Acceptable\r\n"},
    {status::request_timeout, "HTTP/1.1 408 Request Timeout\r\n"},
    {status::conflict, "HTTP/1.1 409 Conflict\r\n"},
    {status::gone, "HTTP/1.1 410 Gone\r\n"},
    {status::length_required, "HTTP/1.1 411 Length Required\r\n"},
    {status::precondition_failed, "HTTP/1.1 412 Precondition Failed\r\n"},
    {status::content_too_large, "HTTP/1.1 413 Content Too Large\r\n"},
    {status::uri_too_long, "HTTP/1.1 414 URI Too Long\r\n"},
    {status::unsupported_media_type, "HTTP/1.1 415 Unsupported Media Type\r\n"},
    {status::range_not_satisfiable, "HTTP/1.1 416 Range Not Satisfiable\r\n"},
    {status::expectation_failed, "HTTP/1.1 417 Expectation Failed\r\n"},
    {status::misdirected_request, "HTTP/1.1 421 Misdirected Request\r\n"},
    {status::upgrade_required, "HTTP/1.1 426 Upgrade Required\r\n"},
    {status::too_many_requests, "HTTP/1.1 429 Too Many Requests\r\n"},
    {status::request_header_fields_too_large, "HTTP/1.1 431 Request Header Fields Too Large\r\n"},
    {status::internal_server_error, "HTTP/1.1 500 Internal Server Error\r\n"},
    {status::not_implemented, "HTTP/1.1 501 Not Implemented\r\n"},
    {status::bad_gateway, "HTTP/1.1 502 Bad Gateway\r\n"},
    {status::service_unavailable, "HTTP/1.1 503 Service Unavailable\r\n"},
    {status::http_version_not_supported, "HTTP/1.1 505 HTTP Version Not Supported\r\n"},
    {status::insufficient_storage, "HTTP/1.1 507 Insufficient Storage\r\n"},
});

constexpr bool lines_name_their_codes() {
    for (const auto& row : status_rows) {
        const auto code = code_of(row.what);
        const char digits[] = {static_cast<char>('0' + code / 100),
                               static_cast<char>('0' + code / 10 % 10),
                               static_cast<char>('0' + code % 10)};
        if (row.line.substr(0, 9) != "HTTP/1.1 " ||
            row.line.substr(9, 3) != std::string_view(digits, 3) || !row.line.ends_with("\r\n")) {
            return false;
        }
    }
    return true;
}
static_assert(lines_name_their_codes());
static_assert(std::ranges::is_sorted(status_rows, {}, &status_row::what));

}  // namespace

std::string_view status_line(status what) noexcept {
    if (what == status::ok) {  // Most answers are.
        constexpr auto& row = status_rows[2];
        static_assert(row.what == status::ok);
        return row.line;
    }
    const auto row = std::ranges::lower_bound(status_rows, what, {}, &status_row::what);
    FERRY_ASSERT(row != status_rows.end() && row->what == what);
    return row->line;
}

std::string_view reason_phrase(status what) noexcept {
    auto line = status_line(what);
    line.remove_prefix(std::string_view("HTTP/1.1 200 ").size());
    line.remove_suffix(2);
    return line;
}

status status_for(errc what) noexcept {
    switch (what) {
        case errc::invalid:
            return status::bad_request;
        case errc::not_found:
        case errc::not_directory:
            return status::not_found;
        case errc::denied:
        case errc::outside_tree:
        case errc::not_regular:
        case errc::read_only:
            return status::forbidden;
        case errc::exists:
        case errc::is_directory:
        case errc::not_empty:
            return status::conflict;
        case errc::name_too_long:
            return status::uri_too_long;
        case errc::no_space:
        case errc::over_quota:
            return status::insufficient_storage;
        case errc::too_large:
            return status::content_too_large;
        case errc::unsupported:
            return status::not_implemented;
        case errc::exhausted:
        case errc::busy:
        case errc::in_use:
        case errc::unavailable:
        case errc::timed_out:
        case errc::cancelled:
            return status::service_unavailable;
        case errc::closed:
        case errc::reset:
        case errc::io:
            return status::internal_server_error;
    }
    return status::internal_server_error;
}

}  // namespace ferry::http
