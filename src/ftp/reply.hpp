#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/error.hpp"

namespace ferry::ftp {

/// One answer on the control connection, as data: `reply{553, "bad file name"}`. Handlers return
/// it, the session writes it with `append_reply`.
///
/// Text may hold any octets, names as clients or disks gave them included: what must not reach the
/// wire is made harmless when it is written, in one place.
struct reply {
    int code = 0;      ///< One of `reply_codes`.
    std::string text;  ///< Of the only line, or of the first where `lines` has any.
    /// More lines, shown between the first and the closing "End": features, facts, a listing. One
    /// line each, without its end.
    std::vector<std::string> lines = {};
};

/// Appends `what` to `out` as it goes on the wire.
///
/// Without `lines`: "226 Done". With: "211-Features:", each of `lines` behind one SP, "211 End". So
/// a line that begins with digits cannot end the reply (RFC 959 section 4.2), and FEAT (RFC 2389
/// section 3.2), MLST (RFC 3659 section 7.2) and STAT have the form they are specified in.
///
/// Control octets, CR and LF first, become '?': RFC 2640 section 3.1 would send CR as CR NUL, but
/// clients take any CR or LF as a line end and read the rest as another reply (threats.md, F7 and
/// V11). A name that holds one can be used by whoever knows it; it cannot be learnt from a reply.
/// 0xFF is doubled, as Telnet wants (RFC 854); other octets, UTF-8 or not, are kept.
///
/// Cost: one pass over each line.
void append_reply(std::string& out, const reply& what);

/// A pathname as 257 gives it: in quotation marks, each `"` inside doubled (RFC 959 appendix II).
/// PWD and MKD put their remark behind it: `reply{257, quote_pathname(where) + " created"}`.
[[nodiscard]] std::string quote_pathname(std::string_view pathname);

/// What a command does with the file it names, where that changes the code of a failure: RFC 959
/// section 5.4 lists 553 for commands that name a new file only.
enum class file_use : std::uint8_t {
    existing,  ///< RETR, SIZE, MDTM, MLST, LIST, CWD, DELE, RMD, MKD, RNFR.
    target,    ///< STOR, STOU, APPE, RNTO: the name is to be made or replaced.
    content,   ///< The same behind the 150, when the content has begun to come.
};

/// The answer to a command that failed with `what`: 4xx where trying again may help, 5xx where it
/// will not (RFC 959 section 4.2.1; threats.md, V13). The text is constant for each kind of
/// failure: it tells neither paths nor `errno`. 425 and 426 are answers about the data connection.
[[nodiscard]] reply reply_for(const error& what, file_use use);

}  // namespace ferry::ftp
