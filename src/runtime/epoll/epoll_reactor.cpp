#include "runtime/epoll/epoll_reactor.hpp"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "ferry/base/units.hpp"
#include "runtime/blocking.hpp"
#include "runtime/clock.hpp"
#include "runtime/send_file.hpp"

namespace ferry::runtime {
namespace {

// Multishot operations, and others that wait for the same descriptor, are tried this often in a
// row; then everybody else has a turn.
constexpr unsigned tries_per_turn = 16;
// A coroutine whose operations all end in `submit` would never give its core away. After this much
// they wait for the next turn; each costs its octets and `inline_price_octets`.
constexpr std::size_t inline_octets_max = 256_KiB;
constexpr std::size_t inline_price_octets = 4_KiB;
// In a turn: an answer opens its file, then it is sent.
constexpr unsigned gathered_rounds_max = 2;

constexpr std::uint32_t input_events = EPOLLIN | EPOLLRDHUP | EPOLLPRI;
constexpr std::uint32_t room_events = EPOLLOUT;
constexpr std::uint32_t broken_events = EPOLLHUP | EPOLLERR;
// With these a read that comes back short has not emptied the socket: its end is still to be read,
// or it stopped at urgent data.
constexpr std::uint32_t unread_events = EPOLLRDHUP | EPOLLPRI | broken_events;

// Where an operation stands between `submit` and its last completion (`op::stage`).
enum : std::uint8_t {
    beginning,  // In `submit`, or tried for the first time.
    waiting,    // In its descriptor's watch.
    postponed,  // In `put_off_`.
    gathered,   // In `gathered_`.
    decided,    // Tried with others, those gathered or those that had an event; to be told.
    withdrawn,  // Cancelled: in `ended_`.
    offloaded,  // With the offload pool.
};

bool is_reader(const op& what) noexcept {
    switch (what.code) {
        case opcode::accept:
        case opcode::receive:
        case opcode::receive_provided:
        case opcode::read:
            return true;
        default:
            return false;
    }
}

bool is_multishot(const op& what) noexcept {
    return (what.code == opcode::accept && what.args.accept.multishot) ||
           (what.code == opcode::receive_provided && what.args.receive_provided.multishot);
}

/// Whether an operation that was tried with success has more completions to come. A receive that
/// brought nothing has met the end of its stream.
bool goes_on(const op& what) noexcept {
    return is_multishot(what) && (what.code == opcode::accept ? what.result >= 0 : what.result > 0);
}

}  // namespace

result<std::unique_ptr<reactor>> make_epoll_reactor(const epoll_options& options,
                                                    offload_pool& offload) {
    auto made = std::make_unique<epoll_reactor>(options, offload);
    if (auto opened = made->open(); !opened) {
        return failure(opened.error());
    }
    return made;
}

epoll_reactor::epoll_reactor(const epoll_options& options, offload_pool& offload)
    : reactor(read_clock()),
      inline_octets_left_(inline_octets_max),
      buffers_(options.receive_buffers, options.receive_buffer_bytes),
      errands_(*this, offload, [](reactor& home, op& what) noexcept {
          static_cast<epoll_reactor&>(home).come_back(what);
      }) {}

result<void> epoll_reactor::open() {
    block_broken_pipe_signal();
    epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
    wake_fd_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!epoll_ || !wake_fd_) {
        return failure_from_errno(errno);
    }
    // Every write to it is an edge, so nobody has to read it.
    epoll_event waking{.events = EPOLLIN | EPOLLET, .data = {.ptr = nullptr}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_fd_.get(), &waking) != 0) {
        return failure_from_errno(errno);
    }
    return {};
}

void epoll_reactor::wake() noexcept {
    const std::uint64_t one = 1;
    // The counter is full after 2^64 - 2 wakes.
    static_cast<void>(::write(wake_fd_.get(), &one, sizeof one));
}

submission epoll_reactor::submit(op& what) noexcept {
    FERRY_ASSERT(!what.in_flight);
    ++counters_.submitted;
    what.in_flight = true;
    what.more = false;
    what.cancel_requested = false;
    what.progress = 0;
    what.stage = beginning;
    if (!begin(what)) {
        return submission::pending;
    }
    const bool moves_octets = what.code != opcode::accept && what.result > 0;
    const auto price =
        inline_price_octets + (moves_octets ? static_cast<std::size_t>(what.result) : 0);
    inline_octets_left_ -= std::min(inline_octets_left_, price);
    what.in_flight = false;
    note_end_of(what);
    return submission::done;
}

/// True: over, with `result` set.
bool epoll_reactor::begin(op& what) noexcept {
    switch (what.code) {
        case opcode::nop:
            put_off(what);
            return false;
        case opcode::accept:
        case opcode::receive_provided:
            return is_multishot(what) ? begin_multishot(what) : begin_transfer(what);
        case opcode::connect:
        case opcode::receive:
        case opcode::send_file:
            return begin_transfer(what);
        case opcode::open_at:
            if (writer_.act_by_name(what, now())) {
                return true;
            }
            [[fallthrough]];
        case opcode::send:
            what.stage = gathered;
            gathered_.push_back(what);
            return false;
        case opcode::read:
            return begin_read(what);
        case opcode::write:
            return begin_write(what);
        case opcode::sync:
            return sync_inline(what) || send_to_pool(what, &perform_blocking);
        case opcode::rename_at:
        case opcode::link_at:
        case opcode::list_directory:
            return writer_.act_by_name(what, now()) || send_to_pool(what, &perform_blocking);
        case opcode::allocate:
        case opcode::symlink_at:
        case opcode::unlink_at:
        case opcode::make_directory_at:
        case opcode::copy_range:
        case opcode::compute:
            return send_to_pool(what, &perform_blocking);
    }
    FERRY_ASSERT(false && "an operation there is");
    return false;
}

bool epoll_reactor::begin_read(op& what) noexcept {
    if (read_inline(what)) {
        return true;
    }
    if (what.args.read.offset != at_position) {
        return send_to_pool(what, &perform_blocking);
    }
    return wait_for_turn(what, true);
}

bool epoll_reactor::begin_write(op& what) noexcept {
    if (what.args.write.offset == at_position) {
        return begin_transfer(what);
    }
    return writer_.write(what, now()) || send_to_pool(what, &perform_blocking);
}

/// Of what waits for its descriptor when it has to.
bool epoll_reactor::begin_transfer(op& what) noexcept {
    if (inline_octets_left_ == 0) {
        put_off(what);
        return false;
    }
    return begin_now(what);
}

/// The same, whatever has been done inline in this turn.
bool epoll_reactor::begin_now(op& what) noexcept {
    if (watch* at = watches_.find(what.fd);
        at != nullptr && !(is_reader(what) ? at->readers : at->writers).empty()) {
        return wait_for_turn(what, true);  // Behind others, who wait already.
    }
    switch (try_now(what)) {
        case attempt::over:
        case attempt::over_short:
            return true;
        case attempt::elsewhere:
            return false;
        case attempt::would_wait:
        case attempt::cannot_tell:
            return wait_for_turn(what, true);
        case attempt::unfinished:
        case attempt::starved:
            return wait_for_turn(what, false);
    }
    return false;
}

/// Not tried at once: what it brings must not arrive within `submit`. Registering tells whether
/// anything is there.
bool epoll_reactor::begin_multishot(op& what) noexcept {
    return wait_for_turn(what, false);
}

void epoll_reactor::put_off(op& what) noexcept {
    what.stage = postponed;
    put_off_.push_back(what);
}

/// Lets `what` wait in its watch. True: that is not possible, `result` says why.
bool epoll_reactor::wait_for_turn(op& what, bool was_tried) noexcept {
    const int refused = join_watch(what, was_tried);
    if (refused == 0) {
        return false;
    }
    if (refused == EPERM && (what.code == opcode::read || what.code == opcode::write)) {
        return send_to_pool(what, &perform_blocking);  // A file, always ready and never quick.
    }
    if (what.progress > 0) {
        what.result = what.progress;
    } else if (refused == ENOSPC) {
        what.result = -ENOMEM;  // epoll's own limit (max_user_watches): no disk is full.
    } else {
        what.result = refused == EPERM ? -ENOTSOCK : -refused;  // A file has no connections.
    }
    return true;
}

/// Appends `what` to its descriptor's watch and has that registered for what it needs. 0 or errno.
/// `was_tried`: the descriptor was not ready a moment ago, so an edge is still to come.
int epoll_reactor::join_watch(op& what, bool was_tried) noexcept {
    watch* at = watches_.make(what.fd);
    if (at == nullptr) {
        return what.fd < 0 ? EBADF : ENOMEM;
    }
    const auto needed = is_reader(what) ? input_events : room_events;
    if ((at->events & needed) != needed) {
        epoll_event wanted{.events = at->events | needed | EPOLLET, .data = {.ptr = at}};
        const int how = at->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
        // Both look at the descriptor and report what it is ready for by then.
        if (::epoll_ctl(epoll_.get(), how, what.fd, &wanted) != 0) {
            return errno;
        }
        at->events |= needed;
    } else if (!was_tried) {
        mark_due(*at, needed & (EPOLLIN | EPOLLOUT));
    }
    what.stage = waiting;
    (is_reader(what) ? at->readers : at->writers).push_back(what);
    return 0;
}

void epoll_reactor::leave_watch(op& what) noexcept {
    what.unlink();
    if (what.stage != waiting) {
        return;
    }
    watch& at = *watches_.find(what.fd);
    if (at.readers.empty() && at.writers.empty()) {
        // Its owner has not closed it while an operation was in flight, so it is registered.
        static_cast<void>(::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, what.fd, nullptr));
        at.unlink();
        at.events = 0;
        at.due = 0;
        at.reads_to_end = false;
    }
}

void epoll_reactor::mark_due(watch& which, std::uint32_t direction) noexcept {
    which.due |= direction;
    which.unlink();
    busy_.push_back(which);
}

bool epoll_reactor::send_to_pool(op& what, pool_errands::work perform) noexcept {
    what.stage = offloaded;
    if (!errands_.send(what, perform)) {
        what.result = what.progress > 0 ? what.progress : -ENOMEM;
        return true;
    }
    return false;
}

void epoll_reactor::come_back(op& what) noexcept {
    what.stage = beginning;
    if (what.code != opcode::send_file) {
        finish(what);
        return;
    }
    bool is_over = true;
    if (what.cancel_requested || what.result < 0) {
        const std::int64_t failed_with = what.cancel_requested ? -ECANCELED : what.result;
        what.result = what.progress > 0 ? what.progress : failed_with;
    } else {
        const attempt came = go_on_sending(what, true);
        is_over =
            came == attempt::over || (came == attempt::would_wait && wait_for_turn(what, true));
    }
    if (is_over) {
        finish(what);
    }
}

attempt epoll_reactor::try_now(op& what) noexcept {
    switch (what.code) {
        case opcode::receive_provided:
            note_arrival();
            return try_receive_provided(what);
        case opcode::send_file:
            return go_on_sending(what, false);
        case opcode::receive:
            note_arrival();
            [[fallthrough]];
        default:
            return try_once(what);
    }
}

attempt epoll_reactor::try_receive_provided(op& what) noexcept {
    const auto into = buffers_.next();
    if (into.empty()) {
        ++counters_.buffers_exhausted;
        return attempt::starved;
    }
    const auto got = ::recv(what.fd, into.data(), into.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) {
        return attempt::would_wait;
    }
    if (got < 0 && errno == EINTR) {
        return attempt::unfinished;
    }
    what.lease.release();
    what.result = got < 0 ? -errno : got;
    if (got <= 0) {
        return attempt::over;
    }
    const auto size_bytes = static_cast<std::size_t>(got);
    what.lease = buffers_.lend(size_bytes);
    return size_bytes < into.size() ? attempt::over_short : attempt::over;
}

attempt epoll_reactor::go_on_sending(op& what, bool pages_were_read) noexcept {
    switch (advance_send_file(what, pages_, now(), pages_were_read)) {
        case send_file_need::nothing:
            return attempt::over;
        case send_file_need::room:
            return attempt::would_wait;
        case send_file_need::pages:
            break;
    }
    ++counters_.cold_reads;
    leave_watch(what);
    return send_to_pool(what, &perform_blocking) ? attempt::over : attempt::elsewhere;
}

void epoll_reactor::cancel(op& what) noexcept {
    if (!what.in_flight || what.cancel_requested) {
        return;
    }
    what.cancel_requested = true;
    if (what.stage == offloaded || what.stage == decided) {
        return;  // What a pool thread has begun cannot be stopped.
    }
    leave_watch(what);
    what.stage = withdrawn;  // Completing here would resume inside our caller.
    ended_.push_back(what);
}

/// Tells one completion of several, or the last.
void epoll_reactor::complete(op& what) noexcept {
    note_end_of(what);
    inline_octets_left_ = inline_octets_max;
    what.complete(what);
}

void epoll_reactor::finish(op& what) noexcept {
    leave_watch(what);
    what.in_flight = false;
    what.more = false;
    complete(what);
}

void epoll_reactor::run() noexcept {
    begin_run(read_clock());
    while (!quit_requested()) {
        ++counters_.turns;
        inline_octets_left_ = inline_octets_max;
        const bool ready_left = run_turn_work();
        perform_gathered();
        if (quit_requested()) {
            return;
        }
        // What is put off from here on is for the next turn.
        backlog due;
        const bool has_work = take_backlog(due) || ready_left || has_ready();
        std::array<epoll_event, events_per_turn_max> events;
        const auto came = wait_for_events(events, !has_work);
        const auto seen = read_clock();
        if (has_work) {  // It did not wait: all of that was the turn.
            stalls_.note(now(), seen);
        }
        set_now(seen);
        serve(std::span(events).first(came));
        work_off(due);
        perform_gathered();
    }
}

/// Tries the sends and opens that have been submitted, and what their completions submit of them.
void epoll_reactor::perform_gathered() noexcept {
    for (unsigned round = 0; round < gathered_rounds_max && !gathered_.empty(); ++round) {
        intrusive_list<op> batch;
        batch.append(gathered_);
        intrusive_list<op> over;
        while (op* what = batch.pop_front()) {
            what->stage = beginning;
            if (what->code == opcode::open_at
                    ? open_inline(*what) || send_to_pool(*what, &perform_blocking)
                    : begin_now(*what)) {
                what->stage = decided;
                over.push_back(*what);
            }
        }
        while (op* what = over.pop_front()) {
            finish(*what);
        }
    }
}

/// True when there is anything to do without an event.
bool epoll_reactor::take_backlog(backlog& due) noexcept {
    due.ended.append(ended_);
    due.put_off.append(put_off_);
    due.busy.append(busy_);
    if (buffers_.free() > 0) {
        due.starved.append(starved_);
    }
    return !gathered_.empty() ||
           !(due.ended.empty() && due.put_off.empty() && due.busy.empty() && due.starved.empty());
}

std::size_t epoll_reactor::wait_for_events(std::span<epoll_event> into, bool may_sleep) noexcept {
    // The inbox may have filled since it was looked at: its sender wrote the eventfd, so the wait
    // ends. EINTR means "go and look".
    const auto count = static_cast<int>(into.size());
    const time_point until = timers().next_wake();
    auto left = duration::zero();
    if (may_sleep) {
        const auto ended = read_clock();
        stalls_.note(now(), ended);
        left = until == never ? duration::zero() : std::max(until - ended, duration::zero());
    }
    const bool is_endless = may_sleep && until == never;
    if (has_precise_wait_) {
        const timespec timeout{.tv_sec = left.count() / 1'000'000'000,
                               .tv_nsec = left.count() % 1'000'000'000};
        const int came = ::epoll_pwait2(epoll_.get(), into.data(), count,
                                        is_endless ? nullptr : &timeout, nullptr);
        // Linux 5.11; a seccomp filter older than that may refuse it.
        has_precise_wait_ = came >= 0 || (errno != ENOSYS && errno != EPERM);
        if (has_precise_wait_) {
            return static_cast<std::size_t>(std::max(came, 0));
        }
    }
    // Rounded up, or it would turn and turn through the last millisecond.
    const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    const int came =
        ::epoll_wait(epoll_.get(), into.data(), count,
                     is_endless ? -1 : static_cast<int>(std::min<long>(milliseconds, INT_MAX)));
    return static_cast<std::size_t>(std::max(came, 0));
}

/// Has those tried whose descriptors had events: everybody's first, then they are told, then those
/// behind them.
void epoll_reactor::serve(std::span<const epoll_event> events) noexcept {
    std::array<first_try, 2 * events_per_turn_max> tried;
    std::size_t count = 0;
    for (const auto& came : events) {
        if (came.data.ptr == nullptr) {
            continue;  // The wake-up: its sender's message is in the inbox.
        }
        watch& which = *static_cast<watch*>(came.data.ptr);
        if ((came.events & unread_events) != 0) {
            which.reads_to_end = true;
        }
        for (const auto& [cause, direction] :
             {std::pair{input_events, EPOLLIN}, std::pair{room_events, EPOLLOUT}}) {
            if ((came.events & (cause | broken_events)) != 0) {
                tried[count] = try_first(which, direction);
                count += tried[count].which != nullptr ? 1 : 0;
            }
        }
    }
    for (const auto& each : std::span(tried).first(count)) {
        tell_first(each);
    }
}

/// Tries the first who waits at `which`. Gives what is to do when everybody's first has been tried.
epoll_reactor::first_try epoll_reactor::try_first(watch& which, std::uint32_t direction) noexcept {
    first_try about{.which = &which, .what = nullptr, .direction = direction, .is_emptied = false};
    op* const what = which.waiting_for(direction).front();
    if (what == nullptr) {
        about.which = nullptr;
        return about;
    }
    if (what->code == opcode::receive_provided && buffers_.free() == 0) {
        return about;  // Lent to those before it, and back once they have been told.
    }
    const attempt came = try_now(*what);
    if (came == attempt::over || came == attempt::over_short) {
        what->stage = decided;
        about.what = what;
        about.is_emptied = came == attempt::over_short && !which.reads_to_end;
    } else if (!settle(which, *what, came, direction)) {
        about.which = nullptr;
    }
    return about;
}

void epoll_reactor::tell_first(const first_try& about) noexcept {
    if (about.what != nullptr) {
        about.what->stage = waiting;
        tell(*about.what);
    }
    if (!about.is_emptied) {
        serve_list(*about.which, about.direction);
    }
}

/// Tells the completion of one who waits at a watch and was tried with success.
void epoll_reactor::tell(op& what) noexcept {
    if (!goes_on(what)) {
        finish(what);
        return;
    }
    const bool was_too_late = what.cancel_requested;  // For this completion, not for the next.
    what.more = true;
    complete(what);
    if (was_too_late) {
        what.cancel_requested = false;
        cancel(what);
    }
}

/// Tries those who wait, in order, until the descriptor is not ready any more or others must have a
/// turn.
void epoll_reactor::serve_list(watch& which, std::uint32_t direction) noexcept {
    for (unsigned tries = 0; op* what = which.waiting_for(direction).front(); ++tries) {
        if (tries == tries_per_turn) {
            mark_due(which, direction);
            return;
        }
        const attempt came = try_now(*what);
        if (came != attempt::over && came != attempt::over_short) {
            if (settle(which, *what, came, direction)) {
                continue;
            }
            return;
        }
        // Read now: the completion may close the descriptor and begin its next life.
        const bool is_emptied = came == attempt::over_short && !which.reads_to_end;
        tell(*what);
        if (is_emptied) {
            return;
        }
    }
}

/// Does what follows from a try that completes nothing. True: the next who waits can be tried.
bool epoll_reactor::settle(watch& which, op& what, attempt came, std::uint32_t direction) noexcept {
    switch (came) {
        case attempt::over:
        case attempt::over_short:
        case attempt::elsewhere:
            return true;
        case attempt::would_wait:
            return false;
        case attempt::unfinished:
            mark_due(which, direction);
            return false;
        case attempt::starved:
            which.due |= EPOLLIN;  // If it is busy with its writers, it comes with them.
            if (!which.is_linked()) {
                starved_.push_back(which);
            }
            return false;
        case attempt::cannot_tell:
            // Ready, but it could not be asked for what is there and no more.
            leave_watch(what);
            if (send_to_pool(what, &perform_blocking_little)) {
                finish(what);
            }
            return true;
    }
    return false;
}

void epoll_reactor::work_off(backlog& due) noexcept {
    while (op* what = due.ended.pop_front()) {
        what->result = what->progress > 0 ? what->progress : -ECANCELED;
        finish(*what);
    }
    while (op* what = due.put_off.pop_front()) {
        what->stage = beginning;
        inline_octets_left_ = inline_octets_max;
        if (what->code == opcode::nop) {
            what->result = 0;
            finish(*what);
        } else if (begin(*what)) {
            finish(*what);
        }
    }
    while (watch* which = due.busy.pop_front()) {
        const auto tried = std::exchange(which->due, 0U);
        if ((tried & EPOLLIN) != 0) {
            serve_list(*which, EPOLLIN);
        }
        if ((tried & EPOLLOUT) != 0) {
            serve_list(*which, EPOLLOUT);
        }
    }
    while (buffers_.free() > 0) {
        watch* which = due.starved.pop_front();
        if (which == nullptr) {
            return;
        }
        which->due = 0;
        serve_list(*which, EPOLLIN);
    }
    // First come, first served: before those who starve since.
    due.starved.append(starved_);
    starved_.append(due.starved);
}

}  // namespace ferry::runtime
