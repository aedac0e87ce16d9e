#include "ferry/vfs/name_charset.hpp"

#include <errno.h>
#include <iconv.h>

#include <algorithm>
#include <bit>
#include <optional>

#include "ferry/base/ascii.hpp"
#include "vfs/unicode_name.hpp"

namespace ferry::vfs {
namespace {

/// A conversion of iconv(3), closed at the end of its scope.
class conversion {
  public:
    conversion(const std::string& to, const std::string& from)
        : handle_(iconv_open(to.c_str(), from.c_str())) {}
    ~conversion() {
        if (is_open()) {
            iconv_close(handle_);
        }
    }
    conversion(const conversion&) = delete;
    conversion& operator=(const conversion&) = delete;

    /// iconv_open(3) fails with (iconv_t)-1.
    [[nodiscard]] bool is_open() const noexcept {
        return std::bit_cast<std::intptr_t>(handle_) != -1;
    }

    /// Converts one octet that is a whole text. Returns how many octets `out` holds, 0 when the set
    /// has no such character; nothing when the octet is only the beginning of one, or changes how
    /// the next is read.
    [[nodiscard]] std::optional<std::size_t> convert(char octet, std::array<char, 4>& out) const {
        char* in = &octet;
        std::size_t in_bytes = 1;
        char* end = out.data();
        std::size_t room = out.size();
        if (iconv(handle_, &in, &in_bytes, &end, &room) == static_cast<std::size_t>(-1)) {
            return errno == EILSEQ ? std::optional<std::size_t>(0) : std::nullopt;
        }
        return room == out.size() ? std::nullopt : std::optional(out.size() - room);
    }

  private:
    iconv_t handle_;
};

bool is_ascii_octet(char c) noexcept {
    return static_cast<unsigned char>(c) < 0x80;
}

constexpr std::size_t escape_bytes = 3;

/// True when `text` begins with an escape: `%25`, or `%80` to `%FF` in upper case.
bool is_escape(std::string_view text) noexcept {
    if (text.size() < escape_bytes || text.front() != '%') {
        return false;
    }
    const auto is_upper_hex = [](char c) { return ascii::is_digit(c) || (c >= 'A' && c <= 'F'); };
    return text.starts_with("%25") ||
           (is_upper_hex(text[1]) && is_upper_hex(text[2]) && ascii::hex_value(text[1]) >= 8);
}

void append_escape(std::string& out, char c) {
    static constexpr std::string_view digits = "0123456789ABCDEF";
    const auto octet = static_cast<unsigned char>(c);
    out += '%';
    out += digits[octet >> 4U];
    out += digits[octet & 0xFU];
}

/// The octet that the escape `text` begins with stands for.
char escaped(std::string_view text) noexcept {
    return static_cast<char>(ascii::hex_value(text[1]) << 4 | ascii::hex_value(text[2]));
}

}  // namespace

result<name_charset> name_charset::open(std::string_view charset) {
    // What follows a '/' would be options of iconv, to replace what cannot be expressed.
    if (charset.empty() || charset.contains('/') || charset.contains('\0')) {
        return failure(errc::unsupported);
    }
    const conversion to_utf8("UTF-8", std::string(charset));
    if (!to_utf8.is_open()) {
        return failure(errc::unsupported);
    }
    name_charset made;
    for (std::size_t octet = 0; octet < made.characters_.size(); ++octet) {
        auto& character = made.characters_[octet];
        const auto c = static_cast<char>(octet);
        const auto bytes = to_utf8.convert(c, character.utf8);
        if (!bytes) {
            return failure(errc::unsupported);
        }
        character.size_bytes = static_cast<std::uint8_t>(*bytes);
        if (is_ascii_octet(c) && character.text() != std::string_view(&c, 1)) {
            return failure(errc::unsupported);
        }
        if (*bytes > 0 && first_character_bytes(character.text()) != *bytes) {
            return failure(errc::unsupported);  // Several characters, or none of UTF-8's.
        }
        if (*bytes > 0) {
            made.order_.push_back(static_cast<std::uint8_t>(octet));
        }
    }
    const auto text_of = [&](std::uint8_t octet) { return made.characters_[octet].text(); };
    std::ranges::sort(made.order_, {}, text_of);
    if (std::ranges::adjacent_find(made.order_, {}, text_of) != made.order_.end()) {
        return failure(errc::unsupported);
    }
    return made;
}

std::string name_charset::to_client(std::string_view stored) const {
    std::string out;
    out.reserve(stored.size());
    const auto text_of = [this](std::uint8_t octet) { return characters_[octet].text(); };
    while (!stored.empty()) {
        if (is_ascii_octet(stored.front())) {
            if (is_escape(stored)) {
                append_escape(out, '%');
            } else {
                out += stored.front();
            }
            stored.remove_prefix(1);
            continue;
        }
        const auto bytes = first_character_bytes(stored);
        const auto one = stored.substr(0, std::max<std::size_t>(bytes, 1));
        const auto found = std::ranges::lower_bound(order_, one, {}, text_of);
        if (found != order_.end() && text_of(*found) == one) {
            out += static_cast<char>(*found);
        } else {
            for (const char octet : one) {
                append_escape(out, octet);
            }
        }
        stored.remove_prefix(one.size());
    }
    return out;
}

result<std::string> name_charset::to_stored(std::string_view received) const {
    std::string out;
    out.reserve(received.size());
    for (auto rest = received; !rest.empty();) {
        if (is_escape(rest)) {
            out += escaped(rest);
            rest.remove_prefix(escape_bytes);
            continue;
        }
        const auto& character = characters_[static_cast<unsigned char>(rest.front())];
        if (character.size_bytes == 0) {
            return failure(errc::invalid);
        }
        if (is_ascii_octet(rest.front())) {
            out += rest.front();  // No call for the most frequent octets.
        } else {
            out += character.text();
        }
        rest.remove_prefix(1);
    }
    if (to_client(out) != received) {
        return failure(errc::invalid);
    }
    return out;
}

}  // namespace ferry::vfs
