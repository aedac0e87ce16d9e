// Goal: no command of FTP is without a model: whoever adds a row to the table adds what a simulated
// client says of it. Method: small worlds without faults and of FTP alone, one after the other,
// until every verb has had an answer; the report counts them. Those behind SITE are those that SITE
// HELP offers there.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>

#include "ftp/commands.hpp"
#include "simulation.hpp"

namespace ferry::sim::test {
namespace {

constexpr std::uint64_t seeds_max = 40;
constexpr std::string_view site_offered = "ftp offers SITE ";

/// The names of the counters of `seen` that begin with "ftp ", without the code behind a verb.
void add_said(const report& seen, std::set<std::string>& said, std::set<std::string>& wanted) {
    const std::string all = seen.summary();
    std::string_view rest = all;
    while (!rest.empty()) {
        auto each = rest.substr(0, rest.find(", "));
        rest.remove_prefix(std::min(rest.size(), each.size() + 2));
        each = each.substr(0, each.find(": "));
        if (each.starts_with(site_offered)) {
            wanted.insert(fmt::format("SITE {}", each.substr(site_offered.size())));
        } else if (each.starts_with("ftp ")) {
            each.remove_prefix(4);
            said.insert(std::string(each.substr(0, each.rfind(' '))));
        }
    }
}

std::string missing(const std::set<std::string>& said, const std::set<std::string>& wanted) {
    std::string made;
    for (const auto& each : wanted) {
        made += said.contains(each) ? "" : each + "; ";
    }
    return made;
}

TEST_CASE("vocabulary: every command of FTP is said by a client of a world") {
    std::set<std::string> said;
    std::set<std::string> wanted;
    for (const auto& each : ftp::all_commands()) {
        wanted.insert(each.verb == "SITE" ? "SITE HELP" : std::string(each.verb));
    }
    for (std::uint64_t seed = 1; seed <= seeds_max; ++seed) {
        const auto run = simulate({.seed = seed,
                                   .operations = 4'000,
                                   .faults = fault_level::none,
                                   .clients = cast::ftp_all});
        CHECK_MESSAGE(run.is_clean(), fmt::format("seed {}: {}", seed, run.seen.describe()));
        add_said(run.seen, said, wanted);
        if (missing(said, wanted).empty()) {
            MESSAGE(fmt::format("{} worlds", seed));
            break;
        }
    }
    CHECK_MESSAGE(missing(said, wanted).empty(), missing(said, wanted));
    // What is looked for is found only if it is said.
    CHECK(missing(said, {"XYZZY-NO-SUCH-COMMAND"}) == "XYZZY-NO-SUCH-COMMAND; ");
}

}  // namespace
}  // namespace ferry::sim::test
