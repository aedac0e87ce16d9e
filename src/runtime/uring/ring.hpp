#pragma once

#include <memory>

#include "ferry/base/result.hpp"
#include "runtime/uring/compat.hpp"

namespace ferry::runtime {

/// Owns one io_uring instance, set up the way ferry wants it.
class ring {
  public:
    ring() noexcept = default;

    /// SINGLE_ISSUER | DEFER_TASKRUN | SUBMIT_ALL | CQSIZE (and NO_SQARRAY where kernel and
    /// liburing have it), its descriptor registered, io-wq bounded. Errors are the kernel's own, by
    /// `errno`.
    [[nodiscard]] static result<ring> make(unsigned submission_entries,
                                           unsigned completion_entries);

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

}  // namespace ferry::runtime
