#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ferry/net/stream.hpp"
#include "ferry/runtime/stop.hpp"
#include "ferry/runtime/time.hpp"
#include "http/chunked_decoder.hpp"
#include "http/content_reader.hpp"
#include "http/head_parser.hpp"
#include "http/request.hpp"

namespace ferry::http {

struct body_limits {
    std::uint64_t content_bytes_max = 0;        ///< 0: as much as there is.
    std::uint64_t drain_bytes_max = 64 * 1024;  ///< Of a body nobody wants; then close.
    runtime::duration stall_timeout{};          ///< Without an octet.
    runtime::duration drain_timeout{};          ///< For all of a body nobody wants.
    chunked_limits chunks;
    runtime::stop_scope* ending = nullptr;  ///< Once that stops nothing more is waited for.
};

/// The body of one request as it comes from the connection (RFC 9112 sections 6 and 7). Holds a
/// piece of it at a time: up to 16 KiB, up to 256 KiB once the client fills that. All it is given
/// outlives it.
class request_body final : public content_reader {
  public:
    /// `at_hand`: what has been received behind the head, of the body or of what follows it. What
    /// was answered before must have been sent.
    request_body(net::stream& peer, const request& asked, std::string_view at_hand,
                 const body_limits& limits) noexcept;

    [[nodiscard]] runtime::task<result<std::span<const std::byte>>> next() override;
    [[nodiscard]] runtime::task<result<void>> tell(std::string_view interim) override;
    [[nodiscard]] bool lets_go_on() const noexcept override;

    /// All of the body has been read, or there is none.
    [[nodiscard]] bool is_over() const noexcept { return is_over_; }

    [[nodiscard]] head_refusal refusal() const noexcept override {
        return {.what = chunks_.refused_with(), .reason = chunks_.reason()};
    }

    /// Reads the rest and drops it, where `lets_go_on`. Errors as `next`.
    [[nodiscard]] runtime::task<result<void>> skip();

    /// Octets of `at_hand` that were of the body.
    [[nodiscard]] std::size_t used_at_hand_bytes() const noexcept { return used_; }

    /// Octets that came along with the end of the body and are no more of it: they follow what
    /// was `at_hand`, which is then used up.
    [[nodiscard]] std::string_view following() const noexcept { return following_; }

    /// Of the body, as they came: framing too.
    [[nodiscard]] const std::uint64_t& received_bytes() const noexcept { return received_bytes_; }

  private:
    [[nodiscard]] runtime::task<result<void>> go_ahead();
    [[nodiscard]] runtime::task<result<std::string_view>> next_octets();
    [[nodiscard]] runtime::task<result<std::string_view>> next_by_length();
    [[nodiscard]] runtime::task<result<std::string_view>> next_by_chunks();
    [[nodiscard]] runtime::task<result<std::string_view>> receive(std::uint64_t most);

    net::stream& peer_;
    std::string_view at_hand_;
    body_limits limits_;
    bool is_chunked_;
    bool waits_for_continue_;
    bool is_over_ = false;
    std::uint64_t left_bytes_ = 0;     ///< By Content-Length.
    std::uint64_t content_bytes_ = 0;  ///< Given out.
    std::uint64_t received_bytes_ = 0;
    std::size_t used_ = 0;
    runtime::time_point deadline_ = runtime::never;  ///< Of all that comes, while it is skipped.
    chunked_decoder chunks_;
    std::optional<errc> failed_;
    std::unique_ptr<std::byte[]> memory_;
    std::size_t memory_bytes_ = 0;
    bool was_filled_ = false;    ///< By what came last.
    std::string_view received_;  ///< In `memory_`, not decoded yet.
    std::string_view following_;
};

}  // namespace ferry::http
