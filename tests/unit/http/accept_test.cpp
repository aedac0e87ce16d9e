#include "http/accept.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <string_view>

#include "http/head_parser.hpp"

using namespace ferry::http;

namespace {

constexpr std::array<std::string_view, 2> offers{"text/html", "application/json"};

/// What `judge` makes of these field lines, whose ends are written "|".
template <class Judge>
auto with_lines(std::string_view lines, Judge judge) {
    std::string text = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (const char c : lines) {
        text += c == '|' ? std::string("\r\n") : std::string(1, c);
    }
    text += "\r\n";
    head_parser parser({});
    REQUIRE(parser.parse(text) == head_progress::complete);
    return judge(parser.head().fields);
}

std::string_view chosen(std::string_view lines) {
    return with_lines(lines, [](const field_lines& fields) {
        return offers[negotiate_media_type(fields, offers)];
    });
}

bool accepts(std::string_view lines) {
    return with_lines(
        lines, [](const field_lines& fields) { return accepts_media_type(fields, "text/html"); });
}

}  // namespace

TEST_CASE("accept: weights decide (RFC 9110 sections 12.4.2 and 12.5.1)") {
    struct row {
        std::string_view lines;
        std::string_view wanted;
    };
    for (const auto& each : {
             row{"", "text/html"},
             row{"Accept: |", "text/html"},
             row{"Accept: */*|", "text/html"},
             row{"Accept: application/json|", "application/json"},
             row{"Accept: APPLICATION/JSON|", "application/json"},
             row{"Accept: application/*|", "application/json"},
             row{"Accept: application/json;q=0.5, text/html;q=0.4|", "application/json"},
             row{"Accept: application/json;q=0.5, text/html;q=0.5|", "text/html"},
             row{"Accept: application/json;q=0.5, text/html|", "text/html"},
             row{"Accept: application/json; q=0.9 , text/* ; Q=0.901|", "text/html"},
             row{"Accept: text/html;q=0|", "text/html"},  // Nothing else is wanted either.
             row{"Accept: text/html;q=0, */*;q=0.1|", "application/json"},
             row{"Accept: text/html;q=0.000, */*;q=0.001|", "application/json"},
             // Named beats meant by a wildcard: what axios and others send.
             row{"Accept: application/json, text/plain, */*|", "application/json"},
             row{"Accept: application/json, text/html, */*|", "text/html"},
             // The more precise range decides, wherever it stands.
             row{"Accept: application/json;q=0.1, application/*, text/html;q=0.2|", "text/html"},
             row{"Accept: text/html;q=0.2|Accept: application/json;q=0.3|", "application/json"},
             row{"Accept: image/png|", "text/html"},
             // A browser's.
             row{"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8|",
                 "text/html"},
         }) {
        CAPTURE(each.lines);
        CHECK(chosen(each.lines) == each.wanted);
    }
}

TEST_CASE("accept: what is malformed does no harm") {
    CHECK(chosen("Accept: ,,;;q=,/,*|") == "text/html");
    CHECK(chosen("Accept: application/json;q=9|") == "application/json");
    CHECK(chosen("Accept: application/json;q=|") == "application/json");
    CHECK(chosen("Accept: application/json;x=\"a,b;q=0\\\"\";q=0.7, text/html;q=0.6|") ==
          "application/json");
    CHECK(chosen("Accept: application/json;x=\"never ends|") == "application/json");
}

TEST_CASE("accept: whether a type is acceptable at all (RFC 9110 section 12.5.1)") {
    CHECK(accepts(""));
    CHECK(accepts("Accept: */*|"));
    CHECK(accepts("Accept: text/*;q=0.1|"));
    CHECK(accepts("Accept: image/png|Accept: text/html|"));
    CHECK_FALSE(accepts("Accept: application/json|"));
    CHECK_FALSE(accepts("Accept: */*, text/html;q=0|"));
}
