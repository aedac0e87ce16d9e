#include "http/status.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <iterator>

using namespace ferry;
using namespace ferry::http;

TEST_CASE("status: lines and phrases (RFC 9112 section 4, RFC 9110 section 15)") {
    CHECK(status_line(status::ok) == "HTTP/1.1 200 OK\r\n");
    CHECK(status_line(status::not_found) == "HTTP/1.1 404 Not Found\r\n");
    CHECK(reason_phrase(status::ok) == "OK");
    CHECK(reason_phrase(status::request_header_fields_too_large) ==
          "Request Header Fields Too Large");
    CHECK(code_of(status::http_version_not_supported) == 505);
    CHECK(is_error(status::bad_request));
    CHECK_FALSE(is_error(status::not_modified));
}

TEST_CASE("status: every failure has its status (RFC 9110 section 15, threats.md V13)") {
    struct row {
        errc code;
        status expected;
    };
    static constexpr row rows[] = {
        {errc::invalid, status::bad_request},
        {errc::not_found, status::not_found},
        {errc::denied, status::forbidden},
        {errc::outside_tree, status::forbidden},
        {errc::not_regular, status::forbidden},
        {errc::exists, status::conflict},
        {errc::is_directory, status::conflict},
        {errc::not_directory, status::not_found},
        {errc::not_empty, status::conflict},
        {errc::name_too_long, status::uri_too_long},
        {errc::read_only, status::forbidden},
        {errc::no_space, status::insufficient_storage},
        {errc::over_quota, status::insufficient_storage},
        {errc::too_large, status::content_too_large},
        {errc::exhausted, status::service_unavailable},
        {errc::unsupported, status::not_implemented},
        {errc::busy, status::service_unavailable},
        {errc::in_use, status::service_unavailable},
        {errc::unavailable, status::service_unavailable},
        {errc::timed_out, status::service_unavailable},
        {errc::cancelled, status::service_unavailable},
        {errc::closed, status::internal_server_error},
        {errc::reset, status::internal_server_error},
        {errc::io, status::internal_server_error},
    };
    static_assert(std::size(rows) == static_cast<std::size_t>(errc::io) + 1);  // io is the last.
    for (const auto& each : rows) {
        CAPTURE(describe(each.code));
        CHECK(status_for(each.code) == each.expected);
        CHECK(is_error(status_for(each.code)));
    }
}
