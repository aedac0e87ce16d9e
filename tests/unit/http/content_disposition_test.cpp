#include "http/content_disposition.hpp"

#include <doctest/doctest.h>

#include <string>

using ferry::http::attachment_named;

TEST_CASE("content disposition: plain names (RFC 6266 section 4)") {
    CHECK(attachment_named("files.zip") == "attachment; filename=\"files.zip\"");
    CHECK(attachment_named("two words;a=b.tar") == "attachment; filename=\"two words;a=b.tar\"");
}

TEST_CASE("content disposition: other names have both forms (RFC 8187, RFC 6266 appendix D)") {
    CHECK(attachment_named("sm\xC3\xB6rg.zip") ==
          "attachment; filename=\"sm_rg.zip\"; filename*=UTF-8''sm%C3%B6rg.zip");
    CHECK(attachment_named("100%41.zip") ==
          "attachment; filename=\"100_41.zip\"; filename*=UTF-8''100%2541.zip");
    CHECK(attachment_named("\xE6\x97\xA5 *'().zip") ==
          "attachment; filename=\"_ *'().zip\"; filename*=UTF-8''%E6%97%A5%20%2A%27%28%29.zip");
}

TEST_CASE("content disposition: hostile names (threats.md, V11 and H7)") {
    CHECK(attachment_named("a\"; filename=\"b\r\nX: y\x7f\\/") ==
          "attachment; filename=\"a_; filename=_b__X: y___\"");
    CHECK(attachment_named("latin-\xe9.zip") == "attachment; filename=\"latin-_.zip\"");
    // What turns the direction of writing would show another extension.
    CHECK(attachment_named("\xE2\x80\xAEpiz.exe") == "attachment; filename=\"_piz.exe\"");
    for (int c = 0; c < 256; ++c) {
        for (const char octet : attachment_named(std::string(1, static_cast<char>(c)))) {
            CHECK(static_cast<unsigned char>(octet) >= 0x20);
            CHECK(static_cast<unsigned char>(octet) < 0x7F);
        }
    }
}
