#include "runtime/uring/ring.hpp"

#include <cerrno>
#include <new>

namespace ferry::runtime {
namespace {

// The default bound on unbounded workers is the process limit; ferry's blocking work is small.
constexpr unsigned workers_max = 4;

}  // namespace

result<ring> ring::make(unsigned submission_entries, unsigned completion_entries) {
    // CLAMP: a completion queue has 65,536 entries at most, and asking for more is not an error.
    constexpr unsigned needed = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP |
                                IORING_SETUP_R_DISABLED;
    // Freed below if it cannot be set up, else owned by the ring that is returned.
    auto* made = new (std::nothrow) io_uring{};
    if (made == nullptr) {
        return failure(errc::exhausted, ENOMEM);
    }
    int refused = 0;
    for (const unsigned optional : {FERRY_RING_NO_SQARRAY, 0U}) {
        io_uring_params parameters{};
        parameters.flags = needed | optional;
        parameters.cq_entries = completion_entries;
        refused = io_uring_queue_init_params(submission_entries, made, &parameters);
        if (refused == 0 && (parameters.features & IORING_FEAT_NODROP) == 0) {
            io_uring_queue_exit(made);  // Would lose completions when the queue overflows (R1).
            refused = -EINVAL;
        }
        if (refused != -EINVAL) {
            break;
        }
    }
    if (refused < 0) {
        delete made;
        return failure_from_errno(-refused);
    }
    ring owner;
    owner.ring_.reset(made);
    return owner;
}

result<void> ring::enable() noexcept {
    // Not by liburing's io_uring_enable_rings: 2.3's shared library does not export it.
    if (const int refused = io_uring_register(static_cast<unsigned>(ring_->ring_fd),
                                              IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
        refused < 0) {
        return failure_from_errno(-refused);
    }
    unsigned workers[2] = {workers_max, workers_max};
    // Both are improvements only: a kernel that refuses them still serves.
    static_cast<void>(io_uring_register_iowq_max_workers(ring_.get(), workers));
    static_cast<void>(io_uring_register_ring_fd(ring_.get()));
    return {};
}

}  // namespace ferry::runtime
