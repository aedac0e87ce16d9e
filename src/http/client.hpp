#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "ferry/net/access_policy.hpp"
#include "ferry/net/endpoint.hpp"
#include "ferry/net/paced_stream.hpp"
#include "ferry/runtime/time.hpp"
#include "http/forwarded.hpp"
#include "http/request.hpp"
#include "http/status.hpp"

namespace ferry::http {

/// Why a request is not answered as it might be: for the address it is from.
struct turned_away {
    status what = status::forbidden;
    std::uint64_t retry_after_seconds = 0;  ///< 0: never mind.
};

/// Whom the requests of a connection are from: its peer, or, where that is a trusted proxy, whom
/// the proxy names in each.
class client {
  public:
    /// `policy` outlives it. `peer`: whom the connection is from, by a PROXY header if it had one.
    client(const net::access_policy& policy, forwarded_field which, const net::endpoint& peer,
           net::address_place place)
        : policy_(policy),
          which_(which),
          peer_(peer),
          place_(std::move(place)),
          is_proxy_(net::contains(policy.trusted_proxies, peer)),
          address_(peer),
          use_(place_.use()) {}

    /// Finds out whom `asked` is from and counts it. Gives why it is not to be served, if it is
    /// not: 403 by the rules, 429 by the rate of requests (RFC 6585 section 4), 400 where nobody
    /// can tell (`are_quotes_closed`). Cost: without a proxy in front an atomic number; else two
    /// passes over a field and a look-up.
    [[nodiscard]] std::optional<turned_away> begin_request(const request& asked,
                                                           runtime::time_point now);

    /// The last request is over, and nobody has said whom the next is from.
    void end_request() noexcept { address_ = peer_; }

    [[nodiscard]] const net::endpoint& address() const noexcept { return address_; }
    /// Its requests may be from different addresses.
    [[nodiscard]] bool is_proxy() const noexcept { return is_proxy_; }
    /// Nobody is to be found out in its requests, and they are not counted.
    [[nodiscard]] bool is_free() const noexcept {
        return !is_proxy_ && (!use_ || policy_.table->limits().requests_per_second == 0);
    }
    /// How fast answers may go to the address. What it points to lives until the request after the
    /// next: by then nothing may draw from it.
    [[nodiscard]] net::pacer::rate sending_rate() const noexcept;
    /// Gives away the place of the connection; no request follows.
    [[nodiscard]] net::address_place give_away_place() noexcept { return std::move(place_); }

  private:
    const net::access_policy& policy_;
    forwarded_field which_;
    net::endpoint peer_;
    net::address_place place_;
    bool is_proxy_;
    net::endpoint address_;
    std::shared_ptr<net::address_usage> use_;
    std::shared_ptr<net::address_usage> before_;  ///< Of the request before.
};

}  // namespace ferry::http
