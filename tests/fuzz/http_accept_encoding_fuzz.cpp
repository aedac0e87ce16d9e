// The reader of Accept-Encoding: whatever it returns is offered, each once, none that is refused,
// the more weighed first; and a second reading of the grammar agrees. The input is the value.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/ascii.hpp"
#include "ferry/base/assert.hpp"
#include "http/accept_encoding.hpp"
#include "http/head_parser.hpp"

using namespace ferry;
using namespace ferry::http;

namespace {

constexpr std::array offered = {content_coding::zstd, content_coding::gzip, content_coding::brotli};

/// In thousandths; -1 for what is no weight.
int weight_of(const std::string& text) {
    static const std::string zeros = "000";
    if (text.empty() || text.size() > 5 || (text.size() > 1 && text[1] != '.')) {
        return -1;
    }
    const auto fraction = text.size() > 2 ? text.substr(2) : std::string();
    if ((text[0] != '0' && text[0] != '1') || !std::ranges::all_of(fraction, ascii::is_digit)) {
        return -1;
    }
    const int value = std::stoi(text[0] + fraction + zeros.substr(fraction.size()));
    return value > 1'000 ? -1 : value;
}

/// What the value says of `name`, and of "*" where it says nothing of it; 0 else.
int said_of(const std::string& value, std::string_view name, bool star_counts) {
    int own = -1;
    int star = 0;
    std::string member;
    for (const char c : value + ",") {
        if (c != ',') {
            member += c;
            continue;
        }
        const auto semicolon = std::min(member.find(';'), member.size());
        const std::string said(ascii::trim(std::string_view(member).substr(0, semicolon)));
        int weight = 1'000;
        if (semicolon < member.size()) {
            const std::string rest(ascii::trim(std::string_view(member).substr(semicolon + 1)));
            weight = rest.size() >= 2 && (rest[0] == 'q' || rest[0] == 'Q') && rest[1] == '='
                         ? weight_of(rest.substr(2))
                         : -1;
        }
        if (weight >= 0) {
            const bool is_it = ascii::equal_ignoring_case(said, name) ||
                               (name == "gzip" && ascii::equal_ignoring_case(said, "x-gzip"));
            own = is_it ? weight : own;
            star = said == "*" ? weight : star;
        }
        member.clear();
    }
    return own >= 0 ? own : star_counts ? star : 0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string input(data, data + size);
    const std::string head = "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: " + input + "\r\n\r\n";
    head_parser parser({});
    if (parser.parse(head) != head_progress::complete) {
        return 0;
    }
    const request& asked = parser.head();
    const auto value = asked.fields.only(field::accept_encoding);
    if (!value || asked.fields.size() != 2) {
        return 0;  // The input has lines of its own.
    }
    const std::string text(*value);
    const auto list = accepted_codings(asked, offered);
    const int identity = std::max(1, said_of(text, "identity", false));
    std::vector<content_coding> expected;
    for (const auto each : offered) {
        if (said_of(text, name_of(each), true) >= identity) {
            expected.push_back(each);
        }
    }
    std::ranges::sort(expected, [&](content_coding a, content_coding b) {
        const int of_a = said_of(text, name_of(a), true);
        const int of_b = said_of(text, name_of(b), true);
        return of_a != of_b ? of_a > of_b
                            : std::ranges::find(offered, a) < std::ranges::find(offered, b);
    });
    FERRY_ASSERT(std::ranges::equal(list.view(), expected));
    return 0;
}
