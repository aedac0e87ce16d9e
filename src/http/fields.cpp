#include "http/fields.hpp"

#include <array>
#include <charconv>

#include "ferry/base/ascii.hpp"
#include "ferry/base/assert.hpp"
#include "http/answer_rules.hpp"
#include "http/html.hpp"
#include "http/page_style.hpp"

namespace ferry::http {
namespace {

/// To which answers a field belongs.
enum class belongs : std::uint8_t {
    always,      ///< To every answer.
    to_success,  ///< Not to errors.
    to_content,  ///< To whatever has content: not to 304.
};

struct text_row {
    field name;
    std::string_view response_head::* value;
    belongs to;
};

/// The fields whose value is a text of the head: one row each, in the order they are sent.
constexpr auto text_rows = std::to_array<text_row>({
    {field::date, &response_head::date, belongs::always},
    {field::server, &response_head::server, belongs::always},
    {field::content_type, &response_head::content_type, belongs::to_content},
    {field::content_encoding, &response_head::content_encoding, belongs::to_content},
    {field::repr_digest, &response_head::repr_digest, belongs::to_success},
    {field::content_digest, &response_head::content_digest, belongs::to_content},
    {field::etag, &response_head::etag, belongs::to_success},
    {field::cache_control, &response_head::cache_control, belongs::always},
    {field::content_location, &response_head::content_location, belongs::to_success},
    {field::content_disposition, &response_head::content_disposition, belongs::to_success},
    {field::vary, &response_head::vary, belongs::always},
    {field::location, &response_head::location, belongs::always},
    {field::allow, &response_head::allow, belongs::always},
    {field::accept_patch, &response_head::accept_patch, belongs::always},
    {field::upload_limit, &response_head::upload_limit, belongs::always},
    {field::retry_after, &response_head::retry_after, belongs::always},
    {field::www_authenticate, &response_head::www_authenticate, belongs::always},
    {field::content_security_policy, &response_head::content_security_policy, belongs::to_content},
    {field::strict_transport_security, &response_head::strict_transport_security, belongs::always},
});

/// Looks at every octet, without an early end, so that the compiler takes many at once.
bool has_control(std::string_view value) {
    bool found = false;
    for (const char c : value) {
        found |= ascii::is_control(c);
    }
    return found;
}

void append_field(std::string& out, field name, std::string_view value) {
    FERRY_ASSERT(!has_control(value));
    out += name_of(name);
    out += ": ";
    out += value;
    out += "\r\n";
}

/// Room for the digits of any 64-bit number.
class digits {
  public:
    explicit digits(std::uint64_t value)
        : size_bytes_(static_cast<std::size_t>(
              std::to_chars(octets_.data(), octets_.data() + octets_.size(), value).ptr -
              octets_.data())) {}
    [[nodiscard]] std::string_view view() const { return {octets_.data(), size_bytes_}; }

  private:
    std::array<char, 20> octets_{};
    std::size_t size_bytes_;
};

void append_framing(std::string& out, const response_head& head) {
    const auto code = code_of(head.what);
    if (code < 200 || head.what == status::no_content || head.what == status::not_modified) {
        return;
    }
    if (head.chunked) {
        FERRY_ASSERT(!head.content_length);
        append_field(out, field::transfer_encoding, "chunked");
    } else if (head.content_length) {
        append_field(out, field::content_length, digits(*head.content_length).view());
    }
}

/// Draft-ietf-httpbis-resumable-upload section 4.1: Items (RFC 9651 section 3.3).
void append_upload_state(std::string& out, const response_head& head) {
    if (head.upload_complete) {
        append_field(out, field::upload_complete, *head.upload_complete ? "?1" : "?0");
    }
    if (head.upload_offset) {
        append_field(out, field::upload_offset, digits(*head.upload_offset).view());
    }
    if (head.upload_length) {
        append_field(out, field::upload_length, digits(*head.upload_length).view());
    }
    if (head.upload_draft_interop_version) {
        append_field(out, field::upload_draft_interop_version,
                     digits(*head.upload_draft_interop_version).view());
    }
}

/// All but the empty line.
void append_lines(std::string& out, const response_head& head) {
    const bool success = !is_error(head.what);
    const bool has_content = head.what != status::not_modified;
    FERRY_ASSERT(head.what != status::method_not_allowed || !head.allow.empty());
    FERRY_ASSERT(head.what != status::unauthorized || !head.www_authenticate.empty());
    FERRY_ASSERT((head.what == status::partial_content) ==
                 (head.part.has_value() || head.is_multipart));

    out += status_line(head.what);
    for (const auto& row : text_rows) {
        const auto value = head.*row.value;
        if (!value.empty() && (row.to != belongs::to_success || success) &&
            (row.to != belongs::to_content || has_content)) {
            append_field(out, row.name, value);
        }
    }
    if (!head.last_modified.empty() && success && (has_content || head.etag.empty())) {
        append_field(out, field::last_modified, head.last_modified);
    }
    if (head.accepts_ranges && success && has_content) {
        append_field(out, field::accept_ranges, "bytes");
    }
    if (head.part) {
        append_content_range(out, *head.part, head.whole_size_bytes);
    } else if (head.what == status::range_not_satisfiable) {
        out += name_of(field::content_range);
        out += ": bytes */";
        out += digits(head.whole_size_bytes).view();
        out += "\r\n";
    }
    append_upload_state(out, head);
    append_framing(out, head);
    if (head.no_sniff && has_content) {
        append_field(out, field::x_content_type_options, "nosniff");
    }
    if (head.connection != connection_option::none) {
        append_field(out, field::connection,
                     head.connection == connection_option::close ? "close" : "keep-alive");
    }
}

}  // namespace

void append_content_range(std::string& out, const byte_range& part,
                          std::uint64_t whole_size_bytes) {
    FERRY_ASSERT(part.size_bytes > 0 && part.offset <= whole_size_bytes &&
                 part.size_bytes <= whole_size_bytes - part.offset);
    out += name_of(field::content_range);
    out += ": bytes ";
    out += digits(part.offset).view();
    out += '-';
    out += digits(part.offset + part.size_bytes - 1).view();
    out += '/';
    out += digits(whole_size_bytes).view();
    out += "\r\n";
}

void append_part_lines(std::string& out, const byte_range& part, std::uint64_t whole_size_bytes) {
    append_content_range(out, part, whole_size_bytes);
    append_field(out, field::content_length, digits(part.size_bytes).view());
}

void append_head(std::string& out, const response_head& head) {
    if (head.rules == nullptr) {
        append_lines(out, head);
    } else {
        const edited_head edited(*head.rules, head);
        append_lines(out, edited.head());
        edited.append_lines(out);
    }
    out += "\r\n";
}

std::string error_page(status what, std::string_view explanation) {
    const auto code = digits(code_of(what));
    const auto phrase = reason_phrase(what);
    std::string page =
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta name=\"color-scheme\" content=\"light dark\">\n"
        "<link rel=\"icon\" href=\"data:,\">\n<style>";
    page += page_style;
    page += "</style>\n<title>";
    for (const auto* end : {"</title>\n<h1>", "</h1>\n"}) {
        page += code.view();
        page += ' ';
        append_html(page, phrase);
        page += end;
    }
    if (!explanation.empty()) {
        page += "<p>";
        append_html(page, explanation);
        page += "</p>\n";
    }
    return page;
}

std::size_t append_error_answer(std::string& out, response_head head, bool with_page,
                                std::string_view explanation) {
    FERRY_ASSERT(is_error(head.what));
    const auto page = error_page(head.what, explanation);
    head.content_type = page_content_type;
    head.content_encoding = {};
    head.content_length = page.size();
    head.chunked = false;
    append_head(out, head);
    if (!with_page) {
        return 0;
    }
    out += page;
    return page.size();
}

std::size_t append_problem_answer(std::string& out, response_head head, bool with_content,
                                  std::string_view json) {
    FERRY_ASSERT(is_error(head.what));
    head.content_type = problem_content_type;
    head.content_length = json.size();
    append_head(out, head);
    if (!with_content) {
        return 0;
    }
    out += json;
    return json.size();
}

bool replace_page(std::string& message, std::string_view content_type, std::uint64_t size_bytes) {
    FERRY_ASSERT(!has_control(content_type));
    const auto head_end = message.find("\r\n\r\n");
    const auto line_of = [&message](field name) {
        const auto at = message.find("\r\n" + std::string(name_of(name)) + ": ");
        return at < message.find("\r\n\r\n") ? at : std::string::npos;
    };
    if (line_of(field::content_type) == std::string::npos ||
        line_of(field::content_length) == std::string::npos) {
        return false;
    }
    message.resize(head_end + 4);
    const auto replace = [&](field name, std::string_view value) {
        const auto from = line_of(name) + name_of(name).size() + 4;  // CRLF, colon, blank.
        message.replace(from, message.find("\r\n", from) - from, value);
    };
    replace(field::content_type, content_type);
    replace(field::content_length, digits(size_bytes).view());
    return true;
}

}  // namespace ferry::http
