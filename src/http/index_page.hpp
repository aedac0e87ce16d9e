#pragma once

#include <string>
#include <string_view>

#include "ferry/vfs/metadata.hpp"
#include "ferry/vfs/path.hpp"

namespace ferry::http {

/// Appends the beginning of the HTML page that lists the directory `where`, up to its first row:
/// title, a few lines of style for light and dark, large and small screens, a row that leads to the
/// parent unless `where` is the root. The page asks no other file of the server and runs no script.
void append_index_begin(std::string& out, const vfs::path& where);

/// Appends one row: name, size, day and minute of change in UTC; directories with a slash. Appends
/// nothing for what a page does not show: names that begin with a dot, ferry's own temporary names,
/// what cannot be opened (links that lead nowhere or outside, FIFOs, sockets, devices), and names
/// with a backslash, which `decode_target` refuses.
///
/// Names are any octets (threats.md, V11): the text of the row is escaped for HTML, without control
/// octets, invalid UTF-8 as U+FFFD; the link is percent-encoded and begins with "./", so that a
/// file called "javascript:x" is a file. Cost: one pass over the name, about 0.05 us.
void append_index_row(std::string& out, const vfs::directory_entry& entry);

/// Appends the end of the page.
void append_index_end(std::string& out);

/// The Content-Security-Policy such a page is safe under: its own style and nothing else.
inline constexpr std::string_view index_security_policy =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

}  // namespace ferry::http
