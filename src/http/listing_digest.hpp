#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ferry/auth/rights.hpp"
#include "ferry/vfs/metadata.hpp"

namespace ferry::http {

/// How this ferry writes listings, as 16 octets: another one, which writes the same rows in another
/// way, has others. Cost: two short pages and their SHA-256, once for all listings.
[[nodiscard]] std::string listing_format();

/// The digest of a listing for its tag: of all that its octets are made of, which is a fifth of
/// them. Listings with other octets have another one: whatever becomes part of a row has to become
/// part of this.
class listing_digest {
  public:
    /// `format`: of `listing_format`. `key`: what the listing says besides its rows, without NUL.
    listing_digest(std::string_view format, std::string_view key);

    /// A row, in the order of the rows. `own`: as of `append_index_row`.
    void add(const vfs::directory_entry& entry, std::optional<auth::rights> own);

    /// 16 octets, the same on each core and after each start; empty: this OpenSSL has no SHA-256.
    /// Cost: 0.02 us a row with a short name.
    [[nodiscard]] std::string finish() const;

  private:
    std::string told_;
};

}  // namespace ferry::http
