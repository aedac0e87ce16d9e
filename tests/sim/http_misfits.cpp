#include "http_misfits.hpp"

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace ferry::sim::test {
namespace {

/// One request as octets, what it may be answered with, and whether the server closes after it.
struct misfit {
    std::string_view octets;
    std::array<int, 2> statuses;  ///< 0: no second one.
    bool is_last;
};

/// RFC 9112 sections 2.2, 3, 5, 6 and what decision and specification say where the RFC is silent.
constexpr auto misfits = std::to_array<misfit>({
    // Understood, and refused without an end of the connection.
    {"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", {401, 0}, false},
    {"DELETE /x HTTP/1.1\r\nHost: a\r\n\r\n", {401, 0}, false},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", {405, 0}, false},
    {"PATCH / HTTP/1.1\r\nHost: a\r\n\r\n", {405, 0}, false},
    {"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", {405, 0}, false},
    {"PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n", {501, 0}, false},
    {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", {204, 0}, false},
    {"GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n", {400, 0}, false},
    {"GET /a%2Fb HTTP/1.1\r\nHost: a\r\n\r\n", {400, 0}, false},
    {"GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", {400, 0}, false},
    {"GET /a%5cb HTTP/1.1\r\nHost: a\r\n\r\n", {400, 0}, false},
    {"GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n", {400, 0}, false},
    {"GET /.ferry-upload-1 HTTP/1.1\r\nHost: a\r\n\r\n", {403, 404}, false},
    {"\r\nGET /no-such-name HTTP/1.1\r\nHost: a\r\n\r\n", {404, 0}, false},
    {"GET /no-such-name HTTP/1.1\r\nHost:\ta \t\r\n\r\n", {404, 0}, false},
    // Refused, and what follows is not read as a request.
    {"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", {405, 400}, true},
    {"FOO / HTTP/1.1\r\nHost: a\r\n\r\n", {501, 0}, true},
    {"get / HTTP/1.1\r\nHost: a\r\n\r\n", {501, 400}, true},
    {"GE(T / HTTP/1.1\r\nHost: a\r\n\r\n", {400, 501}, true},
    {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", {400, 0}, true},
    {"GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", {400, 0}, true},
    {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", {400, 505}, true},
    {"GET /\r\n\r\n", {400, 0}, true},
    {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", {505, 0}, true},
    {"GET / HTTP/1.10\r\nHost: a\r\n\r\n", {400, 505}, true},
    {"GET / HTTP/01.1\r\nHost: a\r\n\r\n", {400, 505}, true},
    {"GET / http/1.1\r\nHost: a\r\n\r\n", {400, 505}, true},
    {"GET / HTTP/1.1\nHost: a\n\n", {400, 0}, true},
    {"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", {400, 0}, true},
    {"GET /#frag HTTP/1.1\r\nHost: a\r\n\r\n", {400, 0}, true},
    {"GET x HTTP/1.1\r\nHost: a\r\n\r\n", {400, 0}, true},
    {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", {400, 0}, true},
    {"GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n", {400, 0}, true},
    {"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", {400, 0}, true},
    {"GET / HTTP/1.1\r\n\r\n", {400, 0}, true},
    {"GET http://a/ HTTP/1.1\r\n\r\n", {400, 0}, true},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", {400, 0}, true},
    {"GET / HTTP/1.1\r\nHost: a\"><b\r\n\r\n", {400, 0}, true},
    {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", {400, 0}, true},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n", {400, 0}, true},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", {400, 0}, true},
    {"GET / HTTP/1.1\r\nHost: a\r\n: nameless\r\n\r\n", {400, 0}, true},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc", {400, 0}, true},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
     {400, 0},
     true},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", {400, 0}, true},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
     {400, 0},
     true},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", {400, 501}, true},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", {501, 400}, true},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", {400, 0}, true},
    {"SIP / RTSP/1.0\r\nHost: a\r\n\r\n", {400, 501}, true},
});

http_request too_much(client_context& context) {
    http_request made;
    made.sort = request_sort::fixed;
    made.is_last = true;
    const auto& limits = context.server;
    switch (context.rng.below(3)) {
        case 0:
            made.statuses = {414};
            made.octets = fmt::format("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n",
                                      std::string(limits.target_bytes_max, 'a'));
            break;
        case 1:
            made.statuses = {431};
            made.octets = "GET / HTTP/1.1\r\nHost: a\r\n";
            for (std::size_t i = 0; i < limits.fields_max; ++i) {
                made.octets += "X: y\r\n";
            }
            made.octets += "\r\n";
            break;
        default:
            made.statuses = {431};
            made.octets = fmt::format("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
                                      std::string(limits.head_bytes_max, 'x'));
            break;
    }
    return made;
}

}  // namespace

http_request draw_misfit(client_context& context, bool may_be_last) {
    if (may_be_last && context.chance(12)) {
        return too_much(context);
    }
    for (;;) {  // Some rows are no end.
        const auto& row = misfits[context.rng.below(misfits.size())];
        if (row.is_last && !may_be_last) {
            continue;
        }
        http_request made;
        made.sort = request_sort::fixed;
        made.octets = row.octets;
        made.is_last = row.is_last;
        made.statuses = {row.statuses[0]};
        if (row.statuses[1] != 0) {
            made.statuses.push_back(row.statuses[1]);
        }
        return made;
    }
}

}  // namespace ferry::sim::test
