#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ferry/auth/rights.hpp"
#include "ferry/vfs/metadata.hpp"
#include "ferry/vfs/path.hpp"
#include "http/listing_query.hpp"
#include "http/listing_text.hpp"

namespace ferry::http {

/// What a directory holds, as far as it is shown.
struct listing_totals {
    std::uint64_t directories = 0;
    std::uint64_t files = 0;
    std::uint64_t size_bytes = 0;  ///< Of the files.

    void add(const vfs::directory_entry& entry) noexcept {
        const bool is_directory = entry.status.kind == vfs::file_kind::directory;
        directories += is_directory ? 1 : 0;
        files += is_directory ? 0 : 1;
        size_bytes += is_directory ? 0 : entry.status.size_bytes;
    }
};

/// What a page offers means for. Without one of these in its directory nothing is added to a page.
inline constexpr auth::rights changing_rights = {auth::right::create, auth::right::remove,
                                                 auth::right::rename, auth::right::make_directory};

/// What a page says and offers besides the names.
struct index_view {
    listing_order order{};
    bool is_sorted = true;  ///< False: the names come as the disk has them, and the page says so.
    bool offers_archives = false;
    auth::rights allowed{};  ///< What whoever asks may do to what is in the directory.
    std::string user{};      ///< Who is logged in; empty: nobody.
    bool offers_login = false;
    listing_totals totals{};  ///< Of a sorted page; another tells at its end.

    [[nodiscard]] bool has_changes() const noexcept { return allowed.has_any(changing_rights); }
};

/// Appends the beginning of the HTML page that lists the directory `where`, up to its first row:
/// title, breadcrumbs, what there is, buttons that sort and that download archives, a row that
/// leads to the parent unless `where` is the root. Dark or light, for large and small screens, for
/// keyboards and screen readers. The page asks nothing of any server and needs no script: what
/// sorts are forms, and only names are links, for those who mirror a tree. A script of its own adds
/// a field that filters the names. Where something may be changed a second one uploads, makes
/// folders, renames and deletes (http/index_writing.hpp). Buttons that log in and out are forms
/// with the queries of `read_login_wish`. Links are relative, so that the page
/// works behind a proxy that serves ferry below a path.
void append_index_begin(std::string& out, const vfs::path& where, const index_view& view);

/// Appends one row, of an entry that `is_shown`: name, size, day and minute of change in UTC;
/// directories with a slash.
///
/// Names are any octets (threats.md, V11): the text of the row is escaped for HTML, without control
/// octets, invalid UTF-8 as U+FFFD; the link is percent-encoded and begins with "./", so that a
/// file called "javascript:x" is a file. `own`: what may be done to it, where that is not what the
/// page says of all. `time`: of the row before, to be kept for the next one. Cost: two passes over
/// the name, about 0.04 us.
void append_index_row(std::string& out, const vfs::directory_entry& entry, utc_text& time,
                      std::optional<auth::rights> own = {});

/// Appends the end of the page. `view.totals` are of all rows.
void append_index_end(std::string& out, const index_view& view);

/// The Content-Security-Policy such a page is safe under: its own style and its own script, by
/// their hashes, and nothing else (W3C CSP Level 3). `with_changes`: the page has them; then the
/// second style and script too, requests to the server the page is from, and no other site may show
/// it in a frame of its own, where people would press a button they do not see. Cost: of the
/// digests, 20 us: made once for all pages.
[[nodiscard]] std::string index_security_policy(bool with_changes);

}  // namespace ferry::http
