#include "runtime/uring/uring_reactor.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "ferry/base/log.hpp"
#include "runtime/blocking.hpp"
#include "runtime/clock.hpp"
#include "runtime/send_file.hpp"
#include "runtime/uring/explain.hpp"

namespace ferry::runtime {
namespace {

constexpr std::uint64_t user_data_ignored =
    0;  // Of a cancel request: its own outcome says nothing new.
constexpr std::uint64_t user_data_wake = 1;
constexpr unsigned pointer_bits = 48;

constexpr unsigned completions_per_turn_max = 4'096;
// The kernel's own limit on one transfer (MAX_RW_COUNT), and below what an entry's 32 bits hold.
constexpr std::size_t transfer_bytes_max = 0x7FFF'F000;

// Where an operation stands between `submit` and its last completion (`op::stage`).
enum : std::uint8_t {
    in_ring,         // The kernel has it, or it lies in the submission queue.
    waiting_entry,   // No submission queue entry was free: in `deferred_`.
    waiting_buffer,  // No receive buffer was free: in `starved_`.
    ending,          // Cancelled before the kernel had it: in `ended_`, completes in the next turn.
    polling,         // send_file: the ring waits for room in the socket.
    warming,         // send_file: the ring reads the span into the page cache.
    warmed,          // ... and has: send whatever the cache says now.
    pooled,          // With the offload pool.
};

/// Minds what io_uring_enter(2) gave. Where the kernel lets this core into its ring no more,
/// nothing would ever complete and no signal would be heard: then the process ends.
void mind_entry(int outcome) noexcept {
    switch (-outcome) {
        case EBUSY:  // Overflowed completions first (R1).
        case EBADR:  // The kernel had no memory for one of those.
        case EINTR:
        case ETIME:
        case EAGAIN:  // Short of memory, as ENOMEM.
        case ENOMEM:
            return;  // All mean "go and look".
        default:
            break;
    }
    if (outcome < 0) {
        log::error("io_uring is lost, and with it this process: io_uring_enter: " +
                   explain_refusal(-outcome) + " (--io epoll serves without it)");
        std::_Exit(EXIT_FAILURE);
    }
}

}  // namespace

uring_reactor::uring_reactor(uring_grant granted, offload_pool& offload)
    : reactor(read_clock()),
      granted_(std::move(granted).take()),
      ring_(granted_->kernel),
      buffer_bytes_(granted_->options.receive_buffer_bytes),
      buffer_count_(granted_->options.receive_buffers),
      buffer_ring_(granted_->buffers.get()),
      errands_(*this, offload, [](reactor& home, op& what) noexcept {
          static_cast<uring_reactor&>(home).finish(what);
      }) {}

result<void> uring_reactor::open() {
    block_broken_pipe_signal();
    if (const auto enabled = ring_.enable(); !enabled) {
        return enabled;
    }
    buffers_ =
        std::make_unique_for_overwrite<std::byte[]>(std::size_t{buffer_count_} * buffer_bytes_);
    for (unsigned buffer = 0; buffer < buffer_count_; ++buffer) {
        give_back(static_cast<std::uint16_t>(buffer));
    }

    wake_fd_.reset(::eventfd(0, EFD_CLOEXEC));
    if (!wake_fd_) {
        return failure_from_errno(errno);
    }
    arm_wake();
    return {};
}

uring_reactor::~uring_reactor() {
    // The kernel must let go of the receive buffers and of `wake_value_` before they die.
    ring_ = ring{};
}

void uring_reactor::wake() noexcept {
    const std::uint64_t one = 1;
    // A full counter (EAGAIN cannot happen below 2^64 - 1 wakes) would still wake the reader.
    static_cast<void>(::write(wake_fd_.get(), &one, sizeof one));
}

void uring_reactor::arm_wake() noexcept {
    io_uring_sqe* entry = take_entry();
    wake_armed_ = entry != nullptr;
    if (entry != nullptr) {
        io_uring_prep_read(entry, wake_fd_.get(), &wake_value_, sizeof wake_value_, 0);
        io_uring_sqe_set_data64(entry, user_data_wake);
    }
}

void uring_reactor::give_back(std::uint16_t buffer) noexcept {
    io_uring_buf_ring_add(buffer_ring_, &buffers_[std::size_t{buffer} * buffer_bytes_],
                          buffer_bytes_, buffer, io_uring_buf_ring_mask(buffer_count_), 0);
    io_uring_buf_ring_advance(buffer_ring_, 1);
    ++buffers_free_;
}

io_uring_sqe* uring_reactor::take_entry() noexcept {
    io_uring_sqe* entry = io_uring_get_sqe(ring_.get());
    if (entry == nullptr) {
        ++counters_.submissions_full;
        // Full: hand the batch over now and go on (threats.md, R2). EBUSY leaves it full; the
        // caller then waits for the next turn.
        mind_entry(io_uring_submit(ring_.get()));
        entry = io_uring_get_sqe(ring_.get());
    }
    return entry;
}

std::uint64_t uring_reactor::user_data_of(const op& what) noexcept {
    return std::bit_cast<std::uint64_t>(&what) |
           (static_cast<std::uint64_t>(what.generation) << pointer_bits);
}

submission uring_reactor::submit(op& what) noexcept {
    FERRY_ASSERT(!what.in_flight);
    ++counters_.submitted;
    what.in_flight = true;
    what.more = false;
    what.cancel_requested = false;
    what.progress = 0;
    what.generation = ++last_generation_;
    what.stage = in_ring;

    switch (what.code) {
        case opcode::send_file:
            return go_on_sending(what) ? finish_inline(what) : submission::pending;
        case opcode::read:
            if (read_inline(what)) {
                return finish_inline(what);
            }
            break;
        case opcode::write:
            if (writer_.write(what, now())) {
                return finish_inline(what);
            }
            break;
        case opcode::sync:
            if (sync_inline(what)) {
                return finish_inline(what);
            }
            break;
        case opcode::open_at:
        case opcode::rename_at:
        case opcode::link_at:
            if (writer_.act_by_name(what, now())) {
                return finish_inline(what);
            }
            break;
        case opcode::list_directory:
            if (writer_.act_by_name(what, now())) {
                return finish_inline(what);
            }
            return send_to_pool(what);
        case opcode::copy_range:
        case opcode::compute:
            return send_to_pool(what);
        case opcode::nop:
        case opcode::accept:
        case opcode::connect:
        case opcode::receive:
        case opcode::receive_provided:
        case opcode::send:
        case opcode::allocate:
        case opcode::symlink_at:
        case opcode::unlink_at:
        case opcode::make_directory_at:
            break;
    }
    enter_ring(what);
    return submission::pending;
}

submission uring_reactor::finish_inline(op& what) noexcept {
    what.in_flight = false;
    note_end_of(what);
    return submission::done;
}

void uring_reactor::enter_ring(op& what) noexcept {
    io_uring_sqe* entry = take_entry();
    if (entry == nullptr) {
        what.stage = waiting_entry;
        deferred_.push_back(what);
        return;
    }
    what.stage = in_ring;
    prepare(what, *entry);
    io_uring_sqe_set_data64(entry, user_data_of(what));
}

void uring_reactor::prepare(op& what, io_uring_sqe& entry) noexcept {
    auto* sqe = &entry;
    auto& args = what.args;
    switch (what.code) {
        case opcode::nop:
            io_uring_prep_nop(sqe);
            return;
        case opcode::accept:
            if (args.accept.multishot) {
                io_uring_prep_multishot_accept(sqe, what.fd, nullptr, nullptr,
                                               SOCK_NONBLOCK | SOCK_CLOEXEC);
            } else {
                io_uring_prep_accept(sqe, what.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            }
            return;
        case opcode::connect:
            io_uring_prep_connect(sqe, what.fd, args.connect.address, args.connect.address_bytes);
            return;
        case opcode::receive:
            io_uring_prep_recv(sqe, what.fd, args.receive.data,
                               std::min(args.receive.size_bytes, transfer_bytes_max), 0);
            return;
        case opcode::receive_provided:
            if (args.receive_provided.multishot) {
                io_uring_prep_recv_multishot(sqe, what.fd, nullptr, 0, 0);
            } else {
                io_uring_prep_recv(sqe, what.fd, nullptr, buffer_bytes_, 0);
            }
            sqe->flags |= IOSQE_BUFFER_SELECT;
            sqe->buf_group = receive_buffer_group;
            return;
        case opcode::send:
            // MSG_WAITALL: the kernel goes on after a short send by itself; a cancel still reports
            // what went (threats.md, R6).
            io_uring_prep_send(
                sqe, what.fd, args.send.data, std::min(args.send.size_bytes, transfer_bytes_max),
                MSG_NOSIGNAL | MSG_WAITALL | (args.send.more_follows ? MSG_MORE : 0));
            return;
        case opcode::read:
            io_uring_prep_read(
                sqe, what.fd, args.read.data,
                static_cast<unsigned>(std::min(args.read.size_bytes, transfer_bytes_max)),
                args.read.offset);
            return;
        case opcode::write:
            io_uring_prep_write(
                sqe, what.fd, args.write.data,
                static_cast<unsigned>(std::min(args.write.size_bytes, transfer_bytes_max)),
                args.write.offset);
            return;
        case opcode::sync:
            io_uring_prep_fsync(sqe, what.fd, args.sync.data_only ? IORING_FSYNC_DATASYNC : 0U);
            return;
        case opcode::allocate:
            io_uring_prep_fallocate(sqe, what.fd, FALLOC_FL_KEEP_SIZE,
                                    static_cast<off_t>(args.allocate.offset),
                                    static_cast<off_t>(args.allocate.size_bytes));
            return;
        case opcode::open_at:
            io_uring_prep_openat2(sqe, what.fd, args.open_at.path, &args.open_at.how);
            return;
        case opcode::rename_at:
            io_uring_prep_renameat(sqe, what.fd, args.rename_at.from, args.rename_at.to_directory,
                                   args.rename_at.to, args.rename_at.flags);
            return;
        case opcode::link_at:
            io_uring_prep_linkat(sqe, what.fd, args.link_at.from, args.link_at.to_directory,
                                 args.link_at.to, args.link_at.flags);
            return;
        case opcode::symlink_at:
            io_uring_prep_symlinkat(sqe, args.symlink_at.target, what.fd, args.symlink_at.path);
            return;
        case opcode::unlink_at:
            io_uring_prep_unlinkat(sqe, what.fd, args.unlink_at.path, args.unlink_at.flags);
            return;
        case opcode::make_directory_at:
            io_uring_prep_mkdirat(sqe, what.fd, args.make_directory_at.path,
                                  args.make_directory_at.mode);
            return;
        case opcode::send_file:
            if (what.stage == warming) {
                // Read into memory that nobody looks at: the point is the page cache. IOSQE_ASYNC,
                // because trying inline first is what must not block this core.
                const auto cold = send_file_cold_window(what);
                io_uring_prep_read(sqe, args.send_file.file, scratch_.get(), cold.size_bytes,
                                   cold.offset);
                sqe->flags |= IOSQE_ASYNC;
            } else {
                io_uring_prep_poll_add(sqe, what.fd, POLLOUT);
            }
            return;
        case opcode::list_directory:
        case opcode::copy_range:
        case opcode::compute:
            break;
    }
    FERRY_ASSERT(false && "an operation of the ring");
}

/// Moves a send_file on as far as it goes without waiting. True: over, with `result` set. False:
/// the ring waits for room in the socket or for the file's pages.
bool uring_reactor::go_on_sending(op& what) noexcept {
    switch (advance_send_file(what, pages_, now(), what.stage == warmed)) {
        case send_file_need::nothing:
            return true;
        case send_file_need::room:
            what.stage = polling;
            break;
        case send_file_need::pages:
            if (scratch_ == nullptr) {
                // Owned at once; nothrow, because this transfer alone must fail (R14).
                scratch_.reset(new (std::nothrow) std::byte[send_file_cold_bytes]);
                if (scratch_ == nullptr) {
                    what.result = what.progress > 0 ? what.progress : -ENOMEM;
                    return true;
                }
            }
            ++counters_.cold_reads;
            what.stage = warming;
            break;
    }
    enter_stage(what);
    return false;
}

/// Puts a send_file into the ring for the stage it is in, or among the deferred.
void uring_reactor::enter_stage(op& what) noexcept {
    io_uring_sqe* entry = take_entry();
    if (entry == nullptr) {
        what.stage = waiting_entry;  // It starts over from its progress when an entry is free.
        deferred_.push_back(what);
        return;
    }
    prepare(what, *entry);
    io_uring_sqe_set_data64(entry, user_data_of(what));
}

submission uring_reactor::send_to_pool(op& what) noexcept {
    if (!errands_.send(what, &perform_blocking)) {
        what.result = -ENOMEM;
        return finish_inline(what);
    }
    what.stage = pooled;
    return submission::pending;
}

void uring_reactor::cancel(op& what) noexcept {
    if (!what.in_flight || what.cancel_requested) {
        return;
    }
    what.cancel_requested = true;
    switch (what.stage) {
        case waiting_entry:
        case waiting_buffer:
            // The kernel has nothing to cancel; completing here would resume inside our caller.
            what.unlink();
            what.stage = ending;
            ended_.push_back(what);
            return;
        case ending:
        case pooled:
            return;
        default:
            break;
    }
    request_cancel(what);
}

void uring_reactor::request_cancel(op& what) noexcept {
    io_uring_sqe* entry = take_entry();
    if (entry == nullptr) {
        cancels_waiting_.push_back(what);
        return;
    }
    io_uring_prep_cancel64(entry, user_data_of(what), 0);
    io_uring_sqe_set_data64(entry, user_data_ignored);
}

void uring_reactor::finish(op& what) noexcept {
    what.in_flight = false;
    what.more = false;
    what.unlink();
    note_end_of(what);
    what.complete(what);
}

/// What the lists hold moves on: cancelled operations end, deferred and starved ones try again.
void uring_reactor::retry_waiting() noexcept {
    intrusive_list<op> again;
    again.append(ended_);
    while (op* what = again.pop_front()) {
        what->result = what->progress > 0 ? what->progress : -ECANCELED;
        finish(*what);
    }
    if (!wake_armed_) {
        arm_wake();
    }
    again.append(cancels_waiting_);
    while (op* what = again.pop_front()) {
        request_cancel(*what);
    }
    again.append(deferred_);
    while (op* what = again.pop_front()) {
        what->stage = in_ring;
        if (what->code != opcode::send_file) {
            enter_ring(*what);
        } else if (go_on_sending(*what)) {
            finish(*what);
        }
    }
    if (buffers_free_ > 0) {
        again.append(starved_);
        while (op* what = again.pop_front()) {
            enter_ring(*what);
        }
    }
}

bool uring_reactor::anything_waiting() noexcept {
    return !ended_.empty() || !cancels_waiting_.empty() || !deferred_.empty() || !wake_armed_ ||
           (!starved_.empty() && buffers_free_ > 0);
}

void uring_reactor::run() noexcept {
    begin_run(read_clock());
    while (!quit_requested()) {
        ++counters_.turns;
        const bool ready_left = run_turn_work();
        retry_waiting();
        if (quit_requested()) {
            break;
        }
        if (ready_left || has_ready() || anything_waiting()) {
            mind_entry(io_uring_submit_and_get_events(ring_.get()));
            const auto ended = read_clock();
            stalls_.note(now(), ended);
            set_now(ended);
        } else {
            submit_and_wait();
            set_now(read_clock());
        }
        if ((IO_URING_READ_ONCE(*ring_->sq.kflags) & IORING_SQ_CQ_OVERFLOW) != 0) {
            ++counters_.completion_overflows;  // Kept by the kernel (FEAT_NODROP), not lost (R1).
        }
        reap();
    }
    // What was queued in the last turn (cancels, above all) must not wait for a next run.
    mind_entry(io_uring_submit(ring_.get()));
}

void uring_reactor::submit_and_wait() noexcept {
    // The inbox may have filled since it was looked at: its sender wrote the eventfd, so the wait
    // ends.
    io_uring_cqe* first = nullptr;
    const time_point until = timers().next_wake();
    const auto ended = read_clock();
    stalls_.note(now(), ended);
    if (until == never) {
        mind_entry(io_uring_submit_and_wait(ring_.get(), 1));
        return;
    }
    const auto left = std::max(until - ended, duration::zero());
    __kernel_timespec timeout{.tv_sec = left.count() / 1'000'000'000,
                              .tv_nsec = left.count() % 1'000'000'000};
    mind_entry(io_uring_submit_and_wait_timeout(ring_.get(), &first, 1, &timeout, nullptr));
}

void uring_reactor::reap() noexcept {
    std::array<io_uring_cqe*, 128> batch;
    for (unsigned reaped = 0; reaped < completions_per_turn_max;) {
        const unsigned count = io_uring_peek_batch_cqe(ring_.get(), batch.data(), batch.size());
        if (count == 0) {
            return;
        }
        note_arrival();  // For all of them: what they brought was received before.
        for (unsigned i = 0; i < count; ++i) {
            // Copied and released first: what a completion resumes may itself hand the ring over.
            const io_uring_cqe* cqe = batch[i];
            const completion came{
                .user_data = cqe->user_data, .result = cqe->res, .flags = cqe->flags};
            io_uring_cq_advance(ring_.get(), 1);
            dispatch(came);
        }
        reaped += count;
    }
}

void uring_reactor::dispatch(const completion& came) noexcept {
    if (came.user_data == user_data_ignored) {
        return;
    }
    if (came.user_data == user_data_wake) {
        arm_wake();
        return;
    }
    // The address we gave ourselves in `user_data_of`; its generation proves it is still that
    // operation.
    auto* what = std::bit_cast<op*>(came.user_data & ((std::uint64_t{1} << pointer_bits) - 1));
    FERRY_ASSERT(what->in_flight &&
                 what->generation == static_cast<std::uint16_t>(came.user_data >> pointer_bits));
    what->result = came.result;

    if (what->code == opcode::send_file) {
        resume_send_file(*what);
        return;
    }
    if (what->code == opcode::receive_provided && !take_buffer(*what, came)) {
        return;
    }
    if ((came.flags & IORING_CQE_F_MORE) != 0) {
        what->more = true;
        ++counters_.completed;
        what->complete(*what);
        return;
    }
    if (rearms(*what)) {
        enter_ring(*what);
        what->more = true;
        ++counters_.completed;
        what->complete(*what);
        return;
    }
    finish(*what);
}

/// A multishot operation that worked but lost its arming (R4) goes on by itself.
bool uring_reactor::rearms(const op& what) noexcept {
    if (what.cancel_requested) {
        return false;
    }
    if (what.code == opcode::accept) {
        return what.args.accept.multishot && what.result >= 0;
    }
    return what.code == opcode::receive_provided && what.args.receive_provided.multishot &&
           what.result > 0;
}

/// Makes the lease of a receive that brought octets. False: there was no buffer; it waits for one.
bool uring_reactor::take_buffer(op& what, const completion& came) noexcept {
    if (came.result == -ENOBUFS) {
        ++counters_.buffers_exhausted;
        if (!what.cancel_requested) {
            what.stage = waiting_buffer;
            starved_.push_back(what);
            return false;
        }
        what.result = -ECANCELED;  // It would have waited, so the cancel was not too late.
    }
    what.lease.release();
    if ((came.flags & IORING_CQE_F_BUFFER) != 0) {
        const auto buffer = static_cast<std::uint16_t>(came.flags >> IORING_CQE_BUFFER_SHIFT);
        const auto size_bytes = static_cast<std::size_t>(std::max(came.result, 0));
        --buffers_free_;
        what.lease = buffer_lease(*this, buffer,
                                  {&buffers_[std::size_t{buffer} * buffer_bytes_], size_bytes});
    }
    return true;
}

/// The ring's part of a send_file ended: room in the socket, or pages in the cache.
void uring_reactor::resume_send_file(op& what) noexcept {
    const bool was_warming = what.stage == warming;
    if (what.cancel_requested || what.result < 0) {
        const std::int64_t failed_with = what.cancel_requested ? -ECANCELED : what.result;
        what.result = what.progress > 0 ? what.progress : failed_with;
        finish(what);
        return;
    }
    what.stage = was_warming ? warmed : in_ring;
    if (go_on_sending(what)) {
        finish(what);
    }
}

}  // namespace ferry::runtime
