#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <unordered_map>
#include <vector>

#include "ferry/base/random.hpp"
#include "ferry/runtime/time.hpp"
#include "sim/inet_address.hpp"
#include "sim/socket.hpp"

namespace ferry::sim {

/// Who has which port and which pair of addresses: the rules of bind(2), listen(2) and of whom a
/// connection reaches, as Linux has them (socket(7), tcp(7), ipv6(7)). All sockets are one user's.
class port_table {
  public:
    static constexpr std::uint16_t ephemeral_first = 32'768;
    static constexpr std::uint16_t ephemeral_last = 60'999;

    /// Gives `which` the address, and a free ephemeral port if that is 0. -EADDRINUSE.
    int bind(socket& which, inet_address address, runtime::time_point now, random& rng);
    /// Makes a bound socket that calls itself listening reachable. -EADDRINUSE.
    int listen(socket& which, runtime::time_point now);
    /// Makes it unreachable; it keeps its port.
    void stop_listening(socket& which) noexcept;
    /// Gives the port back, if it has any.
    void release(socket& which) noexcept;
    /// An accepted connection has the port of its listener.
    void join(socket& accepted);

    /// The listener that a connection to `to` reaches: one at that very address before one at a
    /// wildcard, one of the same family before one of both; of a group with SO_REUSEPORT any.
    [[nodiscard]] socket* find_listener(const inet_address& to, random& rng) const;

    /// Claims the pair `local`, `remote` of a connecting socket, after finding it a port if it has
    /// none. -EADDRNOTAVAIL: it is taken, or all are.
    int claim(socket& which, runtime::time_point now, random& rng);
    /// Claims it for an accepted socket.
    void claim_accepted(socket& which);
    void give_up_claim(const socket& which) noexcept;
    /// Who has that pair, or null.
    [[nodiscard]] socket* find_end(const inet_ends& ends) const noexcept;

    /// Keeps the pair of an end that closed first from being used too soon (RFC 9293 section
    /// 3.6.1).
    void keep_waiting(const socket& which, runtime::time_point now);
    /// A new connection from there is one from now on (RFC 9293 section 3.6.1, second paragraph).
    void end_waiting(const inet_ends& ends) noexcept { waiting_.erase(ends); }

  private:
    struct owners {
        std::vector<socket*> listeners;
        std::vector<socket*> others;
        std::size_t fixed = 0;  ///< Those whose port connect(2) did not choose.
    };
    struct time_wait {
        runtime::time_point since;
        bool reuse_address = false;
        bool reuse_port = false;
        int v6_only = 0;
    };

    [[nodiscard]] bool is_taken(const socket& which, const inet_address& address, bool ephemeral,
                                runtime::time_point now) const;
    [[nodiscard]] bool is_waiting(const inet_ends& ends, runtime::time_point now) const;
    int choose_for_connect(socket& which, runtime::time_point now, random& rng);
    void take(socket& which, std::uint16_t port);

    std::unordered_map<std::uint16_t, owners> ports_;                   ///< Looked up only.
    std::unordered_map<inet_ends, socket*, inet_ends_hash> connected_;  ///< Looked up only.
    std::map<inet_ends, time_wait> waiting_;                            ///< By local port.
    std::deque<inet_ends> waiting_order_;
};

}  // namespace ferry::sim
