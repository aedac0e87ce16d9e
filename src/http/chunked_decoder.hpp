#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "http/status.hpp"

namespace ferry::http {

/// What a chunked body may hold besides its content. Every bound is inclusive.
struct chunked_limits {
    /// Octets of chunk extensions and of the trailer section, of the whole body together: nobody
    /// needs them, so they must not make a body without end (RFC 9112 sections 7.1.1, 7.1.2).
    /// Over it: 431.
    std::size_t overhead_bytes_max = std::size_t{16} * 1024;
};

/// Takes a chunked body apart (RFC 9112 section 7.1): the content comes out, chunk extensions and
/// trailer fields are checked and dropped.
///
/// Strict where leniency has been used for smuggling: every line ends in CR LF, a size is 1 to 16
/// hexadecimal digits, white space stands only where the grammar has it, nothing but CR LF follows
/// a chunk. Never suspends and keeps no octet; the result does not depend on how the octets were
/// cut into calls.
class chunked_decoder {
  public:
    explicit chunked_decoder(const chunked_limits& limits) noexcept : limits_(limits) {}

    struct piece {
        std::size_t consumed_bytes = 0;  ///< Of the input, from its beginning.
        std::string_view content;        ///< In the input; what comes next of the content.
    };

    /// Reads on in `input`, the octets after those consumed before. Gives the next piece of
    /// content; empty: the input is used up, or the body `is_complete` or `is_refused`. Call it
    /// again until one of these. Cost: one pass over the framing, none over the content.
    [[nodiscard]] piece decode(std::string_view input) noexcept;

    /// The empty line after the trailer section has been read: what follows is no more of the body.
    [[nodiscard]] bool is_complete() const noexcept { return at_ == place::complete; }

    /// The framing is broken: nothing after it can be trusted. See `head_refusal`.
    [[nodiscard]] bool is_refused() const noexcept { return at_ == place::refused; }
    [[nodiscard]] status refused_with() const noexcept { return refused_with_; }
    [[nodiscard]] std::string_view reason() const noexcept { return reason_; }

  private:
    enum class place : std::uint8_t {
        size,             ///< In the digits of a chunk's size, or before the first.
        after_size,       ///< In white space behind it: an extension must follow.
        extension_begin,  ///< Behind a ';'.
        extension_name,
        after_name,   ///< In white space behind a name.
        value_begin,  ///< Behind a '='.
        value,
        quoted,
        quoted_pair,  ///< Behind a '\' in quotes.
        after_value,  ///< Behind a quoted value, or in white space behind a value.
        size_line_end,
        content,
        content_cr,
        content_lf,
        trailer_begin,  ///< At the beginning of a line of the trailer section.
        trailer_name,
        trailer_value,
        trailer_line_end,
        last_line_end,
        complete,
        refused,
    };

    void take_framing(char c) noexcept;
    void take_size(char c) noexcept;
    void take_extension(char c) noexcept;
    void take_trailer(char c) noexcept;
    void begin_content_or_trailer() noexcept;
    /// True where `c` ends an extension or begins the next one; `at_` has moved on then.
    bool ends_extension(char c) noexcept;
    void refuse(status what, std::string_view why) noexcept;

    chunked_limits limits_;
    place at_ = place::size;
    std::uint64_t left_bytes_ = 0;  ///< Of the present chunk's content; before: its size.
    unsigned digits_ = 0;
    std::size_t overhead_bytes_ = 0;
    status refused_with_ = status::bad_request;
    std::string_view reason_;
};

}  // namespace ferry::http
