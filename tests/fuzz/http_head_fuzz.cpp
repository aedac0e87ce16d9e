// The parser of request heads: no input reads out of bounds, and the result is the same however the
// input is cut into calls. What it accepts keeps the rules an attacker would like to see broken.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/ascii.hpp"
#include "ferry/base/assert.hpp"
#include "http/head_parser.hpp"

using namespace ferry;
using namespace ferry::http;

namespace {

constexpr head_limits limits{.head_bytes_max = 2'048, .target_bytes_max = 256, .fields_max = 30};

struct outcome {
    head_progress progress = head_progress::incomplete;
    status refused_with = status::ok;
    std::size_t consumed = 0;
    std::string text;  // Of the request, in one piece.

    bool operator==(const outcome&) const = default;
};

void append_part(std::string& out, std::string_view part) {
    out += part;
    out += '\n';
}

/// Parses `input` in pieces of at most `step` octets, each call in a fresh buffer of exactly that
/// size.
outcome parse(std::string_view input, std::size_t step) {
    head_parser parser(limits);
    outcome got;
    std::vector<char> buffer;
    for (std::size_t size = std::min(step, input.size());;
         size = std::min(size + step, input.size())) {
        std::vector<char>(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(size))
            .swap(buffer);
        got.progress = parser.parse({buffer.data(), buffer.size()});
        if (got.progress != head_progress::incomplete || size == input.size()) {
            break;
        }
    }
    if (got.progress == head_progress::refused) {
        got.refused_with = parser.refusal().what;
    }
    if (got.progress == head_progress::complete) {
        const auto& head = parser.head();
        got.consumed = parser.consumed_bytes();
        for (const auto part :
             {head.method_name, head.target, head.path, head.query, head.authority, head.host}) {
            append_part(got.text, part);
        }
        for (std::size_t i = 0; i < head.fields.size(); ++i) {
            append_part(got.text, head.fields.line(i).name);
            append_part(got.text, head.fields.line(i).value);
        }
        got.text += std::to_string(head.has_query) + std::to_string(head.keep_alive) +
                    std::to_string(head.expect_continue) + std::to_string(head.version_minor) +
                    std::to_string(static_cast<int>(head.framing)) + "/" +
                    std::to_string(head.content_length);
    }
    return got;
}

/// Reads an accepted head again, slowly and naively, and demands what RFC 9112 sections 2 to 6
/// demand.
void check_accepted(std::string_view head) {
    FERRY_ASSERT(head.size() <= limits.head_bytes_max && head.ends_with("\r\n\r\n"));
    for (std::size_t i = 0; i < head.size(); ++i) {
        FERRY_ASSERT(head[i] != '\n' || (i > 0 && head[i - 1] == '\r'));
        FERRY_ASSERT(head[i] != '\r' || (i + 1 < head.size() && head[i + 1] == '\n'));
        FERRY_ASSERT(!ascii::is_control(head[i]) || head[i] == '\r' || head[i] == '\n' ||
                     head[i] == '\t');
    }
    if (head.starts_with("\r\n")) {
        head.remove_prefix(2);
    }
    const auto line_end = head.find("\r\n");
    const auto line = head.substr(0, line_end);
    FERRY_ASSERT(std::count(line.begin(), line.end(), ' ') == 2 && line.find('\t') == line.npos);
    FERRY_ASSERT(line.ends_with(" HTTP/1.1") || line.ends_with(" HTTP/1.0"));
    std::size_t hosts = 0;
    std::size_t lengths = 0;
    std::size_t codings = 0;
    std::size_t fields = 0;
    for (auto rest = head.substr(line_end + 2); rest != "\r\n";
         rest.remove_prefix(rest.find("\r\n") + 2)) {
        const auto field_line = rest.substr(0, rest.find("\r\n"));
        const auto colon = field_line.find(':');
        FERRY_ASSERT(colon != field_line.npos && colon > 0);
        const auto name = field_line.substr(0, colon);
        FERRY_ASSERT(std::ranges::all_of(name, ascii::is_token_char));
        ++fields;
        hosts += ascii::equal_ignoring_case(name, "host") ? 1 : 0;
        lengths += ascii::equal_ignoring_case(name, "content-length") ? 1 : 0;
        codings += ascii::equal_ignoring_case(name, "transfer-encoding") ? 1 : 0;
    }
    FERRY_ASSERT(fields <= limits.fields_max);
    FERRY_ASSERT(hosts == 1 || (hosts == 0 && line.ends_with(" HTTP/1.0")));
    FERRY_ASSERT(lengths <= 1 && (lengths == 0 || codings == 0));
    FERRY_ASSERT(codings == 0 || line.ends_with(" HTTP/1.1"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string input(data, data + size);
    const auto whole = parse(input, std::max<std::size_t>(size, 1));
    FERRY_ASSERT(size < limits.head_bytes_max || whole.progress != head_progress::incomplete);
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, size / 2 + 1, size / 3 + 1}) {
        FERRY_ASSERT(parse(input, step) == whole);
    }
    if (whole.progress == head_progress::complete) {
        check_accepted(std::string_view(input).substr(0, whole.consumed));
    }
    return 0;
}
