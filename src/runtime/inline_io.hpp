#pragma once

#include "ferry/runtime/op.hpp"
#include "ferry/runtime/time.hpp"

namespace ferry::runtime {

/// Does a `read` on the calling core if it needs no wait. True: over, with `op::result` set. False:
/// not in memory, or a file system that cannot say; somebody may wait for it. tmpfs cannot say
/// either, but is memory.
[[nodiscard]] bool read_inline(op& what) noexcept;

/// Does on the calling core, while it is fast, what changes files and looks for names: a call that
/// held the core for longer than 2 ms, and not because another thread had its processor, rests that
/// for a second or for fifty times as long, since the kernel is throttling this writer or the
/// device is slow (datapath.md, 12); not what is written to tmpfs, which has none. One a core.
class inline_writer {
  public:
    /// A `write` at an offset. True: over, with `op::result` set. False: nothing was done; somebody
    /// may wait for it.
    [[nodiscard]] bool write(op& what, time_point now) noexcept;

    /// The same of an `open_at`, `rename_at` or `link_at` that says it is of this machine: a
    /// journal in memory takes it in a few us, where a thread of the ring costs more. And of a
    /// `list_directory` of this machine that looks again at few names, 7 us each: what was listed
    /// or has changed a moment ago is most likely in memory. Not where one of them lies on another
    /// file system.
    [[nodiscard]] bool act_by_name(op& what, time_point now) noexcept;

  private:
    time_point slow_until_{};
};

/// Does a `sync` of what has no device but memory: there is nothing to wait for. False: somebody
/// must wait for it.
[[nodiscard]] bool sync_inline(op& what) noexcept;

/// Blocks SIGPIPE on the calling thread: sendfile(2) and a write to a pipe have no MSG_NOSIGNAL,
/// and a peer that left must be an EPIPE, not the end of the process, whatever the program does
/// with the signal.
void block_broken_pipe_signal() noexcept;

}  // namespace ferry::runtime
