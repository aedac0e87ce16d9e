#include "http/head_parser.hpp"

#include <llhttp.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <optional>

#include "ferry/base/ascii.hpp"
#include "ferry/base/assert.hpp"

namespace ferry::http {
namespace {

constexpr std::string_view version_prefix = "HTTP/";

// Reasons with more than one place.
constexpr std::string_view target_too_long = "request target over its limit";
constexpr std::string_view no_version = "request line without a version";
// llhttp lets any number of spaces pass there; RFC 9112 section 3 has exactly one.
constexpr std::string_view second_space = "more than one space after the method";

constexpr method method_from(llhttp_method_t which) noexcept {
    switch (which) {
        case HTTP_GET:
            return method::get;
        case HTTP_HEAD:
            return method::head;
        case HTTP_OPTIONS:
            return method::options;
        case HTTP_PUT:
            return method::put;
        case HTTP_DELETE:
            return method::delete_;
        case HTTP_POST:
            return method::post;
        case HTTP_PATCH:
            return method::patch;
        case HTTP_MKCOL:
            return method::mkcol;
        case HTTP_MOVE:
            return method::move;
        case HTTP_COPY:
            return method::copy;
        case HTTP_TRACE:
            return method::trace;
        case HTTP_CONNECT:
            return method::connect;
        default:
            return method::other;
    }
}

/// The octets of `reg-name`, and '%', whose digits are checked apart (RFC 3986 section 3.2.2).
constexpr bool is_reg_name_char(char c) noexcept {
    return ascii::is_alpha(c) || ascii::is_digit(c) ||
           std::string_view("-._~!$&'()*+,;=").find(c) != std::string_view::npos;
}

bool is_reg_name(std::string_view text) noexcept {
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%') {
            if (text.size() - i < 3 || ascii::hex_value(text[i + 1]) < 0 ||
                ascii::hex_value(text[i + 2]) < 0) {
                return false;
            }
            i += 2;
        } else if (!is_reg_name_char(text[i])) {
            return false;
        }
    }
    return true;
}

/// The inside of "[...]": the octets of an IPv6 address or of an IPvFuture (RFC 3986
/// section 3.2.2). The grouping of the address is not checked: ferry resolves no name a client
/// sends.
bool is_ip_literal(std::string_view text) noexcept {
    if (text.empty()) {
        return false;
    }
    if (text.front() == 'v' || text.front() == 'V') {
        const auto dot = text.find('.');
        return dot != std::string_view::npos && dot > 1 && dot + 1 < text.size() &&
               std::ranges::all_of(text.substr(1, dot - 1),
                                   [](char c) { return ascii::hex_value(c) >= 0; }) &&
               std::ranges::all_of(text.substr(dot + 1),
                                   [](char c) { return is_reg_name_char(c) || c == ':'; });
    }
    return text.find(':') != std::string_view::npos && std::ranges::all_of(text, [](char c) {
               return ascii::hex_value(c) >= 0 || c == ':' || c == '.';
           });
}

struct host_and_port {
    std::string_view host;
    std::string_view port;  ///< Without the colon.
    bool has_colon = false;
};

/// Splits `uri-host [ ":" port ]` (RFC 9110 section 7.2). Nothing when it is not one: user
/// information, a path, white space, octets outside the grammar. The host may be empty, the port
/// too.
std::optional<host_and_port> split_authority(std::string_view text) noexcept {
    host_and_port parts;
    std::size_t host_end = 0;
    if (text.starts_with('[')) {
        const auto bracket = text.find(']');
        if (bracket == std::string_view::npos || !is_ip_literal(text.substr(1, bracket - 1))) {
            return std::nullopt;
        }
        host_end = bracket + 1;
    } else {
        host_end = std::min(text.find(':'), text.size());
        if (!is_reg_name(text.substr(0, host_end))) {
            return std::nullopt;
        }
    }
    parts.host = text.substr(0, host_end);
    if (host_end < text.size()) {
        parts.has_colon = text[host_end] == ':';
        parts.port = text.substr(host_end + 1);
        if (!parts.has_colon || !std::ranges::all_of(parts.port, ascii::is_digit)) {
            return std::nullopt;
        }
    }
    return parts;
}

/// Calls `visit` with each member of a comma-separated list, without the white space around it and
/// without empty members (RFC 9110 section 5.6.1).
template <class Visitor>
void for_each_member(std::string_view list, Visitor&& visit) {
    while (!list.empty()) {
        const auto comma = std::min(list.find(','), list.size());
        const auto member = ascii::trim(list.substr(0, comma));
        list.remove_prefix(std::min(comma + 1, list.size()));
        if (!member.empty()) {
            visit(member);
        }
    }
}

/// The whole of `text` as a number (RFC 9110 section 8.6: 1*DIGIT); nothing beyond 2^64 - 1.
std::optional<std::uint64_t> parse_length(std::string_view text) noexcept {
    constexpr auto max = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t value = 0;
    for (const char c : text) {
        const auto digit = static_cast<std::uint64_t>(c - '0');
        if (!ascii::is_digit(c) || value > (max - digit) / 10) {
            return std::nullopt;
        }
        value = value * 10 + digit;
    }
    return text.empty() ? std::nullopt : std::optional(value);
}

}  // namespace

struct head_parser::state {
    explicit state(const head_limits& given) : limits(given) {
        FERRY_ASSERT(given.head_bytes_max <= 1_MiB &&
                     given.target_bytes_max < given.head_bytes_max);
        restart();
    }

    void restart() noexcept {
        llhttp_init(&parser, HTTP_REQUEST, &callbacks());
        parser.data = this;
        progress = head_progress::incomplete;
        refusal = {};
        base = nullptr;
        given = 0;
        request_at = 0;
        fed = 0;
        target_at = 0;
        target_bytes = 0;
        consumed = 0;
        line_reached = method_known = target_known = version_known = false;
        in_name = in_value = false;
        head.fields.clear();
    }

    head_progress parse(std::string_view input);

    /// Passes over one empty line (RFC 9112 section 2.2). True when the request line is reached.
    bool skip_empty_line(std::string_view input);
    void take_error(llhttp_errno_t what);
    void check_incomplete();
    bool check_target_end() noexcept;
    void finish();
    bool check_version();
    bool check_target();
    bool check_absolute_form();
    void classify_fields();
    bool check_host();
    bool check_framing();
    void read_connection_options();

    /// Notes the first refusal; later ones are consequences. Returns false, to be returned on.
    bool refuse(status what, std::string_view reason) noexcept {
        if (progress != head_progress::refused) {
            progress = head_progress::refused;
            refusal = {.what = what, .reason = reason};
        }
        return false;
    }

    static const llhttp_settings_t& callbacks() noexcept;
    static state& of(llhttp_t* parser) noexcept { return *static_cast<state*>(parser->data); }
    static int on_method_complete(llhttp_t* parser) noexcept;
    static int on_target(llhttp_t* parser, const char* at, std::size_t length) noexcept;
    static int on_target_complete(llhttp_t* parser) noexcept;
    static int on_version_complete(llhttp_t* parser) noexcept;
    static int on_name(llhttp_t* parser, const char* at, std::size_t length) noexcept;
    static int on_name_complete(llhttp_t* parser) noexcept;
    static int on_value(llhttp_t* parser, const char* at, std::size_t length) noexcept;
    static int on_headers_complete(llhttp_t* parser) noexcept;

    head_limits limits;
    llhttp_t parser;
    head_progress progress = head_progress::incomplete;
    head_refusal refusal;
    request head;
    const char* base = nullptr;    ///< The caller's buffer, during one call,
    std::size_t given = 0;         ///< and how much of it llhttp may see.
    std::size_t request_at = 0;    ///< Where the request line begins.
    std::size_t fed = 0;           ///< Octets passed over or given to llhttp so far.
    std::size_t target_at = 0;     ///< Where the target begins; valid when `method_known`.
    std::size_t target_bytes = 0;  ///< Octets of the target seen so far.
    std::size_t consumed = 0;
    bool line_reached = false;
    bool method_known = false;
    bool target_known = false;
    bool version_known = false;
    bool in_name = false;   ///< The last record's name has begun,
    bool in_value = false;  ///< and its value.
};

const llhttp_settings_t& head_parser::state::callbacks() noexcept {
    // No leniency flag is ever set: each has been a way to smuggle a request past a proxy.
    static const llhttp_settings_t table = [] {
        llhttp_settings_t made;
        llhttp_settings_init(&made);
        made.on_method_complete = on_method_complete;
        made.on_url = on_target;
        made.on_url_complete = on_target_complete;
        made.on_version_complete = on_version_complete;
        made.on_header_field = on_name;
        made.on_header_field_complete = on_name_complete;
        made.on_header_value = on_value;
        made.on_headers_complete = on_headers_complete;
        return made;
    }();
    return table;
}

int head_parser::state::on_method_complete(llhttp_t* parser) noexcept {
    auto& self = of(parser);
    const auto which = static_cast<llhttp_method_t>(llhttp_get_method(parser));
    self.target_at = self.request_at + std::strlen(llhttp_method_name(which)) + 1;
    self.method_known = true;
    return 0;
}

int head_parser::state::on_target(llhttp_t* parser, const char* at, std::size_t length) noexcept {
    auto& self = of(parser);
    const auto offset = static_cast<std::size_t>(at - self.base);
    if (self.target_bytes == 0 && offset != self.target_at) {
        self.refuse(status::bad_request, second_space);
        return HPE_USER;
    }
    self.target_bytes = offset + length - self.target_at;
    return 0;
}

int head_parser::state::on_target_complete(llhttp_t* parser) noexcept {
    auto& self = of(parser);
    self.target_known = true;
    return self.check_target_end() ? 0 : HPE_USER;
}

int head_parser::state::on_version_complete(llhttp_t* parser) noexcept {
    auto& self = of(parser);
    self.version_known = true;
    return self.check_version() ? 0 : HPE_USER;
}

int head_parser::state::on_name(llhttp_t* parser, const char* at, std::size_t length) noexcept {
    auto& self = of(parser);
    if (!self.in_name) {
        try {
            self.head.fields.append().name_offset = static_cast<std::uint32_t>(at - self.base);
        } catch (const std::bad_alloc&) {  // Must not unwind through llhttp, which is C.
            self.refuse(status::service_unavailable, "out of memory");
            return HPE_USER;
        }
        self.in_name = true;
        self.in_value = false;
    }
    // A name or value that came in several calls is in one piece in the buffer: only its end moves.
    auto& last = self.head.fields.record_at(self.head.fields.size() - 1);
    last.name_bytes =
        static_cast<std::uint32_t>(at - self.base + static_cast<std::ptrdiff_t>(length)) -
        last.name_offset;
    return 0;
}

int head_parser::state::on_name_complete(llhttp_t* parser) noexcept {
    auto& self = of(parser);
    self.in_name = false;
    if (self.head.fields.size() > self.limits.fields_max) {
        self.refuse(status::request_header_fields_too_large, "more fields than the limit");
        return HPE_USER;
    }
    return 0;
}

int head_parser::state::on_value(llhttp_t* parser, const char* at, std::size_t length) noexcept {
    auto& self = of(parser);
    auto& last = self.head.fields.record_at(self.head.fields.size() - 1);
    if (!self.in_value) {
        last.value_offset = static_cast<std::uint32_t>(at - self.base);
        self.in_value = true;
    }
    last.value_bytes =
        static_cast<std::uint32_t>(at - self.base + static_cast<std::ptrdiff_t>(length)) -
        last.value_offset;
    return 0;
}

int head_parser::state::on_headers_complete(llhttp_t*) noexcept {
    // Stops at the last octet of the head, before llhttp would read a body or, after CONNECT and
    // Upgrade, wait for a tunnel that ferry never opens.
    return HPE_PAUSED;
}

head_progress head_parser::state::parse(std::string_view input) {
    FERRY_ASSERT(progress == head_progress::incomplete && input.size() >= fed);
    base = input.data();
    given = std::min(input.size(), limits.head_bytes_max);
    if (!line_reached && !skip_empty_line(input)) {
        return progress;
    }
    const auto what = llhttp_execute(&parser, base + fed, given - fed);
    if (what == HPE_PAUSED) {
        consumed = static_cast<std::size_t>(llhttp_get_error_pos(&parser) - base);
        finish();
    } else if (what != HPE_OK) {
        take_error(what);
    } else {
        fed = given;
        check_incomplete();
    }
    return progress;
}

bool head_parser::state::skip_empty_line(std::string_view input) {
    if (input.starts_with('\r')) {
        if (input.size() == 1) {
            return false;
        }
        if (input[1] != '\n') {
            return refuse(status::bad_request, "carriage return without line feed");
        }
        request_at = 2;
    }
    if (input.size() == request_at) {
        return false;
    }
    if (input[request_at] == '\r' || input[request_at] == '\n') {
        return refuse(status::bad_request,
                      "empty lines or a bare line feed before the request line");
    }
    fed = request_at;
    line_reached = true;
    return true;
}

void head_parser::state::take_error(llhttp_errno_t what) {
    const auto at = static_cast<std::size_t>(llhttp_get_error_pos(&parser) - base);
    if (progress == head_progress::refused) {
        return;  // One of the callbacks said why.
    }
    if (method_known && !target_known && what != HPE_INVALID_METHOD) {
        // What a call for each octet would have noticed before this one.
        if (target_at < given && base[target_at] == ' ') {
            refuse(status::bad_request, second_space);
            return;
        }
        if (at > target_at + limits.target_bytes_max) {
            refuse(status::uri_too_long, target_too_long);
            return;
        }
    }
    switch (what) {
        case HPE_INVALID_METHOD:
            // An octet that may stand in a method: a method nobody here knows (RFC 9110
            // section 9.1).
            if (at < given && ascii::is_token_char(base[at])) {
                refuse(status::not_implemented, "unknown method");
            } else {
                refuse(status::bad_request, "malformed method");
            }
            return;
        case HPE_INVALID_URL:
            refuse(status::bad_request, "malformed request target");
            return;
        case HPE_INVALID_CONSTANT:
            // llhttp knows the methods of RTSP too, and finds out at the version.
            if (llhttp_get_method(&parser) > HTTP_SOURCE &&
                llhttp_get_method(&parser) != HTTP_QUERY) {
                refuse(status::not_implemented, "unknown method");
            } else {
                refuse(status::bad_request, "malformed request line");
            }
            return;
        case HPE_INVALID_VERSION: {
            // A version that is well formed, and unknown, is 505; everything else about it is 400.
            const auto version_at = target_at + target_bytes + 1 + version_prefix.size();
            const auto version = std::string_view(base, given).substr(std::min(version_at, given));
            if (!version_known && version.size() >= 3 && ascii::is_digit(version[0]) &&
                version[1] == '.' && ascii::is_digit(version[2])) {
                refuse(status::http_version_not_supported, "HTTP version other than 1.0 and 1.1");
            } else {
                refuse(status::bad_request, "malformed version");
            }
            return;
        }
        case HPE_INVALID_CONTENT_LENGTH:
        case HPE_UNEXPECTED_CONTENT_LENGTH:
            refuse(status::bad_request,
                   "Content-Length malformed, repeated or with Transfer-Encoding");
            return;
        case HPE_INVALID_TRANSFER_ENCODING:
            refuse(status::bad_request, "Transfer-Encoding malformed or with Content-Length");
            return;
        case HPE_INVALID_HEADER_TOKEN:
        case HPE_UNEXPECTED_SPACE:
            refuse(status::bad_request, "malformed field line");
            return;
        case HPE_CR_EXPECTED:
        case HPE_LF_EXPECTED:
        case HPE_STRICT:
            refuse(status::bad_request, "line that does not end in CR LF");
            return;
        default:
            refuse(status::bad_request, "malformed request head");
            return;
    }
}

void head_parser::state::check_incomplete() {
    if (method_known && !target_known && !check_target_end()) {
        return;
    }
    if (fed == limits.head_bytes_max) {
        refuse(status::request_header_fields_too_large, "request head over its limit");
    }
}

/// Checks the target's length so far and, if it was seen, the octet after it. llhttp would wait for
/// fields after a line of HTTP/0.9, whose client sends no more than that line.
bool head_parser::state::check_target_end() noexcept {
    if (target_bytes > limits.target_bytes_max) {
        return refuse(status::uri_too_long, target_too_long);
    }
    const auto end = target_at + target_bytes;
    if (target_bytes > 0 && end < given && base[end] != ' ') {
        return refuse(status::bad_request, no_version);
    }
    return true;
}

void head_parser::state::finish() {
    const auto text = std::string_view(base, consumed);
    head.method = method_from(static_cast<llhttp_method_t>(llhttp_get_method(&parser)));
    head.method_name = text.substr(request_at, target_at - 1 - request_at);
    head.target = text.substr(target_at, target_bytes);
    head.version_minor = llhttp_get_http_minor(&parser);
    head.fields.text_ = base;
    classify_fields();
    if (check_version() && check_target() && check_host() && check_framing()) {
        read_connection_options();
        progress = head_progress::complete;
    }
}

bool head_parser::state::check_version() {
    if (llhttp_get_http_major(&parser) == 0) {
        return refuse(status::bad_request, no_version);
    }
    // The octets before the version are still there; llhttp takes RTSP/1.0 and ICE/1.0 as well.
    if (std::string_view(base + target_at + target_bytes + 1, version_prefix.size()) !=
        version_prefix) {
        return refuse(status::bad_request, "protocol other than HTTP");
    }
    if (llhttp_get_http_major(&parser) != 1) {
        return refuse(status::http_version_not_supported, "HTTP version other than 1.0 and 1.1");
    }
    return true;
}

bool head_parser::state::check_target() {
    const auto target = head.target;
    head.authority = {};
    head.path = {};
    head.query = {};
    head.has_query = false;
    if (target.find('#') != std::string_view::npos) {
        return refuse(status::bad_request, "fragment in the request target");
    }
    if (head.method == method::connect) {  // RFC 9112 section 3.2.3: host and port, nothing else.
        const auto parts = split_authority(target);
        if (!parts || parts->host.empty() || parts->port.empty()) {
            return refuse(status::bad_request, "CONNECT to what is not host and port");
        }
        head.form = target_form::authority;
        head.authority = target;
        return true;
    }
    if (target == "*") {  // RFC 9112 section 3.2.4.
        head.form = target_form::asterisk;
        return head.method == method::options ||
               refuse(status::bad_request, "target \"*\" with a method other than OPTIONS");
    }
    if (target.starts_with('/')) {
        head.form = target_form::origin;
        head.path = target;
    } else if (!check_absolute_form()) {
        return false;
    }
    if (const auto mark = head.path.find('?'); mark != std::string_view::npos) {
        head.query = head.path.substr(mark + 1);
        head.has_query = true;
        head.path = head.path.substr(0, mark);
    }
    if (head.path.empty()) {  // RFC 9110 section 4.2.3: an empty path means "/".
        head.path = "/";
    }
    return true;
}

/// Reads scheme and authority (RFC 9112 section 3.2.2) and leaves path and query in `head.path`.
bool head_parser::state::check_absolute_form() {
    constexpr std::string_view schemes[] = {"http://", "https://"};
    for (const auto scheme : schemes) {
        if (!ascii::equal_ignoring_case(head.target.substr(0, scheme.size()), scheme)) {
            continue;
        }
        const auto after = head.target.substr(scheme.size());
        const auto authority = after.substr(0, after.find_first_of("/?"));
        const auto parts = split_authority(authority);
        if (!parts || parts->host.empty()) {  // RFC 9110 section 4.2.1; user information: 4.2.4.
            return refuse(status::bad_request, "malformed authority in the request target");
        }
        head.form = target_form::absolute;
        head.authority = authority;
        head.path = after.substr(authority.size());
        return true;
    }
    return refuse(status::bad_request, "request target is neither a path nor an http URI");
}

void head_parser::state::classify_fields() {
    for (std::size_t i = 0; i < head.fields.size(); ++i) {
        auto& record = head.fields.record_at(i);
        const auto value =
            ascii::trim(std::string_view(base + record.value_offset, record.value_bytes));
        record.value_offset = static_cast<std::uint32_t>(value.data() - base);
        record.value_bytes = static_cast<std::uint32_t>(value.size());
        head.fields.set_which(i, classify_field({base + record.name_offset, record.name_bytes}));
    }
}

bool head_parser::state::check_host() {
    head.host = {};
    if (!head.fields.has(field::host)) {
        if (head.version_minor != 0) {
            return refuse(status::bad_request, "no Host");
        }
    } else {
        const auto value = head.fields.only(field::host);
        if (!value) {
            return refuse(status::bad_request, "more than one Host");
        }
        const auto parts = split_authority(*value);
        // An http URI without a host is no URI (RFC 9110 section 4.2.1); HTTP/1.0 needs none.
        if (!parts || (parts->host.empty() && (head.version_minor != 0 || parts->has_colon))) {
            return refuse(status::bad_request, "malformed Host");
        }
        head.host = *value;
    }
    if (head.form == target_form::absolute || head.form == target_form::authority) {
        head.host = head.authority;  // RFC 9112 section 3.2.2: Host is ignored then.
    }
    return true;
}

bool head_parser::state::check_framing() {
    head.framing = body_framing::none;
    head.content_length = 0;
    if (head.fields.has(field::transfer_encoding)) {
        if (head.version_minor == 0) {  // RFC 9112 section 6.1: the framing is faulty.
            return refuse(status::bad_request, "Transfer-Encoding in HTTP/1.0");
        }
        if (head.fields.has(field::content_length)) {
            return refuse(status::bad_request, "Content-Length with Transfer-Encoding");
        }
        bool chunked_last = false;
        bool chunked_before_last = false;
        std::size_t codings = 0;
        head.fields.for_each(field::transfer_encoding, [&](std::string_view list) {
            for_each_member(list, [&](std::string_view coding) {
                chunked_before_last = chunked_before_last || chunked_last;
                chunked_last = ascii::equal_ignoring_case(coding, "chunked");
                ++codings;
            });
            return true;
        });
        if (!chunked_last || chunked_before_last) {  // RFC 9112 section 6.3, rule 4.
            return refuse(status::bad_request,
                          "Transfer-Encoding that does not end in one chunked");
        }
        if (codings > 1) {  // RFC 9112 section 6.1.
            return refuse(status::not_implemented, "transfer coding other than chunked");
        }
        head.framing = body_framing::chunked;
    } else if (head.fields.has(field::content_length)) {
        const auto value = head.fields.only(field::content_length);
        const auto length = value ? parse_length(*value) : std::nullopt;
        if (!length) {  // RFC 9112 section 6.3, rule 5.
            return refuse(status::bad_request, "Content-Length malformed or repeated");
        }
        head.framing = body_framing::length;
        head.content_length = *length;
    }
    return true;
}

void head_parser::state::read_connection_options() {
    bool close = false;
    bool stay = false;
    head.fields.for_each(field::connection, [&close, &stay](std::string_view list) {
        for_each_member(list, [&close, &stay](std::string_view option) {
            close = close || ascii::equal_ignoring_case(option, "close");
            stay = stay || ascii::equal_ignoring_case(option, "keep-alive");
        });
        return true;
    });
    // What follows a CONNECT may be the octets of a tunnel the client hoped for, not a request.
    head.keep_alive = !close && (head.version_minor != 0 || stay) && head.method != method::connect;
    head.says_keep_alive = head.keep_alive && head.version_minor == 0;
    head.expect_continue = false;
    const bool has_body = head.framing == body_framing::chunked || head.content_length != 0;
    if (head.version_minor != 0 && has_body) {
        head.fields.for_each(field::expect, [this](std::string_view list) {
            for_each_member(list, [this](std::string_view member) {
                head.expect_continue =
                    head.expect_continue || ascii::equal_ignoring_case(member, "100-continue");
            });
            return true;
        });
    }
}

head_parser::head_parser(const head_limits& limits) : state_(std::make_unique<state>(limits)) {}
head_parser::head_parser(head_parser&&) noexcept = default;
head_parser& head_parser::operator=(head_parser&&) noexcept = default;
head_parser::~head_parser() = default;

head_progress head_parser::parse(std::string_view input) {
    return state_->parse(input);
}

std::size_t head_parser::consumed_bytes() const noexcept {
    FERRY_ASSERT(state_->progress == head_progress::complete);
    return state_->consumed;
}

const request& head_parser::head() const noexcept {
    FERRY_ASSERT(state_->progress == head_progress::complete);
    return state_->head;
}

const head_refusal& head_parser::refusal() const noexcept {
    FERRY_ASSERT(state_->progress == head_progress::refused);
    return state_->refusal;
}

bool head_parser::is_idle() const noexcept {
    return state_->progress == head_progress::incomplete && !state_->line_reached;
}

void head_parser::reset() noexcept {
    state_->restart();
}

}  // namespace ferry::http
