#include "content.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace ferry::sim::test {
namespace {

constexpr std::size_t block_bytes = 16;
using block = std::array<char, block_bytes>;

/// A bijection on 64 bits (the finaliser of splitmix64).
constexpr std::uint64_t mix(std::uint64_t word) noexcept {
    word = (word ^ (word >> 30U)) * 0xBF58476D1CE4E5B9U;
    word = (word ^ (word >> 27U)) * 0x94D049BB133111EBU;
    return word ^ (word >> 31U);
}

/// The way back.
constexpr std::uint64_t unmix(std::uint64_t word) noexcept {
    word = (word ^ (word >> 31U) ^ (word >> 62U)) * 0x319642B2D24D8EC3U;
    word = (word ^ (word >> 27U) ^ (word >> 54U)) * 0x96DE1B173F119089U;
    return word ^ (word >> 30U) ^ (word >> 60U);
}
static_assert(unmix(mix(0x123456789ABCDEF0U)) == 0x123456789ABCDEF0U);

constexpr std::string_view digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .";

block make_block(pattern of, std::uint64_t index) noexcept {
    const std::uint64_t name = std::uint64_t{of.id} << 40U | index;
    block made{};
    if (of.kind == pattern_kind::returns) {
        made.fill('\r');
        return made;
    }
    if (of.kind == pattern_kind::binary) {
        const std::array<std::uint64_t, 2> words{mix(name), mix(name ^ 0x5851F42D4C957F2DU)};
        static_assert(sizeof words == sizeof made);
        std::memcpy(made.data(), words.data(), sizeof made);
        return made;
    }
    const std::uint64_t weather = mix(name);
    for (std::size_t i = 0; i < 4; ++i) {  // The name itself, readable: 24 bits, then 42.
        made[i] = digits[of.id >> (6 * i) & 63U];
    }
    for (std::size_t i = 0; i < 7; ++i) {
        made[4 + i] = digits[index >> (6 * i) & 63U];
    }
    for (std::size_t i = 0; i < 4; ++i) {
        made[11 + i] = digits[weather >> (6 * i) & 63U];
    }
    made[15] = '\n';
    if (of.kind == pattern_kind::text) {
        const auto chance = weather >> 40U & 15U;
        if (chance < 4) {
            made[14] = '\r';
        } else if (chance == 4) {
            made[12] = '\r';
        } else if (chance == 5) {
            made[15] = '\r';
        } else if (chance == 6) {
            made[13] = '\n';
        }
    }
    return made;
}

void fill_pattern(pattern of, std::uint64_t offset, std::span<char> into) noexcept {
    while (!into.empty()) {
        const auto made = make_block(of, offset / block_bytes);
        const auto at = static_cast<std::size_t>(offset % block_bytes);
        const auto count = std::min(into.size(), block_bytes - at);
        std::memcpy(into.data(), made.data() + at, count);
        into = into.subspan(count);
        offset += count;
    }
}

}  // namespace

content::content(pattern of, std::uint64_t size_bytes) {
    add({.of = of, .offset = 0, .size_bytes = size_bytes});
}

void content::add(segment more) {
    if (more.size_bytes == 0) {
        return;
    }
    size_bytes_ += more.size_bytes;
    if (!segments_.empty()) {
        auto& last = segments_.back();
        if (last.of == more.of && last.offset + last.size_bytes == more.offset) {
            last.size_bytes += more.size_bytes;  // So that equal octets are equal values.
            return;
        }
    }
    segments_.push_back(more);
}

content content::prefix(std::uint64_t size_bytes) const {
    content made;
    for (const auto& each : segments_) {
        auto part = each;
        part.size_bytes = std::min(part.size_bytes, size_bytes);
        size_bytes -= part.size_bytes;
        made.add(part);
    }
    return made;
}

content content::suffix(std::uint64_t offset) const {
    content made;
    for (auto part : segments_) {
        const auto skipped = std::min(part.size_bytes, offset);
        offset -= skipped;
        part.offset += skipped;
        part.size_bytes -= skipped;
        made.add(part);
    }
    return made;
}

content content::followed_by(const content& more) const {
    content made = *this;
    for (const auto& each : more.segments_) {
        made.add(each);
    }
    return made;
}

content content::overwritten(std::uint64_t offset, const content& over) const {
    return prefix(offset).followed_by(over).followed_by(suffix(offset + over.size_bytes()));
}

void content::fill(std::uint64_t offset, std::span<char> into) const {
    for (const auto& each : segments_) {
        if (into.empty()) {
            return;
        }
        if (offset >= each.size_bytes) {
            offset -= each.size_bytes;
            continue;
        }
        const auto count = static_cast<std::size_t>(
            std::min<std::uint64_t>(into.size(), each.size_bytes - offset));
        fill_pattern(each.of, each.offset + offset, into.first(count));
        into = into.subspan(count);
        offset = 0;
    }
}

std::string content::octets(std::uint64_t offset, std::uint64_t size_bytes) const {
    std::string made;
    if (offset < size_bytes_) {
        made.resize(static_cast<std::size_t>(std::min(size_bytes, size_bytes_ - offset)));
        fill(offset, made);
    }
    return made;
}

std::optional<std::size_t> content::first_difference(std::uint64_t offset,
                                                     std::string_view seen) const {
    std::array<char, 4'096> wanted{};
    std::size_t done = 0;
    while (done < seen.size()) {
        const auto left = offset < size_bytes_ ? size_bytes_ - offset : 0;
        const auto count = static_cast<std::size_t>(
            std::min({std::uint64_t{wanted.size()}, std::uint64_t{seen.size() - done}, left}));
        if (count == 0) {
            return done;
        }
        fill(offset, std::span(wanted).first(count));
        const auto piece = seen.substr(done, count);
        if (std::memcmp(piece.data(), wanted.data(), count) != 0) {
            const auto at = std::ranges::mismatch(piece, wanted).in1 - piece.begin();
            return done + static_cast<std::size_t>(at);
        }
        done += count;
        offset += count;
    }
    return std::nullopt;
}

bool content::is_text() const noexcept {
    return std::ranges::all_of(segments_, [](const segment& each) {
        return each.of.kind == pattern_kind::text || each.of.kind == pattern_kind::clean_text;
    });
}

std::string content::describe() const {
    std::string text = fmt::format("{} octets", size_bytes_);
    char separator = ' ';
    for (const auto& each : segments_) {
        text += fmt::format("{}{}:{}+{}", separator, each.of.id, each.offset, each.size_bytes);
        separator = ',';
    }
    return text;
}

std::string identify(std::string_view seen) {
    for (std::size_t at = 0; at + block_bytes <= seen.size() && at < block_bytes; ++at) {
        const auto piece = seen.substr(at, block_bytes);
        std::uint64_t word = 0;
        std::memcpy(&word, piece.data(), sizeof word);
        const auto name = unmix(word);
        const auto made = make_block({.id = static_cast<std::uint32_t>(name >> 40U)},
                                     name & ((std::uint64_t{1} << 40U) - 1));
        if (std::string_view(made.data(), made.size()) == piece) {
            return fmt::format("pattern {} at {}, from octet {} on", name >> 40U,
                               (name & ((std::uint64_t{1} << 40U) - 1)) * block_bytes, at);
        }
    }
    return "no binary pattern";
}

std::string network_form(std::string_view stored) {
    std::string made;
    made.reserve(stored.size() + stored.size() / 8);
    char before = '\0';
    for (const char c : stored) {
        if (c == '\n' && before != '\r') {
            made += '\r';
        }
        made += c;
        before = c;
    }
    return made;
}

std::string printed_form(std::string_view stored) {
    std::string made;
    bool is_at_start = true;
    for (std::size_t at = 0; at < stored.size(); ++at) {
        const char c = stored[at];
        const bool is_end = stored.substr(at, 2) == "\r\n";
        const bool is_page = is_at_start && c == '\f';
        if (is_at_start) {
            made += is_page ? '1' : ' ';
        }
        is_at_start = false;
        if (is_end || c == '\n') {
            made += "\r\n";
            is_at_start = true;
            at += is_end ? 1 : 0;
        } else if (c == '\r') {
            made += "\r\n+";
        } else if (!is_page) {
            made += c;
        }
    }
    return made;
}

content stored_beginning(const content& whole, bool is_image, std::uint64_t octets) {
    if (is_image) {
        return whole.prefix(octets);
    }
    auto arrived = network_form(whole.octets());
    arrived.resize(std::min<std::size_t>(arrived.size(), octets));
    const auto line_ends = static_cast<std::size_t>(std::ranges::count(arrived, '\n'));
    const bool is_line_end_cut = arrived.ends_with('\r');
    const auto kept = whole.prefix(arrived.size() - line_ends - (is_line_end_cut ? 1 : 0));
    return is_line_end_cut ? kept.followed_by({{.kind = pattern_kind::returns}, 1}) : kept;
}

}  // namespace ferry::sim::test
