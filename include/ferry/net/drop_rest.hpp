#pragma once

#include "ferry/net/stream.hpp"
#include "ferry/runtime/task.hpp"

namespace ferry::net {

/// Reads and drops what a peer still sends that has been told that nobody wants it, until it ends
/// its side: many read no answer before they have sent all, and a reset meanwhile is all that they
/// then see of it (RFC 9112 section 9.6). For two seconds and 256 MiB at most: what is in the
/// buffers on the way is gone in much less.
///
/// Whether the peer has ended its side in order; an error and a stop count as no. Holds 64 KiB.
/// Throws std::bad_alloc.
[[nodiscard]] runtime::task<bool> drop_rest(stream& peer);

}  // namespace ferry::net
