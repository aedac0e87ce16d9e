#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ferry/base/result.hpp"
#include "ferry/vfs/path.hpp"

namespace ferry::http {

/// Turns the path of a request target into the name of a file: percent-decodes once (RFC 3986
/// section 2.4), then `vfs::path::parse`, so that encoded dots are dots and nothing leads above the
/// root. Every name the file system can hold is reachable, save those with a backslash.
///
/// Errors:
///   errc::invalid        not beginning with '/', a '%' without two digits, an encoded or raw NUL,
///   an
///                        encoded '/' (it would be a separator only for some), a backslash in
///                        either form (it is a separator elsewhere), a raw control octet: answer
///                        400
///   errc::name_too_long, errc::denied   as `vfs::path::parse`
///
/// Cost: one pass and the allocation of the path; one more of each when something is encoded.
[[nodiscard]] result<vfs::path> decode_target(std::string_view raw_path);

/// Appends `octets` as the path of a URI reference (RFC 3986 section 3.3): '/' and what is safe in
/// HTML attributes and header fields as it is, every other octet as %HH. So the text never holds a
/// control octet, a quote, '&', '<', '?', '#', '%' of its own or a backslash. The inverse of
/// `decode_target`.
void append_encoded_path(std::string& out, std::string_view octets);

/// Appends a query as it came (RFC 3986 section 3.4): what may not stand in one as %HH, the rest as
/// it is. Without the '?'.
void append_encoded_query(std::string& out, std::string_view raw_query);

/// Where a request for a directory without its slash is sent: the directory's path with a slash at
/// its end and the query as it came (rows D23, D24). An absolute path that begins with exactly one
/// '/', so never another server whatever the client wrote (threats.md, H7); free of control octets.
[[nodiscard]] std::string directory_location(const vfs::path& directory,
                                             std::optional<std::string_view> raw_query);

}  // namespace ferry::http
