#include "http_answer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace ferry::sim::test {
namespace {

constexpr std::size_t head_bytes_max = 64 * 1024;

bool is_token(std::string_view text) {
    static constexpr std::string_view others = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               others.find(c) != std::string_view::npos;
    });
}

bool has_control(std::string_view text) {
    return std::ranges::any_of(text, [](char c) {
        const auto octet = static_cast<unsigned char>(c);
        return (octet < 0x20 && octet != '\t') || octet == 0x7F;
    });
}

std::string lower(std::string_view text) {
    std::string made(text);
    for (char& c : made) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    }
    return made;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
        text.remove_prefix(1);
    }
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
        text.remove_suffix(1);
    }
    return text;
}

/// Why `line` is no status line; empty when it is one.
std::string read_status_line(std::string_view line, answer_head& head) {
    if (line.size() < 13 || !line.starts_with("HTTP/1.1 ") || line[12] != ' ') {
        return "a status line that is none";
    }
    const auto code = line.substr(9, 3);
    const auto [end, status] = std::from_chars(code.data(), code.data() + 3, head.status);
    if (status != std::errc{} || end != code.data() + 3 || head.status < 100 || head.status > 599) {
        return "a status that is no number of three digits";
    }
    head.reason = line.substr(13);
    return has_control(head.reason) ? "a control octet in the reason" : "";
}

std::string read_field(std::string_view line, answer_head& head) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
        return "a field line without a name";
    }
    auto name = lower(line.substr(0, colon));
    const auto value = trimmed(line.substr(colon + 1));
    if (has_control(value)) {
        return "a control octet in a field";
    }
    if (head.has(name)) {
        return fmt::format("the field {} twice", name);
    }
    head.fields.emplace_back(std::move(name), value);
    return "";
}

std::string decide_framing(answer_head& head, bool answers_head) {
    const auto length = head.only("content-length");
    const auto coding = head.only("transfer-encoding");
    if (length && coding) {
        return "Content-Length and Transfer-Encoding in one answer";
    }
    if (length) {
        const auto* const end = length->data() + length->size();
        const auto [stop, status] = std::from_chars(length->data(), end, head.content_length);
        if (length->empty() || status != std::errc{} || stop != end) {
            return "a Content-Length that is no number";
        }
    }
    if (coding && *coding != "chunked") {
        return "a transfer coding other than chunked";
    }
    const bool is_bodiless =
        answers_head || head.status < 200 || head.status == 204 || head.status == 304;
    if ((head.status < 200 || head.status == 204) && (length || coding)) {
        return "a body announced where there is none (RFC 9110 section 8.6)";
    }
    head.framing = is_bodiless ? answer_framing::no_body
                   : length    ? answer_framing::length
                   : coding    ? answer_framing::chunked
                               : answer_framing::until_close;
    return "";
}

}  // namespace

std::optional<std::string> answer_head::only(std::string_view name) const {
    for (const auto& [each, value] : fields) {
        if (each == name) {
            return value;
        }
    }
    return std::nullopt;
}

std::string answer_head::describe() const {
    std::string text = fmt::format("{} {}", status, reason);
    for (const auto& [name, value] : fields) {
        text += fmt::format(" | {}: {}", name, value);
    }
    return text;
}

head_reading take_answer_head(std::string& input, bool answers_head) {
    head_reading made;
    const auto fail = [&made](std::string problem) {
        made.progress = answer_progress::malformed;
        made.problem = std::move(problem);
    };
    const auto end = input.find("\r\n\r\n");
    if (end == std::string::npos) {
        if (input.size() > head_bytes_max) {
            fail("a head that does not end");
        } else if (!std::string_view("HTTP/1.1 ")
                        .starts_with(std::string_view(input).substr(0, 9)) &&
                   !input.starts_with("HTTP/1.1 ")) {
            fail("octets that begin no answer");
        }
        return made;
    }
    std::string_view left = std::string_view(input).substr(0, end + 2);
    bool is_first = true;
    while (!left.empty() && made.progress != answer_progress::malformed) {
        const auto line_end = left.find("\r\n");
        const auto line = left.substr(0, line_end);
        left.remove_prefix(line_end + 2);
        auto problem = line.find_first_of("\r\n") != std::string_view::npos ? "a bare CR or LF"
                       : is_first ? read_status_line(line, made.head)
                                  : read_field(line, made.head);
        if (!problem.empty()) {
            fail(problem + ": " + std::string(line));
        }
        is_first = false;
    }
    if (made.progress == answer_progress::malformed) {
        return made;
    }
    if (auto problem = decide_framing(made.head, answers_head); !problem.empty()) {
        fail(std::move(problem));
        return made;
    }
    input.erase(0, end + 4);
    made.progress = answer_progress::complete;
    return made;
}

answer_progress chunk_reader::fail(std::string problem) {
    problem_ = std::move(problem);
    return answer_progress::malformed;
}

answer_progress chunk_reader::take(std::string& input, std::string& into) {
    for (;;) {
        switch (at_) {
            case place::size: {
                const auto end = input.find("\r\n");
                if (end == std::string::npos) {
                    return input.size() > 16 ? fail("a chunk size that does not end")
                                             : answer_progress::incomplete;
                }
                const auto [stop, status] =
                    std::from_chars(input.data(), input.data() + end, left_, 16);
                if (end == 0 || status != std::errc{} || stop != input.data() + end) {
                    return fail("a chunk size that is none: " + input.substr(0, end));
                }
                input.erase(0, end + 2);
                at_ = left_ == 0 ? place::last_end : place::data;
                break;
            }
            case place::data: {
                const auto count =
                    static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()));
                into.append(input, 0, count);
                input.erase(0, count);
                left_ -= count;
                if (left_ != 0) {
                    return answer_progress::incomplete;
                }
                at_ = place::data_end;
                break;
            }
            case place::data_end:
            case place::last_end:
                if (input.size() < 2) {
                    return answer_progress::incomplete;
                }
                if (!input.starts_with("\r\n")) {
                    return fail("a chunk that does not end in CR LF");
                }
                input.erase(0, 2);
                at_ = at_ == place::data_end ? place::size : place::done;
                break;
            case place::done:
                return answer_progress::complete;
        }
    }
}

}  // namespace ferry::sim::test
