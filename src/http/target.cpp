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
    for (const char c : octets) {
        const auto octet = static_cast<unsigned char>(c);
        if (safe[octet]) {
            out += c;
        } else {
            const char encoded[] = {'%', digits[octet >> 4U], digits[octet & 15U]};
            out.append(encoded, sizeof encoded);
        }
    }
}

/// Decodes `raw` into `out`; false on what may not be in a path.
bool decode(std::string& out, std::string_view raw) {
    out.reserve(raw.size());
    for (std::size_t i = 0; i < raw.size(); ++i) {
        char c = raw[i];
        if (c == '%') {
            if (raw.size() - i < 3) {
                return false;
            }
            const int high = ascii::hex_value(raw[i + 1]);
            const int low = ascii::hex_value(raw[i + 2]);
            if (high < 0 || low < 0) {
                return false;
            }
            c = static_cast<char>(high * 16 + low);
            if (c == '/' || c == '\0') {
                return false;
            }
            i += 2;
        } else if (ascii::is_control(c)) {
            return false;
        }
        if (c == '\\') {
            return false;
        }
        out += c;
    }
    return true;
}

}  // namespace

result<vfs::path> decode_target(std::string_view raw_path) {
    std::string decoded;
    if (!raw_path.starts_with('/') || !decode(decoded, raw_path)) {
        return failure(errc::invalid);
    }
    return vfs::path::parse(decoded);
}

void append_encoded_path(std::string& out, std::string_view octets) {
    append_encoded(out, octets, safe_in_path);
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
        append_encoded(location, *raw_query, safe_in_query);
    }
    return location;
}

}  // namespace ferry::http
