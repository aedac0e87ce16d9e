#include "http/upload_resource.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace ferry::http;

TEST_CASE("upload resource: its address is all there is to know (resumable-upload section 4)") {
    auto one = make_upload_resource();
    CHECK(one.id.size() == 32);
    CHECK(one.id != make_upload_resource().id);
    const auto comes_back = [&one] { return parse_upload_query(upload_query(one)) == one; };
    CHECK(comes_back());
    one.length = 0;
    CHECK(comes_back());
    one.expected = upload_resource::no_file;
    CHECK(comes_back());
    one.expected = "18a9-2f-e";
    one.length = 999'999'999'999'999;
    one.digests.of(0) = std::string(32, '\xfe');
    one.digests.of(1) = std::string(64, '\0');
    CHECK(comes_back());
    CHECK(upload_query(one).find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789=&-") ==
          std::string::npos);
}

TEST_CASE("upload resource: any other query is none") {
    const std::string id(32, 'a');
    CHECK(parse_upload_query("ferry-upload=" + id));
    for (const std::string& query :
         {std::string(), std::string("ferry-upload="), "ferry-upload=" + id.substr(1),
          "ferry-upload=" + id + "a", "ferry-upload=" + std::string(32, 'A'),
          "ferry-upload=" + id + "&",
          "ferry-upload=" + id + "&length=", "ferry-upload=" + id + "&length=01",
          "ferry-upload=" + id + "&length=-1", "ferry-upload=" + id + "&length=1000000000000000",
          "ferry-upload=" + id + "&length=1&length=1", "ferry-upload=" + id + "&new=0",
          "ferry-upload=" + id + "&tag=", "ferry-upload=" + id + "&tag=a%20b",
          "ferry-upload=" + id + "&new=1&length=1", "ferry-upload=" + id + "&sha-256=00",
          "ferry-upload=" + id + "&x=1", "x=1&ferry-upload=" + id}) {
        CAPTURE(query);
        CHECK_FALSE(parse_upload_query(query));
    }
}
