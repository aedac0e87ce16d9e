#include "server/access_log_format.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

using namespace ferry;

namespace {

std::string line_of(const access_record& record) {
    server::access_log_formatter formatter;
    std::string out;
    formatter.append(out, record);
    return out;
}

const access_record full = {
    .peer = "192.0.2.7",
    .user = "ann",
    .when = {.seconds = 971'211'336, .nanoseconds = 999'999'999},
    .method = "GET",
    .target = "/a%20b?c",
    .protocol = "HTTP/1.1",
    .status = 200,
    .body_bytes = 2'326,
    .referer = "http://example.com/",
    .user_agent = "curl/8.5.0",
    .duration = std::chrono::microseconds(87),
};

}  // namespace

TEST_CASE("access log: the combined format, and microseconds") {
    CHECK(line_of(full) ==
          "192.0.2.7 - ann [10/Oct/2000:20:55:36 +0000] \"GET /a%20b?c HTTP/1.1\" 200 2326 "
          "\"http://example.com/\" \"curl/8.5.0\" 87\n");
}

TEST_CASE("access log: an FTP transfer is a line of the same shape") {
    CHECK(line_of({.peer = "2001:db8::1",
                   .user = "bob",
                   .when = {.seconds = 0, .nanoseconds = 0},
                   .method = "RETR",
                   .target = "/pub/a file",
                   .protocol = "FTP",
                   .status = 226,
                   .body_bytes = UINT64_MAX,
                   .referer = {},
                   .user_agent = {},
                   .duration = std::chrono::microseconds(INT64_MAX)}) ==
          "2001:db8::1 - bob [01/Jan/1970:00:00:00 +0000] \"RETR /pub/a file FTP\" 226 "
          "18446744073709551615 \"-\" \"-\" 9223372036854775807\n");
}

TEST_CASE("access log: what is missing is a dash") {
    CHECK(line_of({}) == "- - - [01/Jan/1970:00:00:00 +0000] \"-\" - 0 \"-\" \"-\" 0\n");
    auto record = full;
    record.protocol = {};
    CHECK(line_of(record).contains("\"GET /a%20b?c\" 200"));
    record.target = {};
    CHECK(line_of(record).contains("\"GET\" 200"));
}

// threats.md, H7: a client chooses every text field; none may end the line, end its field or reach
// a terminal as a control.
TEST_CASE("access log: whatever octets come, one line with its fields in place") {
    std::string hostile;
    for (int octet = 0; octet < 256; ++octet) {
        hostile += static_cast<char>(octet);
    }
    for (auto field : {&access_record::peer, &access_record::user, &access_record::method,
                       &access_record::target, &access_record::protocol, &access_record::referer,
                       &access_record::user_agent}) {
        auto record = full;
        record.*field = hostile;
        const auto line = line_of(record);
        CAPTURE(line);
        CHECK(std::ranges::count(line, '\n') == 1);
        CHECK(line.ends_with(" 87\n"));
        CHECK(std::ranges::count(line, '"') == 6);
        CHECK(std::ranges::none_of(line.substr(0, line.size() - 1), [](char c) {
            return static_cast<unsigned char>(c) < 0x20U || c == 0x7F;
        }));
        CHECK(line.contains("\\x00\\x01"));
        CHECK(line.contains("!\\x22#"));
        CHECK(line.contains("[\\x5c]"));
        CHECK(line.contains("~\\x7f\x80"));
        CHECK(line.contains("\xfe\xff"));
        // The date is the fourth word, as in any line: peer and user hold no raw blank.
        std::size_t blank = 0;
        for (int word = 0; word < 3; ++word) {
            blank = line.find(' ', blank) + 1;
        }
        CHECK(line[blank] == '[');
    }
}

TEST_CASE("access log: the date follows the records, forwards and back") {
    server::access_log_formatter formatter;
    std::string out;
    struct row {
        std::int64_t seconds;
        const char* date;
    };
    static constexpr row rows[] = {
        {0, "[01/Jan/1970:00:00:00 +0000]"},
        {0, "[01/Jan/1970:00:00:00 +0000]"},
        {951'827'696, "[29/Feb/2000:12:34:56 +0000]"},
        {951'827'695, "[29/Feb/2000:12:34:55 +0000]"},
        {-1, "[31/Dec/1969:23:59:59 +0000]"},
        {253'402'300'799, "[31/Dec/9999:23:59:59 +0000]"},
        {253'402'300'800,
         "[01/Jan/9999:00:00:00 +0000]"},  // A clock that is wrong keeps the shape.
    };
    for (const auto& each : rows) {
        out.clear();
        auto record = full;
        record.when.seconds = each.seconds;
        formatter.append(out, record);
        CAPTURE(out);
        CHECK(out.contains(each.date));
    }
}

TEST_CASE("access log: lines are appended, and room that is there is enough") {
    server::access_log_formatter formatter;
    std::string out = "before\n";
    out.reserve(1'024);
    const auto* const storage = out.data();
    formatter.append(out, full);
    formatter.append(out, full);
    CHECK(out == "before\n" + line_of(full) + line_of(full));
    CHECK(out.data() == storage);
}
