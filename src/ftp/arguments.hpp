#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/result.hpp"
#include "ferry/base/wall_clock.hpp"
#include "ftp/representation.hpp"

/// The arguments of commands that take more than a name, one function each. All are strict where a
/// mistake would damage a file (REST, ALLO) and take letters in any case (RFC 959 section 5.3).
/// None fails but by its result: errc::invalid is answered with 501, errc::unsupported
/// with 504, and neither changes the session.
namespace ferry::ftp {

/// What TYPE says.
struct type_request {
    data_type type = data_type::ascii;
    text_format format = text_format::non_print;

    friend bool operator==(const type_request&, const type_request&) = default;
};

/// TYPE: "A", "E", each with "N", "T" or "C", "I", "L 8" (RFC 959 sections 3.1.1 and 5.3.2); "L8"
/// is taken too.
///
/// Errors: errc::unsupported (L of another size), errc::invalid (anything else).
[[nodiscard]] result<type_request> parse_type(std::string_view argument);

/// STRU: "F", "R", "P" (RFC 959 section 3.1.2).
///
/// Errors: errc::invalid (anything else).
[[nodiscard]] result<file_structure> parse_structure(std::string_view argument);

/// MODE: "S", "B", "C" (RFC 959 section 3.4), "Z" (draft-preston-ftpext-deflate-04).
///
/// Errors: errc::invalid (anything else).
[[nodiscard]] result<transfer_mode> parse_mode(std::string_view argument);

/// OPTS MODE Z: "Z LEVEL 6", also with "ENGINE ZLIB" or "METHOD 8", which are what there is
/// (draft-preston-ftpext-deflate-04 section 3). Nothing behind Z: the level stays.
///
/// Errors: errc::unsupported (another mode, engine or method, what the draft does not have),
/// errc::invalid (a level that is none).
[[nodiscard]] result<std::optional<int>> parse_deflate_options(std::string_view value);

/// A code page of EBCDIC: "037", also "37", or "1047".
///
/// Errors: errc::invalid.
[[nodiscard]] result<vfs::ebcdic::code_page> parse_code_page(std::string_view text);

/// REST: an offset in octets of the transfer, decimal digits only, up to 2^63-1 (RFC 3659
/// section 5.3).
///
/// Errors: errc::invalid ("-1", "abc", "", spaces, larger): answer 501 and keep no offset. To
/// answer 350 and begin at 0 would overwrite what the client means to continue.
[[nodiscard]] result<std::uint64_t> parse_restart(std::string_view argument);

/// ALLO: room for a file of `size_bytes`, in records or pages of at most `record_bytes` where the
/// client says "R", else 0 (RFC 959 section 4.1.3).
struct allocation {
    std::uint64_t size_bytes = 0;
    std::uint64_t record_bytes = 0;
};

/// Errors: errc::invalid (not "N" or "N R N" with N as in `parse_restart`).
[[nodiscard]] result<allocation> parse_allocation(std::string_view argument);

/// SITE CHMOD: "644 name", one to four octal digits up to 0777.
struct permission_change {
    std::uint32_t permissions = 0;
    std::string_view name;
};

/// Errors: errc::invalid (set-id and sticky bits, more digits, other digits, letters as of
/// chmod(1), no name): answer 501 and change nothing (threats.md, V14).
[[nodiscard]] result<permission_change> parse_permission_change(std::string_view argument);

/// MFF: "Modify=20261123081500;UNIX.mode=0644; name" (draft-somers-ftp-mfxx-04 section 5).
struct fact_changes {
    std::optional<wall_time> modified;
    std::optional<std::uint32_t> permissions;
    std::string_view name;
};

/// Errors: errc::unsupported (a fact that cannot be changed): answer 504; errc::invalid (none, one
/// twice, a value that is none, no name): answer 501. Change nothing then.
[[nodiscard]] result<fact_changes> parse_fact_changes(std::string_view argument);

/// SITE UTIME: "202611230815[00] name", or "name 20261123081500 20261123081500 20261123081500 UTC"
/// with the times of access, of modification and of creation, the second of which counts.
struct dated_name {
    wall_time modified;
    std::string_view name;
};

/// Errors: errc::invalid.
[[nodiscard]] result<dated_name> parse_utime(std::string_view argument);

/// SITE UMASK: one to four octal digits up to 0777. Errors: errc::invalid.
[[nodiscard]] result<std::uint32_t> parse_umask(std::string_view argument);

/// Names, each with a space behind it or in quotation marks, where `""` is one: COMB. At most 100.
/// Errors: errc::invalid (a quotation mark without its other, an empty name, too many).
[[nodiscard]] result<std::vector<std::string>> parse_names(std::string_view argument);

/// What OPTS may set (RFC 2389 section 4).
enum class option : std::uint8_t {
    utf8,  ///< "UTF8" or "UTF-8": see `parse_utf8_switch`. Windows sends it before login.
    mlst,  ///< "MLST": see `parse_facts` in list_format.hpp.
    hash,  ///< "HASH": see `find_algorithm` in digest_names.hpp.
    mode,  ///< "MODE": see `parse_deflate_options`.
};

struct option_request {
    option which = option::utf8;
    std::string_view value;  ///< Exactly what follows the name and one SP; may be empty.
};

/// Errors: errc::invalid (no name, or no command with options): answer 501 (RFC 2389 section 4).
[[nodiscard]] result<option_request> parse_option(std::string_view argument);

/// Reads the value of OPTS UTF8: true for "ON" or nothing, false for "OFF".
///
/// Errors: errc::invalid (anything else).
[[nodiscard]] result<bool> parse_utf8_switch(std::string_view value);

/// RANG: "0 49" (draft-bryan-ftp-range-08 section 3).
struct octet_range {
    std::uint64_t first = 0;
    std::uint64_t last = 0;  ///< Included; below 2^63.
    friend bool operator==(const octet_range&, const octet_range&) = default;
};

/// "1 0": no range.
inline constexpr octet_range whole_file_range{.first = 1, .last = 0};

/// Errors: errc::invalid (not two numbers, or the first above the last, but for "1 0"): answer 501
/// and keep no range.
[[nodiscard]] result<octet_range> parse_octet_range(std::string_view argument);

/// XCRC, XMD5 and so on: "name", "name 0 50".
struct digest_argument {
    std::string_view name;  ///< Without the quotation marks that some clients put around it.
    struct octets {
        std::uint64_t begin = 0;
        std::uint64_t end = 0;  ///< Behind the last.
    };
    std::optional<octets> stretch;  ///< Of two numbers at the end.
};
[[nodiscard]] digest_argument parse_digest_argument(std::string_view argument) noexcept;

/// What LIST, NLST and STAT are asked for. RFC 959 gives them a pathname only; clients put options
/// of ls(1) before it.
struct list_request {
    bool all = false;               ///< -a: names that begin with a point, "." and "..".
    bool almost_all = false;        ///< -A: names that begin with a point.
    bool long_form = false;         ///< -l
    bool recursive = false;         ///< -R
    bool by_time = false;           ///< -t: newest first.
    bool by_size = false;           ///< -S: largest first.
    bool reverse = false;           ///< -r
    bool one_per_line = false;      ///< -1
    bool directory_itself = false;  ///< -d: the directory's own line, not its content.
    std::string_view path;          ///< What is left, exactly; empty means the working directory.
};

/// Takes options off the front: words of '-' and letters or digits, each with one SP behind it,
/// until another word or "--". Letters without a meaning here are ignored, as every client expects
/// of some: so a file named "-x" is listed by "-- -x" or "./-x". Never fails.
[[nodiscard]] list_request parse_list(std::string_view argument) noexcept;

}  // namespace ferry::ftp
