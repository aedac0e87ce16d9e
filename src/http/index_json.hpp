#pragma once

#include <string>
#include <string_view>

#include "ferry/vfs/metadata.hpp"
#include "http/listing_text.hpp"

namespace ferry::http {

inline constexpr std::string_view json_content_type = "application/json";

/// A directory as JSON (RFC 8259): an array of one object an entry, a line each, so that a page of
/// any length can be read as it comes:
///
///   [
///   {"name":"a
///   b.txt","type":"file","size":12,"modified":"2026-11-23T14:05:59Z","href":"./a%20b.txt"},
///   {"name":"sub","type":"directory","modified":"2026-11-23T14:05:59Z","href":"./sub/"}
///   ]
///
/// `name` has U+FFFD for each octet that is not UTF-8; `href` is lossless, relative to the
/// directory, and leads there. `size` in octets, of files only; `modified` (RFC 3339, UTC) is left
/// out for a year without four digits.
void append_json_begin(std::string& out);

/// Appends one entry, which `is_shown`. `time`: of the one before, to be kept for the next one.
void append_json_row(std::string& out, const vfs::directory_entry& entry, utc_text& time,
                     bool is_first);

void append_json_end(std::string& out);

}  // namespace ferry::http
