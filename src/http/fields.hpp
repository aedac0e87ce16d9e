#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/field_name.hpp"
#include "http/range.hpp"
#include "http/status.hpp"

namespace ferry::http {

struct answer_rules;

/// What `Connection` says in an answer (RFC 9112 section 9.6).
enum class connection_option : std::uint8_t {
    none,        ///< HTTP/1.1 stays open by itself.
    keep_alive,  ///< To a client of HTTP/1.0 that asked to stay.
    close,       ///< This answer is the last.
};

/// The head of an answer as data. A member left empty has no field. Views must live until the head
/// has been written; none may hold a control octet.
struct response_head {
    status what = status::ok;
    std::string_view date = {};    ///< Always (RFC 9110 section 6.6.1). From `date_cache`.
    std::string_view server = {};  ///< The product's name, or empty to say nothing.
    connection_option connection = connection_option::none;

    /// Octets of the content, also when it is not sent: HEAD (RFC 9110 section 8.6). Nothing for an
    /// answer that is chunked or ends with the connection.
    std::optional<std::uint64_t> content_length = {};
    bool chunked = false;  ///< Only to clients of HTTP/1.1 (RFC 9112 section 6.1).
    std::string_view content_type = {};

    std::string_view etag = {};           ///< With its quotes.
    std::string_view last_modified = {};  ///< From `format_date`.
    bool accepts_ranges = false;          ///< The representation can be asked for in parts.
    /// The part that is sent; with 206 only. `content_length` is then the part's.
    std::optional<byte_range> part = {};
    /// 206 with several parts, each with a range of its own in the content; `content_type` says so.
    bool is_multipart = false;
    /// Of the whole representation; with 206 and 416 (RFC 9110 sections 14.4, 15.5.17).
    std::uint64_t whole_size_bytes = 0;

    std::string_view cache_control = {};
    std::string_view content_encoding = {};
    std::string_view content_location = {};
    std::string_view content_disposition = {};  ///< From `attachment_named`.
    std::string_view repr_digest = {};          ///< RFC 9530: of the whole representation.
    std::string_view content_digest = {};       ///< Of what this answer carries of it.
    std::string_view vary = {};

    std::string_view accept_patch = {};  ///< Media types (RFC 5789 section 3.1).
    /// Of an upload resource (draft-ietf-httpbis-resumable-upload section 4.1), whatever the
    /// status.
    std::optional<bool> upload_complete = {};
    std::optional<std::uint64_t> upload_offset = {};
    std::optional<std::uint64_t> upload_length = {};
    std::string_view upload_limit = {};
    std::optional<std::uint64_t> upload_draft_interop_version = {};

    std::string_view location = {};  ///< An absolute path or a URI, encoded.
    std::string_view allow = {};     ///< Methods, with 405 (section 15.5.6) and OPTIONS.
    std::string_view retry_after = {};
    std::string_view www_authenticate = {};  ///< With 401 (section 15.5.2).
    std::string_view content_security_policy = {};
    std::string_view strict_transport_security = {};  ///< Over TLS only (RFC 6797 section 7.2).
    bool no_sniff = false;  ///< X-Content-Type-Options: the type is not to be guessed.

    const answer_rules* rules = nullptr;  ///< What a site makes of it; null: nothing.
};

/// Appends the head, its empty line included, as RFC 9112 section 4 has it. Leaves out what the
/// status forbids whatever `head` holds:
///   - validators and ranges with errors: they are of no representation that was asked for
///   - Content-Length and Transfer-Encoding with 1xx and 204 (RFC 9110 section 8.6, RFC 9112
///   section 6.1)
///   - with 304 all but what updates a cache (RFC 9110 section 15.4.5); Last-Modified only without
///   ETag
/// A control octet in a value stops the program: it would be an answer split in two (threats.md,
/// H7). Cost: one pass, at most one allocation by `out`.
void append_head(std::string& out, const response_head& head);

/// Appends the line Content-Range of `part` (RFC 9110 section 14.4), as it also stands in the parts
/// of a multipart/byteranges (section 14.6).
void append_content_range(std::string& out, const byte_range& part, std::uint64_t whole_size_bytes);

/// Appends the lines that tell of `part` in the head of an answer that has it alone (206):
/// Content-Range and Content-Length, as `append_head` does.
void append_part_lines(std::string& out, const byte_range& part, std::uint64_t whole_size_bytes);

/// The type of the pages ferry makes.
inline constexpr std::string_view page_content_type = "text/html; charset=utf-8";

/// A page for an error: the status, its phrase and one sentence. `explanation` is escaped for HTML,
/// but should be ferry's own words: nothing a client wrote belongs on it (row D30).
[[nodiscard]] std::string error_page(status what, std::string_view explanation = {});

/// Appends a whole error answer: `head` with the length and type of the page, and the page itself
/// unless `with_page` is false, as for HEAD. 405 must have `allow`. Returns the octets of the page
/// that are in `out`.
std::size_t append_error_answer(std::string& out, response_head head, bool with_page,
                                std::string_view explanation = {});

/// The type of an error as data (RFC 9457 section 3).
inline constexpr std::string_view problem_content_type = "application/problem+json";

/// The same with `json` instead of a page.
std::size_t append_problem_answer(std::string& out, response_head head, bool with_content,
                                  std::string_view json);

/// Gives `message`, an answer as `append_error_answer` made it, another page: Content-Type and
/// Content-Length are of that, its own page is gone, all other fields stay. False: it has no
/// Content-Type or no Content-Length, and is as it was.
[[nodiscard]] bool replace_page(std::string& message, std::string_view content_type,
                                std::uint64_t size_bytes);

}  // namespace ferry::http
