#include "runtime/uring/ring.hpp"

#include <array>
#include <cerrno>
#include <new>

#include "runtime/uring/opcodes.hpp"

namespace ferry::runtime {
namespace {

// The default bound on unbounded workers is the process limit; ferry's blocking work is small.
constexpr unsigned workers_max = 4;

// What a ring may still be told once it is enabled.
constexpr std::array ring_registrations = {IORING_REGISTER_PROBE, IORING_REGISTER_IOWQ_MAX_WORKERS,
                                           IORING_REGISTER_RING_FDS, IORING_UNREGISTER_RING_FDS};

/// Bars everything from the ring that ferry does not use: system call filters do not see what goes
/// through a ring (threats.md, R16). The kernel lets nobody take that back.
int restrict(io_uring& made) noexcept {
    std::array<io_uring_restriction, ring_opcodes.size() + ring_registrations.size() + 1> all{};
    std::size_t count = 0;
    for (const auto& each : ring_opcodes) {
        all[count].opcode = IORING_RESTRICTION_SQE_OP;
        all[count++].sqe_op = static_cast<std::uint8_t>(each.code);
    }
    for (const auto each : ring_registrations) {
        all[count].opcode = IORING_RESTRICTION_REGISTER_OP;
        all[count++].register_op = static_cast<std::uint8_t>(each);
    }
    all[count].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
    all[count++].sqe_flags = IOSQE_BUFFER_SELECT | IOSQE_ASYNC;
    return io_uring_register(static_cast<unsigned>(made.ring_fd), IORING_REGISTER_RESTRICTIONS,
                             all.data(), static_cast<unsigned>(count));
}

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
    if (const int refused = restrict(*ring_); refused < 0) {
        return failure_from_errno(-refused);
    }
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
