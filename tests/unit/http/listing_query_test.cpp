#include "http/listing_query.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "http/head_parser.hpp"

using namespace ferry;
using namespace ferry::http;

namespace {

listing_query read(std::string_view query, std::string_view lines = "") {
    const auto text =
        "GET /" + std::string(query) + " HTTP/1.1\r\nHost: a\r\n" + std::string(lines) + "\r\n";
    head_parser parser({});
    REQUIRE(parser.parse(text) == head_progress::complete);
    return read_listing_query(parser.head());
}

}  // namespace

TEST_CASE("listing query: order and form") {
    CHECK(read("").order == listing_order{});
    CHECK(read("?").order == listing_order{});
    CHECK(read("?sort=size").order == listing_order{.key = sort_key::size});
    CHECK(read("?order=desc&sort=time").order ==
          listing_order{.key = sort_key::time, .is_descending = true});
    CHECK(read("?sort=name&order=asc").order == listing_order{});
    CHECK(read("").form == listing_form::page);
    CHECK(read("?format=html").form == listing_form::page);
    CHECK(read("?format=json").form == listing_form::json);
    CHECK(read("?x&format=zip").form == listing_form::zip);
    CHECK(read("?format=tar&y").form == listing_form::tar);
}

TEST_CASE("listing query: the wish to log in or out is all of the query, or none") {
    const auto wish = [](std::string_view query) {
        const auto text = "GET /" + std::string(query) + " HTTP/1.1\r\nHost: a\r\n\r\n";
        head_parser parser({});
        REQUIRE(parser.parse(text) == head_progress::complete);
        return read_login_wish(parser.head());
    };
    CHECK(wish("?login") == login_wish::log_in);
    CHECK(wish("?login=") == login_wish::log_in);
    CHECK(wish("?logout") == login_wish::log_out);
    CHECK(wish("?logout=") == login_wish::log_out);
    for (const auto* other :
         {"", "?", "?login=x", "?login&sort=name", "?a&login", "?LOGIN", "?log"}) {
        CHECK_FALSE(wish(other));
    }
}

TEST_CASE("listing query: what means nothing does not count") {
    CHECK(read("?sort=colour&order=up&format=xml").order == listing_order{});
    CHECK(read("?format=xml").form == listing_form::page);
    CHECK(read("?format=").form == listing_form::page);
    CHECK(read("?format").form == listing_form::page);
    CHECK(read("?formats=zip&xformat=zip").form == listing_form::page);
    CHECK(read("?format=JSON").form == listing_form::page);
    CHECK(read("?sort=%6eame&&&=&order=desc=1").order == listing_order{});
    // The first of several.
    CHECK(read("?format=json&format=zip").form == listing_form::json);
}

TEST_CASE("listing query: Accept chooses where the query does not (RFC 9110 section 12.5.1)") {
    CHECK(read("", "Accept: application/json\r\n").form == listing_form::json);
    CHECK(read("", "Accept: text/html, */*;q=0.8\r\n").form == listing_form::page);
    CHECK(read("?format=html", "Accept: application/json\r\n").form == listing_form::page);
    CHECK(read("?format=json", "Accept: text/html\r\n").form == listing_form::json);
    CHECK(read("?format=tar", "Accept: text/html\r\n").form == listing_form::tar);
}

TEST_CASE("listing query: the words of links") {
    for (const auto key : {sort_key::name, sort_key::size, sort_key::time}) {
        CHECK(read("?sort=" + std::string(word_of(key))).order.key == key);
    }
}
