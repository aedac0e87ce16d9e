#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ferry/base/unique_fd.hpp"
#include "ferry/net/activity.hpp"
#include "ferry/net/rate_floor.hpp"
#include "ferry/net/stream.hpp"
#include "ferry/runtime/op.hpp"
#include "ferry/runtime/stop.hpp"
#include "ferry/runtime/wait.hpp"

namespace ferry::net {

/// What a peer has to keep to; without, it may be as slow as the timeouts let it (threats.md, H3).
struct minimum_rates {
    minimum_rate sending;    ///< How fast it takes what it is sent.
    minimum_rate receiving;  ///< How fast `receive` gets something from it.
};

/// Between whom a connection is.
struct end_addresses {
    endpoint local;
    endpoint peer;
};

/// TCP without more. An idle one holds no memory for input: octets arrive in the core's own buffers
/// (datapath.md, 6). The first receive is single, so that a connection of one request has nothing
/// armed when it closes (datapath.md, 7); from the second on one armed receive serves them all.
class plain_stream final : public stream {
  public:
    /// Takes a connected socket; reads both its addresses. A peer below one of `least` gets
    /// errc::timed_out, as one that moves nothing for a whole timeout does: both go by what its TCP
    /// has acknowledged, not by what there was room for in the socket.
    /// What moves is added to `counts`, which outlives it; null: nobody counts.
    plain_stream(runtime::core& here, unique_fd socket, minimum_rates least = {},
                 octet_counts* counts = nullptr) noexcept;
    /// The same for who knows both its addresses.
    plain_stream(runtime::core& here, unique_fd socket, const end_addresses& ends,
                 minimum_rates least, octet_counts* counts = nullptr) noexcept;
    ~plain_stream() override;

    [[nodiscard]] std::string_view input() const noexcept override {
        return std::string_view(input_).substr(consumed_);
    }
    void take_input(std::string& into) override;
    void consume(std::size_t octets) noexcept override;
    [[nodiscard]] runtime::task<result<void>> fill(runtime::time_point deadline) override;
    [[nodiscard]] runtime::task<result<std::size_t>> receive(std::span<std::byte> into,
                                                             runtime::time_point deadline) override;
    [[nodiscard]] runtime::task<result<void>> send(std::span<const std::byte> octets,
                                                   runtime::duration stall_timeout) override;
    [[nodiscard]] std::size_t send_at_once(std::span<const std::byte> octets) noexcept override;
    [[nodiscard]] std::size_t send_ahead(std::span<const std::byte> octets) noexcept override;
    [[nodiscard]] runtime::task<result<std::uint64_t>> send_file(
        file_message message, runtime::duration stall_timeout) override;
    [[nodiscard]] bool seal_in_kernel(const record_key& key) noexcept override;
    [[nodiscard]] runtime::task<result<void>> send_record(std::uint8_t kind,
                                                          std::span<const std::byte> octets,
                                                          runtime::duration stall_timeout) override;
    /// What `input()` holds, if anything, is news to the next `fill`: for who has read the
    /// beginning of a connection and leaves the rest to others.
    void announce_again() noexcept { has_news_ = !input().empty(); }
    /// `octets` have arrived before all others: for who read them before there was the stream.
    void begin_with(std::string octets) noexcept;
    /// Gives the socket away with nothing under way on it, and is over. None, and the stream goes
    /// on: something has arrived meanwhile, or it has ended.
    [[nodiscard]] runtime::task<unique_fd> give_away();
    /// False: the peer had reset the connection before the kernel was asked who it is, and `peer()`
    /// is nobody. Do nothing for it: no rule, limit or log knows whose doing it would be.
    [[nodiscard]] bool knows_peer() const noexcept {
        return peer_.port != 0 || peer_.family == address_family::local;
    }
    /// From now on `peer()` is `other`, on whose behalf a proxy has connected.
    void speak_for(const endpoint& other) noexcept { peer_ = other; }
    void shut_down_sending() noexcept override;
    [[nodiscard]] runtime::task<> close(farewell how) override;

    [[nodiscard]] const endpoint& peer() const noexcept override { return peer_; }
    [[nodiscard]] const endpoint& local() const noexcept override { return local_; }
    [[nodiscard]] runtime::core& here() noexcept override { return here_; }

  private:
    struct receive_op : runtime::op {
        explicit receive_op(plain_stream& of) noexcept
            : op(runtime::opcode::receive_provided, of.socket_.get(), &plain_stream::on_receive),
              owner(of) {}
        plain_stream& owner;
    };

    /// The peer, waited for by one send.
    struct send_wait {
        runtime::duration stall_timeout{};
        runtime::time_point last_progress{};
        runtime::time_point began{};  ///< Of the operation under way.
    };

    void note_received(std::size_t octets) noexcept {
        if (counts_ != nullptr) {
            counts_->received += octets;
        }
    }
    void note_given(std::uint64_t octets) noexcept {
        given_ += octets;
        if (counts_ != nullptr) {
            counts_->sent += octets;
        }
    }
    [[nodiscard]] std::size_t send_now(std::span<const std::byte> octets, int flags) noexcept;
    [[nodiscard]] send_wait begin_wait(runtime::duration stall_timeout) const noexcept {
        return {.stall_timeout = stall_timeout, .last_progress = here_.now(), .began = {}};
    }
    [[nodiscard]] runtime::time_point begin_turn(send_wait& wait) const noexcept;
    [[nodiscard]] result<std::uint64_t> end_turn(send_wait& wait,
                                                 const result<std::int64_t>& sent) noexcept;
    [[nodiscard]] bool look_at_peer() noexcept;
    static void on_receive(runtime::op& arrived) noexcept;
    void take(runtime::op& arrived) noexcept;
    void arm() noexcept;
    void forget_input() noexcept;
    [[nodiscard]] runtime::task<> linger();

    runtime::core& here_;
    unique_fd socket_;
    endpoint peer_;
    endpoint local_;
    std::string input_;
    std::size_t consumed_ = 0;
    receive_op receive_{*this};
    runtime::event arrived_;
    std::uint64_t receives_ = 0;
    octet_counts* counts_;
    rate_floor sending_;
    rate_floor receiving_;
    std::uint64_t given_ = 0;       ///< Octets that the kernel has taken to send them.
    std::uint64_t taken_ = 0;       ///< Of them by the peer, as `look_at_peer` last saw it.
    runtime::duration unjudged_{};  ///< What was waited since then.
    bool has_news_ = false;         ///< `input_` has octets that no `fill` has announced.
    bool is_sealed_ = false;        ///< What is sent, by the kernel.
    bool is_midway_ = false;        ///< Of what was to be sent at once some has left.
    bool is_torn_ = false;          ///< A `send` has failed, and a part of a message has left.
    bool has_ended_ = false;        ///< No more will arrive: `end_` says why.
    error end_;
};

}  // namespace ferry::net
