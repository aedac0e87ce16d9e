#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "ferry/base/units.hpp"
#include "http/request.hpp"
#include "http/status.hpp"

namespace ferry::http {

/// What a request head may take up. Every bound is inclusive.
struct head_limits {
    /// The head with its empty line, and an empty line before it. At most 1 MiB. Over it: 431.
    std::size_t head_bytes_max = 16_KiB;
    /// The request target; RFC 9112 section 3 asks for request lines of 8,000 octets at least.
    /// Below `head_bytes_max`. Over it: 414.
    std::size_t target_bytes_max = 8_KiB;
    /// Field lines. Over it: 431.
    std::size_t fields_max = 100;
};

enum class head_progress : std::uint8_t {
    incomplete,  ///< Every octet so far may begin a head: call again when more came.
    complete,    ///< A request is there.
    refused,     ///< No request will come of this.
};

/// Why a head is refused. Whatever the reason, nothing after it can be trusted to begin a request:
/// answer `what` with `Connection: close`, drain a little, close (RFC 9112 section 9.6), and parse
/// no further octet of the connection.
struct head_refusal {
    status what = status::bad_request;
    std::string_view
        reason;  ///< For the log and the page: fixed text, nothing of the client's in it.
};

/// Reads one request head after the other from a connection's input (RFC 9112 sections 2 to
/// 6, 9.3).
///
/// Strict where leniency has been used for smuggling: no bare LF or CR, no white space before a
/// colon, no folded lines, one SP between the parts of the request line, one valid Host in
/// HTTP/1.1, one way to tell where the body ends. One empty line before the request line is ignored
/// (section 2.2). The only user of llhttp. Never suspends.
class head_parser {
  public:
    explicit head_parser(const head_limits& limits);
    head_parser(head_parser&&) noexcept;
    head_parser& operator=(head_parser&&) noexcept;
    ~head_parser();

    /// Reads on. `input` is everything received of this head and after it, from its first octet:
    /// the caller keeps the buffer, may move it between calls, and passes it whole each time;
    /// octets seen before are not read again. The result does not depend on how the octets were cut
    /// into calls.
    ///
    /// Call it only while the last answer was `incomplete`. A buffer of `head_bytes_max` octets is
    /// always enough: `incomplete` is never the answer to that many.
    ///
    /// Cost: one pass; no allocation up to 24 fields. 0.11 us for the two lines of wrk, 0.55 us for
    /// the twelve fields of a browser.
    [[nodiscard]] head_progress parse(std::string_view input);

    /// Octets of the head, after `complete`: what follows them is the body or the next request.
    [[nodiscard]] std::size_t consumed_bytes() const noexcept;

    /// The request, after `complete`. Valid until `reset` or destruction and as long as the octets
    /// last passed to `parse` stay where they are.
    [[nodiscard]] const request& head() const noexcept;

    /// What to answer, after `refused`.
    [[nodiscard]] const head_refusal& refusal() const noexcept;

    /// True when no octet of a request line has been seen: a connection that ends or times out here
    /// is idle and gets no answer (RFC 9112 section 9.5).
    [[nodiscard]] bool is_idle() const noexcept;

    /// Makes ready for the next head; the next `parse` takes the octets after the last one and its
    /// body.
    void reset() noexcept;

  private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace ferry::http
