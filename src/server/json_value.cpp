#include "server/json_value.hpp"

#include <algorithm>
#include <charconv>

namespace ferry::server {
namespace {

constexpr std::string_view white_space = " \t\r\n";

/// Appends a code point as UTF-8 (RFC 3629 section 3).
void append_code_point(std::string& out, std::uint32_t code) {
    const auto tail = [&out](std::uint32_t bits) {
        out += static_cast<char>(0x80U | (bits & 0x3FU));
    };
    if (code < 0x80U) {
        out += static_cast<char>(code);
    } else if (code < 0x800U) {
        out += static_cast<char>(0xC0U | code >> 6U);
        tail(code);
    } else if (code < 0x1'0000U) {
        out += static_cast<char>(0xE0U | code >> 12U);
        tail(code >> 6U);
        tail(code);
    } else {
        out += static_cast<char>(0xF0U | code >> 18U);
        tail(code >> 12U);
        tail(code >> 6U);
        tail(code);
    }
}

/// Whether `text` is a number as JSON has it (RFC 8259 section 6).
bool is_number(std::string_view text) noexcept {
    const auto skip_digits = [&text]() noexcept {
        const auto count = std::min(text.find_first_not_of("0123456789"), text.size());
        text.remove_prefix(count);
        return count;
    };
    if (text.starts_with('-')) {
        text.remove_prefix(1);
    }
    const bool begins_with_zero = text.starts_with('0');
    const auto whole = skip_digits();
    if (whole == 0 || (begins_with_zero && whole > 1)) {
        return false;
    }
    if (text.starts_with('.')) {
        text.remove_prefix(1);
        if (skip_digits() == 0) {
            return false;
        }
    }
    if (text.starts_with('e') || text.starts_with('E')) {
        text.remove_prefix(1);
        if (text.starts_with('+') || text.starts_with('-')) {
            text.remove_prefix(1);
        }
        if (skip_digits() == 0) {
            return false;
        }
    }
    return text.empty();
}

}  // namespace

/// Goes over the text from its front. Each function leaves what follows what it has read.
class json_value::reader {
  public:
    explicit reader(std::string_view text) noexcept : left_(text) {}

    [[nodiscard]] bool read_whole(json_value& into) {
        const bool is_good = read(into, depth_max);
        skip_white_space();
        return is_good && left_.empty();
    }

  private:
    void skip_white_space() noexcept {
        left_.remove_prefix(std::min(left_.find_first_not_of(white_space), left_.size()));
    }

    bool take(std::string_view word) noexcept {
        if (!left_.starts_with(word)) {
            return false;
        }
        left_.remove_prefix(word.size());
        return true;
    }

    bool read(json_value& into, std::size_t depth) {
        skip_white_space();
        if (depth == 0 || left_.empty()) {
            return false;
        }
        switch (left_.front()) {
            case '{':
                return read_object(into, depth);
            case '[':
                return read_array(into, depth);
            case '"':
                into.kind_ = kind::string;
                return read_string(into.text_);
            case 't':
                into.kind_ = kind::truth;
                into.number_ = 1;
                return take("true");
            case 'f':
                into.kind_ = kind::truth;
                return take("false");
            case 'n':
                return take("null");
            default:
                return read_number(into);
        }
    }

    bool read_number(json_value& into) noexcept {
        const auto size = std::min(left_.find_first_not_of("+-.0123456789Ee"), left_.size());
        const auto text = left_.substr(0, size);
        if (!is_number(text)) {
            return false;
        }
        into.kind_ = kind::number;
        // What is beyond all doubles stays 0.
        std::from_chars(text.data(), text.data() + text.size(), into.number_);
        left_.remove_prefix(size);
        return true;
    }

    bool read_hex(std::uint32_t& into) noexcept {
        constexpr std::size_t digits = 4;
        const auto text = left_.substr(0, digits);
        const auto* const end = text.data() + text.size();
        const auto got = std::from_chars(text.data(), end, into, 16);
        if (text.size() != digits || got.ec != std::errc() || got.ptr != end) {
            return false;
        }
        left_.remove_prefix(digits);
        return true;
    }

    /// What is behind "\u": a code point, or the two halves of one (section 7).
    bool read_code_point(std::string& into) {
        std::uint32_t code = 0;
        if (!read_hex(code)) {
            return false;
        }
        if (code >= 0xD800U && code < 0xDC00U) {
            std::uint32_t second = 0;
            if (!take("\\u") || !read_hex(second) || second < 0xDC00U || second > 0xDFFFU) {
                return false;
            }
            code = 0x1'0000U + ((code - 0xD800U) << 10U) + (second - 0xDC00U);
        } else if (code >= 0xDC00U && code < 0xE000U) {
            return false;
        }
        append_code_point(into, code);
        return true;
    }

    bool read_escape(std::string& into) {
        constexpr std::string_view letters = "\"\\/bfnrt";
        constexpr std::string_view meant = "\"\\/\b\f\n\r\t";
        if (take("u")) {
            return read_code_point(into);
        }
        const auto which = left_.empty() ? std::string_view::npos : letters.find(left_.front());
        if (which == std::string_view::npos) {
            return false;
        }
        into += meant[which];
        left_.remove_prefix(1);
        return true;
    }

    bool read_string(std::string& into) {
        if (!take("\"")) {
            return false;
        }
        for (;;) {  // Bounded by the text: each turn takes some of it.
            const auto plain = std::ranges::find_if(left_, [](char c) {
                return c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20U;
            });
            const auto count = static_cast<std::size_t>(plain - left_.begin());
            into += left_.substr(0, count);
            left_.remove_prefix(count);
            if (take("\"")) {
                return true;
            }
            if (!take("\\") || !read_escape(into)) {
                return false;
            }
        }
    }

    bool read_array(json_value& into, std::size_t depth) {
        into.kind_ = kind::array;
        left_.remove_prefix(1);
        skip_white_space();
        if (take("]")) {
            return true;
        }
        do {
            if (!read(into.items_.emplace_back(), depth - 1)) {
                return false;
            }
            skip_white_space();
        } while (take(","));
        return take("]");
    }

    bool read_object(json_value& into, std::size_t depth) {
        into.kind_ = kind::object;
        left_.remove_prefix(1);
        skip_white_space();
        if (take("}")) {
            return true;
        }
        do {
            skip_white_space();
            auto& [name, value] = into.members_.emplace_back();
            if (!read_string(name)) {
                return false;
            }
            skip_white_space();
            if (!take(":") || !read(value, depth - 1)) {
                return false;
            }
            skip_white_space();
        } while (take(","));
        return take("}");
    }

    std::string_view left_;
};

std::optional<json_value> json_value::parse(std::string_view text) {
    json_value made;
    if (!reader(text).read_whole(made)) {
        return std::nullopt;
    }
    return made;
}

const json_value& json_value::operator[](std::string_view name) const noexcept {
    static const json_value null;
    const auto found = std::ranges::find(members_, name, &member::first);
    return found == members_.end() ? null : found->second;
}

}  // namespace ferry::server
