#pragma once

#include <optional>
#include <vector>

#include "ferry/http/server.hpp"
#include "ferry/net/address_rules.hpp"
#include "ferry/net/endpoint.hpp"
#include "http/request.hpp"

namespace ferry::http {

/// Whom a request is from that came over proxies which are `trusted`, by the field in which each
/// has added whom it got it from: X-Forwarded-For, or Forwarded with its `for` (RFC 7239 section
/// 5.2). Read from its end, where the last proxy has written: the first address that is not trusted
/// itself; or, where what is before it is none ("unknown", "_hidden", section 6.3, or nonsense),
/// the last one that is. What stands further in front may be of the client's own making.
/// Nothing: there is no such field, or nothing at its end that is an address.
///
/// Its port is 0 where the field has none. Cost: a pass over the field, an allocation.
[[nodiscard]] std::optional<net::endpoint> find_forwarded_client(
    const field_lines& fields, forwarded_field which,
    const std::vector<net::address_block>& trusted);

/// False where a quoted-string in Forwarded does not end (RFC 9110 section 5.6.4): a client has
/// written that, so that what a proxy adds behind it is not read, or read as something else. Refuse
/// the request. Of X-Forwarded-For, which has no quotes, true.
[[nodiscard]] bool are_quotes_closed(const field_lines& fields, forwarded_field which) noexcept;

}  // namespace ferry::http
