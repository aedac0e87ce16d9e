// Goal: LIST's options are taken off as far as they go and no further, and a pattern matches what a
// slow and plain matcher says that it does (POSIX.2 section 2.13; threats.md, F11). Method: the
// first line of the input is the argument of a LIST, what is left of it a pattern, each other line
// a name. Patterns without sets are compared with a table of all their prefixes against all of the
// name's; with sets, with what must be true of any.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/ascii.hpp"
#include "ferry/base/assert.hpp"
#include "ftp/arguments.hpp"
#include "ftp/glob.hpp"

namespace {

using namespace ferry;

/// Of what is compared with the plain matcher, which takes the product of both.
constexpr std::size_t compared_bytes_max = 200;

std::string_view take_line(std::string_view& input) {
    const auto end = std::min(input.find('\n'), input.size());
    const auto line = input.substr(0, end);
    input.remove_prefix(std::min(end + 1, input.size()));
    return line;
}

/// The characters of UTF-8, an octet that is part of none by itself (RFC 3629 section 4).
std::vector<std::string_view> characters_of(std::string_view text) {
    std::vector<std::string_view> made;
    while (!text.empty()) {
        const auto lead = static_cast<unsigned char>(text.front());
        std::size_t bytes = 1;
        if (lead >= 0xF0 && lead <= 0xF4) {
            bytes = 4;
        } else if (lead >= 0xE0 && lead < 0xF0) {
            bytes = 3;
        } else if (lead >= 0xC2 && lead < 0xE0) {
            bytes = 2;
        }
        const auto is_tail = [](char each) {
            return static_cast<unsigned char>(each) >= 0x80 &&
                   static_cast<unsigned char>(each) < 0xC0;
        };
        if (bytes > text.size() || !std::ranges::all_of(text.substr(1, bytes - 1), is_tail)) {
            bytes = 1;
        }
        made.push_back(text.substr(0, bytes));
        text.remove_prefix(bytes);
    }
    return made;
}

/// As the contract has it, for patterns of characters, '*' and '?'.
bool matches_plainly(std::string_view pattern, std::string_view name) {
    if (name.starts_with('.') && !pattern.starts_with('.')) {
        return false;
    }
    const auto wanted = characters_of(pattern);
    const auto given = characters_of(name);
    // can[j]: the elements so far match the first j characters.
    std::vector<bool> can(given.size() + 1, false);
    can[0] = true;
    for (const auto element : wanted) {
        std::vector<bool> next(given.size() + 1, false);
        for (std::size_t j = 0; j <= given.size(); ++j) {
            if (element == "*") {
                next[j] = can[j] || (j > 0 && next[j - 1]);
            } else if (j > 0) {
                next[j] = can[j - 1] && (element == "?" || element == given[j - 1]);
            }
        }
        can = std::move(next);
    }
    return can[given.size()];
}

void check_options(std::string_view argument) {
    const auto read = ftp::parse_list(argument);
    FERRY_ASSERT(argument.ends_with(read.path));
    const auto taken = argument.substr(0, argument.size() - read.path.size());
    // All that was taken is words of options, "--" or spaces, and the path begins with no other.
    std::string_view rest = taken;
    bool has_ended = false;
    std::string letters;
    while (!rest.empty()) {
        const auto end = std::min(rest.find(' '), rest.size());
        const auto word = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        FERRY_ASSERT(!has_ended || word.empty());
        FERRY_ASSERT(word.empty() || word.front() == '-');
        has_ended = word == "--";
        letters += word;
    }
    const auto has = [&letters](char letter) { return letters.contains(letter); };
    FERRY_ASSERT(read.all == has('a') && read.almost_all == has('A') && read.recursive == has('R'));
    FERRY_ASSERT(read.by_time == has('t') && read.by_size == has('S') && read.reverse == has('r'));
    FERRY_ASSERT(read.one_per_line == has('1') && read.directory_itself == has('d'));
    FERRY_ASSERT(read.long_form == has('l'));
    // "--" is the way to any name at all.
    const std::string guarded = "-- " + std::string(argument);
    FERRY_ASSERT(ftp::parse_list(guarded).path == argument);
    FERRY_ASSERT(!ftp::parse_list(guarded).recursive);
}

void check_pattern(std::string_view pattern, std::string_view name) {
    const bool matches = ftp::matches_pattern(pattern, name);
    if (!pattern.contains('[') && pattern.size() <= compared_bytes_max &&
        name.size() <= compared_bytes_max) {
        FERRY_ASSERT(matches == matches_plainly(pattern, name));
    }
    if (!ftp::is_pattern(pattern)) {
        FERRY_ASSERT(matches == (pattern == name));
    }
    const std::string extended = std::string(pattern) + '*';
    FERRY_ASSERT(!matches || ftp::matches_pattern(extended, name));
    FERRY_ASSERT(!matches || !name.starts_with('.') || pattern.starts_with('.'));
    FERRY_ASSERT(ftp::matches_pattern(std::string(name.starts_with('.') ? ".*" : "*"), name));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size_bytes) {
    std::string_view input(static_cast<const char*>(static_cast<const void*>(data)), size_bytes);
    const auto argument = take_line(input);
    check_options(argument);
    const auto pattern = ftp::parse_list(argument).path;
    while (!input.empty()) {
        check_pattern(pattern, take_line(input));
    }
    return 0;
}
