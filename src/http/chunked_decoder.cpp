#include "http/chunked_decoder.hpp"

#include <algorithm>

#include "ferry/base/ascii.hpp"

namespace ferry::http {
namespace {

constexpr unsigned size_digits_max = 16;

constexpr std::string_view malformed_chunk = "malformed chunk";
constexpr std::string_view malformed_extension = "malformed chunk extension";
constexpr std::string_view malformed_trailer = "malformed trailer field";

constexpr bool is_blank(char c) noexcept {
    return c == ' ' || c == '\t';
}

}  // namespace

void chunked_decoder::refuse(status what, std::string_view why) noexcept {
    at_ = place::refused;
    refused_with_ = what;
    reason_ = why;
}

chunked_decoder::piece chunked_decoder::decode(std::string_view input) noexcept {
    std::size_t done = 0;
    while (done < input.size() && !is_complete() && !is_refused()) {
        if (at_ == place::content) {
            const auto size =
                static_cast<std::size_t>(std::min<std::uint64_t>(left_bytes_, input.size() - done));
            left_bytes_ -= size;
            if (left_bytes_ == 0) {
                at_ = place::content_cr;
            }
            return {.consumed_bytes = done + size, .content = input.substr(done, size)};
        }
        take_framing(input[done]);
        ++done;
    }
    return {.consumed_bytes = done, .content = {}};
}

void chunked_decoder::take_framing(char c) noexcept {
    switch (at_) {
        case place::size:
            take_size(c);
            break;
        case place::after_size:
        case place::extension_begin:
        case place::extension_name:
        case place::after_name:
        case place::value_begin:
        case place::value:
        case place::quoted:
        case place::quoted_pair:
        case place::after_value:
            take_extension(c);
            break;
        case place::size_line_end:
            c == '\n' ? begin_content_or_trailer() : refuse(status::bad_request, malformed_chunk);
            break;
        case place::content_cr:
            c == '\r' ? static_cast<void>(at_ = place::content_lf)
                      : refuse(status::bad_request, "chunk longer than its size");
            break;
        case place::content_lf:
            if (c != '\n') {
                refuse(status::bad_request, malformed_chunk);
                break;
            }
            at_ = place::size;
            digits_ = 0;
            left_bytes_ = 0;
            break;
        case place::trailer_begin:
        case place::trailer_name:
        case place::trailer_value:
        case place::trailer_line_end:
        case place::last_line_end:
            take_trailer(c);
            break;
        case place::content:
        case place::complete:
        case place::refused:
            break;
    }
}

void chunked_decoder::take_size(char c) noexcept {
    const int digit = ascii::hex_value(c);
    if (digit >= 0) {
        if (++digits_ > size_digits_max) {
            refuse(status::bad_request, "chunk size of more than 16 digits");
            return;
        }
        left_bytes_ = left_bytes_ << 4U | static_cast<unsigned>(digit);
        return;
    }
    if (digits_ == 0) {
        refuse(status::bad_request, malformed_chunk);
    } else if (c == '\r') {
        at_ = place::size_line_end;
    } else if (c == ';') {
        at_ = place::extension_begin;
    } else if (is_blank(c)) {
        at_ = place::after_size;
    } else {
        refuse(status::bad_request, malformed_chunk);
    }
}

bool chunked_decoder::ends_extension(char c) noexcept {
    if (c == '\r') {
        at_ = place::size_line_end;
        return true;
    }
    if (c == ';') {
        at_ = place::extension_begin;
        return true;
    }
    return false;
}

/// chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] ), RFC 9112
/// section 7.1.1.
void chunked_decoder::take_extension(char c) noexcept {
    if (++overhead_bytes_ > limits_.overhead_bytes_max) {
        refuse(status::request_header_fields_too_large, "chunk extensions over their limit");
        return;
    }
    switch (at_) {
        case place::after_size:  // White space before the end of the line is none of the grammar's.
            if (c == ';') {
                at_ = place::extension_begin;
                return;
            }
            if (is_blank(c)) {
                return;
            }
            break;
        case place::extension_begin:
            if (is_blank(c)) {
                return;
            }
            if (ascii::is_token_char(c)) {
                at_ = place::extension_name;
                return;
            }
            break;
        case place::extension_name:
            if (ascii::is_token_char(c) || ends_extension(c)) {
                return;
            }
            if (c == '=') {
                at_ = place::value_begin;
                return;
            }
            if (is_blank(c)) {
                at_ = place::after_name;
                return;
            }
            break;
        case place::after_name:
            if (is_blank(c)) {
                return;
            }
            if (c == '=') {
                at_ = place::value_begin;
                return;
            }
            if (c == ';') {
                at_ = place::extension_begin;
                return;
            }
            break;
        case place::value_begin:
            if (is_blank(c)) {
                return;
            }
            if (c == '"') {
                at_ = place::quoted;
                return;
            }
            if (ascii::is_token_char(c)) {
                at_ = place::value;
                return;
            }
            break;
        case place::value:
            if (ascii::is_token_char(c) || ends_extension(c)) {
                return;
            }
            if (is_blank(c)) {
                at_ = place::after_value;
                return;
            }
            break;
        case place::quoted:
            if (c == '"') {
                at_ = place::after_value;
                return;
            }
            if (c == '\\') {
                at_ = place::quoted_pair;
                return;
            }
            if (c == '\t' || !ascii::is_control(c)) {
                return;
            }
            break;
        case place::quoted_pair:
            if (c == '\t' || !ascii::is_control(c)) {
                at_ = place::quoted;
                return;
            }
            break;
        case place::after_value:
            if (is_blank(c) || ends_extension(c)) {
                return;
            }
            break;
        default:
            break;
    }
    refuse(status::bad_request, malformed_extension);
}

void chunked_decoder::begin_content_or_trailer() noexcept {
    at_ = left_bytes_ == 0 ? place::trailer_begin : place::content;
}

/// trailer-section = *( field-line CRLF ), then the empty line (RFC 9112 section 7.1.2). What the
/// fields say is dropped (RFC 9110 section 6.5.1).
void chunked_decoder::take_trailer(char c) noexcept {
    if (++overhead_bytes_ > limits_.overhead_bytes_max) {
        refuse(status::request_header_fields_too_large, "trailer section over its limit");
        return;
    }
    switch (at_) {
        case place::trailer_begin:
            if (c == '\r') {
                at_ = place::last_line_end;
                return;
            }
            if (ascii::is_token_char(c)) {
                at_ = place::trailer_name;
                return;
            }
            break;
        case place::trailer_name:
            if (c == ':') {
                at_ = place::trailer_value;
                return;
            }
            if (ascii::is_token_char(c)) {
                return;
            }
            break;
        case place::trailer_value:
            if (c == '\r') {
                at_ = place::trailer_line_end;
                return;
            }
            if (c == '\t' || !ascii::is_control(c)) {
                return;
            }
            break;
        case place::trailer_line_end:
            if (c == '\n') {
                at_ = place::trailer_begin;
                return;
            }
            break;
        case place::last_line_end:
            if (c == '\n') {
                at_ = place::complete;
                return;
            }
            break;
        default:
            break;
    }
    refuse(status::bad_request, malformed_trailer);
}

}  // namespace ferry::http
