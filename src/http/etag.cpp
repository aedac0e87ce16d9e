#include "http/etag.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "ferry/base/ascii.hpp"

namespace ferry::http {
namespace {

/// Spreads `word` over `hash` (the finaliser of splitmix64, a bijection).
constexpr std::uint64_t mix(std::uint64_t hash, std::uint64_t word) noexcept {
    std::uint64_t mixed = hash ^ (word + 0x9E3779B97F4A7C15U + (hash << 6U));
    mixed = (mixed ^ (mixed >> 30U)) * 0xBF58476D1CE4E5B9U;
    mixed = (mixed ^ (mixed >> 27U)) * 0x94D049BB133111EBU;
    return mixed ^ (mixed >> 31U);
}

/// One number for a moment; it wraps in the year 2554, which only repeats a part of the tag.
constexpr std::uint64_t nanoseconds_of(const wall_time& at) noexcept {
    return static_cast<std::uint64_t>(at.seconds) * 1'000'000'000U + at.nanoseconds;
}

char* put_hex(char* at, char* end, std::uint64_t value) noexcept {
    return std::to_chars(at, end, value, 16).ptr;
}

/// The coding's letter, if there is one, and the quote.
char* put_end(char* at, content_coding how) noexcept {
    if (how != content_coding::identity) {
        *at++ = '-';
        *at++ = name_of(how).front();
    }
    *at++ = '"';
    return at;
}

/// Takes one entity tag from the front of `text`; an empty `opaque` when there is none.
entity_tag take_tag(std::string_view& text) noexcept {
    entity_tag tag;
    auto rest = text;
    if (rest.starts_with("W/")) {  // Case-sensitive (RFC 9110 section 8.8.3).
        tag.weak = true;
        rest.remove_prefix(2);
    }
    if (!rest.starts_with('"')) {
        return {};
    }
    // The parser has let no control octet through; every other but the quote may be inside.
    const auto quote = rest.find('"', 1);
    if (quote == std::string_view::npos ||
        rest.substr(0, quote).find_first_of(" \t") != std::string_view::npos) {
        return {};
    }
    tag.opaque = rest.substr(0, quote + 1);
    text = rest.substr(quote + 1);
    return tag;
}

}  // namespace

etag_text make_etag(const vfs::metadata& status, wall_time now, content_coding how) noexcept {
    etag_text made;
    char* const end = made.octets_.data() + made.octets_.size();
    char* at = std::ranges::copy(std::string_view("W/\""), made.octets_.data()).out;
    at = put_hex(at, end, nanoseconds_of(status.modified));
    *at++ = '-';
    at = put_hex(at, end, status.size_bytes);
    *at++ = '-';
    at = put_hex(at, end, mix(mix(0, nanoseconds_of(status.changed)), status.inode));
    at = put_end(at, how);
    made.size_bytes_ = static_cast<std::uint8_t>(at - made.octets_.data());
    made.weak_ = status.modified > wall_time{.seconds = now.seconds - vfs::settled_after_seconds,
                                             .nanoseconds = now.nanoseconds};
    return made;
}

etag_text make_etag(content_digest made_of, content_coding how) noexcept {
    constexpr std::string_view hex = "0123456789abcdef";
    etag_text made;
    char* at = std::ranges::copy(std::string_view("W/\""), made.octets_.data()).out;
    for (const char each : made_of) {
        const auto octet = static_cast<unsigned char>(each);
        *at++ = hex[octet >> 4U];
        *at++ = hex[octet & 15U];
    }
    at = put_end(at, how);
    made.size_bytes_ = static_cast<std::uint8_t>(at - made.octets_.data());
    return made;
}

tag_match find_tag(std::string_view line, const entity_tag& current, comparison how) noexcept {
    if (ascii::trim(line) == "*") {
        return tag_match::any;
    }
    for (;;) {  // Each turn takes at least one octet.
        const auto start = line.find_first_not_of(" \t,");
        if (start == std::string_view::npos) {
            return tag_match::no;
        }
        line.remove_prefix(start);
        const auto tag = take_tag(line);
        const auto after = std::min(line.find_first_not_of(" \t"), line.size());
        const bool ends_here = after == line.size() || line[after] == ',';
        if (tag.opaque.empty() || !ends_here) {
            return tag_match::no;
        }
        if (matches(tag, current, how)) {
            return tag_match::yes;
        }
    }
}

entity_tag parse_tag(std::string_view text) noexcept {
    const auto tag = take_tag(text);
    return text.empty() ? tag : entity_tag{};
}

}  // namespace ferry::http
