#include "ftp_reply.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ferry::sim::test {
namespace {

constexpr std::size_t reply_bytes_max = 1024 * 1024;
constexpr char iac = '\xff';

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

/// Undoes the doubling of IAC; false when one stands alone.
bool unescape(std::string_view line, std::string& into) {
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] == iac) {
            if (i + 1 == line.size() || line[i + 1] != iac) {
                return false;
            }
            ++i;
        }
        into += line[i];
    }
    return true;
}

}  // namespace

std::string ftp_reply::describe() const {
    std::string made = fmt::format("{} {}", code, text);
    for (const auto& each : lines) {
        made += " | " + each;
    }
    return made;
}

reply_reading take_reply(std::string& input) {
    reply_reading made;
    const auto fail = [&made](std::string why) {
        made.progress = reply_progress::malformed;
        made.problem = std::move(why);
        return made;
    };
    std::size_t at = 0;
    for (bool is_first = true;; is_first = false) {
        const auto end = input.find('\n', at);
        if (end == std::string::npos) {
            return input.size() > reply_bytes_max ? fail("a reply that does not end") : made;
        }
        if (end == at || input[end - 1] != '\r') {
            return fail("a line that ends in a bare LF");
        }
        std::string line;
        if (!unescape(std::string_view(input).substr(at, end - 1 - at), line)) {
            return fail("a lone IAC");
        }
        const bool has_control = std::ranges::any_of(
            line, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\x7f'; });
        if (has_control) {
            return fail("a control octet in a reply");
        }
        at = end + 1;
        const bool has_code = line.size() >= 4 && is_digit(line[0]) && is_digit(line[1]) &&
                              is_digit(line[2]) && (line[3] == ' ' || line[3] == '-');
        if (is_first) {
            if (!has_code || line[0] < '1' || line[0] > '5' || line[1] > '5') {
                return fail("a line that begins no reply: " + line);
            }
            made.reply.code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
            made.reply.text = line.substr(4);
            if (line[3] == ' ') {
                break;
            }
            continue;
        }
        if (has_code && line[3] == ' ' && line.starts_with(std::to_string(made.reply.code))) {
            break;
        }
        if (!line.starts_with(' ')) {
            return fail("a line inside a reply without a space before it: " + line);
        }
        made.reply.lines.push_back(line.substr(1));
    }
    input.erase(0, at);
    made.progress = reply_progress::complete;
    return made;
}

}  // namespace ferry::sim::test
