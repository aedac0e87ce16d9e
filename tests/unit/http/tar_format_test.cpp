#include "http/tar_format.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>

#include "unpack.hpp"

using namespace ferry::http;
using ferry::http::test::unpack_tar;
using ferry::http::test::unpacked;

namespace {

std::string header(const archive_entry& entry, std::uint64_t size_bytes = 0) {
    std::string out;
    append_tar_header(out, entry, size_bytes);
    return out;
}

unpacked read(const archive_entry& entry, std::uint64_t size_bytes = 0) {
    const auto read = unpack_tar(header(entry, size_bytes));
    REQUIRE(read.size() == 1);
    return read.front();
}

}  // namespace

TEST_CASE("tar: what ustar can say needs one block (POSIX.1-2017, pax, ustar)") {
    const archive_entry entry{
        .name = "a/b.txt", .is_executable = false, .modified_seconds = 784'111'777};
    CHECK(header(entry, 5).size() == 512);
    const auto file = read(entry, 5);
    CHECK(file.name == "a/b.txt");
    CHECK(file.size_bytes == 5);
    CHECK(file.mode == 0644);
    CHECK(file.modified == 784'111'777);
    CHECK_FALSE(file.is_directory);
    CHECK(read({.name = "x", .is_executable = true}).mode == 0755);
    const auto directory = read({.name = "a/", .is_directory = true});
    CHECK(directory.is_directory);
    CHECK(directory.name == "a/");
    CHECK(directory.mode == 0755);
    CHECK(header({.name = std::string(100, 'n')}).size() == 512);
    CHECK(read({.name = std::string(100, 'n')}).name == std::string(100, 'n'));
}

TEST_CASE("tar: long names and UTF-8 have extended headers (POSIX.1-2017, pax)") {
    for (const std::string& name :
         {std::string(101, 'n'), std::string(255, 'n') + "/" + std::string(255, 'm'),
          std::string("sm\xC3\xB6rg"), std::string("a/\xE2\x80\xAEgpj.exe"),
          std::string("n\n=x 12 path=y") + std::string(90, 'z'), std::string(4'095, 'x'),
          std::string(84, 'n') + "\xC3\xB6", std::string(85, 'n') + "\xC3\xB6",
          std::string(986, 'n'), std::string(987, 'n'), std::string(988, 'n')}) {
        const auto found = read({.name = name});
        CHECK(found.name == name);
        CHECK_FALSE(found.is_binary);
        CHECK(header({.name = name}).size() % 512 == 0);
    }
    // A directory's stays one for who does not know the extended header.
    const std::string name = std::string(200, 'd') + "/";
    const auto text = header({.name = name, .is_directory = true});
    CHECK(text.substr(text.size() - 512, 100) == std::string(99, 'd') + "/");
}

TEST_CASE("tar: what is not UTF-8 keeps its octets (POSIX.1-2017, hdrcharset)") {
    const std::string latin = "latin-\xe9\xe8";
    CHECK(read({.name = latin}).name == latin);
    CHECK(header({.name = latin}).size() == 512);
    const auto lengthy = read({.name = std::string(150, '\xe9')});
    CHECK(lengthy.name == std::string(150, '\xe9'));
    CHECK(lengthy.is_binary);
}

TEST_CASE("tar: sizes of 8 GiB and times before 1970 are in extended headers (threats.md, V10)") {
    CHECK(header({.name = "a"}, 8'589'934'591).size() == 512);
    for (const std::uint64_t size_bytes :
         {std::uint64_t{8'589'934'591}, std::uint64_t{8'589'934'592},
          std::uint64_t{std::numeric_limits<std::int64_t>::max()}}) {
        CHECK(read({.name = "a"}, size_bytes).size_bytes == size_bytes);
    }
    for (const std::int64_t seconds :
         {std::int64_t{-1}, std::int64_t{-2'000'000'000'000}, std::int64_t{8'589'934'591},
          std::int64_t{8'589'934'592}, std::numeric_limits<std::int64_t>::max()}) {
        CHECK(read({.name = "a", .modified_seconds = seconds}).modified == seconds);
    }
}

TEST_CASE("tar: blocks are filled up") {
    CHECK(tar_padding(0) == 0);
    CHECK(tar_padding(1) == 511);
    CHECK(tar_padding(511) == 1);
    CHECK(tar_padding(512) == 0);
    CHECK(tar_padding(8'589'934'593) == 511);
    std::string end;
    append_tar_end(end);
    CHECK(end == std::string(1'024, '\0'));
}
