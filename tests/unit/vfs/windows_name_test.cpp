#include "vfs/windows_name.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace std::string_literals;
using namespace std::string_view_literals;
using ferry::vfs::is_reserved_windows_name;

TEST_CASE("windows name: devices are reserved in any case, with any extension") {
    static constexpr std::string_view devices[] = {
        "CON",        "con",          "Prn",         "AUX",       "nul",         "NUL.txt",
        "nul.tar.gz", "NUL .a",       "con.",        "COM1",      "com9.log",    "LPT1",
        "lpt9",       "CONIN$",       "conout$",     "COM\u00B9", "com\u00B2.x", "LPT\u00B3",
        "aux...a",    "PRN  .  .txt", "CON.\xFF\xFE"};
    for (const auto name : devices) {
        CAPTURE(name);
        CHECK(is_reserved_windows_name(name));
    }
}

TEST_CASE("windows name: what only looks like a device is a name") {
    static constexpr std::string_view names[] = {
        "CONS",     "CO",   "icon",      "COM",     "COM10", "COM0",     "lpt0.txt",
        "COM1a",    "LPT",  "LPT11",     "nul1",    "a.con", ".con",     "CONIN",
        "CONOUT$$", " CON", "COM\u2074", "COM\xB9", "COM 1", "nul-.txt", "\u0421ON"};
    for (const auto name : names) {
        CAPTURE(name);
        CHECK_FALSE(is_reserved_windows_name(name));
    }
}

TEST_CASE("windows name: a dot or a space at the end is dropped by Windows") {
    CHECK(is_reserved_windows_name("a."));
    CHECK(is_reserved_windows_name("a "));
    CHECK(is_reserved_windows_name("a. ."));
    CHECK(is_reserved_windows_name(" "));
    CHECK_FALSE(is_reserved_windows_name(".profile"));
    CHECK_FALSE(is_reserved_windows_name(" a"));
    CHECK_FALSE(is_reserved_windows_name("a.b c"));
    CHECK_FALSE(is_reserved_windows_name("a\u00A0"));
}

TEST_CASE("windows name: exactly these octets are forbidden, wherever they are") {
    static constexpr auto printable = R"(<>:"/\|?*)"sv;
    for (int octet = 0; octet <= 0xFF; ++octet) {
        CAPTURE(octet);
        const auto c = static_cast<char>(octet);
        const bool forbidden = octet < 0x20 || printable.contains(c);
        CHECK(is_reserved_windows_name("a"s + c + "b"s) == forbidden);
        CHECK(is_reserved_windows_name(c + "b"s) == forbidden);
        CHECK(is_reserved_windows_name("a"s + c) == (forbidden || c == '.' || c == ' '));
    }
}
