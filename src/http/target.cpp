#include "http/target.hpp"

#include <array>
#include <cstdint>

#include "ferry/base/ascii.hpp"
#include "ferry/base/assert.hpp"

namespace ferry::http {
namespace {

using octet_set = std::array<bool, 256>;

constexpr octet_set make_set(std::string_view others) {
    octet_set set{};
    for (int c = 0; c < 128; ++c) {
        const char octet = static_cast<char>(c);
        set[static_cast<std::size_t>(c)] =
            ascii::is_alpha(octet) || ascii::is_digit(octet) || others.find(octet) != others.npos;
    }
    return set;
}

/// The unreserved octets and those of pchar that mean nothing in HTML, headers or shells' globs of
/// URIs.
constexpr octet_set safe_in_path = make_set("-._~/!$()*,:=@");

/// What a query may hold (RFC 3986 section 3.4), and '%', for it stays as it came.
constexpr octet_set safe_in_query = make_set("-._~/!$&'()*+,;:=@?%[]");

void append_encoded(std::string& out, std::string_view octets, const octet_set& safe) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    for (;;) {
        std::size_t safe_octets = 0;
        while (safe_octets < octets.size() &&
               safe[static_cast<unsigned char>(octets[safe_octets])]) {
            ++safe_octets;
        }
        out += octets.substr(0, safe_octets);
        if (safe_octets == octets.size()) {
            return;
        }
        const auto octet = static_cast<unsigned char>(octets[safe_octets]);
        const char encoded[] = {'%', digits[octet >> 4U], digits[octet & 15U]};
        out.append(encoded, sizeof encoded);
        octets.remove_prefix(safe_octets + 1);
    }
}

/// Octets that stand for themselves in the path of a target and in a name.
constexpr octet_set is_literal = [] {
    octet_set set{};
    for (std::size_t octet = 0; octet < set.size(); ++octet) {
        const char c = static_cast<char>(octet);
        set[octet] = !ascii::is_control(c) && c != '%' && c != '\\';
    }
    return set;
}();

std::size_t count_literal(std::string_view text) {
    std::size_t count = 0;
    while (count < text.size() && is_literal[static_cast<unsigned char>(text[count])]) {
        ++count;
    }
    return count;
}

/// The octet that `text` begins with in the form %HH, if a name may hold it.
std::optional<char> decode_first(std::string_view text) {
    if (text.size() < 3 || text[0] != '%') {
        return std::nullopt;
    }
    const int high = ascii::hex_value(text[1]);
    const int low = ascii::hex_value(text[2]);
    if (high < 0 || low < 0) {
        return std::nullopt;
    }
    const char c = static_cast<char>(high * 16 + low);
    return c == '/' || c == '\0' || c == '\\' ? std::nullopt : std::optional(c);
}

}  // namespace

result<vfs::path> decode_target(std::string_view raw_path) {
    if (!raw_path.starts_with('/')) {
        return failure(errc::invalid);
    }
    auto literal = count_literal(raw_path);
    if (literal == raw_path.size()) {  // Most targets: nothing to decode, nothing to copy.
        return vfs::path::parse(raw_path);
    }
    std::string decoded;
    decoded.reserve(raw_path.size());
    for (;;) {
        decoded += raw_path.substr(0, literal);
        raw_path.remove_prefix(literal);
        if (raw_path.empty()) {
            return vfs::path::parse(decoded);
        }
        const auto octet = decode_first(raw_path);
        if (!octet) {
            return failure(errc::invalid);
        }
        decoded += *octet;
        raw_path.remove_prefix(3);
        literal = count_literal(raw_path);
    }
}

void append_encoded_path(std::string& out, std::string_view octets) {
    append_encoded(out, octets, safe_in_path);
}

void append_encoded_query(std::string& out, std::string_view raw_query) {
    append_encoded(out, raw_query, safe_in_query);
}

std::string directory_location(const vfs::path& directory,
                               std::optional<std::string_view> raw_query) {
    std::string location;
    location.reserve(directory.text().size() + 1 + (raw_query ? raw_query->size() + 1 : 0));
    append_encoded_path(location, directory.text());
    if (!directory.is_root()) {
        location += '/';
    }
    FERRY_ASSERT(location.starts_with('/') && !location.starts_with("//"));
    if (raw_query) {
        location += '?';
        append_encoded_query(location, *raw_query);
    }
    return location;
}

}  // namespace ferry::http
