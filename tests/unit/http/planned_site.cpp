#include "planned_site.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cstddef>
#include <functional>
#include <span>

#include "ferry/base/base64.hpp"
#include "http/head_parser.hpp"

namespace ferry::http::test {
namespace {

runtime::task<response_plan> plan_on(runtime::core&, service::state& shared, const request& asked,
                                     content_reader& content, after then) {
    const net::endpoint nowhere;
    const auto by = co_await identify(shared, asked, nowhere);
    auto made = co_await plan_response(shared, asked, content, by, then);
    co_return made;
}

}  // namespace

std::string log_in(std::string_view name, std::string_view password) {
    std::string line = "Authorization: Basic ";
    const auto pair = std::string(name) + ":" + std::string(password);
    append_base64(line, std::as_bytes(std::span(pair)));
    return line + "\n";
}

planned planned_site::ask(std::string_view request_text, after then) {
    return send(request_text, {}, then);
}

planned planned_site::send(std::string_view request_text, const content_given& what, after then) {
    std::string octets;
    for (const char c : request_text) {
        octets += c == '\n' ? std::string("\r\n") : std::string(1, c);
    }
    if (!octets.ends_with("\r\n")) {
        octets += "\r\n";
    }
    octets += "\r\n";
    machine.io.note_arrival();
    head_parser parser({});
    REQUIRE(parser.parse(octets) == head_progress::complete);
    given_content content(what);
    planned made{.plan = machine.run(&plan_on, std::ref(shared.inside()), std::cref(parser.head()),
                                     std::ref<content_reader>(content), then),
                 .head = {},
                 .inline_body = {}};
    made.inline_body = made.plan.message;
    made.head = take_head(made.inline_body);
    if (made.plan.packed && !made.head.has("Content-Encoding")) {  // A large page.
        made.inline_body += made.plan.packed->substr(
            static_cast<std::size_t>(made.plan.part.offset), made.plan.part.size_bytes);
    }
    CHECK(made.head.status == code_of(made.plan.what));
    CHECK_FALSE(made.head.has("(malformed)"));
    // RFC 9110 section 6.6.1: an origin server with a clock sends Date with every such answer.
    CHECK(made.head.field("Date").size() == 29);
    return made;
}

void planned_site::put(std::string_view name, std::string_view content,
                       std::int64_t modified) const {
    files.write(name, content);
    const timespec times[2] = {{.tv_sec = modified, .tv_nsec = 0},
                               {.tv_sec = modified, .tv_nsec = 0}};
    REQUIRE(::utimensat(AT_FDCWD, (files / name).c_str(), times, 0) == 0);
}

}  // namespace ferry::http::test
