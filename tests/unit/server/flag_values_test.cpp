#include "server/flag_values.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace ferry;

TEST_CASE("flag values: a list of CPUs names each once") {
    using cpus = std::vector<std::size_t>;
    CHECK(server::parse_cpus("0") == cpus{0});
    CHECK(server::parse_cpus("2,0,4-6") == cpus{2, 0, 4, 5, 6});
    CHECK(server::parse_cpus("1023") == cpus{1'023});
    CHECK(server::parse_cpus("0-1023")->size() == server::cpus_max);
    for (const auto* bad :
         {"", ",", "0,", ",0", "0,0", "0-2,2", "3-1", "1024", "0-1024", "-", "1-", "-1", "a", "0 1",
          "0-1-2", "18446744073709551615-18446744073709551615"}) {
        CAPTURE(bad);
        CHECK_FALSE(server::parse_cpus(bad));
    }
}

TEST_CASE("flag values: text in a message is one printable line (threats.md, H7)") {
    CHECK(server::in_quotes("a b") == "\"a b\"");
    CHECK(server::in_quotes("a\n\x1b\"") == R"("a\x0a\x1b\x22")");
    CHECK(server::in_quotes(std::string(101, 'x')) == "\"" + std::string(100, 'x') + "...\"");
}
