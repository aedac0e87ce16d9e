#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ftp_session.hpp"

namespace ferry::sim::test {

enum class list_style : std::uint8_t {
    unix_lines,  ///< LIST, STAT
    names,       ///< NLST
    facts,       ///< MLSD
    dos_lines,   ///< LIST and STAT behind SITE DIRSTYLE
};

/// One name of a listing, with what the listing says of it.
struct listed_entry {
    std::string name;
    bool knows_kind = false;
    bool is_directory = false;
    std::optional<std::uint64_t> size_bytes;  ///< Of files only.
    std::string modified;                     ///< `YYYYMMDDhhmmss`, or empty.
    std::string perm;
    bool is_this_or_above = false;  ///< cdir, pdir, "." or "..".
};

/// Reads "type=file;size=1;... name" (RFC 3659 section 7.2); why it is none, or empty.
[[nodiscard]] std::string read_facts(std::string_view line, listed_entry& into);
/// Reads "-rw-r--r--    1 0        0            2048 Nov 23 08:15 name".
[[nodiscard]] std::string read_unix_line(std::string_view line, listed_entry& into);

/// Reads "11-23-26  08:15AM                 2048 name".
[[nodiscard]] std::string read_dos_line(std::string_view line, listed_entry& into);

/// Whether the model's `path` may have been what `entry` says since `since`; why not, or empty.
[[nodiscard]] std::string judge_entry(ftp_session& user, const std::string& path,
                                      const listed_entry& entry, moment since);

/// What was listed, and how.
struct listing_asked {
    list_style style = list_style::unix_lines;
    std::string path;   ///< In the model.
    std::string typed;  ///< The argument, without options.
    bool is_directory = true;
    bool shows_hidden = false;
    bool shows_dots = false;
    bool is_sorted = true;
};
/// Checks a whole listing: each entry possible, none twice, none missing, in order.
[[nodiscard]] std::string judge_ftp_listing(ftp_session& user, const listing_asked& asked,
                                            std::string_view text, moment since);

}  // namespace ferry::sim::test
