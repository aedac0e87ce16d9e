#include "http/status.hpp"

#include <doctest/doctest.h>

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

TEST_CASE("status: failures of the disk keep their meaning (threats.md, V13)") {
    CHECK(status_for(errc::no_space) == status::insufficient_storage);
    CHECK(status_for(errc::over_quota) == status::insufficient_storage);
    CHECK(status_for(errc::read_only) == status::forbidden);
    CHECK(status_for(errc::denied) == status::forbidden);
    CHECK(status_for(errc::is_directory) == status::conflict);
    CHECK(status_for(errc::name_too_long) == status::uri_too_long);
    CHECK(status_for(errc::io) == status::internal_server_error);
    CHECK(status_for(errc::exhausted) == status::service_unavailable);
}

TEST_CASE("status: what must not be reached looks absent or forbidden (threats.md, V2 and V4)") {
    CHECK(status_for(errc::outside_tree) == status::forbidden);
    CHECK(status_for(errc::not_regular) == status::forbidden);
    CHECK(status_for(errc::not_found) == status::not_found);
    CHECK(status_for(errc::not_directory) == status::not_found);
}
