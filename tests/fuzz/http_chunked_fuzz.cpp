// The decoder of chunked bodies: the result is the same however the input is cut into calls,
// content comes from the input in order, and a body that is whole is one by a slow reading of its
// framing. What is encoded anew decodes to the same.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/ascii.hpp"
#include "ferry/base/assert.hpp"
#include "http/chunked_decoder.hpp"

using namespace ferry;
using namespace ferry::http;

namespace {

constexpr chunked_limits limits{.overhead_bytes_max = 512};

struct outcome {
    std::string content;
    std::size_t consumed = 0;
    bool is_complete = false;
    bool is_refused = false;

    bool operator==(const outcome&) const = default;
};

/// Decodes in pieces of at most `step` octets, each in a fresh buffer of exactly that size.
outcome decode(std::string_view input, std::size_t step) {
    chunked_decoder decoder(limits);
    outcome got;
    while (got.consumed < input.size() && !decoder.is_complete() && !decoder.is_refused()) {
        const auto given = input.substr(got.consumed, step);
        const std::vector<char> buffer(given.begin(), given.end());
        const auto piece = decoder.decode({buffer.data(), buffer.size()});
        FERRY_ASSERT(piece.consumed_bytes > 0 && piece.consumed_bytes <= buffer.size());
        FERRY_ASSERT(piece.content.size() <= piece.consumed_bytes);
        got.content += piece.content;
        got.consumed += piece.consumed_bytes;
    }
    got.is_complete = decoder.is_complete();
    got.is_refused = decoder.is_refused();
    return got;
}

/// The content of a whole body, read line by line; only for what the decoder took.
std::string read_slowly(std::string_view body) {
    std::string content;
    for (;;) {
        const auto line_end = body.find("\r\n");
        FERRY_ASSERT(line_end != std::string_view::npos);
        std::size_t size = 0;
        for (const char c : body.substr(0, line_end)) {
            const int digit = ascii::hex_value(c);
            if (digit < 0) {
                break;
            }
            size = size * 16 + static_cast<std::size_t>(digit);
        }
        body.remove_prefix(line_end + 2);
        if (size == 0) {
            FERRY_ASSERT(body == "\r\n" || body.ends_with("\r\n\r\n"));
            return content;
        }
        FERRY_ASSERT(size + 2 <= body.size() && body.substr(size, 2) == "\r\n");
        content += body.substr(0, size);
        body.remove_prefix(size + 2);
    }
}

std::string encode(std::string_view content, std::size_t step) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string body;
    while (!content.empty()) {
        const auto piece = content.substr(0, step);
        body += digits[piece.size() / 16];
        body += digits[piece.size() % 16];
        body += "\r\n";
        body += piece;
        body += "\r\n";
        content.remove_prefix(piece.size());
    }
    return body + "0\r\n\r\n";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string input(data, data + size);
    const auto whole = decode(input, input.size() + 1);
    for (std::size_t step = 1; step < 8; ++step) {
        FERRY_ASSERT(decode(input, step) == whole);
    }
    FERRY_ASSERT(!(whole.is_complete && whole.is_refused));
    if (whole.is_complete) {
        FERRY_ASSERT(read_slowly(std::string_view(input).substr(0, whole.consumed)) ==
                     whole.content);
    }
    const auto encoded = encode(input, 1 + size % 255);
    const auto again = decode(encoded, 5);
    FERRY_ASSERT(again.is_complete && again.content == input && again.consumed == encoded.size());
    return 0;
}
