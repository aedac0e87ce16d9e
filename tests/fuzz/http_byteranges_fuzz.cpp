// Several ranges of a representation as one body (RFC 9110 section 14.6): whoever knows nothing but
// the grammar of multipart gets from it the octets that were asked for, each once, in order, and
// the size that was said. The input is a boundary, a newline, a decimal size, a newline, and the
// value of Range.

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/ascii.hpp"
#include "ferry/base/assert.hpp"
#include "http/byteranges.hpp"
#include "http/range.hpp"

using namespace ferry;
using namespace ferry::http;

namespace {

constexpr std::uint64_t size_bytes_max = 2'000;
constexpr std::string_view type = "text/plain; charset=utf-8";

/// The octet of the representation there. Some are such as stand around the parts.
char octet_at(std::uint64_t offset) {
    constexpr std::string_view some = "\r\n--ab\r\n\r\n";
    return some[offset * 7 % some.size()];
}

std::string octets_of(const byte_range& part) {
    std::string octets;
    for (std::uint64_t i = 0; i < part.size_bytes; ++i) {
        octets += octet_at(part.offset + i);
    }
    return octets;
}

/// Takes all up to `end` off the front of `rest`, and `end`; it must be there.
std::string_view take_until(std::string_view& rest, std::string_view end) {
    const auto at = rest.find(end);
    FERRY_ASSERT(at != std::string_view::npos);
    const auto taken = rest.substr(0, at);
    rest.remove_prefix(at + end.size());
    return taken;
}

std::uint64_t number(std::string_view digits) {
    std::uint64_t value = 0;
    const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    FERRY_ASSERT(status == std::errc{} && end == digits.data() + digits.size());
    return value;
}

struct decoded_part {
    byte_range octets;
    std::string content;
    friend bool operator==(const decoded_part&, const decoded_part&) = default;
};

/// Reads a body by RFC 2046 section 5.1.1, and of each part its Content-Range.
std::vector<decoded_part> decode(std::string_view body, std::string_view content_type,
                                 std::uint64_t whole_size_bytes) {
    constexpr std::string_view says = "multipart/byteranges; boundary=";
    FERRY_ASSERT(content_type.starts_with(says));
    const auto delimiter = "--" + std::string(content_type.substr(says.size()));
    std::vector<decoded_part> parts;
    FERRY_ASSERT(body.starts_with(delimiter));
    body.remove_prefix(delimiter.size());
    while (!body.starts_with("--")) {
        FERRY_ASSERT(take_until(body, "\r\n").empty());
        decoded_part part;
        bool has_type = false;
        for (auto line = take_until(body, "\r\n"); !line.empty(); line = take_until(body, "\r\n")) {
            const auto name = take_until(line, ": ");
            if (name == "Content-Type") {
                FERRY_ASSERT(!has_type && line == type);
                has_type = true;
                continue;
            }
            FERRY_ASSERT(name == "Content-Range" && take_until(line, " ") == "bytes");
            part.octets.offset = number(take_until(line, "-"));
            part.octets.size_bytes = number(take_until(line, "/")) - part.octets.offset + 1;
            FERRY_ASSERT(number(line) == whole_size_bytes);
        }
        FERRY_ASSERT(has_type && part.octets.size_bytes <= body.size());
        part.content = body.substr(0, static_cast<std::size_t>(part.octets.size_bytes));
        body.remove_prefix(part.content.size());
        FERRY_ASSERT(take_until(body, delimiter) == "\r\n");
        parts.push_back(std::move(part));
    }
    FERRY_ASSERT(body == "--\r\n");
    return parts;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string input = std::string(data, data + size) + "\n\n";
    std::string_view value = input;
    std::string boundary;
    for (const char c : take_until(value, "\n").substr(0, 70)) {
        boundary += ascii::is_alpha(c) || ascii::is_digit(c) ? c : 'x';  // RFC 2046's, and no more.
    }
    std::uint64_t size_bytes = 0;
    for (const char c : take_until(value, "\n")) {
        size_bytes = (size_bytes * 10 + static_cast<unsigned char>(c) % 10U) % size_bytes_max;
    }
    value = value.substr(0, value.find('\n'));
    const auto ranges = parse_range(value, {.size_bytes = size_bytes});
    if (!ranges) {
        return 0;
    }
    const auto merged = merge_ranges(*ranges);
    boundary = boundary.empty() ? "x" : boundary;
    byteranges made(boundary, {.parts = merged, .type = type, .whole_size_bytes = size_bytes});
    std::string body;
    for (const auto& each : made.parts()) {
        body += each.before;
        body += octets_of(each.octets);
    }
    body += made.end();
    FERRY_ASSERT(body.size() == made.size_bytes());
    std::vector<decoded_part> expected;
    for (const auto& each : merged) {
        expected.push_back({.octets = each, .content = octets_of(each)});
    }
    FERRY_ASSERT(decode(body, made.content_type(), size_bytes) == expected);
    // Each octet that was asked for is in one of them, and in one only.
    for (std::uint64_t offset = 0; offset < size_bytes; ++offset) {
        const auto has = [offset](const byte_range& part) {
            return part.offset <= offset && offset < part.offset + part.size_bytes;
        };
        FERRY_ASSERT(std::ranges::count_if(merged, has) <= 1);
        FERRY_ASSERT(std::ranges::any_of(merged, has) || std::ranges::none_of(*ranges, has));
    }
    return 0;
}
