#pragma once

#include "ferry/runtime/task.hpp"
#include "ftp_session.hpp"

namespace ferry::sim::test {

/// One of the commands that few clients have, and what belongs to it: times, modes, digests, joined
/// files, another root, a listing as MS-DOS has it.
[[nodiscard]] runtime::task<outcome> do_something_rare(ftp_session& user);

/// Transfers in another type, structure and mode, with restart markers in some, and back to images
/// in a stream.
[[nodiscard]] runtime::task<outcome> use_any_form(ftp_session& user);

/// The same back from whatever an earlier try has left.
[[nodiscard]] runtime::task<outcome> return_to_plain(ftp_session& user);

}  // namespace ferry::sim::test
