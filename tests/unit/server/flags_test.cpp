#include "server/flags.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

using namespace ferry;
using server::config;

namespace {

const server::flag& row_named(std::string_view name) {
    const auto all = server::flags();
    const auto found = std::ranges::find(all, name, &server::flag::name);
    REQUIRE(found != all.end());
    return *found;
}

/// What assigning `values` complains of; empty when they are taken.
std::string complaint(std::string_view name, const std::vector<std::string>& values) {
    config settings;
    const auto taken = server::assign(row_named(name), settings, values);
    return taken ? std::string() : taken.error();
}

bool has_value(const server::flag& row) {
    return !std::holds_alternative<server::flag_kind::action>(row.kind);
}

}  // namespace

TEST_CASE("flags: every row is complete, and groups stand together") {
    std::set<std::string_view> names;
    std::set<std::string_view> groups;
    std::string_view group;
    for (const auto& row : server::flags()) {
        CAPTURE(row.name);
        CHECK(names.insert(row.name).second);
        CHECK(std::ranges::all_of(row.name,
                                  [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; }));
        CHECK_FALSE(row.help.empty());
        CHECK_FALSE(row.help.ends_with('.'));
        if (row.group != group) {
            CHECK(groups.insert(row.group).second);
            group = row.group;
        }
        const bool toggles = std::holds_alternative<server::flag_kind::toggle>(row.kind) ||
                             std::holds_alternative<server::flag_kind::action>(row.kind);
        CHECK(server::is_switch(row) == toggles);
        CHECK(server::bounds(row).empty() == toggles);
    }
}

TEST_CASE("flags: the default is text that the flag itself reads as the default") {
    for (const auto& row : server::flags()) {
        CAPTURE(row.name);
        const auto text = server::show(row, config{});
        if (row.name == "root" || row.name == "config" || !has_value(row)) {
            CHECK(text.empty());
            continue;
        }
        config settings;
        REQUIRE(server::assign(row, settings, std::vector{text}));
        CHECK(settings == config{});
    }
}

TEST_CASE("flags: a value reaches its own member and no other, and is shown as it was written") {
    struct sample {
        std::string_view name;
        std::vector<std::string> values;
        std::string_view shown;
    };
    static const sample samples[] = {
        {"http",
         {"0.0.0.0:80", "[2001:db8::1]:0", "*:81", "unix:/run/ferry:mode=0666"},
         "0.0.0.0:80, [2001:db8::1]:0, [::]:81, unix:/run/ferry:mode=0666"},
        {"https", {"[::1]:8443", "*:443"}, "[::1]:8443, [::]:443"},
        {"ftp", {"off"}, "off"},
        {"ftps", {"*:990"}, "[::]:990"},
        {"admin", {"127.0.0.1:9180", "unix:/run/a"}, "127.0.0.1:9180, unix:/run/a"},
        {"passive-ports", {"50000-50999"}, "50000-50999"},
        {"public-address", {"10.0.0.0/8=auto,192.0.2.1"}, "10.0.0.0/8=auto,192.0.2.1"},
        {"tcp-congestion", {"cubic"}, "cubic"},
        {"tls-cert", {"/a.pem", "/b.pem"}, "/a.pem, /b.pem"},
        {"tls-key", {"/a.key"}, "/a.key"},
        {"tls-self-signed", {"on"}, "on"},
        {"tls-min", {"1.3"}, "1.3"},
        {"tls-kernel", {"off"}, "off"},
        {"tls-ocsp", {"/a.ocsp"}, "/a.ocsp"},
        {"tls-ticket-keys", {"/keys"}, "/keys"},
        {"tls-client-certs", {"required"}, "required"},
        {"tls-client-ca", {"/ca.pem"}, "/ca.pem"},
        {"tls-client-accounts", {"on"}, "on"},
        {"tls-handshake-timeout", {"3s"}, "3s"},
        {"http-redirect-to-https", {"on"}, "on"},
        {"http-tls", {"login"}, "login"},
        {"http-hsts", {"1h"}, "1h"},
        {"anonymous", {"upload"}, "upload"},
        {"anonymous", {"list+read,/x=none"}, "read-only,/x=none"},
        {"http-anonymous", {"off"}, "off"},
        {"http-anonymous", {"upload"}, "upload"},
        {"http-anonymous", {"read-only,/in=list+create"}, "read-only,/in=list+create"},
        {"ftp-login-delay-max", {"1m"}, "1m"},
        {"anonymous-limits", {"upload=2M,session-rate=1k"}, "upload=2MiB,session-rate=1KiB"},
        {"users-file", {"/etc/ferry/users"}, "/etc/ferry/users"},
        {"user", {"ann:secret:/home//ann/", "bob:x"}, "ann:***:/home/ann, bob:***:/"},
        {"write", {"on"}, "on"},
        {"root", {"/srv/www"}, "/srv/www"},
        {"mount", {"/a//b=/c:ro", "/=/d:links=inside"}, "/a/b=/c:ro, /=/d"},
        {"allow",
         {"10.0.0.0/8", "http:::ffff:192.0.2.1", "ftp:2001:db8::/32"},
         "10.0.0.0/8, http:192.0.2.1, ftp:2001:db8::/32"},
        {"deny", {"ftp:0.0.0.0/0"}, "ftp:0.0.0.0/0"},
        {"proxy-protocol", {"10.0.0.0/8", "::1"}, "10.0.0.0/8, ::1"},
        {"trusted-proxy", {"10.0.0.1"}, "10.0.0.1"},
        {"forwarded-field", {"forwarded"}, "forwarded"},
        {"address-connections-max", {"20"}, "20"},
        {"address-requests-rate", {"10"}, "10"},
        {"address-requests-burst", {"1"}, "1"},
        {"address-send-rate-max", {"1M"}, "1MiB"},
        {"durability", {"full"}, "full"},
        {"leftovers", {"keep"}, "keep"},
        {"upload-part-keep", {"0"}, "0s"},
        {"ftp-charset", {"CP1252"}, "CP1252"},
        {"ftp-charset", {"utf-8"}, "utf-8"},
        {"ftp-ebcdic", {"1047"}, "1047"},
        {"ftp-without-host", {"files.example.org"}, "files.example.org"},
        {"ftp-without-host", {"refuse"}, "refuse"},
        {"list-sorted-max", {"0"}, "0"},
        {"list-held-max", {"0"}, "0"},
        {"list-reads-max", {"1"}, "1"},
        {"list-wait-timeout", {"500ms"}, "500ms"},
        {"http-archives-max", {"0"}, "off"},
        {"http-archives-max", {"16"}, "16"},
        {"file-cache-entries", {"0"}, "off"},
        {"file-cache-bytes", {"1M"}, "1MiB"},
        {"listing-cache-bytes", {"1M"}, "1MiB"},
        {"answer-cache-bytes", {"3M"}, "3MiB"},
        {"file-cache-idle-timeout", {"2m"}, "2m"},
        {"access-log", {"/var/log/ferry"}, "/var/log/ferry"},
        {"access-log-format", {"json"}, "json"},
        {"access-log-format", {"$status $request"}, "$status $request"},
        {"access-log-buffer-bytes", {"1M"}, "1MiB"},
        {"log-level", {"debug"}, "debug"},
        {"io", {"epoll"}, "epoll"},
        {"cores", {"2"}, "2"},
        {"pin", {"0,2-3"}, "0,2,3"},
        {"connections-max", {"5"}, "5"},
        {"receive-buffers", {"4096"}, "4096"},
        {"ring-entries", {"64"}, "64"},
        {"offload-threads", {"8"}, "8"},
        {"run-as", {"www-data:33"}, "www-data:33"},
        {"confine", {"require"}, "require"},
        {"drain-timeout", {"0"}, "0s"},
        {"upgrade-drain-timeout", {"2h"}, "2h"},
        {"rate-window", {"2m"}, "2m"},
        {"http-index", {"index.html", "index.htm"}, "index.html, index.htm"},
        {"http-index", {"none"}, "none"},
        {"clean-urls", {"on"}, "on"},
        {"spa", {"/app/index.html"}, "/app/index.html"},
        {"rules", {"/etc/ferry.rules"}, "/etc/ferry.rules"},
        {"http-compress", {"GZIP, br"}, "gzip,br"},
        {"http-compress", {"off"}, "off"},
        {"http-compress-max", {"1M"}, "1MiB"},
        {"http-compress-cache-bytes", {"1M"}, "1MiB"},
        {"http-digest-max", {"0"}, "0"},
        {"http-precompressed", {"on"}, "on"},
        {"head-bytes-max", {"32k"}, "32KiB"},
        {"target-bytes-max", {"1000"}, "1000"},
        {"fields-max", {"50"}, "50"},
        {"header-timeout", {"1500ms"}, "1500ms"},
        {"idle-timeout", {"90"}, "90s"},
        {"send-timeout", {"2m"}, "2m"},
        {"send-rate-min", {"1k"}, "1KiB"},
        {"http-upload-max", {"10M"}, "10MiB"},
        {"body-timeout", {"2m"}, "2m"},
        {"receive-rate-min", {"1k"}, "1KiB"},
        {"requests-per-connection-max", {"1"}, "1"},
        {"body-drain-bytes-max", {"0"}, "0"},
        {"ftp-sessions-max", {"7"}, "7"},
        {"ftp-line-bytes-max", {"512"}, "512"},
        {"ftp-login-tries-max", {"5"}, "5"},
        {"ftp-idle-timeout", {"1h"}, "1h"},
        {"ftp-transfer-stall-timeout", {"1m"}, "1m"},
        {"ftp-transfer-rate-min", {"0"}, "0"},
        {"ftp-data-connect-timeout", {"5s"}, "5s"},
        {"ftp-upload-grace", {"200ms"}, "200ms"},
        {"ftp-tls", {"login"}, "login"},
        {"ftp-tls-reuse", {"off"}, "off"},
        {"ftp-tls-ccc", {"on"}, "on"},
        {"config", {"ferry.toml"}, "ferry.toml"},
        {"check", {"true"}, "on"},
    };
    for (const auto& row : server::flags()) {
        CAPTURE(row.name);
        const auto own = std::ranges::find(samples, row.name, &sample::name);
        REQUIRE((own != std::end(samples)) == has_value(row));
        if (!has_value(row)) {
            continue;
        }
        config settings;
        REQUIRE(server::assign(row, settings, own->values));
        CHECK(server::show(row, settings) == own->shown);
        CHECK(settings != config{});
        for (const auto& other : server::flags()) {
            if (other.name != row.name) {
                CAPTURE(other.name);
                CHECK(server::show(other, settings) == server::show(other, config{}));
            }
        }
    }
}

TEST_CASE("flags: the ends of every range are in, what lies beyond is out") {
    using namespace server::flag_kind;
    for (const auto& row : server::flags()) {
        CAPTURE(row.name);
        config settings;
        const auto takes = [&](const std::string& value) {
            return server::assign(row, settings, std::vector{value}).has_value();
        };
        if (const auto* number = std::get_if<count>(&row.kind)) {
            CHECK(takes(std::to_string(number->min)));
            CHECK(takes(std::to_string(number->max)));
            CHECK_FALSE(takes(std::to_string(number->max + 1)));
            CHECK_FALSE((number->min > 0 && takes(std::to_string(number->min - 1))));
            CHECK(takes(std::to_string(number->max / 2 + 1)) != number->power_of_two);
        }
        if (const auto* octets = std::get_if<size>(&row.kind)) {
            CHECK(takes(std::to_string(octets->min)));
            CHECK(takes(std::to_string(octets->max)));
            CHECK_FALSE(takes(std::to_string(octets->max + 1)));
            CHECK_FALSE((octets->min > 0 && takes(std::to_string(octets->min - 1))));
        }
        if (const auto* time = std::get_if<server::flag_kind::duration>(&row.kind)) {
            const auto min = time->min.count();
            CHECK(takes(std::to_string(min) + "ms"));
            CHECK(takes(std::to_string(time->max.count()) + "ms"));
            CHECK_FALSE(takes(std::to_string(time->max.count() + 1) + "ms"));
            CHECK_FALSE((min > 0 && takes(std::to_string(min - 1) + "ms")));
        }
        if (const auto* words = std::get_if<choice>(&row.kind)) {
            for (const auto word : words->words) {
                CHECK(takes(std::string(word)));
            }
            CHECK_FALSE(takes("Read"));
            CHECK_FALSE(takes(""));
        }
    }
}

TEST_CASE("flags: a refusal names the value and the bounds, exactly") {
    struct row {
        std::string_view name;
        std::string value;
        std::string_view complaint;
    };
    static const row rows[] = {
        {"cores", "0", R"("0" is not a number from 1 to 1024, or all)"},
        {"cores", "two", R"("two" is not a number from 1 to 1024, or all)"},
        {"allow", "10.0.0.1/8",
         R"("10.0.0.1/8" is not an address or block, such as 192.0.2.7, 10.0.0.0/8 or )"
         R"(2001:db8::/32, for one protocol with http: or ftp: before it)"},
        {"fields-max", "9", R"("9" is not a number from 10 to 10000)"},
        {"ring-entries", "100", R"("100" is not a power of two from 64 to 16384)"},
        {"head-bytes-max", "16kB", R"("16kB" is not a size from 1KiB to 1MiB)"},
        {"idle-timeout", "1w", R"("1w" is not a duration from 100ms to 24h)"},
        {"io", "poll", R"("poll" is not one of auto, uring, epoll)"},
        {"anonymous", "rite",
         R"("rite" is not off, read, upload, or permissions such as )"
         R"(read-only,/incoming=list+create,/private=none: "rite" is no permission: list, read, )"
         R"(create, write, delete, rename, mkdir, or read-only, all, none, admin)"},
        {"write", "maybe", R"("maybe" is not on or off)"},
        {"http", "localhost:80",
         R"("localhost:80" is not ADDR:PORT with a numeric address, such as 127.0.0.1:8080, )"
         R"([::1]:8080 or *:8080, or off)"},
        {"passive-ports", "2000-1999",
         R"("2000-1999" is not LO-HI with 1024 <= LO <= HI <= 65535, or any)"},
        {"public-address", "::1",
         R"("::1" is not an IPv4 address such as 192.0.2.1, a host name, or auto, each alone )"
         "or as NETWORK=ADDR"},
        {"tcp-congestion", "a b",
         R"("a b" is not a name of 1 to 15 letters, digits, '-' and '_', or system)"},
        {"pin", "0,0",
         R"("0,0" is not a list of different CPUs from 0 to 1023, such as 0,2,4-7, or auto, )"
         "or off"},
        {"run-as", ":www", R"(":www" is not off, or USER or USER:GROUP, names or numbers)"},
        {"access-log-format", "common",
         "neither combined nor json nor a template with a variable such as $remote_addr"},
        {"access-log", "", R"("" is not a file name, - for standard output, or off)"},
        {"root", std::string("a\0b", 3), R"("a\x00b" is not a path)"},
        {"log-level", "\x1b[31m\n",
         R"("\x1b[31m\x0a" is not one of debug, info, warning, error, off)"},
    };
    for (const auto& each : rows) {
        CAPTURE(each.name);
        CHECK(complaint(each.name, {each.value}) == each.complaint);
    }
}

TEST_CASE("flags: ranges of passive ports (RFC 959 section 4.1.2, RFC 2577 section 3)") {
    CHECK(complaint("passive-ports", {"1024-65535"}).empty());
    CHECK(complaint("passive-ports", {"2000-2000"}).empty());
    for (const auto* bad :
         {"1023-2000", "2000-65536", "2000", "2000-", "-2000", "a-b", "", "1-2-3"}) {
        CAPTURE(bad);
        CHECK_FALSE(complaint("passive-ports", {bad}).empty());
    }
}

TEST_CASE("flags: a list is replaced whole; its word for none stands alone") {
    config settings;
    const auto& http = row_named("http");
    REQUIRE(server::assign(http, settings, std::vector<std::string>{"127.0.0.1:1", "[::1]:1"}));
    CHECK(settings.http.size() == 2);
    REQUIRE(server::assign(http, settings, std::vector<std::string>{"127.0.0.1:3"}));
    CHECK(settings.http == std::vector{server::loopback(3)});
    REQUIRE(server::assign(http, settings, std::vector<std::string>{"off"}));
    CHECK(settings.http.empty());
    CHECK(complaint("http", {"off", "127.0.0.1:1"}) == R"("off" and other values)");
    CHECK(complaint("http", {"127.0.0.1:1", "127.0.0.1:1"}) == R"("127.0.0.1:1" is given twice)");
    CHECK(complaint("http", {"127.0.0.1:0", "127.0.0.1:0"}).empty());  // Two ports, both picked.
    CHECK(complaint("http", std::vector<std::string>(65, "127.0.0.1:0")) ==
          "65 values; at most 64 are possible");
}

TEST_CASE("flags: an account is NAME:PASSWORD[:DIR]") {
    config settings;
    const auto& user = row_named("user");
    REQUIRE(server::assign(
        user, settings, std::vector<std::string>{"ann: p#,\"\\ ", "bob:x:/b:c", "C\xc3\xa9:y:/"}));
    CHECK(settings.users == std::vector<server::user_account>{
                                {.name = "ann", .password = " p#,\"\\ ", .directory = "/"},
                                {.name = "bob", .password = "x", .directory = "/b:c"},
                                {.name = "C\xc3\xa9", .password = "y", .directory = "/"},
                            });
    CHECK(complaint("http-index", {"a", "a"}) == R"("a" is given twice)");
    CHECK(complaint("http-index", {"a/b"}) == R"("a/b" is no name of a file)");
    CHECK(complaint("spa", {"app.html"}) ==
          R"("app.html" is not off, or a file's path within the tree, such as /index.html)");
    CHECK(complaint("user", {"ann:x", "ann:y"}) == R"("ann:***" is given twice)");
    CHECK(complaint("user", {"ftp:x"}) == R"("ftp:***" names the anonymous user; see --anonymous)");
    CHECK(complaint("user", {"Anonymous:x"}).contains("names the anonymous user"));
    CHECK(complaint("user", {"ann:x:/.ferry-1"}).contains("DIR is no usable path"));
    CHECK(complaint("user", {"none"}).empty());
}

TEST_CASE("flags: no complaint and no listing holds a password") {
    const std::string secret = "hunter2";
    for (const auto& value : {
             secret,
             "ann:" + secret + ":x",
             "ann:" + secret + "\n",
             ":" + secret,
             "ann:" + secret + ":",
             "ftp:" + secret,
             "ann:" + std::string(129, 'x') + secret,
             "ann:" + secret + ":/.ferry-x",
             "a\n:" + secret,
             std::string(65, 'a') + ":" + secret,
         }) {
        CAPTURE(value);
        const auto text = complaint("user", {value});
        CHECK_FALSE(text.empty());
        CHECK_FALSE(text.contains(secret));
        CHECK_FALSE(text.contains('\n'));
    }
    CHECK_FALSE(complaint("user", {"ann:" + secret, "ann:" + secret}).contains(secret));
}
