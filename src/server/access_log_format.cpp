#include "server/access_log_format.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <ranges>

#include "ferry/base/ascii.hpp"
#include "ferry/base/assert.hpp"
#include "server/flag_values.hpp"
#include "server/json_text.hpp"
#include "server/plain_prefix.hpp"

namespace ferry::server {
namespace {

// ----------------------------------------------------------------------------------- the template

struct named_variable {
    std::string_view name;
    log_variable which;
};

constexpr auto variables = std::to_array<named_variable>({
    {"body_bytes_sent", log_variable::body_bytes_sent},
    {"bytes_sent", log_variable::bytes_sent},
    {"complete", log_variable::complete},
    {"connection", log_variable::connection},
    {"duration_us", log_variable::duration_us},
    {"host", log_variable::host},
    {"http_host", log_variable::http_host},
    {"http_referer", log_variable::http_referer},
    {"http_user_agent", log_variable::http_user_agent},
    {"msec", log_variable::msec},
    {"remote_addr", log_variable::remote_addr},
    {"remote_port", log_variable::remote_port},
    {"remote_user", log_variable::remote_user},
    {"request", log_variable::request},
    {"request_completion", log_variable::request_completion},
    {"request_length", log_variable::request_length},
    {"request_method", log_variable::request_method},
    {"request_time", log_variable::request_time},
    {"request_uri", log_variable::request_uri},
    {"scheme", log_variable::scheme},
    {"server_port", log_variable::server_port},
    {"server_protocol", log_variable::server_protocol},
    {"ssl_cipher", log_variable::ssl_cipher},
    {"ssl_protocol", log_variable::ssl_protocol},
    {"status", log_variable::status},
    {"time_iso8601", log_variable::time_iso8601},
    {"time_local", log_variable::time_local},
    {"time_rfc3339", log_variable::time_rfc3339},
});

constexpr std::string_view field_prefix = "http_";

/// Fields that hold passwords (RFC 7617 section 2): whoever reads the log is not to have them.
constexpr auto secret_fields = std::to_array<std::string_view>({
    "authorization",
    "proxy_authorization",
});
constexpr std::string_view json_mark = "escape=json ";

/// True for `$http_authorization` and the like.
bool is_secret(std::string_view variable) noexcept {
    return variable.starts_with(field_prefix) &&
           std::ranges::any_of(secret_fields, [&](std::string_view each) {
               return ascii::equal_ignoring_case(variable.substr(field_prefix.size()), each);
           });
}

std::string unknown_variable(std::string_view name) {
    std::string known;
    for (const auto& each : variables) {
        known += fmt::format("${}, ", each.name);
    }
    return fmt::format(
        "{} is no variable of the access log; there are {}and $http_NAME for the request's field "
        "NAME",
        in_quotes(fmt::format("${}", name)), known);
}

constexpr bool is_name_char(char c) noexcept {
    return ascii::is_alpha(c) || ascii::is_digit(c) || c == '_';
}

/// Takes the name of a variable off the front of `text`, which stands behind the '$'. Nothing: it
/// has none, or a brace that is not closed.
std::optional<std::string_view> take_name(std::string_view& text) noexcept {
    const bool is_braced = text.starts_with('{');
    text.remove_prefix(is_braced ? 1 : 0);
    const auto end =
        static_cast<std::size_t>(std::ranges::find_if_not(text, is_name_char) - text.begin());
    const auto name = text.substr(0, end);
    text.remove_prefix(end);
    if (name.empty() || (is_braced && !text.starts_with('}'))) {
        return std::nullopt;
    }
    text.remove_prefix(is_braced ? 1 : 0);
    return name;
}

/// Takes a template apart.
struct compiler {
    std::string text;
    std::vector<log_piece> pieces;
    log_piece next;
    bool is_json = false;
    bool is_in_quotes = false;

    [[nodiscard]] std::uint16_t place() const noexcept {
        return static_cast<std::uint16_t>(text.size());
    }

    void add_literal(char c) {
        text += c;
        ++next.literal_bytes;
        is_in_quotes = is_in_quotes != (c == '"');
    }

    void end_piece(log_variable what) {
        next.what = what;
        next.how = is_json        ? log_escaping::json
                   : is_in_quotes ? log_escaping::quoted
                                  : log_escaping::word;
        pieces.push_back(next);
        next = {.literal_offset = place()};
    }

    /// False: there is no such variable.
    [[nodiscard]] bool add_variable(std::string_view name) {
        const auto found = std::ranges::lower_bound(variables, name, {}, &named_variable::name);
        if (found != variables.end() && found->name == name) {
            end_piece(found->which);
            return true;
        }
        if (!name.starts_with(field_prefix) || name.size() == field_prefix.size()) {
            return false;
        }
        name.remove_prefix(field_prefix.size());
        next.field_offset = place();
        next.field_bytes = static_cast<std::uint16_t>(name.size());
        text += name;
        std::ranges::replace(text.begin() + next.field_offset, text.end(), '_', '-');
        end_piece(log_variable::field);
        return true;
    }

    /// Returns what is wrong, or nothing.
    [[nodiscard]] std::string read(std::string_view from) {
        is_json = from.starts_with(json_mark);
        from.remove_prefix(is_json ? json_mark.size() : 0);
        while (!from.empty()) {
            const char c = from.front();
            from.remove_prefix(1);
            if (ascii::is_control(c) && c != '\t') {
                return "a template of the access log is one line, with no control octet but TAB";
            }
            if (c != '$') {
                add_literal(c);
                continue;
            }
            if (from.starts_with('$')) {
                from.remove_prefix(1);
                add_literal('$');
                continue;
            }
            const auto rest = from;
            const auto name = take_name(from);
            if (!name) {
                return fmt::format(
                    "{} begins with no variable: write $name, ${{name}}, or $$ for a dollar sign",
                    in_quotes(fmt::format("${}", rest)));
            }
            if (is_secret(*name)) {
                return fmt::format(
                    "{} would write passwords into the log; $remote_user is the name",
                    in_quotes(fmt::format("${}", *name)));
            }
            if (!add_variable(*name)) {
                return unknown_variable(*name);
            }
        }
        if (pieces.empty()) {
            return "neither combined nor json nor a template with a variable such as $remote_addr";
        }
        add_literal('\n');
        end_piece(log_variable::none);
        return {};
    }
};

// -------------------------------------------------------------------------------------- the values

constexpr bool is_plain(char c) noexcept {
    const auto octet = static_cast<unsigned char>(c);
    return (octet >= 0x20U) & (octet != 0x7FU) & (c != '"') & (c != '\\');
}
constexpr bool is_plain_in_word(char c) noexcept {
    return is_plain(c) & (c != ' ');
}

/// As `ascii::append_escaped`, with the usual case, nothing to escape, in one copy.
void append_clean(std::string& out, std::string_view text) {
    const auto clean_bytes = plain_prefix(text, is_plain);
    out.append(text.data(), clean_bytes);
    if (clean_bytes < text.size()) {
        ascii::append_escaped(out, text.substr(clean_bytes));
    }
}

/// A field that ends at the next blank.
void append_word(std::string& out, std::string_view text) {
    const auto clean_bytes = plain_prefix(text, is_plain_in_word);
    out.append(text.data(), clean_bytes);
    text.remove_prefix(clean_bytes);
    for (auto blank = text.find(' '); blank != std::string_view::npos; blank = text.find(' ')) {
        ascii::append_escaped(out, text.substr(0, blank));
        out += "\\x20";
        text.remove_prefix(blank + 1);
    }
    ascii::append_escaped(out, text);
}

void append_present(std::string& out, log_escaping how, std::string_view text) {
    switch (how) {
        case log_escaping::word:
            append_word(out, text);
            break;
        case log_escaping::quoted:
            append_clean(out, text);
            break;
        case log_escaping::json:
            append_json_text(out, text);
            break;
    }
}

void append_text(std::string& out, log_escaping how, std::string_view text) {
    if (text.empty() && how != log_escaping::json) {
        out += '-';
    } else {
        append_present(out, how, text);
    }
}

template <class Number>
void append_number(std::string& out, Number value) {
    std::array<char, 20> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    out.append(digits.data(), end);
}

/// Writes the last digits of `value`, as many as `field` has, with leading zeros.
void write_digits(std::span<char> field, int value) noexcept {
    for (auto& digit : field | std::views::reverse) {
        digit = static_cast<char>('0' + value % 10);
        value /= 10;
    }
}

void append_thousandths(std::string& out, int value) {
    std::array<char, 4> digits{'.'};
    write_digits(std::span(digits).subspan(1), value);
    out.append(digits.data(), digits.size());
}

void append_request(std::string& out, log_escaping how, const access_record& record) {
    bool is_first = true;
    for (const auto piece : {record.method, record.target, record.protocol}) {
        if (piece.empty()) {
            continue;  // Each has its own shape, so one that is missing leaves no doubt about the
                       // rest.
        }
        if (!is_first) {
            out += ' ';
        }
        append_present(out, how, piece);
        is_first = false;
    }
    if (is_first) {
        append_text(out, how, {});
    }
}

/// As nginx has `$host`: without the port and in lower case (RFC 3986 section 3.2.2).
void append_host(std::string& out, log_escaping how, std::string_view host) {
    const auto address_end = host.starts_with('[') ? host.find(']') : 0;
    const auto from = address_end == std::string_view::npos ? host.size() : address_end;
    const auto begin = out.size();
    append_text(out, how, host.substr(0, host.find(':', from)));
    std::ranges::transform(out.begin() + static_cast<std::ptrdiff_t>(begin), out.end(),
                           out.begin() + static_cast<std::ptrdiff_t>(begin), ascii::to_lower);
}

int milliseconds_of(const wall_time& when) noexcept {
    return static_cast<int>(when.nanoseconds / 1'000'000);
}

}  // namespace

std::expected<access_log_format, std::string> access_log_format::read(std::string_view text) {
    if (text.size() > template_bytes_max) {
        return std::unexpected(
            fmt::format("a template of the access log has {} octets at most", template_bytes_max));
    }
    compiler work;
    auto wrong = work.read(text == "combined" ? combined_template
                           : text == "json"   ? json_template
                                              : text);
    if (!wrong.empty()) {
        return std::unexpected(std::move(wrong));
    }
    access_log_format made;
    made.text_ = std::move(work.text);
    made.pieces_ = std::move(work.pieces);
    return made;
}

access_log_format::access_log_format() {
    compiler work;
    const auto wrong = work.read(combined_template);
    FERRY_ASSERT(wrong.empty());
    text_ = std::move(work.text);
    pieces_ = std::move(work.pieces);
}

void access_log_formatter::set_second(std::int64_t second) noexcept {
    const auto time = to_calendar(second);
    const int year = std::clamp(time.year, 0, 9'999);
    constexpr std::string_view local_shape = "dd/Mon/yyyy:hh:mm:ss +0000";
    static_assert(local_shape.size() == local_bytes);
    std::ranges::copy(local_shape, local_.begin());
    const std::span local(local_);
    write_digits(local.subspan(0, 2), time.day);
    std::memcpy(local_.data() + 3, month_name(time.month), 3);
    write_digits(local.subspan(7, 4), year);
    write_digits(local.subspan(12, 2), time.hour);
    write_digits(local.subspan(15, 2), time.minute);
    write_digits(local.subspan(18, 2), time.second);

    constexpr std::string_view iso_shape = "yyyy-mm-ddThh:mm:ss";
    static_assert(iso_shape.size() == iso_bytes);
    std::ranges::copy(iso_shape, iso_.begin());
    const std::span iso(iso_);
    write_digits(iso.subspan(0, 4), year);
    write_digits(iso.subspan(5, 2), time.month);
    write_digits(iso.subspan(8, 2), time.day);
    write_digits(iso.subspan(11, 2), time.hour);
    write_digits(iso.subspan(14, 2), time.minute);
    write_digits(iso.subspan(17, 2), time.second);
    second_ = second;
}

void access_log_formatter::append(std::string& out, const access_record& record) {
    if (record.when.seconds != second_) {
        set_second(record.when.seconds);
    }
    const auto text = format_.text();
    for (const auto& each : format_.pieces()) {
        out.append(text.data() + each.literal_offset, each.literal_bytes);
        append_value(out, each, record);
    }
}

void access_log_formatter::append_value(std::string& out, const log_piece& what,
                                        const access_record& record) const {
    switch (what.what) {
        case log_variable::none:
            break;
        case log_variable::body_bytes_sent:
            append_number(out, record.body_bytes);
            break;
        case log_variable::bytes_sent:
            append_number(out, record.sent_bytes);
            break;
        case log_variable::complete:
            out += record.is_broken_off ? "false" : "true";
            break;
        case log_variable::connection:
            append_number(out, record.connection);
            break;
        case log_variable::duration_us:
            append_number(out, record.duration.count());
            break;
        case log_variable::field:
            append_text(out, what.how,
                        record.fields == nullptr ? std::string_view()
                                                 : record.fields->value_of(format_.text().substr(
                                                       what.field_offset, what.field_bytes)));
            break;
        case log_variable::host:
            append_host(out, what.how, record.host);
            break;
        case log_variable::http_host:
            append_text(out, what.how, record.host);
            break;
        case log_variable::http_referer:
            append_text(out, what.how, record.referer);
            break;
        case log_variable::http_user_agent:
            append_text(out, what.how, record.user_agent);
            break;
        case log_variable::msec:
            append_number(out, record.when.seconds);
            append_thousandths(out, milliseconds_of(record.when));
            break;
        case log_variable::remote_addr:
            append_text(out, what.how, record.peer);
            break;
        case log_variable::remote_port:
            append_number(out, record.peer_port);
            break;
        case log_variable::remote_user:
            append_text(out, what.how, record.user);
            break;
        case log_variable::request:
            append_request(out, what.how, record);
            break;
        case log_variable::request_completion:
            append_text(out, what.how, record.is_broken_off ? "" : "OK");
            break;
        case log_variable::request_length:
            append_number(out, record.received_bytes);
            break;
        case log_variable::request_method:
            append_text(out, what.how, record.method);
            break;
        case log_variable::request_time: {
            const auto milliseconds =
                std::chrono::duration_cast<std::chrono::milliseconds>(record.duration).count();
            append_number(out, milliseconds / 1'000);
            append_thousandths(out, static_cast<int>(milliseconds % 1'000));
            break;
        }
        case log_variable::request_uri:
            append_text(out, what.how, record.target);
            break;
        case log_variable::scheme:
            append_text(out, what.how, record.scheme);
            break;
        case log_variable::ssl_cipher:
            append_text(out, what.how, record.tls_cipher);
            break;
        case log_variable::ssl_protocol:
            append_text(out, what.how, record.tls_version);
            break;
        case log_variable::server_port:
            append_number(out, record.local_port);
            break;
        case log_variable::server_protocol:
            append_text(out, what.how, record.protocol);
            break;
        case log_variable::status:
            if (record.status == 0 && what.how != log_escaping::json) {
                out += '-';
            } else {
                append_number(out, record.status);
            }
            break;
        case log_variable::time_iso8601:
            out.append(iso_.data(), iso_.size());
            out += "+00:00";
            break;
        case log_variable::time_local:
            out.append(local_.data(), local_.size());
            break;
        case log_variable::time_rfc3339:
            out.append(iso_.data(), iso_.size());
            append_thousandths(out, milliseconds_of(record.when));
            out += 'Z';
            break;
    }
}

}  // namespace ferry::server
