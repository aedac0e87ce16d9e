#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "ferry/base/result.hpp"
#include "ferry/runtime/task.hpp"
#include "http/head_parser.hpp"

namespace ferry::http {

/// The content of one request, a piece at a time: for who decides answers and knows no socket.
class content_reader {
  public:
    virtual ~content_reader() = default;

    /// The next octets, valid until the next call; none at the end, and again after it. The first
    /// call tells a client that waits to be told so to go on (RFC 9110 section 10.1.1): whoever
    /// refuses a request does it before.
    ///
    /// Errors: errc::closed (the client ended before the content did), reset, timed_out (it came
    /// too slowly), invalid (broken framing: see `refusal`),
    /// too_large (over the limit), cancelled. What came is then not all: drop it. Every later call
    /// says the same.
    [[nodiscard]] virtual runtime::task<result<std::span<const std::byte>>> next() = 0;

    /// Sends an interim answer (RFC 9110 section 15.2), before the content is asked for. The client
    /// speaks HTTP/1.1. Errors: of `net::stream::send`.
    [[nodiscard]] virtual runtime::task<result<void>> tell(std::string_view interim) = 0;

    /// What to answer after errc::invalid.
    [[nodiscard]] virtual head_refusal refusal() const noexcept = 0;

    /// Whether the connection can serve another request after this one: all has been read, or what
    /// has not is little enough to be skipped (RFC 9112 section 9.3). Says it for this moment.
    [[nodiscard]] virtual bool lets_go_on() const noexcept = 0;
};

}  // namespace ferry::http
