#pragma once

#include "ferry/runtime/op.hpp"
#include "ferry/runtime/time.hpp"

namespace ferry::runtime {

/// Does a `read` on the calling core if it needs no wait. True: over, with `op::result` set. False:
/// not in memory, or a file system that cannot say; somebody may wait for it. tmpfs cannot say
/// either, but is memory.
[[nodiscard]] bool read_inline(op& what) noexcept;

/// Does `write`s at an offset on the calling core while they are fast: a write that held it for
/// longer than 2 ms rests that for a second, since the kernel is throttling this writer or the
/// device is slow (datapath.md, 12); not what is written to tmpfs, which has none. One a core.
class inline_writer {
  public:
    /// True: over, with `op::result` set. False: nothing was done; somebody may wait for it.
    [[nodiscard]] bool write(op& what, time_point now) noexcept;

  private:
    time_point slow_until_{};
};

/// Blocks SIGPIPE on the calling thread: sendfile(2) and a write to a pipe have no MSG_NOSIGNAL,
/// and a peer that left must be an EPIPE, not the end of the process, whatever the program does
/// with the signal.
void block_broken_pipe_signal() noexcept;

}  // namespace ferry::runtime
