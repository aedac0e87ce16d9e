#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/request.hpp"

namespace ferry::http {

/// What a bare item of a structured field is (RFC 9651 section 3.3).
enum class item_kind : std::uint8_t {
    integer,
    decimal,
    string,
    token,
    byte_sequence,
    boolean,
    date,
    display_string,
    inner_list,  ///< None, but what a dictionary may have instead (section 3.1.1).
};

/// A bare item, its parameters checked and left out.
struct structured_item {
    item_kind kind = item_kind::token;
    /// What stands there: digits, a token, what is between quotes or colons, "?1".
    std::string_view text;
};

/// Reads a field that is one Item (RFC 9651 section 4.2, "item"). Nothing: it is not there, comes
/// several times, or is malformed; such a field is as if it were not there.
[[nodiscard]] std::optional<structured_item> read_item(const field_lines& fields, field which);
/// The same for the octets of a value.
[[nodiscard]] std::optional<structured_item> read_item(std::string_view value) noexcept;

/// The largest Integer there is (RFC 9651 section 3.3.1).
inline constexpr std::uint64_t count_max = 999'999'999'999'999;

/// An Item that is a Boolean; an Integer that is not negative, up to `count_max`.
[[nodiscard]] std::optional<bool> read_boolean(const field_lines& fields, field which);
[[nodiscard]] std::optional<std::uint64_t> read_count(const field_lines& fields, field which);

/// Members of a Dictionary (RFC 9651 section 4.2.2), one after the other. Of a key that comes twice
/// the last one counts.
class dictionary_reader {
  public:
    struct member {
        std::string_view key;
        structured_item value;  ///< "?1" where it has none.
    };

    explicit dictionary_reader(std::string_view value) noexcept;

    /// The next one; nothing at the end or at what is malformed.
    [[nodiscard]] std::optional<member> next() noexcept;

    /// Known once `next` has given nothing. Malformed: the whole field is to be ignored.
    [[nodiscard]] bool is_malformed() const noexcept { return is_malformed_; }

  private:
    std::string_view rest_;
    bool is_first_ = true;
    bool is_malformed_ = false;
};

/// The value of a field whose lines are one list (RFC 9110 section 5.3).
[[nodiscard]] std::string joined_lines(const field_lines& fields, field which);

}  // namespace ferry::http
