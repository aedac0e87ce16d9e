#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ferry/vfs/metadata.hpp"
#include "ferry/vfs/path.hpp"
#include "ferry/vfs/tree.hpp"
#include "http/body_source.hpp"
#include "http/index_page.hpp"
#include "http/listing_digest.hpp"
#include "http/listing_query.hpp"
#include "http/viewer.hpp"

namespace ferry::http {

/// What may be done to each name in a directory, where that is not the same for all.
struct row_rights {
    viewer who;
    vfs::path directory;              ///< In the tree.
    auth::rights refused{};           ///< What the tree refuses whoever asks.
    std::vector<std::string> points;  ///< Names that nobody takes away.
};

/// Writes a directory as a page or as JSON, its shown entries one after the other.
class listing_writer {
  public:
    /// `form`: page or json. `rows`: nothing where `view.allowed` holds for all.
    listing_writer(listing_form form, vfs::path where, const index_view& view,
                   std::optional<row_rights> rows = {})
        : form_(form), where_(std::move(where)), view_(view), rows_(std::move(rows)) {}

    void begin(std::string& out) const;
    /// One that `is_shown`. `told`: it is added to that too.
    void row(std::string& out, const vfs::directory_entry& entry, listing_digest* told = nullptr);
    void end(std::string& out) const;

  private:
    [[nodiscard]] std::optional<auth::rights> own_rights(const vfs::directory_entry& entry) const;

    listing_form form_;
    vfs::path where_;
    index_view view_;
    std::optional<row_rights> rows_;
    listing_totals written_;
    utc_text time_;  ///< Of the last row.
};

/// The rest of a listing that is too large for memory, written while it is sent: some hundreds of
/// rows a piece.
[[nodiscard]] std::unique_ptr<body_source> make_listing_body(listing_writer writer,
                                                             vfs::listing entries);

}  // namespace ferry::http
