#include "ftp/representation.hpp"

#include <doctest/doctest.h>

using namespace ferry;
using ftp::data_type;
using ftp::representation;
using ftp::size_source;

TEST_CASE("representation: a session begins with TYPE A, STRU F, MODE S (RFC 959 section 5.1)") {
    constexpr representation fresh;
    CHECK(ftp::describe(fresh.type) == "ASCII");
    CHECK(ftp::describe(fresh.structure) == "File");
    CHECK(ftp::describe(fresh.mode) == "Stream");
}

TEST_CASE("representation: SIZE is what RETR would send (RFC 3659 section 4)") {
    CHECK(ftp::size_source_of({.type = data_type::ascii}) == size_source::counted);
    CHECK(ftp::size_source_of({.type = data_type::image}) == size_source::stored);
    CHECK(ftp::converts_lines({.type = data_type::ascii}));
    CHECK_FALSE(ftp::converts_lines({.type = data_type::image}));
    CHECK(ftp::describe(data_type::image) == "Image");
}
