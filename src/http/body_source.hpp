#pragma once

#include <string>

#include "ferry/base/result.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/file_span.hpp"
#include "ferry/runtime/task.hpp"

namespace ferry::http {

/// Some of a body: octets, and what follows them out of a file.
struct body_piece {
    std::string octets;
    /// Its descriptor stays open until the source is asked again, or dies.
    runtime::file_span file;
    bool is_last = false;
};

/// A body that is made while it is sent, as its size is not known before: a directory too large for
/// memory, an archive. Holds what it needs to go on; dies when the answer is over, whole or not.
class body_source {
  public:
    virtual ~body_source() = default;

    /// Puts the next piece into `piece`, which comes empty; may be of no octets. Not called again
    /// after the last. Errors: the head is out, so only the end of the connection can tell the
    /// client: break off (RFC 9112 section 8). errc::closed: a file became shorter.
    [[nodiscard]] virtual runtime::task<result<void>> next(runtime::core& here,
                                                           body_piece& piece) = 0;
};

}  // namespace ferry::http
