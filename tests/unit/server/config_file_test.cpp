#include "server/config_file.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

using namespace ferry;

namespace {

std::string wrong_with(std::string_view text) {
    const auto read = server::parse_config_text(text, "f.toml");
    REQUIRE_FALSE(read);
    CHECK_FALSE(read.error().unreadable);
    CHECK_FALSE(read.error().text.contains('\n'));
    return read.error().text;
}

}  // namespace

TEST_CASE("config file: strings, integers, booleans and arrays of them, with their lines") {
    const auto read = server::parse_config_text(
        "# The whole line.\n"
        "http = [ \"127.0.0.1:80\",  # over lines\n"
        "         '[::1]:80' ]\n"
        "\n"
        "write = true # yes\n"
        "\"cores\" = 2\n"
        "user = [\"ann:pa#s,s \\\"q\\\" \\u00e9\"]\n"
        "idle-timeout = '90s'\r\n",
        "f.toml");
    REQUIRE(read);
    REQUIRE(read->size() == 5);
    const auto& all = *read;
    CHECK(all[0].key == "http");
    CHECK(all[0].values == std::vector<std::string>{"127.0.0.1:80", "[::1]:80"});
    CHECK(all[0].line == 2);
    CHECK(all[1].key == "write");
    CHECK(all[1].values == std::vector<std::string>{"true"});
    CHECK(all[1].line == 5);
    CHECK(all[2].key == "cores");
    CHECK(all[2].values == std::vector<std::string>{"2"});
    CHECK(all[3].values == std::vector<std::string>{"ann:pa#s,s \"q\" \xc3\xa9"});
    CHECK(all[4].values == std::vector<std::string>{"90s"});
    CHECK(all[4].line == 8);
    CHECK(server::parse_config_text("", "f.toml")->empty());
}

TEST_CASE("config file: what no option can take is named with its line") {
    CHECK(wrong_with("\n[limits]\nx = 1\n") ==
          "f.toml:2: limits: a table; every option is a top-level key");
    CHECK(wrong_with("cores = 1.5") ==
          "f.toml:1: cores: write a string, an integer or a boolean, such as \"10s\"");
    CHECK(wrong_with("x = 2026-11-23").starts_with("f.toml:1: x: write a string"));
    CHECK(wrong_with("http = []") == "f.toml:1: http: an empty array; write \"off\" or \"none\"");
    CHECK(wrong_with("http = [\n[\"a\"]]") ==
          "f.toml:2: http: an array may hold strings, integers and booleans");
}

TEST_CASE("config file: what is not TOML is named with its line") {
    CHECK(wrong_with("cores = 1\ncores = 2\n").starts_with("f.toml:2: not TOML: "));
    CHECK(wrong_with("# ok\nhttp = 127.0.0.1:80\n").starts_with("f.toml:2: not TOML: "));
    CHECK(wrong_with("http = [\"a\"\n").contains("not TOML: "));
    CHECK(wrong_with("cores").starts_with("f.toml:1: not TOML: "));
    CHECK(wrong_with("x = \"\x01\"").starts_with("f.toml:1: not TOML: "));
    CHECK(wrong_with("x = \"\xff\"").starts_with("f.toml:1: not TOML: "));
    CHECK(wrong_with("x = " + std::string(10'000, '[')).contains("not TOML: "));
}

TEST_CASE("config file: unreadable files say why") {
    const auto missing = server::read_config_file("/nonexistent/f\n.toml");
    REQUIRE_FALSE(missing);
    CHECK(missing.error().unreadable);
    CHECK(missing.error().text == "configuration file /nonexistent/f\\x0a.toml: not found");

    const auto directory = server::read_config_file("/");
    REQUIRE_FALSE(directory);
    CHECK(directory.error().text == "configuration file /: is a directory");

    const auto endless = server::read_config_file("/dev/zero");
    REQUIRE_FALSE(endless);
    CHECK(endless.error().text == "configuration file /dev/zero: over the limit of 1048576 octets");
}
