#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

#include "ferry/net/endpoint.hpp"
#include "ferry/runtime/rarely_shared.hpp"
#include "ferry/runtime/time.hpp"
#include "ferry/runtime/token_bucket.hpp"

namespace ferry::net {

/// How much of the server one address may use, over all cores. 0: as much as there is.
struct address_limits {
    std::uint64_t connections_max = 0;
    std::uint64_t requests_per_second = 0;
    std::uint64_t requests_saved_max = 1;      ///< That may come at once after a pause; 1 at least.
    std::uint64_t sent_octets_per_second = 0;  ///< Of answers.

    [[nodiscard]] bool empty() const noexcept {
        return connections_max == 0 && requests_per_second == 0 && sent_octets_per_second == 0;
    }
};

/// What one address uses. Its numbers change with each connection and request, from any thread.
struct address_usage {
    std::atomic<std::uint64_t> connections{0};
    runtime::token_bucket requests;
    runtime::token_bucket sent;
};

/// Who uses what, by as much of an address as one customer of a network has for itself: all of a
/// v4 address, the first 64 bits of a v6 one (RFC 6177). A look-up takes a lock for a moment: one a
/// connection, or one a request where a proxy speaks for others (decision 0024).
///
/// Bounded: those of whom there are connections, and `idle_max` more, whose use is not paid for
/// yet; where there are more of these, all are forgotten, and may begin anew.
class address_table {
  public:
    explicit address_table(address_limits limits, std::size_t idle_max = 16'384) noexcept
        : limits_(limits), idle_of_shard_max_(idle_max / shards_count) {}
    address_table(const address_table&) = delete;
    address_table& operator=(const address_table&) = delete;

    [[nodiscard]] const address_limits& limits() const noexcept { return limits_; }

    /// The use of the address of `who`, the same for all who ask while anybody has it. From any
    /// thread.
    [[nodiscard]] std::shared_ptr<address_usage> of(const endpoint& who, runtime::time_point now);

    /// How many are remembered; for tests.
    [[nodiscard]] std::size_t size();

  private:
    struct before {
        [[nodiscard]] bool operator()(const customer& a, const customer& b) const noexcept {
            return a.prefix != b.prefix ? a.prefix < b.prefix : a.is_v6 < b.is_v6;
        }
    };
    struct shard {
        std::map<customer, std::shared_ptr<address_usage>, before> known;
        std::size_t sweep_at = 0;  ///< So many are looked through for who can be forgotten.
    };
    static constexpr std::size_t shards_count = 16;

    [[nodiscard]] bool is_over(const address_usage& use, runtime::time_point now) const noexcept;
    void make_room(shard& in, runtime::time_point now) const;

    address_limits limits_;
    std::size_t idle_of_shard_max_;
    std::array<runtime::rarely_shared<shard>, shards_count> shards_;
};

}  // namespace ferry::net
