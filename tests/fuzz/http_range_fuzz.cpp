// The reader of Range fields: whatever it returns lies inside the representation, in at most as
// many parts as allowed, and agrees with a slow reading of the grammar. The input is a decimal
// size, a newline, and the value of the field.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/ascii.hpp"
#include "ferry/base/assert.hpp"
#include "http/range.hpp"

using namespace ferry;
using namespace ferry::http;

namespace {

constexpr std::size_t ranges_max = 8;

bool less(const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
}

/// A number as text without leading zeros, 2^64 - 1 for any beyond it.
std::string canonical(std::string_view digits) {
    const std::string most = "18446744073709551615";
    digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
    return less(most, std::string(digits)) ? most : std::string(digits);
}

bool is_number(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, ascii::is_digit);
}

/// True when `member` is an int-range or a suffix-range (RFC 9110 section 14.1.2).
bool is_valid(std::string_view member) {
    const auto dash = member.find('-');
    if (dash == std::string_view::npos) {
        return false;
    }
    const auto first = member.substr(0, dash);
    const auto last = member.substr(dash + 1);
    if (first.empty()) {
        return is_number(last);
    }
    return is_number(first) &&
           (last.empty() || (is_number(last) && !less(canonical(last), canonical(first))));
}

struct reading {
    std::size_t members = 0;  ///< Empty ones included.
    std::size_t named = 0;
    bool valid = true;
};

reading read(std::string_view value) {
    reading got;
    const auto equals = value.find('=');
    got.valid = equals != std::string_view::npos &&
                ascii::equal_ignoring_case(value.substr(0, equals), "bytes");
    if (!got.valid) {
        return got;
    }
    std::string member;
    for (const char c : std::string(value.substr(equals + 1)) + ",") {
        if (c != ',') {
            member += c;
            continue;
        }
        ++got.members;
        const auto trimmed = ascii::trim(member);
        if (!trimmed.empty()) {
            ++got.named;
            got.valid = got.valid && is_valid(trimmed);
        }
        member.clear();
    }
    return got;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string input(data, data + size);
    const auto line_end = std::min(input.find('\n'), input.size());
    std::uint64_t size_bytes = 0;
    for (const char c : input.substr(0, line_end)) {
        size_bytes = size_bytes * 10 + static_cast<unsigned char>(c) % 10U;
    }
    const auto value = input.substr(std::min(line_end + 1, input.size()));
    const auto got = parse_range(value, {.size_bytes = size_bytes, .ranges_max = ranges_max});
    const auto expected = read(value);
    if (got) {
        FERRY_ASSERT(expected.valid && !got->empty() && got->size() <= expected.named &&
                     expected.members <= ranges_max);
        for (const auto& range : *got) {
            FERRY_ASSERT(range.size_bytes > 0 && range.size_bytes <= size_bytes &&
                         range.offset <= size_bytes - range.size_bytes);
        }
    } else if (got.error() == errc::exhausted) {
        FERRY_ASSERT(expected.members > ranges_max);
    } else if (got.error() == errc::not_found) {
        FERRY_ASSERT(expected.valid && expected.named > 0);
    } else {
        FERRY_ASSERT(got.error() == errc::invalid);
        FERRY_ASSERT(!expected.valid || expected.named == 0 || size_bytes == 0);
    }
    return 0;
}
