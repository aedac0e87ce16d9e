#include "server/access_log_format.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "ferry/base/random.hpp"

using namespace ferry;
using server::access_log_format;

namespace {

std::string line_of(const access_record& record) {
    server::access_log_formatter formatter;
    std::string out;
    formatter.append(out, record);
    return out;
}

std::string line_of(std::string_view format, const access_record& record) {
    auto made = access_log_format::read(format);
    REQUIRE_MESSAGE(made, made.error());
    server::access_log_formatter formatter(std::move(*made));
    std::string out;
    formatter.append(out, record);
    return out;
}

std::string refusal_of(std::string_view format) {
    const auto made = access_log_format::read(format);
    return made ? "(none)" : made.error();
}

/// Fields that repeat what they are asked for.
class echo final : public request_fields {
  public:
    [[nodiscard]] std::string_view value_of(std::string_view name) const noexcept override {
        return name == "x-none" ? std::string_view() : name;
    }
};

const echo fields;

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
    .host = "Example.COM:8080",
    .received_bytes = 311,
    .sent_bytes = 2'600,
    .connection = 17,
    .peer_port = 50'000,
    .local_port = 80,
    .scheme = "https",
    .tls_version = "TLSv1.3",
    .tls_cipher = "TLS_AES_128_GCM_SHA256",
    .fields = &fields,
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

TEST_CASE("access log: every variable, called as nginx calls it") {
    struct row {
        std::string_view format;
        std::string_view full;
        std::string_view missing;
    };
    static constexpr row rows[] = {
        {"$remote_addr", "192.0.2.7", "-"},
        {"$remote_port", "50000", "0"},
        {"$remote_user", "ann", "-"},
        {"$time_local", "10/Oct/2000:20:55:36 +0000", "01/Jan/1970:00:00:00 +0000"},
        {"$time_iso8601", "2000-10-10T20:55:36+00:00", "1970-01-01T00:00:00+00:00"},
        {"$time_rfc3339", "2000-10-10T20:55:36.999Z", "1970-01-01T00:00:00.000Z"},
        {"$msec", "971211336.999", "0.000"},
        {"\"$request\"", "\"GET /a%20b?c HTTP/1.1\"", "\"-\""},
        {"$request", "GET /a%20b?c HTTP/1.1", "-"},
        {"$request_method", "GET", "-"},
        {"$request_uri", "/a%20b?c", "-"},
        {"$server_protocol", "HTTP/1.1", "-"},
        {"$server_port", "80", "0"},
        {"$scheme", "https", "-"},
        {"$ssl_protocol", "TLSv1.3", "-"},
        {"$ssl_cipher", "TLS_AES_128_GCM_SHA256", "-"},
        {"$status", "200", "-"},
        {"$body_bytes_sent", "2326", "0"},
        {"$bytes_sent", "2600", "0"},
        {"$request_length", "311", "0"},
        {"$request_time", "0.000", "0.000"},
        {"$duration_us", "87", "0"},
        {"$request_completion", "OK", "OK"},
        {"$complete", "true", "true"},
        {"$connection", "17", "0"},
        {"$host", "example.com", "-"},
        {"$http_host", "Example.COM:8080", "-"},
        {"$http_referer", "http://example.com/", "-"},
        {"$http_user_agent", "curl/8.5.0", "-"},
        {"$http_x_forwarded_for", "x-forwarded-for", "-"},
        {"$http_x_none", "-", "-"},
        {"a${status}b", "a200b", "a-b"},
        {"$status$status", "200200", "--"},
        {"$$status$$ $status\t", "$status$ 200\t", "$status$ -\t"},
        {"escape=json {\"u\":\"$remote_user\",\"s\":$status}", "{\"u\":\"ann\",\"s\":200}",
         "{\"u\":\"\",\"s\":0}"},
        {"escape=json $request", "GET /a%20b?c HTTP/1.1", ""},
    };
    for (const auto& each : rows) {
        CAPTURE(each.format);
        CHECK(line_of(each.format, full) == std::string(each.full) + '\n');
        CHECK(line_of(each.format, {}) == std::string(each.missing) + '\n');
    }
}

TEST_CASE("access log: values at their edges") {
    auto record = full;
    record.is_broken_off = true;
    record.duration = std::chrono::microseconds(61'002'999);
    record.host = "[2001:DB8::1]:80";
    CHECK(line_of("$complete $request_completion $request_time $host", record) ==
          "false - 61.002 [2001:db8::1]\n");
    for (const auto* const host : {"a", "a:", "a:1"}) {
        record.host = host;
        CHECK(line_of("$host", record) == "a\n");
    }
    record.host = "[::1";  // No parser lets it by.
    CHECK(line_of("$host", record) == "[::1\n");
}

TEST_CASE("access log: a template that is none is refused, by what is wrong with it") {
    CHECK(refusal_of("$remote_adr").starts_with("\"$remote_adr\" is no variable"));
    CHECK(refusal_of("$remote_adr").contains("$remote_addr, "));
    CHECK(refusal_of("$status ${statu}").starts_with("\"$statu\" is no variable"));
    CHECK(refusal_of("$http_").starts_with("\"$http_\" is no variable"));
    CHECK(refusal_of("$status$").starts_with("\"$\" begins with no variable"));
    CHECK(refusal_of("$ status").starts_with("\"$ status\" begins with no variable"));
    CHECK(refusal_of("${status").starts_with("\"${status\" begins with no variable"));
    for (const auto* const none : {"", "Combined", "common", "$$", "escape=json {}"}) {
        CAPTURE(none);
        CHECK(refusal_of(none).starts_with("neither combined nor json nor a template"));
    }
    for (const auto* const lines : {"$status\n", "\x1b$status", "$status\r", "$status\x7f"}) {
        CHECK(refusal_of(lines).contains("no control octet but TAB"));
    }
    CHECK(refusal_of("$status " + std::string(4'088, 'x')) == "(none)");
    CHECK(refusal_of("$status " + std::string(4'089, 'x')).contains("4096 octets at most"));
}

TEST_CASE("access log: no template writes passwords (RFC 7617 section 2)") {
    for (const auto* const name : {"$http_authorization", "$status ${http_Authorization}",
                                   "escape=json $http_proxy_authorization"}) {
        CHECK(refusal_of(name).contains("would write passwords into the log"));
    }
    CHECK(refusal_of("$http_authorizations") == "(none)");
}

TEST_CASE("access log: combined is a template, and the default") {
    CHECK(line_of("combined", full) == line_of(full));
    CHECK(line_of(access_log_format::combined_template, full) == line_of(full));
}

TEST_CASE("access log: json is one object a line, with the same keys in each") {
    CHECK(line_of("json", full) ==
          R"({"time":"2000-10-10T20:55:36.999Z","remote":"192.0.2.7","remote_port":50000,)"
          R"("connection":17,"user":"ann","protocol":"HTTP/1.1","tls":"TLSv1.3","method":"GET",)"
          R"("target":"/a%20b?c","host":"Example.COM:8080","status":200,"bytes":2326,)"
          R"("bytes_received":311,"bytes_sent":2600,"complete":true,"duration_us":87,)"
          R"("referer":"http://example.com/","user_agent":"curl/8.5.0"})"
          "\n");
    CHECK(line_of("json", {}) ==
          R"({"time":"1970-01-01T00:00:00.000Z","remote":"","remote_port":0,"connection":0,)"
          R"("user":"","protocol":"","tls":"","method":"","target":"","host":"","status":0,)"
          R"("bytes":0,)"
          R"("bytes_received":0,"bytes_sent":0,"complete":true,"duration_us":0,"referer":"",)"
          R"("user_agent":""})"
          "\n");
}

// threats.md, H7: fuzz-like. Whatever octets stand in every text field at once, the line is one and
// what the template puts between the fields stands where it does.
TEST_CASE("access log: no octets leave their field, in any format") {
    static constexpr std::string_view separated =
        "<$remote_user> \"$request_uri\" <$http_user_agent> $status";
    ferry::random rng(11);
    static constexpr std::string_view sharp = "\"\\ \n\r\t\x1b\x7f$<>{}\xff\xc3x";
    for (int i = 0; i < 5'000; ++i) {
        std::string octets;
        for (auto left = rng.below(10); left > 0; --left) {
            octets += rng.below(3) == 0 ? static_cast<char>(rng.below(256))
                                        : sharp[rng.below(sharp.size())];
        }
        auto record = full;
        record.user = octets;
        record.target = octets;
        record.user_agent = octets;
        const auto line = line_of(separated, record);
        CAPTURE(line);
        REQUIRE(std::ranges::count(line, '\n') == 1);
        REQUIRE(std::ranges::count(line, '"') == 2);
        REQUIRE(line.ends_with(" 200\n"));
        const auto quote = line.find('"');
        REQUIRE(line.find(' ') == quote - 1);  // The first field holds no blank,
        REQUIRE(line.find(' ', line.find('"', quote + 1) + 2) ==
                line.size() - 5);  // nor the third.
        const auto object = line_of("json", record);
        CAPTURE(object);
        REQUIRE(std::ranges::count(object, '\n') == 1);
        const auto plain = std::ranges::count(line_of("json", full), '"');
        REQUIRE(std::ranges::count(object, '"') - 3 * std::ranges::count(octets, '"') == plain);
    }
}
