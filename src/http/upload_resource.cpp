#include "http/upload_resource.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "ferry/base/ascii.hpp"
#include "ferry/base/random.hpp"
#include "http/structured_fields.hpp"

namespace ferry::http {
namespace {

// Drafts 05 to 12: what they differ in on the wire is what clients may leave out.
constexpr std::uint64_t interop_version_min = 6;
constexpr std::uint64_t interop_version_max = 8;

constexpr std::size_t length_digits_max = 15;  // As of an Integer (RFC 9651 section 3.3.1).
constexpr std::size_t tag_bytes_max = 64;
constexpr std::string_view hex_digits = "0123456789abcdef";

bool is_hex(std::string_view text) noexcept {
    return text.find_first_not_of(hex_digits) == std::string_view::npos;
}

void append_hex(std::string& out, std::string_view octets) {
    for (const char c : octets) {
        const auto octet = static_cast<unsigned char>(c);
        out += hex_digits[octet >> 4U];
        out += hex_digits[octet & 15U];
    }
}

std::string from_hex(std::string_view digits) {
    std::string octets;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
        octets +=
            static_cast<char>(ascii::hex_value(digits[i]) * 16 + ascii::hex_value(digits[i + 1]));
    }
    return octets;
}

/// Takes "&name=value" off the front of `rest`: the value. Nothing: another name comes, or none.
std::optional<std::string_view> take_value(std::string_view& rest, std::string_view name) noexcept {
    if (!rest.starts_with('&') || !rest.substr(1).starts_with(name) ||
        !rest.substr(1 + name.size()).starts_with('=')) {
        return std::nullopt;
    }
    rest.remove_prefix(name.size() + 2);
    const auto value = rest.substr(0, rest.find('&'));
    rest.remove_prefix(value.size());
    return value;
}

/// A number without leading zeros, as an Integer may be.
std::optional<std::uint64_t> parse_upload_length(std::string_view digits) noexcept {
    const bool is_number = !digits.empty() && digits.size() <= length_digits_max &&
                           std::ranges::all_of(digits, ascii::is_digit) &&
                           (digits.front() != '0' || digits.size() == 1);
    if (!is_number) {
        return std::nullopt;
    }
    std::uint64_t value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
}

/// What is between the quotes of a tag, for the address: ferry's own have nothing that it must not.
bool is_tag(std::string_view text) noexcept {
    return !text.empty() && text.size() <= tag_bytes_max && std::ranges::all_of(text, [](char c) {
        return ascii::is_alpha(c) || ascii::is_digit(c) || c == '-' || c == '.' || c == '_';
    });
}

}  // namespace

bool is_for_upload_resource(const request& asked) noexcept {
    return asked.has_query && asked.query.starts_with(upload_query_prefix);
}

upload_resource make_upload_resource() {
    return {.id = fmt::format("{:016x}{:016x}", seed_from_kernel(), seed_from_kernel())};
}

std::string upload_query(const upload_resource& what) {
    std::string made(upload_query_prefix);
    made += what.id;
    if (what.length) {
        made += fmt::format("&length={}", *what.length);
    }
    if (what.expected == upload_resource::no_file) {
        made += "&new=1";
    } else if (!what.expected.empty()) {
        made += "&tag=";
        made += what.expected;
    }
    for (std::size_t i = 0; i < checked_algorithms.size(); ++i) {
        if (!what.digests.of(i).empty()) {
            made += '&';
            made += digest_name(i);
            made += '=';
            append_hex(made, what.digests.of(i));
        }
    }
    return made;
}

std::optional<upload_resource> parse_upload_query(std::string_view query) {
    if (!query.starts_with(upload_query_prefix)) {
        return std::nullopt;
    }
    query.remove_prefix(upload_query_prefix.size());
    upload_resource found{.id = std::string(query.substr(0, upload_resource::id_digits))};
    if (found.id.size() != upload_resource::id_digits || !is_hex(found.id)) {
        return std::nullopt;
    }
    query.remove_prefix(found.id.size());
    if (const auto digits = take_value(query, "length")) {
        found.length = parse_upload_length(*digits);
        if (!found.length) {
            return std::nullopt;
        }
    }
    if (const auto value = take_value(query, "new")) {
        if (*value != "1") {
            return std::nullopt;
        }
        found.expected = upload_resource::no_file;
    } else if (const auto tag = take_value(query, "tag")) {
        if (!is_tag(*tag)) {
            return std::nullopt;
        }
        found.expected = *tag;
    }
    for (std::size_t i = 0; i < checked_algorithms.size(); ++i) {
        const auto digits = take_value(query, digest_name(i));
        if (!digits) {
            continue;
        }
        if (digits->size() != 2 * digest_bytes(i) || !is_hex(*digits)) {
            return std::nullopt;
        }
        found.digests.of(i) = from_hex(*digits);
    }
    return query.empty() ? std::optional(std::move(found)) : std::nullopt;
}

std::optional<std::uint64_t> upload_interop_version(const request& asked) {
    const auto version = read_count(asked.fields, field::upload_draft_interop_version);
    const bool is_known =
        version && *version >= interop_version_min && *version <= interop_version_max;
    return is_known ? version : std::nullopt;
}

bool is_partial_upload(const request& asked) noexcept {
    const auto type = asked.fields.only(field::content_type);
    return type && ascii::equal_ignoring_case(ascii::trim(type->substr(0, type->find(';'))),
                                              partial_upload_type);
}

}  // namespace ferry::http
