#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/result.hpp"
#include "ferry/net/endpoint.hpp"

namespace ferry::net {

/// A block of addresses, such as 192.0.2.0/24 or 2001:db8::/32 (RFC 4632 section 3.1, RFC 4291
/// section 2.3); those of one family, never both.
class address_block {
  public:
    /// Reads "ADDR/BITS", or "ADDR", which is that one address; `ADDR` as `parse_address` takes it.
    /// A v4-mapped block of 96 bits at least (RFC 4291 section 2.5.5.2) is the v4 block it stands
    /// for. "unix:" is every local connection.
    ///
    /// Errors: errc::invalid (a name, too many bits, bits of the address beyond those: 10.0.0.1/8
    /// may be meant as either).
    [[nodiscard]] static result<address_block> parse(std::string_view text);

    /// True for an address of the block, whatever its port; a v4-mapped one counts as v4. Scopes
    /// (RFC 4007) do not count. Cost: a compare of 16 octets at most.
    [[nodiscard]] bool contains(const endpoint& where) const noexcept;

    [[nodiscard]] unsigned bits() const noexcept { return bits_; }

    /// The same as text, for `parse`.
    [[nodiscard]] std::string text() const;

    friend bool operator==(const address_block&, const address_block&) = default;

  private:
    endpoint first_;
    unsigned bits_ = 0;
};

/// True when one of `blocks` contains `where`.
[[nodiscard]] bool contains(const std::vector<address_block>& blocks,
                            const endpoint& where) noexcept;

/// Who may connect. Of the blocks that contain an address the one with the most bits decides,
/// whatever the order they stand in, and of two alike the one that denies; where there is none, an
/// address is allowed unless there are any of its kind that allow: to allow some is to deny all
/// others.
///
/// Cost: a look at each block.
class address_rules {
  public:
    std::vector<address_block> allowed;
    std::vector<address_block> denied;

    [[nodiscard]] bool empty() const noexcept { return allowed.empty() && denied.empty(); }
    [[nodiscard]] bool allows(const endpoint& where) const noexcept;
};

}  // namespace ferry::net
