#include "http/finished_listing.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>

#include "http/compress.hpp"

using namespace ferry;
using namespace ferry::http;

TEST_CASE("finished listing: it is packed where that gains something, its tag of what it was") {
    const std::string page(5'000, 'a');
    const auto plain = finish_listing(page, content_coding::identity);
    CHECK(plain.octets == page);
    CHECK(coding_of(plain) == content_coding::identity);
    // SHA-256 of it, as sha256sum(1) has it.
    CHECK(tag_of(plain).value().text() == "\"c526c6222044dab5674de9c4ac7f4566\"");
    const auto packed = finish_listing(page, content_coding::brotli);
    CHECK(packed.octets == *compress(page, content_coding::brotli));
    CHECK(coding_of(packed) == content_coding::brotli);
    CHECK(tag_of(packed).value().text() == "\"c526c6222044dab5674de9c4ac7f4566-b\"");
    const std::string short_page = "<p>";
    const auto kept = finish_listing(short_page, content_coding::gzip);
    CHECK(kept.octets == short_page);
    CHECK(coding_of(kept) == content_coding::identity);
    CHECK(tag_of(kept).value().text() ==
          tag_of(finish_listing(short_page, content_coding::identity)).value().text());
}

TEST_CASE("finished listing: without a digest it has no tag; its octets hold all of it") {
    CHECK_FALSE(tag_of({.octets = "x", .about = std::string(1, '\0')}).has_value());
    auto body = std::make_shared<const vfs::directory_text>(
        finish_listing("page", content_coding::identity));
    const auto octets = shared_octets(body);
    const std::weak_ptr<const vfs::directory_text> alive = body;
    body.reset();
    CHECK(*octets == "page");
    CHECK_FALSE(alive.expired());
}
