#include "http/finished_listing.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>

#include "http/compress.hpp"

using namespace ferry;
using namespace ferry::http;

TEST_CASE("finished listing: it is packed where that gains something, its tag of what it was") {
    const std::string page(5'000, 'a');
    const std::string digest = "0123456789abcdef";
    const auto plain = finish_listing(page, content_coding::identity, digest);
    CHECK(plain.octets == page);
    CHECK(coding_of(plain) == content_coding::identity);
    CHECK(digest_of(plain) == digest);
    CHECK(tag_of(plain).value().text() == "\"30313233343536373839616263646566\"");
    const auto packed = finish_listing(page, content_coding::brotli, digest);
    CHECK(packed.octets == *compress(page, content_coding::brotli));
    CHECK(coding_of(packed) == content_coding::brotli);
    CHECK(digest_of(packed) == digest);
    CHECK(tag_of(packed).value().text() == "\"30313233343536373839616263646566-b\"");
    const std::string short_page = "<p>";
    const auto kept = finish_listing(short_page, content_coding::gzip, digest);
    CHECK(kept.octets == short_page);
    CHECK(coding_of(kept) == content_coding::identity);
    CHECK(tag_of(kept).value().text() == tag_of(plain).value().text());
}

TEST_CASE("finished listing: without a digest it has no tag; its octets hold all of it") {
    CHECK_FALSE(tag_of(finish_listing("x", content_coding::identity, "")).has_value());
    auto body = std::make_shared<const vfs::directory_text>(
        finish_listing("page", content_coding::identity, "0123456789abcdef"));
    const auto octets = shared_octets(body);
    const std::weak_ptr<const vfs::directory_text> alive = body;
    body.reset();
    CHECK(*octets == "page");
    CHECK_FALSE(alive.expired());
}
