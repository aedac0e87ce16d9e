#pragma once

#include <cstdlib>
#include <memory>

#include "ferry/base/result.hpp"
#include "ferry/runtime/uring.hpp"
#include "runtime/uring/compat.hpp"

namespace ferry::runtime {

/// Owns one io_uring instance, set up the way ferry wants it.
class ring {
  public:
    ring() noexcept = default;

    /// SINGLE_ISSUER | DEFER_TASKRUN | SUBMIT_ALL | CQSIZE (and NO_SQARRAY where kernel and
    /// liburing have it), of no thread yet (R_DISABLED). Errors are the kernel's own, by `errno`.
    [[nodiscard]] static result<ring> make(unsigned submission_entries,
                                           unsigned completion_entries);

    /// Makes it the calling thread's, which alone may hand operations over and reap them from then
    /// on; its descriptor registered, io-wq bounded, and restricted to what ferry uses: anything
    /// else is refused with EACCES. Once. Errors are the kernel's own.
    [[nodiscard]] result<void> enable() noexcept;

    [[nodiscard]] io_uring* get() const noexcept { return ring_.get(); }
    io_uring* operator->() const noexcept { return ring_.get(); }

  private:
    struct close_ring {
        void operator()(io_uring* open) const noexcept {
            io_uring_queue_exit(open);
            delete open;
        }
    };
    // Behind a pointer, so that a ring can be moved while liburing keeps addresses into it.
    std::unique_ptr<io_uring, close_ring> ring_;
};

/// The name under which a ring knows its receive buffers.
inline constexpr int receive_buffer_group = 0;

/// A ring and, registered with it, the ring of its receive buffers: all that is counted as locked
/// memory.
struct uring_grant::state {
    struct free_memory {
        void operator()(void* memory) const noexcept { std::free(memory); }
    };

    uring_options options;
    std::unique_ptr<io_uring_buf_ring, free_memory> buffers;
    ring kernel;  ///< Last: the kernel lets go of `buffers` before they die.
};

}  // namespace ferry::runtime
