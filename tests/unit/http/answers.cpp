#include "answers.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "ferry/base/ascii.hpp"

namespace ferry::http::test {
namespace {

std::optional<std::size_t> number(std::string_view text, int base) {
    std::size_t value = 0;
    const auto* end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, value, base);
    return read.ec == std::errc() && read.ptr == end ? std::optional(value) : std::nullopt;
}

/// Takes the chunks at the beginning of `octets` (RFC 9112 section 7.1); false when they are not
/// whole or not chunks.
bool take_chunks(std::string& octets, std::string& body) {
    for (;;) {
        const auto line_end = octets.find("\r\n");
        if (line_end == std::string::npos) {
            return false;
        }
        const auto size_bytes = number(std::string_view(octets).substr(0, line_end), 16);
        if (!size_bytes || octets.size() < line_end + 2 + *size_bytes + 2 ||
            octets.compare(line_end + 2 + *size_bytes, 2, "\r\n") != 0) {
            return false;
        }
        body.append(octets, line_end + 2, *size_bytes);
        octets.erase(0, line_end + 2 + *size_bytes + 2);
        if (*size_bytes == 0) {
            return true;
        }
    }
}

}  // namespace

bool answer::has(std::string_view name) const {
    return field(name) != "(none)";
}

std::string answer::field(std::string_view name) const {
    std::string found = "(none)";
    for (const auto& [each, value] : fields) {
        if (ascii::equal_ignoring_case(each, name)) {
            if (found != "(none)") {
                return "(several)";
            }
            found = value;
        }
    }
    return found;
}

answer take_head(std::string& octets) {
    answer head;
    const auto end = octets.find("\r\n\r\n");
    if (end == std::string::npos) {
        return head;
    }
    std::string_view lines = std::string_view(octets).substr(0, end + 2);
    while (!lines.empty()) {
        const auto line_end = lines.find("\r\n");
        const auto line = lines.substr(0, line_end);
        if (head.status_line.empty()) {
            head.status_line = line;
            head.status = static_cast<int>(number(line.substr(9, 3), 10).value_or(0));
        } else if (const auto colon = line.find(": "); colon != std::string_view::npos) {
            head.fields.emplace_back(line.substr(0, colon), line.substr(colon + 2));
        } else {
            head.fields.emplace_back("(malformed)", line);
        }
        lines.remove_prefix(line_end + 2);
    }
    octets.erase(0, end + 4);
    return head;
}

answer take_answer(std::string& octets, bool to_head) {
    std::string left = octets;
    answer whole = take_head(left);
    if (whole.status == 0) {
        return {};
    }
    const bool has_body = !to_head && whole.status != 204 && whole.status != 304;
    if (has_body && whole.field("Transfer-Encoding") == "chunked") {
        if (!take_chunks(left, whole.body)) {
            return {};
        }
    } else if (has_body && whole.has("Content-Length")) {
        const auto length = number(whole.field("Content-Length"), 10);
        if (!length || left.size() < *length) {
            return {};
        }
        whole.body = left.substr(0, *length);
        left.erase(0, *length);
    } else if (has_body) {
        whole.body.swap(left);
    }
    octets.swap(left);
    return whole;
}

}  // namespace ferry::http::test
