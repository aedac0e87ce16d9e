#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ferry/auth/rights.hpp"
#include "ferry/base/result.hpp"
#include "ferry/vfs/metadata.hpp"

/// Directory entries as lines: LIST for people, NLST and the MLSx facts for programs.
///
/// Every function appends one line without its end: on a data connection put CR LF behind it, in
/// STAT and MLST make it one of `reply::lines`. None allocates beyond the growth of `out`.
///
/// Names keep their octets with this exception: in LIST every control octet becomes '?', since a
/// terminal shows it; in NLST and MLSx only CR and LF do, since a program uses the name (RFC 1123
/// section 4.1.2.7) and can use it with a TAB or ESC inside. So no name ever makes a second line
/// (threats.md, V11). A file whose name has a CR or LF is listed, rather than left out of a backup
/// in silence, under a name that finds nothing: RETR answers 550 and whoever mirrors the tree
/// learns of it.
namespace ferry::ftp {

/// Whether names that begin with a point are listed, as ls(1) has it.
enum class dot_names : std::uint8_t { hidden, shown };

/// True when `entry` appears in listings: never ferry's own temporary files, nor what no protocol
/// opens
/// (`file_kind::other`).
[[nodiscard]] bool is_listed(const vfs::directory_entry& entry, dot_names dots) noexcept;

/// LIST: "-rw-r--r--    1 1000     1000         2048 Nov 23 08:15 name", as ls -l prints it and as
/// clients parse it. Owner and group are numbers. Times are UTC: "Mon dd HH:MM" within the last six
/// months before `now_seconds` (since 1970), else "Mon dd  yyyy".
/// Cost: 60 to 100 ns.
void append_unix_line(std::string& out, const vfs::directory_entry& entry,
                      std::int64_t now_seconds);

/// LIST in MS-DOS style: "11-23-26  08:15AM                 2048 name", "<DIR>" for a directory. A
/// link is what it leads to. Times are UTC. Names as in `append_unix_line`. Cost: 60 to 100 ns.
void append_dos_line(std::string& out, const vfs::directory_entry& entry);

/// One name of an NLST.
struct listed_name {
    /// The directory as the client named it, without or with its '/'; empty for the working
    /// directory. It is part of the line, so that each line is a name the client can RETR (RFC 1123
    /// section 4.1.2.7).
    std::string_view directory;
    std::string_view name;
};

/// NLST: "name" or "directory/name".
void append_name_line(std::string& out, const listed_name& what);

/// The facts ferry knows (RFC 3659 section 7.5), in the order they are listed.
enum class fact : std::uint8_t {
    type,
    size,  ///< Of regular files only.
    modify,
    perm,
    unique,
    unix_mode,
    unix_owner,
    unix_group,
    create,      ///< Where the file system knows it.
    media_type,  ///< Of regular files only.
};

inline constexpr std::uint8_t fact_count = 10;

/// The facts a client selected (RFC 3659 section 7.9).
class fact_set {
  public:
    [[nodiscard]] static constexpr fact_set all() noexcept { return fact_set(0x3FF); }
    /// What it has until it selects some: all but `create` and `media_type`, which hardly any
    /// client reads and which would make each line longer by half.
    [[nodiscard]] static constexpr fact_set usual() noexcept { return fact_set(0xFF); }
    [[nodiscard]] static constexpr fact_set none() noexcept { return fact_set(0); }

    [[nodiscard]] constexpr bool contains(fact which) const noexcept {
        return (bits_ >> static_cast<unsigned>(which) & 1U) != 0;
    }
    constexpr void insert(fact which) noexcept {
        bits_ = static_cast<std::uint16_t>(bits_ | 1U << static_cast<unsigned>(which));
    }

    friend bool operator==(const fact_set&, const fact_set&) = default;

  private:
    explicit constexpr fact_set(std::uint16_t bits) noexcept : bits_(bits) {}

    std::uint16_t bits_;
};

/// Reads the value of OPTS MLST: "type;size;". Names in any case and order; unknown ones are
/// ignored, as RFC 3659 section 7.9 wants; nothing selects nothing. Never fails.
[[nodiscard]] fact_set parse_facts(std::string_view value) noexcept;

/// The text of the reply to OPTS MLST: "MLST OPTS type;size;" (RFC 3659 section 7.9).
[[nodiscard]] std::string describe_facts(fact_set selected);

/// The line of FEAT: "MLST type*;size*;UNIX.mode;", a star behind those selected (RFC 3659
/// section 7.8).
[[nodiscard]] std::string facts_feature(fact_set selected);

/// What an entry of MLSD is to the directory that is listed (RFC 3659 section 7.5.1).
enum class entry_role : std::uint8_t {
    child,    ///< type=file or type=dir. MLST has this one only.
    current,  ///< type=cdir: the directory itself. Never removable under that name.
    parent,   ///< type=pdir: the one above it. Never removable under that name.
};

/// How a line of facts is made.
struct fact_format {
    fact_set facts = fact_set::usual();
    auth::rights rights = {};  ///< Of the client, to the entry: the perm fact tells just that.
    entry_role role = entry_role::child;
    bool is_root = false;              ///< The user's, which cannot be removed or renamed.
    std::string_view media_type = {};  ///< Of the entry; empty: it is not told.
};

/// MLSD and MLST:
/// "type=file;size=2048;modify=20261123081500;perm=r;unique=fd01-1a2b;UNIX.mode=0644;
/// UNIX.owner=1000;UNIX.group=1000; name" in one line (RFC 3659 section 7.2). `entry.name` is what
/// the line ends with: a whole pathname for MLST, a name for MLSD. Times are UTC to the second. A
/// symbolic link that leads nowhere is "OS.unix=slink". Cost: 60 to 120 ns.
void append_facts_line(std::string& out, const vfs::directory_entry& entry,
                       const fact_format& format);

}  // namespace ferry::ftp
