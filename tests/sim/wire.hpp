#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "client_context.hpp"
#include "ferry/base/result.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/runtime/task.hpp"
#include "tls_side.hpp"

namespace ferry::sim::test {

/// A client's end of a connection: octets that were received and not yet taken, and how it ended.
class wire {
  public:
    wire() = default;
    wire(runtime::core& here, unique_fd socket) noexcept
        : here_(&here), socket_(std::move(socket)) {}

    [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(socket_); }
    [[nodiscard]] int fd() const noexcept { return socket_.get(); }
    [[nodiscard]] bool is_secure() const noexcept { return tls_ != nullptr; }

    /// Shakes hands as the client of TLS; all that follows goes over it. What has come in clear by
    /// then is the beginning of what the server says of it. Errors: as of `fill`.
    [[nodiscard]] runtime::task<result<void>> begin_tls(const tls_clients& by,
                                                        std::shared_ptr<tls_memory> resumed,
                                                        tls_side::version speaks,
                                                        runtime::time_point deadline);
    [[nodiscard]] bool is_resumed() const noexcept { return tls_ && tls_->is_resumed(); }
    /// Octets that the network was given.
    [[nodiscard]] std::uint64_t octets_sent() const noexcept { return octets_sent_; }

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

    /// Waits until there is more in `input()`; false: the peer has ended its side, over TLS by its
    /// close_notify. Errors: errc::reset, timed_out, ...; closed: an end without close_notify;
    /// invalid: what has come is no TLS.
    [[nodiscard]] runtime::task<result<bool>> fill(runtime::time_point deadline,
                                                   std::size_t octets_max = 64 * 1024);
    [[nodiscard]] std::string& input() noexcept { return input_; }

    /// Ends our side, over TLS with a close_notify; reading goes on. Whether it arrives shows in
    /// what the peer says.
    [[nodiscard]] runtime::task<> end_sending(runtime::time_point deadline);
    /// Ends our side and waits for the end of the peer's, where only that makes sure that what was
    /// sent arrives: what nobody reads, as tickets, would make a reset of our close. Then closes.
    [[nodiscard]] runtime::task<> finish(runtime::time_point deadline);
    void close() noexcept { socket_.reset(); }
    /// Closes, and the peer sees a reset.
    void reset() noexcept;
    /// A small receive buffer, so that a slow reader is felt. Best before octets come.
    void shrink_receive_buffer() noexcept;

  private:
    [[nodiscard]] runtime::task<result<void>> send_octets(std::string_view octets,
                                                          runtime::time_point deadline);
    [[nodiscard]] runtime::task<result<bool>> receive(std::string& into, std::size_t octets_max,
                                                      runtime::time_point deadline);
    [[nodiscard]] runtime::task<result<void>> receive_sealed(runtime::time_point deadline);
    [[nodiscard]] error explain(tls_side::progress how) const;

    runtime::core* here_ = nullptr;
    unique_fd socket_;
    std::string input_;
    std::unique_ptr<tls_side> tls_;
    std::uint64_t octets_sent_ = 0;
    bool was_reset_ = false;  ///< A send has told so, and what reads is told of an end (tcp(7)).
};

/// Connects to `to`. Complains when that fails without an excuse.
[[nodiscard]] runtime::task<result<wire>> dial(client_context& context, const net::endpoint& to);

/// Begins TLS on a connection, of a version that is drawn. Complains as `dial` does.
[[nodiscard]] runtime::task<result<void>> begin_tls(client_context& context, wire& on,
                                                    std::shared_ptr<tls_memory> resumed);

/// What a failed wait means: noted as a violation where nothing excuses it. `doing` is what was
/// waited for.
void judge_failure(client_context& context, const error& why, std::string_view doing,
                   std::string_view request);

}  // namespace ferry::sim::test
