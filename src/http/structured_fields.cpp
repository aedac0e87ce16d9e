#include "http/structured_fields.hpp"

#include <algorithm>
#include <charconv>

#include "ferry/base/ascii.hpp"

namespace ferry::http {
namespace {

constexpr std::size_t integer_digits_max = 15;
constexpr std::size_t decimal_digits_max = 12;
constexpr std::size_t fraction_digits_max = 3;

bool is_lower(char c) noexcept {
    return c >= 'a' && c <= 'z';
}

/// What is left of a value, and whether it has been a value so far: once it has not, everything
/// reads as nothing.
class scanner {
  public:
    explicit scanner(std::string_view text) noexcept : rest_(text) {}

    [[nodiscard]] bool is_good() const noexcept { return is_good_; }
    [[nodiscard]] std::string_view rest() const noexcept { return rest_; }
    [[nodiscard]] bool is_at_end() const noexcept { return rest_.empty(); }
    [[nodiscard]] char peek() const noexcept { return rest_.empty() ? '\0' : rest_.front(); }

    bool take(char wanted) noexcept {
        if (peek() != wanted || rest_.empty()) {
            return false;
        }
        rest_.remove_prefix(1);
        return true;
    }
    void need(char wanted) noexcept { is_good_ &= take(wanted); }
    void fail() noexcept { is_good_ = false; }

    /// All up to the first octet that `belongs` says no to.
    template <class Test>
    std::string_view take_while(Test belongs) noexcept {
        const auto end = std::ranges::find_if_not(rest_, belongs);
        const auto size = static_cast<std::size_t>(end - rest_.begin());
        const auto taken = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return taken;
    }
    void skip_blanks() noexcept {
        take_while([](char c) { return c == ' '; });
    }
    void skip_blanks_and_tabs() noexcept {
        take_while([](char c) { return c == ' ' || c == '\t'; });
    }
    /// What has been taken since `before`, a former `rest`.
    [[nodiscard]] std::string_view since(std::string_view before) const noexcept {
        return before.substr(0, before.size() - rest_.size());
    }

  private:
    std::string_view rest_;
    bool is_good_ = true;
};

/// RFC 9651 section 4.2.3.3.
std::string_view take_key(scanner& from) noexcept {
    if (!is_lower(from.peek()) && from.peek() != '*') {
        from.fail();
        return {};
    }
    return from.take_while([](char c) {
        return is_lower(c) || ascii::is_digit(c) || c == '_' || c == '-' || c == '.' || c == '*';
    });
}

/// Section 4.2.4.
structured_item take_number(scanner& from) noexcept {
    const auto before = from.rest();
    from.take('-');
    const auto whole = from.take_while(ascii::is_digit);
    if (whole.empty() || whole.size() > integer_digits_max) {
        from.fail();
    }
    auto kind = item_kind::integer;
    if (from.take('.')) {
        kind = item_kind::decimal;
        const auto fraction = from.take_while(ascii::is_digit);
        if (fraction.empty() || fraction.size() > fraction_digits_max ||
            whole.size() > decimal_digits_max) {
            from.fail();
        }
    }
    return {.kind = kind, .text = from.since(before)};
}

/// What is between quotes (section 4.2.5).
std::string_view take_quoted(scanner& from) noexcept {
    from.need('"');
    const auto before = from.rest();
    for (;;) {
        from.take_while(
            [](char c) { return c != '"' && c != '\\' && c >= 0x20 && !ascii::is_control(c); });
        if (from.take('\\') && (from.take('"') || from.take('\\'))) {
            continue;
        }
        const auto text = from.since(before);
        from.need('"');
        return text;
    }
}

/// Section 4.2.6.
std::string_view take_token(scanner& from) noexcept {
    return from.take_while([](char c) { return ascii::is_token_char(c) || c == ':' || c == '/'; });
}

/// Section 4.2.7; that it is base 64 is for who uses it.
std::string_view take_byte_sequence(scanner& from) noexcept {
    from.need(':');
    const auto text = from.take_while([](char c) {
        return ascii::is_alpha(c) || ascii::is_digit(c) || c == '+' || c == '/' || c == '=';
    });
    from.need(':');
    return text;
}

/// Section 4.2.10, but for what its octets of UTF-8 are.
std::string_view take_display_string(scanner& from) noexcept {
    from.need('%');
    from.need('"');
    const auto before = from.rest();
    for (;;) {
        from.take_while(
            [](char c) { return c != '"' && c != '%' && c >= 0x20 && !ascii::is_control(c); });
        if (from.take('%')) {
            for (int i = 0; i < 2; ++i) {
                const char c = from.peek();
                const bool is_hex = ascii::is_digit(c) || (c >= 'a' && c <= 'f');
                if (!is_hex || !from.take(c)) {
                    from.fail();
                    return {};
                }
            }
            continue;
        }
        const auto text = from.since(before);
        from.need('"');
        return text;
    }
}

/// Section 4.2.3.1.
structured_item take_bare_item(scanner& from) noexcept {
    const char first = from.peek();
    if (ascii::is_digit(first) || first == '-') {
        return take_number(from);
    }
    if (first == '"') {
        return {.kind = item_kind::string, .text = take_quoted(from)};
    }
    if (ascii::is_alpha(first) || first == '*') {
        return {.kind = item_kind::token, .text = take_token(from)};
    }
    if (first == ':') {
        return {.kind = item_kind::byte_sequence, .text = take_byte_sequence(from)};
    }
    if (first == '?') {
        const auto before = from.rest();
        from.take('?');
        if (!from.take('0') && !from.take('1')) {
            from.fail();
        }
        return {.kind = item_kind::boolean, .text = from.since(before)};
    }
    if (first == '@') {
        from.take('@');
        const auto number = take_number(from);
        if (number.kind != item_kind::integer) {
            from.fail();
        }
        return {.kind = item_kind::date, .text = number.text};
    }
    if (first == '%') {
        return {.kind = item_kind::display_string, .text = take_display_string(from)};
    }
    from.fail();
    return {};
}

/// Section 4.2.3.2: checked and passed over.
void take_parameters(scanner& from) noexcept {
    while (from.is_good() && from.take(';')) {
        from.skip_blanks();
        take_key(from);
        if (from.is_good() && from.take('=')) {
            take_bare_item(from);
        }
    }
}

structured_item take_item(scanner& from) noexcept {
    const auto item = take_bare_item(from);
    take_parameters(from);
    return item;
}

/// Section 4.2.1.2.
structured_item take_inner_list(scanner& from) noexcept {
    const auto before = from.rest();
    from.need('(');
    while (from.is_good()) {
        from.skip_blanks();
        if (from.take(')')) {
            take_parameters(from);
            break;
        }
        take_item(from);
        if (from.peek() != ' ' && from.peek() != ')') {
            from.fail();
        }
    }
    return {.kind = item_kind::inner_list, .text = from.since(before)};
}

}  // namespace

std::optional<structured_item> read_item(std::string_view value) noexcept {
    scanner from(value);
    from.skip_blanks();
    const auto item = take_item(from);
    from.skip_blanks();
    return from.is_good() && from.is_at_end() ? std::optional(item) : std::nullopt;
}

std::optional<structured_item> read_item(const field_lines& fields, field which) {
    const auto value = fields.only(which);
    return value ? read_item(*value) : std::nullopt;
}

std::optional<bool> read_boolean(const field_lines& fields, field which) {
    const auto item = read_item(fields, which);
    return item && item->kind == item_kind::boolean ? std::optional(item->text == "?1")
                                                    : std::nullopt;
}

std::optional<std::uint64_t> read_count(const field_lines& fields, field which) {
    const auto item = read_item(fields, which);
    if (!item || item->kind != item_kind::integer || item->text.starts_with('-')) {
        return std::nullopt;
    }
    std::uint64_t value = 0;
    std::from_chars(item->text.data(), item->text.data() + item->text.size(), value);
    return value;
}

dictionary_reader::dictionary_reader(std::string_view value) noexcept : rest_(value) {
    scanner from(value);
    from.skip_blanks();
    rest_ = from.rest();
}

std::optional<dictionary_reader::member> dictionary_reader::next() noexcept {
    scanner from(rest_);
    if (is_malformed_ || from.is_at_end()) {
        return std::nullopt;
    }
    if (!is_first_) {  // A comma, and something behind it.
        from.need(',');
        from.skip_blanks_and_tabs();
    }
    is_first_ = false;
    member found{.key = {}, .value = {.kind = item_kind::boolean, .text = "?1"}};
    found.key = take_key(from);
    if (!from.is_good()) {
        is_malformed_ = true;
        return std::nullopt;
    }
    if (from.take('=')) {
        found.value = from.peek() == '(' ? take_inner_list(from) : take_item(from);
    } else {
        take_parameters(from);
    }
    from.skip_blanks_and_tabs();
    if (!from.is_good() || (!from.is_at_end() && from.peek() != ',')) {
        is_malformed_ = true;
        return std::nullopt;
    }
    rest_ = from.rest();
    return found;
}

std::string joined_lines(const field_lines& fields, field which) {
    std::string value;
    fields.for_each(which, [&value](std::string_view line) {
        if (!value.empty()) {
            value += ", ";
        }
        value += line;
        return true;
    });
    return value;
}

}  // namespace ferry::http
