#include "response_reader.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <system_error>

#include "ferry/base/ascii.hpp"
#include "ferry/base/quantities.hpp"

namespace ferry::http_load {
namespace {

constexpr std::string_view line_end = "\r\n";
constexpr std::string_view head_end = "\r\n\r\n";

std::string_view without_blanks(std::string_view text) noexcept {
    constexpr std::string_view blanks = " \t";
    const auto first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

/// The size at the front of a line of chunked coding (RFC 9112 section 7.1).
std::optional<std::uint64_t> chunk_size_of(std::string_view line) noexcept {
    std::uint64_t made = 0;
    const auto* const end = line.data() + line.size();
    const auto read = std::from_chars(line.data(), end, made, 16);
    if (read.ec != std::errc{} || (read.ptr != end && *read.ptr != ';' && *read.ptr != ' ')) {
        return std::nullopt;
    }
    return made;
}

}  // namespace

response_reading response_reader::finish() noexcept {
    part_ = part::head;
    return response_reading::complete;
}

response_reading response_reader::take(std::string_view input, std::size_t& taken) {
    taken = 0;
    for (;;) {  // Bounded by `input`: each turn takes some of it, or returns.
        const auto rest = input.substr(taken);
        switch (part_) {
            case part::head: {
                if (last_head_.empty() || !rest.starts_with(last_head_)) {
                    const auto end = rest.find(head_end);
                    if (end == std::string_view::npos) {
                        return response_reading::incomplete;
                    }
                    if (!read_head(rest.substr(0, end + head_end.size()))) {
                        return response_reading::malformed;
                    }
                }
                taken += last_head_.size();
                current_ = last_;
                left_ = last_length_;
                part_ = last_part_;
                if (current_.status / 100 == 1) {  // Another head follows (RFC 9110 section 15.2).
                    part_ = part::head;
                } else if (part_ == part::body && left_ == 0) {
                    return finish();
                }
                break;
            }
            case part::body:
            case part::chunk: {
                const auto some = std::min<std::uint64_t>(rest.size(), left_);
                left_ -= some;
                taken += static_cast<std::size_t>(some);
                if (left_ > 0) {
                    return response_reading::incomplete;
                }
                if (part_ == part::body) {
                    return finish();
                }
                part_ = part::chunk_size;
                break;
            }
            case part::endless:
                current_.body_bytes += rest.size();
                taken = input.size();
                return response_reading::incomplete;
            case part::chunk_size:
            case part::trailer: {
                const auto end = rest.find(line_end);
                if (end == std::string_view::npos) {
                    return response_reading::incomplete;
                }
                const auto line = rest.substr(0, end);
                taken += end + line_end.size();
                if (part_ == part::chunk_size) {
                    if (!read_chunk_line(line)) {
                        return response_reading::malformed;
                    }
                } else if (line.empty()) {
                    return finish();
                }
                break;
            }
        }
    }
}

response_reading response_reader::take_end() noexcept {
    return part_ == part::endless ? finish() : response_reading::malformed;
}

bool response_reader::read_chunk_line(std::string_view line) {
    const auto size = chunk_size_of(line);
    if (!size) {
        return false;
    }
    if (*size == 0) {
        part_ = part::trailer;
        return true;
    }
    current_.body_bytes += *size;
    left_ = *size + line_end.size();
    part_ = part::chunk;
    return left_ > *size;
}

bool response_reader::read_head(std::string_view head) {
    // "HTTP/1.1 200 OK": the version has one digit on each side (RFC 9112 section 2.3).
    constexpr std::size_t status_at = 9;
    constexpr std::size_t status_bytes = 3;
    last_head_.clear();
    last_ = {};
    const auto status = head.starts_with("HTTP/1.")
                            ? parse_number(head.substr(status_at, status_bytes))
                            : std::nullopt;
    if (!status || *status < 100) {
        return false;
    }
    last_.status = static_cast<unsigned>(*status);
    bool is_chunked = false;
    bool keeps_alive = head[status_at - 2] != '0';
    std::optional<std::uint64_t> length;
    auto lines = head.substr(head.find(line_end) + line_end.size());
    while (!lines.starts_with(line_end)) {
        const auto end = lines.find(line_end);
        const auto line = lines.substr(0, end);
        const auto colon = std::min(line.find(':'), line.size());
        const auto name = line.substr(0, colon);
        const auto value = without_blanks(line.substr(std::min(colon + 1, line.size())));
        if (ascii::equal_ignoring_case(name, "Content-Length")) {
            length = parse_number(value);
            if (!length) {
                return false;
            }
        } else if (ascii::equal_ignoring_case(name, "Transfer-Encoding")) {
            is_chunked = true;
        } else if (ascii::equal_ignoring_case(name, "Connection")) {
            keeps_alive = ascii::equal_ignoring_case(value, "keep-alive");
        }
        lines.remove_prefix(end + line_end.size());
    }
    last_length_ = 0;
    if (!has_bodies_ || last_.status == 204 || last_.status == 304) {
        last_part_ = part::body;
    } else if (is_chunked) {
        last_part_ = part::chunk_size;
    } else if (length) {
        last_part_ = part::body;
        last_length_ = *length;
        last_.body_bytes = *length;
    } else {
        last_part_ = part::endless;
        keeps_alive = false;
    }
    last_.ends_connection = !keeps_alive;
    last_head_ = head;
    return true;
}

}  // namespace ferry::http_load
