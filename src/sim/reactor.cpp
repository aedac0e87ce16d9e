#include "sim/reactor.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "ferry/base/assert.hpp"
#include "ferry/base/units.hpp"
#include "sim/scope.hpp"

namespace ferry::sim {

using runtime::op;
using runtime::opcode;
using runtime::submission;
using namespace std::chrono_literals;

namespace {

constexpr std::byte poison{0xDD};  // What a buffer holds that nobody may look at.
constexpr std::uint64_t quantum_bytes_max = 256_KiB;
constexpr std::size_t send_file_piece_bytes = 16_KiB;

struct opcode_names {
    const char* submitted;
    const char* completed;
};
// In the order of `opcode`.
constexpr auto names = std::to_array<opcode_names>({
    {"nop", "nop done"},
    {"accept", "accept done"},
    {"connect", "connect done"},
    {"receive", "receive done"},
    {"receive_provided", "receive_provided done"},
    {"send", "send done"},
    {"send_file", "send_file done"},
    {"read", "read done"},
    {"write", "write done"},
    {"sync", "sync done"},
    {"allocate", "allocate done"},
    {"open_at", "open_at done"},
    {"rename_at", "rename_at done"},
    {"link_at", "link_at done"},
    {"symlink_at", "symlink_at done"},
    {"unlink_at", "unlink_at done"},
    {"make_directory_at", "make_directory_at done"},
    {"list_directory", "list_directory done"},
    {"copy_range", "copy_range done"},
    {"compute", "compute done"},
});

const opcode_names& names_of(opcode code) noexcept {
    return names[static_cast<std::size_t>(code)];
}

constexpr bool needs_descriptor(const op& what) noexcept {
    if (what.code == opcode::nop || what.code == opcode::compute) {
        return false;
    }
    return what.code != opcode::link_at || what.fd != AT_FDCWD;
}

/// With the offload pool: once begun nothing ends it early.
constexpr bool is_pooled(opcode code) noexcept {
    return code == opcode::list_directory || code == opcode::copy_range || code == opcode::compute;
}

}  // namespace

reactor::reactor(host& on, const reactor_options& options)
    : runtime::reactor(on.in().now()),
      host_(on),
      world_(on.in()),
      home_(std::this_thread::get_id()),
      has_outside_posters_(options.has_outside_posters),
      has_cold_pages_(options.has_cold_pages),
      buffer_bytes_(options.receive_buffer_bytes),
      buffer_count_(options.receive_buffers),
      buffers_(std::size_t{options.receive_buffers} * options.receive_buffer_bytes, poison),
      anchor_(world_.make_anchor(this)),
      piece_(send_file_piece_bytes) {
    for (unsigned buffer = buffer_count_; buffer > 0; --buffer) {
        free_buffers_.push_back(static_cast<std::uint16_t>(buffer - 1));
    }
}

reactor::~reactor() {
    for (auto& [of, each] : flights_) {
        world_.wires().unwatch(each.watched);
    }
    *anchor_ = nullptr;
}

reactor::flight* reactor::find(serial of) noexcept {
    const auto found = flights_.find(of);
    return found == flights_.end() ? nullptr : &found->second;
}

description reactor::described(int fd) const {
    const description* found = host_.find(fd);
    return found == nullptr ? description{} : *found;
}

/// Lets `Step(of)` happen after `delay`, if the reactor is still there.
template <void (reactor::*Step)(std::uint64_t)>
void reactor::later(runtime::duration delay, serial of) {
    // A pointer to the anchor and a number: small enough for std::function to hold in place.
    world_.events().after(delay, [anchor = anchor_, of] {
        if (auto* self = static_cast<reactor*>(*anchor)) {
            (self->*Step)(of);
        }
    });
}

// Turns.

void reactor::schedule_turn(runtime::time_point when) {
    if (!is_running_ || when >= turn_at_) {
        return;
    }
    turn_at_ = when;
    later<&reactor::take_turn>(std::max(when - world_.now(), runtime::duration::zero()),
                               ++turn_token_);
}

void reactor::take_turn(std::uint64_t token) {
    if (token == turn_token_ && is_running_) {
        turn_at_ = runtime::never;
        turn();
    }
}

void reactor::turn() {
    const host::in_use here(host_);
    ++counters_.turns;
    submitted_this_turn_ = 0;
    set_now(world_.now());
    for (const serial of : std::exchange(woken_, {})) {
        attempt(of);
    }
    deliver();
    bool is_more_ready = false;
    {
        const under_test product;
        is_more_ready = run_turn_work();
    }
    submitted_per_turn_max_ = std::max(submitted_per_turn_max_, submitted_this_turn_);
    if (quit_requested()) {
        is_running_ = false;
        return;
    }
    if (is_more_ready || has_ready()) {
        schedule_turn(world_.now() + world_.between(500ns, 5us));
    }
    for (const completion& each : completions_) {
        schedule_turn(std::max(each.ready_at, world_.now() + 100ns));
    }
    const auto next_timer = timers().next_wake();
    if (next_timer != runtime::never) {
        schedule_turn(std::max(next_timer, world_.now() + 1us));
    }
}

/// Hands out what has completed: those of one operation in their order, different ones in any.
void reactor::deliver() {
    std::vector<completion> ready;
    const auto is_ready = [this](const completion& each) { return each.ready_at <= world_.now(); };
    std::ranges::copy_if(completions_, std::back_inserter(ready), is_ready);
    std::erase_if(completions_, is_ready);
    if (ready.size() > 1 && world_.chance(2)) {
        const std::uint64_t salt = world_.rng().next() | 1U;
        std::ranges::sort(ready, {}, [salt](const completion& each) {
            return std::pair(each.of * salt, each.order);
        });
    }
    for (const completion& each : ready) {
        deliver_one(each);
    }
}

void reactor::deliver_one(const completion& came) {
    flight* const found = find(came.of);
    FERRY_ASSERT(found != nullptr && "a completion of an operation that has ended");
    op& what = *found->what;
    FERRY_ASSERT(what.in_flight && what.generation == found->generation &&
                 "a completion reached another life of its operation");
    what.result = came.result;
    what.more = came.more;
    what.lease.release();
    if (came.buffer >= 0) {
        const auto buffer = static_cast<std::uint16_t>(came.buffer);
        what.lease = runtime::buffer_lease(
            *this, buffer, {&buffers_[std::size_t{buffer} * buffer_bytes_], came.buffer_bytes});
    }
    if (!came.more) {
        if (has_power_ && needs_descriptor(what) && found->held.index() != 0 &&
            described(what.fd) != found->held) {
            ++closed_under_operations_;
            world_.note("closed under an operation", what.fd);
        }
        flights_.erase(came.of);
        what.in_flight = false;
    }
    ++counters_.completed;
    world_.note(names_of(what.code).completed, what.fd, came.result);
    note_arrival();
    {
        const under_test product;
        what.complete(what);
    }
    // Whoever it was for has run on to its next wait by now.
    if (came.buffer >= 0 &&
        std::ranges::find(free_buffers_, static_cast<std::uint16_t>(came.buffer)) ==
            free_buffers_.end()) {
        ++leases_kept_;
        world_.note("lease kept", came.buffer);
    }
}

void reactor::wake() noexcept {
    if (std::this_thread::get_id() != home_) {
        poked_.store(true);
        poked_.notify_one();
        return;
    }
    const in_simulator here;
    schedule_turn(world_.now() + world_.between(1us, 20us));
}

void reactor::begin() noexcept {
    begin_run(world_.now());
    is_running_ = true;
    turn_at_ = runtime::never;
    schedule_turn(world_.now());
}

void reactor::run() noexcept {
    const in_simulator here;
    begin();
    while (is_running_) {
        if (poked_.exchange(false)) {
            schedule_turn(world_.now());
        }
        if (!world_.events().step()) {
            FERRY_ASSERT(has_outside_posters_ && "nothing will ever happen again");
            poked_.wait(false);
        }
    }
}

void reactor::lose_power() {
    has_power_ = false;
    std::vector<serial> all;
    for (const auto& [of, each] : flights_) {
        if (!each.is_over) {
            all.push_back(of);
        }
    }
    std::ranges::sort(all);
    for (const serial of : all) {
        end(of, -EIO);
    }
}

// The life of an operation.

submission reactor::submit(op& what) noexcept {
    const in_simulator here;
    FERRY_ASSERT(!what.in_flight);
    ++counters_.submitted;
    ++submitted_this_turn_;
    what.in_flight = true;
    what.more = false;
    what.cancel_requested = false;
    what.generation = ++last_generation_;
    const serial mine = ++last_serial_;
    what.progress = static_cast<std::int64_t>(mine);
    world_.note(names_of(what.code).submitted, what.fd);
    flight& each =
        flights_.emplace(mine, flight{.what = &what, .generation = what.generation}).first->second;
    if (!has_power_) {
        end(mine, -EIO);
        return submission::pending;
    }
    if (try_at_once(mine, each)) {
        flights_.erase(mine);
        what.in_flight = false;
        note_end_of(what);
        world_.note(names_of(what.code).completed, what.fd, what.result);
        return submission::done;
    }
    if (!each.has_begun) {
        auto delay = world_.between(0ns, 2us);
        if (host_.trouble().strikes(trouble::queue_full)) {
            delay += world_.between(5us, 100us);
        }
        later<&reactor::begin_flight>(delay, mine);
    }
    return submission::pending;
}

int reactor::drawn_errno(const op& what) noexcept {
    if (what.code == opcode::nop || what.code == opcode::compute ||
        !host_.trouble().strikes(trouble::op_error)) {
        return 0;
    }
    int failed_with = host_.trouble().pick_errno(what.code);
    // openat2(2) has that for names that are kept within a directory.
    if (failed_with == EAGAIN && what.code == opcode::open_at &&
        (what.args.open_at.how.resolve & RESOLVE_BENEATH) == 0) {
        failed_with = EIO;
    }
    host_.struck(what, failed_with);
    return failed_with;
}

/// Reads and writes of files, looks at few names and sends of what there is room for may be over
/// within `submit`, as the ring's backend has it. True: `result` is set. False: it goes on from
/// `begin_flight`, or, with `has_begun`, waits already.
bool reactor::try_at_once(serial of, flight& each) {
    op& what = *each.what;
    const bool is_look =
        what.code == opcode::list_directory && what.args.list_directory.is_for_core();
    const bool is_of_files = what.code == opcode::read || what.code == opcode::write || is_look;
    if ((!is_of_files && what.code != opcode::send_file) || world_.chance(4)) {
        return false;
    }
    each.held = described(what.fd);
    if (each.held.index() == 0) {
        host_.note_stray(what.fd);
        what.result = -EBADF;
        return true;
    }
    if (is_of_files) {
        if (!std::holds_alternative<open_file_ptr>(each.held) ||
            host_.trouble().strikes(trouble::delay)) {
            return false;
        }
        const int failed_with = drawn_errno(what);
        what.result = failed_with != 0 ? -failed_with : perform(what);
        return true;
    }
    if (const int failed_with = drawn_errno(what); failed_with != 0) {
        what.result = -failed_with;
        return true;
    }
    each.has_begun = true;
    const auto over = advance_send_file(of, each);
    if (over) {
        what.result = *over;
    }
    return over.has_value();
}

void reactor::begin_flight(serial of) {
    flight* const each = find(of);
    if (each == nullptr || each->is_over) {
        return;  // Cancelled before.
    }
    op& what = *each->what;
    each->has_begun = true;
    each->held = described(what.fd);
    if (needs_descriptor(what) && each->held.index() == 0) {
        host_.note_stray(what.fd);
        complete(of, -EBADF);
        return;
    }
    if (const int failed_with = drawn_errno(what); failed_with != 0) {
        complete(of, -failed_with);
        return;
    }
    auto delay = runtime::duration::zero();
    if (host_.trouble().strikes(trouble::delay)) {
        delay = world_.between(1ms, 50ms);
    }
    switch (what.code) {
        case opcode::nop:
        case opcode::accept:
        case opcode::connect:
        case opcode::receive:
        case opcode::receive_provided:
        case opcode::send:
        case opcode::send_file:
            if (delay == runtime::duration::zero()) {
                attempt(of);
                return;
            }
            break;
        case opcode::read:
        case opcode::write:
        case opcode::sync:
        case opcode::allocate:
        case opcode::open_at:
        case opcode::rename_at:
        case opcode::link_at:
        case opcode::symlink_at:
        case opcode::unlink_at:
        case opcode::make_directory_at:
        case opcode::list_directory:
        case opcode::copy_range:
        case opcode::compute:
            delay += world_.between(1us, 40us);
            break;
    }
    later<&reactor::attempt>(delay, of);
}

/// Does it, or a part of it, or waits for the socket to change.
void reactor::attempt(serial of) {
    flight* const each = find(of);
    if (each == nullptr || each->is_over) {
        return;
    }
    const host::in_use here(host_);
    switch (each->what->code) {
        case opcode::accept:
            attempt_accept(of, *each);
            return;
        case opcode::connect:
            attempt_connect(of, *each);
            return;
        case opcode::receive:
            attempt_receive(of, *each);
            return;
        case opcode::receive_provided:
            attempt_receive_provided(of, *each);
            return;
        case opcode::send:
            attempt_send(of, *each);
            return;
        case opcode::send_file:
            attempt_send_file(of, *each);
            return;
        case opcode::read:
        case opcode::write:
            attempt_read_or_write(of, *each);
            return;
        case opcode::nop:
        case opcode::sync:
        case opcode::allocate:
        case opcode::open_at:
        case opcode::rename_at:
        case opcode::link_at:
        case opcode::symlink_at:
        case opcode::unlink_at:
        case opcode::make_directory_at:
        case opcode::list_directory:
        case opcode::copy_range:
        case opcode::compute:
            complete(of, perform(*each->what));
            return;
    }
}

void reactor::watch(serial of, flight& each) {
    if (each.watched != 0) {
        return;
    }
    const auto* socket = std::get_if<socket_ptr>(&each.held);
    each.watched = world_.wires().watch(*socket, [anchor = anchor_, of] {
        if (auto* self = static_cast<reactor*>(*anchor)) {
            self->wake_flight(of);
        }
    });
}

/// It goes on in the next turn, as what waits in a ring does (DEFER_TASKRUN).
void reactor::wake_flight(serial of) {
    if (std::ranges::find(woken_, of) == woken_.end()) {
        woken_.push_back(of);
        schedule_turn(world_.now() + world_.between(0ns, 1us));
    }
}

void reactor::complete(serial of, std::int64_t result, bool more) {
    flight& each = *find(of);
    FERRY_ASSERT(!each.is_over);
    if (!more) {
        each.is_over = true;
        world_.wires().unwatch(std::exchange(each.watched, 0));
    }
    auto ready_at = world_.now() + world_.between(0ns, 3us);
    if (host_.trouble().strikes(trouble::overflow)) {
        ++counters_.completion_overflows;
        ready_at += world_.between(100us, 5ms);
    }
    ready_at = std::max(ready_at, each.completed_at);  // In the order of one operation's own.
    each.completed_at = ready_at;
    completions_.push_back(
        {.of = of, .order = ++last_order_, .result = result, .more = more, .ready_at = ready_at});
    schedule_turn(ready_at);
}

void reactor::complete_with_buffer(serial of, std::int64_t result, bool more,
                                   std::uint16_t buffer) {
    complete(of, result, more);
    completions_.back().buffer = buffer;
    completions_.back().buffer_bytes = static_cast<std::uint32_t>(result);
}

/// Ends it with what it has moved, or the failure.
void reactor::end(serial of, std::int64_t failed_with) {
    flight& each = *find(of);
    complete(of, each.moved > 0 ? each.moved : failed_with);
}

void reactor::cancel(op& what) noexcept {
    const in_simulator here;
    if (!what.in_flight || what.cancel_requested) {
        return;
    }
    what.cancel_requested = true;
    world_.note("cancel", what.fd, static_cast<std::int64_t>(what.code));
    later<&reactor::take_hold_of_cancel>(world_.between(0ns, 10us),
                                         static_cast<serial>(what.progress));
}

void reactor::take_hold_of_cancel(serial of) {
    flight* const each = find(of);
    if (each == nullptr || each->is_over || is_pooled(each->what->code)) {
        return;  // Too late, or nothing can be done.
    }
    std::erase(starved_, of);
    end(of, -ECANCELED);
}

void reactor::give_back(std::uint16_t buffer) noexcept {
    const in_simulator here;
    std::fill_n(&buffers_[std::size_t{buffer} * buffer_bytes_], buffer_bytes_, poison);
    free_buffers_.push_back(buffer);
    for (const serial of : std::exchange(starved_, {})) {
        later<&reactor::attempt>(world_.between(0ns, 2us), of);
    }
}

// What operations do.

std::size_t reactor::some_of(std::size_t size_bytes) {
    if (size_bytes <= 1 || !host_.trouble().strikes(trouble::short_count)) {
        return size_bytes;
    }
    return 1 + static_cast<std::size_t>(world_.rng().below(size_bytes - 1));
}

void reactor::attempt_accept(serial of, flight& each) {
    const auto* listening = std::get_if<socket_ptr>(&each.held);
    if (listening == nullptr) {
        complete(of, -ENOTSOCK);
        return;
    }
    if (world_.wires().is_readable(*listening) && host_.is_full()) {
        complete(of, -EMFILE);
        return;
    }
    int refused = 0;
    auto connection = world_.wires().accept(*listening, refused);
    if (connection == nullptr) {
        if (refused == -EAGAIN) {
            watch(of, each);
        } else {
            complete(of, refused);
        }
        return;
    }
    const int fd = host_.install(std::move(connection), O_RDWR | O_NONBLOCK);
    const bool goes_on =
        each.what->args.accept.multishot && !host_.trouble().strikes(trouble::lost_arming);
    complete(of, fd, goes_on);
    if (goes_on) {
        later<&reactor::attempt>(world_.between(0ns, 2us), of);
    }
}

void reactor::attempt_connect(serial of, flight& each) {
    const auto* connecting = std::get_if<socket_ptr>(&each.held);
    if (connecting == nullptr) {
        complete(of, -ENOTSOCK);
        return;
    }
    network& wires = world_.wires();
    if (!each.is_connecting) {
        const auto& args = each.what->args.connect;
        const int begun = wires.connect(*connecting, args.address, args.address_bytes);
        if (begun != -EINPROGRESS) {
            complete(of, begun);
            return;
        }
        each.is_connecting = true;
        watch(of, each);
    }
    if (wires.is_writable(*connecting)) {
        // As the ring does it: a second connect(2) is what takes the outcome.
        const auto& args = each.what->args.connect;
        const int error = wires.take_error(*connecting);
        complete(
            of, error != 0 ? -error : wires.connect(*connecting, args.address, args.address_bytes));
    }
}

void reactor::attempt_receive(serial of, flight& each) {
    const auto* socket = std::get_if<socket_ptr>(&each.held);
    if (socket == nullptr) {
        complete(of, -ENOTSOCK);
        return;
    }
    const auto& args = each.what->args.receive;
    const auto got = world_.wires().receive(*socket, {args.data, some_of(args.size_bytes)});
    if (got == -EAGAIN) {
        watch(of, each);
    } else {
        complete(of, got);
    }
}

void reactor::attempt_receive_provided(serial of, flight& each) {
    const auto* socket = std::get_if<socket_ptr>(&each.held);
    if (socket == nullptr) {
        complete(of, -ENOTSOCK);
        return;
    }
    if (!world_.wires().is_readable(*socket)) {
        watch(of, each);
        return;
    }
    if (free_buffers_.empty()) {
        ++counters_.buffers_exhausted;
        if (std::ranges::find(starved_, of) == starved_.end()) {
            starved_.push_back(of);
        }
        return;
    }
    if (host_.trouble().strikes(trouble::buffers_empty)) {
        ++counters_.buffers_exhausted;
        later<&reactor::attempt>(world_.between(10us, 1ms), of);
        return;
    }
    const std::uint16_t buffer = free_buffers_.back();
    const auto got = world_.wires().receive(
        *socket, {&buffers_[std::size_t{buffer} * buffer_bytes_], some_of(buffer_bytes_)});
    if (got <= 0) {
        if (got == -EAGAIN) {
            watch(of, each);
        } else {
            complete(of, got);
        }
        return;
    }
    free_buffers_.pop_back();
    const bool goes_on = each.what->args.receive_provided.multishot &&
                         !host_.trouble().strikes(trouble::lost_arming);
    complete_with_buffer(of, got, goes_on, buffer);
    if (goes_on) {
        later<&reactor::attempt>(world_.between(0ns, 2us), of);
    }
}

void reactor::attempt_send(serial of, flight& each) {
    const auto* socket = std::get_if<socket_ptr>(&each.held);
    if (socket == nullptr) {
        complete(of, -ENOTSOCK);
        return;
    }
    const auto& args = each.what->args.send;
    const auto moved = static_cast<std::size_t>(each.moved);
    const std::size_t wanted = some_of(args.size_bytes - moved);
    const auto sent = world_.wires().send(*socket, {args.data + moved, wanted});
    if (sent == -EAGAIN) {
        watch(of, each);
        return;
    }
    if (sent < 0) {
        end(of, sent);
        return;
    }
    each.moved += sent;
    const bool is_short = moved + wanted < args.size_bytes;
    if (is_short || static_cast<std::size_t>(each.moved) == args.size_bytes) {
        end(of, 0);
        return;
    }
    watch(of, each);  // MSG_WAITALL, as the ring has it: on with the rest when there is room.
}

void reactor::attempt_send_file(serial of, flight& each) {
    if (const auto over = advance_send_file(of, each)) {
        complete(of, *over);
    }
}

/// Moves it on as far as it goes. Nothing: it waits for room, or for pages from the disk.
std::optional<std::int64_t> reactor::advance_send_file(serial of, flight& each) {
    const auto& args = each.what->args.send_file;
    const auto* socket = std::get_if<socket_ptr>(&each.held);
    if (socket == nullptr) {
        return -ENOTSOCK;
    }
    if (each.quantum_bytes == 0 && args.size_bytes > 0) {
        each.quantum_bytes =
            std::min(args.size_bytes, world_.chance(4) ? 1 + world_.rng().below(quantum_bytes_max)
                                                       : quantum_bytes_max);
    }
    const auto over = [&each](std::int64_t failed_with) {
        return each.moved > 0 ? each.moved : failed_with;
    };
    network& wires = world_.wires();
    if (args.head_bytes == 0 && args.size_bytes == 0) {
        if (wires.is_writable(*socket)) {
            return 0;
        }
        watch(of, each);
        return std::nullopt;
    }
    while (static_cast<std::size_t>(each.moved) < args.head_bytes) {
        const auto moved = static_cast<std::size_t>(each.moved);
        const auto sent =
            wires.send(*socket, {args.head + moved, some_of(args.head_bytes - moved)});
        if (sent == -EAGAIN) {
            watch(of, each);
            return std::nullopt;
        }
        if (sent < 0) {
            return over(sent);
        }
        each.moved += sent;
    }
    const open_file_ptr file = host_.file(args.file);
    if (file == nullptr) {
        return over(-EBADF);
    }
    for (;;) {
        const std::uint64_t file_moved = static_cast<std::uint64_t>(each.moved) - args.head_bytes;
        if (file_moved >= each.quantum_bytes) {
            return over(0);
        }
        if (has_cold_pages_ && !each.is_warm && world_.chance(16)) {
            each.is_warm = true;
            ++counters_.cold_reads;
            later<&reactor::attempt>(world_.between(50us, 5ms), of);
            return std::nullopt;
        }
        const auto wanted = static_cast<std::size_t>(
            std::min<std::uint64_t>(each.quantum_bytes - file_moved, piece_.size()));
        const auto got =
            host_.files().read(file, std::span(piece_).first(wanted), args.offset + file_moved);
        if (got <= 0) {
            return over(got);
        }
        const auto sent =
            wires.send(*socket, std::span(piece_).first(some_of(static_cast<std::size_t>(got))));
        if (sent == -EAGAIN) {
            watch(of, each);
            return std::nullopt;
        }
        if (sent < 0) {
            return over(sent);
        }
        each.moved += sent;
    }
}

void reactor::attempt_read_or_write(serial of, flight& each) {
    op& what = *each.what;
    const auto* socket = std::get_if<socket_ptr>(&each.held);
    if (socket == nullptr) {
        complete(of, perform(what));
        return;
    }
    if (what.code == opcode::read) {
        const auto got = world_.wires().receive(
            *socket, {what.args.read.data, some_of(what.args.read.size_bytes)});
        if (got == -EAGAIN) {
            watch(of, each);
        } else {
            complete(of, got);
        }
        return;
    }
    const auto& args = what.args.write;
    const auto moved = static_cast<std::size_t>(each.moved);
    const auto put = world_.wires().send(*socket, {args.data + moved, args.size_bytes - moved});
    if (put < 0 && put != -EAGAIN) {
        end(of, put);
        return;
    }
    each.moved += std::max<std::int64_t>(put, 0);
    if (static_cast<std::size_t>(each.moved) == args.size_bytes) {
        end(of, 0);
    } else {
        watch(of, each);
    }
}

/// What is over as soon as it is done, on the disk above all.
std::int64_t reactor::perform(op& what) {
    const open_file_ptr file = host_.file(what.fd);
    disk& files = host_.files();
    switch (what.code) {
        case opcode::nop:
            return 0;
        case opcode::compute: {
            const under_test product;
            what.args.compute.function(what.args.compute.context);
            return 0;
        }
        case opcode::open_at:
            return open(what);
        case opcode::link_at:
            return link(what);
        default:
            break;
    }
    if (file == nullptr) {
        return host_.find(what.fd) == nullptr ? -EBADF : -EINVAL;
    }
    switch (what.code) {
        case opcode::read: {
            const auto& args = what.args.read;
            return files.read(file, {args.data, some_of(args.size_bytes)}, args.offset);
        }
        case opcode::write: {
            const auto& args = what.args.write;
            return files.write(file, {args.data, some_of(args.size_bytes)}, args.offset);
        }
        case opcode::sync:
            return files.sync(file, what.args.sync.data_only);
        case opcode::allocate: {
            const auto& args = what.args.allocate;
            return files.allocate(file, args.offset, args.size_bytes);
        }
        case opcode::rename_at: {
            const auto& args = what.args.rename_at;
            const auto to = host_.file(args.to_directory);
            return to == nullptr ? -EBADF : files.rename(file, args.from, to, args.to, args.flags);
        }
        case opcode::unlink_at:
            return files.unlink(file, what.args.unlink_at.path, what.args.unlink_at.flags);
        case opcode::symlink_at: {
            const auto& args = what.args.symlink_at;
            return files.make_symlink(file, args.path, args.target);
        }
        case opcode::make_directory_at: {
            const auto& args = what.args.make_directory_at;
            return files.make_directory(file, args.path, args.mode);
        }
        case opcode::list_directory:
            return list(what);
        case opcode::copy_range: {
            const auto& args = what.args.copy_range;
            const auto to = host_.file(args.to);
            return to == nullptr ? -EBADF
                                 : files.copy_range(file, args.from_offset, to, args.to_offset,
                                                    some_of(args.size_bytes));
        }
        case opcode::nop:
        case opcode::accept:
        case opcode::connect:
        case opcode::receive:
        case opcode::receive_provided:
        case opcode::send:
        case opcode::send_file:
        case opcode::open_at:
        case opcode::link_at:
        case opcode::compute:
            break;
    }
    FERRY_ASSERT(false && "an operation that is over as soon as it is done");
    return -ENOSYS;
}

std::int64_t reactor::open(const op& what) {
    const open_file_ptr directory = host_.file(what.fd);
    if (directory == nullptr) {
        return host_.find(what.fd) == nullptr ? -EBADF : -ENOTDIR;
    }
    if (host_.is_full()) {
        return -EMFILE;  // Before anything is created, as the kernel has it.
    }
    open_file_ptr opened;
    const int refused =
        host_.files().open(directory, what.args.open_at.path, what.args.open_at.how, opened);
    if (refused < 0) {
        return refused;
    }
    return host_.install(std::move(opened), static_cast<int>(what.args.open_at.how.flags));
}

std::int64_t reactor::link(const op& what) {
    const auto& args = what.args.link_at;
    const auto to = host_.file(args.to_directory);
    if (to == nullptr) {
        return -EBADF;
    }
    open_file_ptr source;
    const std::string_view from(args.from);
    if (from.starts_with(own_descriptors)) {
        source = host_.file_behind(from);
        if (source == nullptr) {
            return -ENOENT;
        }
    } else if (from.empty() && (args.flags & AT_EMPTY_PATH) != 0) {
        source = host_.file(what.fd);
    }
    return host_.files().link(host_.file(what.fd), args.from, source, to, args.to, args.flags);
}

std::int64_t reactor::list(op& what) {
    const auto& args = what.args.list_directory;
    const auto directory = host_.file(what.fd);
    if (args.again) {
        return host_.files().list_again(directory, *args.batch, host_.file(args.root),
                                        args.directory, args.resolve);
    }
    return host_.files().list(directory, *args.batch, host_.file(args.root), args.directory,
                              args.resolve);
}

void pool::submit(runtime::offload_job& job) noexcept {
    const in_simulator here;
    ++*waiting_;
    world& in = host_.in();
    in.note("pool job", static_cast<std::int64_t>(*waiting_));
    host* const on = &host_;
    in.events().after(in.between(5us, 500us), [on, &job, waiting = waiting_] {
        const host::in_use current(*on);
        --*waiting;
        const under_test product;
        job.run(job);
    });
}

}  // namespace ferry::sim
