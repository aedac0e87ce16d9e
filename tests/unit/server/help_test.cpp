#include "server/help.hpp"

#include <doctest/doctest.h>

#include <sstream>
#include <string>

#include "server/flags.hpp"

using namespace ferry;

TEST_CASE("help: printable ASCII in 80 columns, without blanks at line ends") {
    std::istringstream text(server::help_text());
    std::string line;
    std::size_t lines = 0;
    while (std::getline(text, line)) {
        CAPTURE(line);
        CHECK(line.size() <= 80);
        CHECK_FALSE(line.ends_with(' '));
        for (const char c : line) {
            CHECK((c >= ' ' && c <= '~'));
        }
        ++lines;
    }
    CHECK(lines > 100);
    CHECK(server::help_text().ends_with('\n'));
}

TEST_CASE("help: every flag once, under its group, with its default") {
    const auto text = server::help_text();
    std::size_t at = 0;
    for (const auto& row : server::flags()) {
        CAPTURE(row.name);
        const auto heading = text.find("\n" + std::string(row.group) + "\n");
        auto lead = "\n  --" + std::string(row.name);
        lead += server::is_switch(row) ? "" : " " + std::string(row.placeholder);
        const auto here = text.find(lead, at);
        REQUIRE(here != std::string::npos);
        REQUIRE(heading != std::string::npos);
        CHECK(heading < here);
        CHECK(text.find(lead + ' ', here + 1) == std::string::npos);
        CHECK(text.find(lead + '\n', here + 1) == std::string::npos);
        at = here;

        // The entry of this row on one line, however it was wrapped.
        std::string entry;
        std::istringstream words(text.substr(here, text.find("\n  --", here + 1) - here));
        for (std::string word; words >> word;) {
            entry += (entry.empty() ? "" : " ") + word;
        }
        CHECK(entry.contains(row.help));
        const auto normal = server::show(row, server::config{});
        if (!server::is_switch(row) && !normal.empty()) {
            CHECK(entry.contains("default " + normal + "]"));
        }
    }
}

TEST_CASE("help: one entry in full") {
    CHECK(server::help_text().contains(
        "\n"
        "  --header-timeout DURATION   from the first octet of a request head to its\n"
        "                              last; then 408 (RFC 9110 section 15.5.9) [100ms to\n"
        "                              1h; default 10s]\n"));
}

TEST_CASE("version: one line with the product's name first") {
    const auto text = server::version_text();
    CHECK(text.starts_with("ferry "));
    CHECK(text.find('\n') == text.size() - 1);
}
