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
    constexpr auto c = ftp::text_format::carriage_control;
    constexpr auto r = ftp::file_structure::record;
    CHECK(ftp::size_source_of({.type = data_type::ascii}) == size_source::counted);
    CHECK(ftp::size_source_of({.type = data_type::image}) == size_source::stored);
    CHECK(ftp::size_source_of({.type = data_type::ebcdic}) == size_source::stored);
    CHECK(ftp::size_source_of({.type = data_type::ebcdic, .format = c}) == size_source::counted);
    CHECK(ftp::size_source_of({.type = data_type::image, .structure = r}) == size_source::counted);
    CHECK(ftp::is_image_stream({.type = data_type::image}));
    CHECK_FALSE(ftp::is_image_stream({.type = data_type::ascii}));
    CHECK_FALSE(
        ftp::is_image_stream({.type = data_type::image, .mode = ftp::transfer_mode::deflated}));
}

TEST_CASE("representation: pages are of images, a listing is text") {
    constexpr auto p = ftp::file_structure::page;
    CHECK(ftp::is_supported({.type = data_type::image, .structure = p}));
    CHECK_FALSE(ftp::is_supported({.type = data_type::ascii, .structure = p}));
    CHECK_FALSE(ftp::is_supported(ftp::listing_form({.type = data_type::image, .structure = p})));
    const auto form = ftp::listing_form({.type = data_type::ebcdic,
                                         .format = ftp::text_format::carriage_control,
                                         .structure = ftp::file_structure::record,
                                         .mode = ftp::transfer_mode::block});
    CHECK(form == representation{.type = data_type::ebcdic,
                                 .structure = ftp::file_structure::record,
                                 .mode = ftp::transfer_mode::block});
}

TEST_CASE("representation: as STAT names it") {
    CHECK(ftp::describe_type({.type = data_type::image}) == "Image");
    CHECK(ftp::describe_type({.type = data_type::ebcdic}) == "EBCDIC");
    CHECK(ftp::describe_type({.format = ftp::text_format::telnet}) == "ASCII Telnet");
    CHECK(ftp::describe_type({.format = ftp::text_format::carriage_control}) ==
          "ASCII Carriage Control");
    CHECK(ftp::describe(ftp::transfer_mode::deflated) == "Deflate");
    CHECK(ftp::describe(ftp::file_structure::page) == "Page");
}
