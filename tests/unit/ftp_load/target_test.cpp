#include "target.hpp"

#include <doctest/doctest.h>

#include <string_view>

using namespace ferry::ftp_load;

TEST_CASE("target: every part of an ftp URL (RFC 1738 section 3.2)") {
    const auto whole = parse_url("FTP://an%3an:se%40cret:%25@example.org:2121/a%20b/{}.bin");
    REQUIRE(whole.has_value());
    CHECK(whole->user == "an:n");
    CHECK(whole->password == "se@cret:%");
    CHECK(whole->host == "example.org");
    CHECK(whole->port == 2121);
    CHECK(whole->path == "a b/{}.bin");
    CHECK(whole->show() == "ftp://example.org:2121/a b/{}.bin");
}

TEST_CASE("target: what is left out has its usual value") {
    const auto bare = parse_url("ftp://example.org");
    REQUIRE(bare.has_value());
    CHECK(bare->user == "anonymous");
    CHECK(bare->port == 21);
    CHECK(bare->path.empty());
    const auto user = parse_url("ftp://ann@example.org/%2Fetc/motd");
    REQUIRE(user.has_value());
    CHECK(user->user == "ann");
    CHECK(user->password.empty());
    CHECK(user->path == "/etc/motd");
}

TEST_CASE(
    "target: ftps is FTP over TLS from the first octet on, at port 990 (RFC 4217 section 15)") {
    const auto usual = parse_url("ftps://example.org/x");
    REQUIRE(usual.has_value());
    CHECK(usual->is_ftps);
    CHECK(usual->port == 990);
    CHECK(usual->show() == "ftps://example.org:990/x");
    const auto other = parse_url("FTPS://ann:secret@[::1]:2990/x");
    REQUIRE(other.has_value());
    CHECK(other->is_ftps);
    CHECK(other->port == 2990);
    CHECK(!parse_url("ftp://example.org/x")->is_ftps);
}

TEST_CASE("target: IPv6 addresses stand in brackets (RFC 3986 section 3.2.2)") {
    const auto v6 = parse_url("ftp://[::1]:2121/x");
    REQUIRE(v6.has_value());
    CHECK(v6->host == "::1");
    CHECK(v6->port == 2121);
    CHECK(v6->show() == "ftp://[::1]:2121/x");
    CHECK(parse_url("ftp://[::1]/x").has_value());
}

TEST_CASE("target: what is no ftp URL is refused with its reason") {
    for (const std::string_view url :
         {"", "http://h/x", "ftp:/h", "ftp://", "ftp:///x", "ftp://h:0/", "ftp://h:65536/",
          "ftp://h:/", "ftp://h:x/", "ftp://[::1/x", "ftp://[::1]x/", "ftp://[]/",
          "ftp://h/a%0d%0aDELE%20x", "ftp://h/%", "ftp://h/%4", "ftp://h/%zz",
          "ftp://u%0a:p@h/x"}) {
        CAPTURE(url);
        const auto got = parse_url(url);
        REQUIRE(!got.has_value());
        CHECK(got.error().contains("ftp://user:password@host:port/path"));
    }
}
