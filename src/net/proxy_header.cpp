#include "net/proxy_header.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "ferry/base/ascii.hpp"

// Sections are those of proxy-protocol.txt, 2020/03/05 (haproxy 2.2).

namespace ferry::net {

using runtime::task;

namespace {

constexpr proxy_header refused{.progress = proxy_progress::refused, .size_bytes = 0, .source = {}};
constexpr proxy_header incomplete{};

proxy_header complete(std::size_t size_bytes, std::optional<endpoint> source) noexcept {
    return {.progress = proxy_progress::complete, .size_bytes = size_bytes, .source = source};
}

// ------------------------------------------------------------------------------ version 1

constexpr std::string_view v1_begin = "PROXY ";
constexpr std::size_t v1_bytes_max = 107;  // Section 2.1: the longest line, with its CRLF.

/// The next word of `line`, which a single space ends.
std::string_view take_word(std::string_view& line) noexcept {
    const auto end = std::min(line.find(' '), line.size());
    const auto word = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    return word;
}

/// 0 to 65535, without leading zeros.
std::optional<std::uint16_t> parse_address_port(std::string_view text) noexcept {
    if (text.empty() || text.size() > 5 || !std::ranges::all_of(text, ascii::is_digit) ||
        (text.size() > 1 && text.front() == '0')) {
        return std::nullopt;
    }
    unsigned value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    if (value > 65'535) {
        return std::nullopt;
    }
    return static_cast<std::uint16_t>(value);
}

proxy_header parse_v1(std::string_view input) noexcept {
    const auto line_end = input.substr(0, v1_bytes_max).find("\r\n");
    if (line_end == std::string_view::npos) {
        return input.size() < v1_bytes_max ? incomplete : refused;
    }
    const auto size_bytes = line_end + 2;
    auto line = input.substr(v1_begin.size(), line_end - v1_begin.size());
    const bool has_space_at_end = line.ends_with(' ');
    const auto family = take_word(line);
    if (family == "UNKNOWN") {  // What stands behind it does not count.
        return complete(size_bytes, {});
    }
    if (family != "TCP4" && family != "TCP6") {
        return refused;
    }
    const auto wanted = family == "TCP4" ? address_family::v4 : address_family::v6;
    auto source = parse_address(take_word(line));
    const auto destination = parse_address(take_word(line));
    const auto source_port = parse_address_port(take_word(line));
    const auto destination_port = parse_address_port(take_word(line));
    if (!source || !destination || !source_port || !destination_port || !line.empty() ||
        has_space_at_end || source->family != wanted || destination->family != wanted) {
        return refused;
    }
    source->port = *source_port;
    return complete(size_bytes, unmapped(*source));
}

// ------------------------------------------------------------------------------ version 2

constexpr std::string_view v2_signature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t v2_fixed_bytes = 16;
constexpr std::uint8_t v2_local = 0x20;
constexpr std::uint8_t v2_proxy = 0x21;
constexpr std::uint8_t checksum_type = 0x03;
constexpr std::size_t checksum_bytes = 4;

std::uint8_t octet_at(std::string_view text, std::size_t at) noexcept {
    return static_cast<std::uint8_t>(text[at]);
}

std::uint16_t number_at(std::string_view text, std::size_t at) noexcept {
    return static_cast<std::uint16_t>(octet_at(text, at) << 8U | octet_at(text, at + 1));
}

constexpr auto crc32c_table = [] {
    constexpr std::uint32_t polynomial = 0x82F63B78;  // RFC 3720 section 12.1, reflected.
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < table.size(); ++i) {
        std::uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit) {
            value = value >> 1U ^ ((value & 1U) != 0 ? polynomial : 0);
        }
        table[i] = value;
    }
    return table;
}();

/// The CRC32c of `text`, whose octets from `hole` on, `checksum_bytes` of them, count as 0.
std::uint32_t crc32c_around(std::string_view text, std::size_t hole) noexcept {
    std::uint32_t value = 0xFFFF'FFFF;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool is_hole = i >= hole && i < hole + checksum_bytes;
        const std::uint32_t octet = is_hole ? 0 : octet_at(text, i);
        value = value >> 8U ^ crc32c_table[(value ^ octet) & 0xFFU];
    }
    return ~value;
}

/// True when what stands in `header` from `at` on are whole extensions (section 2.2.7), and the
/// checksum among them, if there is one, is right (section 2.2.3).
bool has_sound_extensions(std::string_view header, std::size_t at) noexcept {
    constexpr std::size_t begin_bytes = 3;  // Type and length.
    bool has_checksum = false;
    while (at < header.size()) {
        if (header.size() - at < begin_bytes) {
            return false;
        }
        const auto type = octet_at(header, at);
        const std::size_t size_bytes = number_at(header, at + 1);
        at += begin_bytes;
        if (size_bytes > header.size() - at) {
            return false;
        }
        if (type == checksum_type) {
            if (size_bytes != checksum_bytes || std::exchange(has_checksum, true)) {
                return false;
            }
            const std::uint32_t told = std::uint32_t{number_at(header, at)} << 16U |
                                       std::uint32_t{number_at(header, at + 2)};
            if (told != crc32c_around(header, at)) {
                return false;
            }
        }
        at += size_bytes;
    }
    return true;
}

/// Where the addresses of a family and transport lie: section 2.2.
struct address_layout {
    std::uint8_t family_and_transport;
    std::size_t size_bytes;     ///< Of the block of addresses.
    std::size_t address_bytes;  ///< Of one that counts here, else 0.
};

constexpr auto layouts = std::to_array<address_layout>({
    {.family_and_transport = 0x00, .size_bytes = 0, .address_bytes = 0},
    {.family_and_transport = 0x11, .size_bytes = 12, .address_bytes = 4},
    {.family_and_transport = 0x12, .size_bytes = 12, .address_bytes = 0},
    {.family_and_transport = 0x21, .size_bytes = 36, .address_bytes = 16},
    {.family_and_transport = 0x22, .size_bytes = 36, .address_bytes = 0},
    {.family_and_transport = 0x31, .size_bytes = 216, .address_bytes = 0},
    {.family_and_transport = 0x32, .size_bytes = 216, .address_bytes = 0},
});

proxy_header parse_v2(std::string_view input) noexcept {
    if (input.size() < v2_fixed_bytes) {
        return incomplete;
    }
    const auto command = octet_at(input, 12);
    if (command != v2_local && command != v2_proxy) {
        return refused;
    }
    const std::size_t size_bytes = v2_fixed_bytes + number_at(input, 14);
    if (size_bytes > proxy_header_bytes_max) {
        return refused;
    }
    if (command == v2_local) {  // The block is discarded, whatever family it says it is of.
        return input.size() < size_bytes ? incomplete : complete(size_bytes, {});
    }
    const auto layout =
        std::ranges::find(layouts, octet_at(input, 13), &address_layout::family_and_transport);
    if (layout == layouts.end() || size_bytes < v2_fixed_bytes + layout->size_bytes) {
        return refused;
    }
    if (input.size() < size_bytes) {
        return incomplete;
    }
    const auto header = input.substr(0, size_bytes);
    if (!has_sound_extensions(header, v2_fixed_bytes + layout->size_bytes)) {
        return refused;
    }
    if (layout->address_bytes == 0) {
        return complete(size_bytes, {});
    }
    endpoint source;
    source.family = layout->address_bytes == 4 ? address_family::v4 : address_family::v6;
    for (std::size_t i = 0; i < layout->address_bytes; ++i) {
        source.octets[i] = octet_at(header, v2_fixed_bytes + i);
    }
    source.port = number_at(header, v2_fixed_bytes + 2 * layout->address_bytes);
    return complete(size_bytes, unmapped(source));
}

/// True when `input` begins as `whole` does, as far as it goes.
bool may_begin(std::string_view input, std::string_view whole) noexcept {
    const auto known = std::min(input.size(), whole.size());
    return input.substr(0, known) == whole.substr(0, known);
}

}  // namespace

proxy_header parse_proxy_header(std::string_view input) noexcept {
    if (may_begin(input, v1_begin)) {
        return input.size() < v1_begin.size() ? incomplete : parse_v1(input);
    }
    if (may_begin(input, v2_signature)) {
        return parse_v2(input);
    }
    return refused;
}

task<result<std::optional<endpoint>>> read_proxy_header(plain_stream& from,
                                                        runtime::time_point deadline) {
    for (;;) {  // Bounded by the deadline, and by what `fill` reads ahead.
        const auto header = parse_proxy_header(from.input());
        if (header.progress == proxy_progress::complete) {
            from.consume(header.size_bytes);
            from.announce_again();
            co_return header.source;
        }
        if (header.progress == proxy_progress::refused) {
            co_return failure(errc::invalid);
        }
        const auto filled = co_await from.fill(deadline);
        if (!filled) {
            co_return failure(filled.error());
        }
    }
}

}  // namespace ferry::net
