#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "client_context.hpp"
#include "ferry/base/result.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/runtime/task.hpp"

namespace ferry::sim::test {

/// A client's end of a connection: octets that were received and not yet taken, and how it ended.
class wire {
  public:
    wire() = default;
    wire(runtime::core& here, unique_fd socket) noexcept
        : here_(&here), socket_(std::move(socket)) {}

    [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(socket_); }
    [[nodiscard]] int fd() const noexcept { return socket_.get(); }

    /// Sends all of `octets`. errc::timed_out, reset, ...
    [[nodiscard]] runtime::task<result<void>> send(std::string_view octets,
                                                   runtime::time_point deadline);
    /// Sends `octets` in pieces of random sizes with pauses between them.
    [[nodiscard]] runtime::task<result<void>> send_in_pieces(client_context& context,
                                                             std::string_view octets,
                                                             runtime::time_point deadline);
    /// The last octet as urgent data: the Synch of Telnet (RFC 854). Never suspends; false when
    /// the socket did not take them.
    bool send_urgent(std::string_view octets) noexcept;

    /// Waits until there is more in `input()`; false: the peer has ended its side. Errors:
    /// errc::reset, timed_out, ...
    [[nodiscard]] runtime::task<result<bool>> fill(runtime::time_point deadline,
                                                   std::size_t octets_max = 64 * 1024);
    [[nodiscard]] std::string& input() noexcept { return input_; }

    /// Ends our side; reading goes on.
    void end_sending() noexcept;
    void close() noexcept { socket_.reset(); }
    /// Closes, and the peer sees a reset.
    void reset() noexcept;
    /// A small receive buffer, so that a slow reader is felt. Best before octets come.
    void shrink_receive_buffer() noexcept;

  private:
    runtime::core* here_ = nullptr;
    unique_fd socket_;
    std::string input_;
};

/// Connects to `to`. Complains when that fails without an excuse.
[[nodiscard]] runtime::task<result<wire>> dial(client_context& context, const net::endpoint& to);

/// What a failed wait means: noted as a violation where nothing excuses it. `doing` is what was
/// waited for.
void judge_failure(client_context& context, const error& why, std::string_view doing,
                   std::string_view request);

}  // namespace ferry::sim::test
