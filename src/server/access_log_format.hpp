#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/base/access_record.hpp"

namespace ferry::server {

/// What stands in a line besides the template's own text; README.md says what each is.
enum class log_variable : std::uint8_t {
    none,  ///< The end of the line.
    body_bytes_sent,
    bytes_sent,
    complete,
    connection,
    duration_us,
    field,  ///< Of the request: `log_piece::field_offset`.
    host,
    http_host,
    http_referer,
    http_user_agent,
    msec,
    remote_addr,
    remote_port,
    remote_user,
    request,
    request_completion,
    request_length,
    request_method,
    request_time,
    request_uri,
    scheme,
    server_port,
    server_protocol,
    ssl_cipher,
    ssl_protocol,
    status,
    time_iso8601,
    time_local,
    time_rfc3339,
};

/// How octets that clients chose are kept in their place.
enum class log_escaping : std::uint8_t {
    word,    ///< Ends at a blank.
    quoted,  ///< Ends at a quote.
    json,
};

/// A stretch of a template's own text and the variable behind it, as places in
/// `access_log_format::text`.
struct log_piece {
    std::uint16_t literal_offset = 0;
    std::uint16_t literal_bytes = 0;
    std::uint16_t field_offset = 0;  ///< The name of the request's field.
    std::uint16_t field_bytes = 0;
    log_variable what = log_variable::none;
    log_escaping how = log_escaping::word;
};

/// How a line of the access log looks: a template, taken apart once.
///
/// A template is text with variables, called as nginx calls them where nginx has them:
/// `$remote_addr` or `${remote_addr}`; `$$` is a dollar sign. `$http_NAME` is the request's field
/// NAME, with '_' for '-'; none that holds a password.
///
/// A missing value is "-". In values control octets, quotes and backslashes, and outside of quotes
/// blanks, are written as `\xHH`: whatever a client sends, a record is one line and its fields are
/// where they should be (threats.md, H7). Octets above 0x7F are written as they are.
///
/// Behind `escape=json ` the template is one of JSON: values are written by `append_json_text`, a
/// missing one is empty, a missing status 0.
class access_log_format {
  public:
    static constexpr std::size_t template_bytes_max = 4'096;

    /// The combined log format, with the duration in microseconds after it.
    static constexpr std::string_view combined_template =
        R"($remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent )"
        R"("$http_referer" "$http_user_agent" $duration_us)";
    static constexpr std::string_view json_template =
        R"(escape=json {"time":"$time_rfc3339","remote":"$remote_addr",)"
        R"("remote_port":$remote_port,"connection":$connection,"user":"$remote_user",)"
        R"("protocol":"$server_protocol","tls":"$ssl_protocol","method":"$request_method",)"
        R"("target":"$request_uri","host":"$http_host","status":$status,"bytes":$body_bytes_sent,)"
        R"("bytes_received":$request_length,"bytes_sent":$bytes_sent,"complete":$complete,)"
        R"("duration_us":$duration_us,"referer":"$http_referer","user_agent":"$http_user_agent"})";

    /// Reads "combined", "json" or a template.
    ///
    /// Errors: what is wrong, for a person: the variable that there is not and those that there
    /// are; a text without any variable; a control octet but TAB; more than `template_bytes_max`.
    [[nodiscard]] static std::expected<access_log_format, std::string> read(std::string_view text);

    /// "combined".
    access_log_format();

    /// What the pieces are cut from.
    [[nodiscard]] std::string_view text() const noexcept { return text_; }
    /// At least one; the last has no variable.
    [[nodiscard]] std::span<const log_piece> pieces() const noexcept { return pieces_; }

  private:
    std::string text_;
    std::vector<log_piece> pieces_;
};

/// Writes access records as lines of a format.
///
/// One per core: it remembers the text of the last second.
class access_log_formatter {
  public:
    access_log_formatter() = default;
    explicit access_log_formatter(access_log_format format) noexcept : format_(std::move(format)) {}

    /// Appends one line with its LF to `out`. Times are UTC.
    ///
    /// Cost: one pass over the fields; no allocation but the growth of `out`. A line is longer than
    /// its values by the template, and by three for each octet escaped, in JSON by five. Never
    /// fails, never suspends.
    void append(std::string& out, const access_record& record);

  private:
    static constexpr std::size_t local_bytes = 26;  // "10/Oct/2026:13:55:36 +0000"
    static constexpr std::size_t iso_bytes = 19;    // "2026-10-10T13:55:36"

    void set_second(std::int64_t second) noexcept;
    void append_value(std::string& out, const log_piece& what, const access_record& record) const;

    access_log_format format_;
    std::int64_t second_ = std::numeric_limits<std::int64_t>::min();
    std::array<char, local_bytes> local_{};
    std::array<char, iso_bytes> iso_{};
};

}  // namespace ferry::server
