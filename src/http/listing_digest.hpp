#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ferry/auth/rights.hpp"
#include "ferry/vfs/hasher.hpp"
#include "ferry/vfs/metadata.hpp"
#include "ferry/vfs/path.hpp"
#include "http/index_page.hpp"
#include "http/listing_query.hpp"

namespace ferry::http {

/// How this ferry writes listings, as 16 octets: one that writes any name, size, time or page in
/// another way has others. Cost: some pages and their SHA-256, 0.1 ms, once a core.
[[nodiscard]] std::string listing_format();

/// What a page or JSON of a directory says besides its rows, without NUL.
[[nodiscard]] std::string listing_key(const listing_query& query, const index_view& view,
                                      const vfs::path& where);

/// The digest of a listing for its tag: of all that its octets are made of, which is a fifth of
/// them. Listings with other octets have another one: whatever becomes part of a row has to become
/// part of this.
class listing_digest {
  public:
    /// `format`: of `listing_format`. `key`: of `listing_key`.
    listing_digest(std::string_view format, std::string_view key);

    /// A row, in the order of the rows. `own`: as of `append_index_row`.
    void add(const vfs::directory_entry& entry, std::optional<auth::rights> own);

    /// Once, at the end: 16 octets, the same on each core and after each start; empty: this OpenSSL
    /// has no SHA-256. Cost of all: 0.04 us a row with a short name.
    [[nodiscard]] std::string finish();

  private:
    void hand_over() noexcept;

    std::unique_ptr<vfs::hasher> by_;  ///< Null: there is none.
    std::string told_;                 ///< That `by_` has not got yet.
};

}  // namespace ferry::http
