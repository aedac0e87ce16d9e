#include "ferry/net/waiting_room.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "ferry/base/kernel.hpp"
#include "ferry/base/log.hpp"

namespace ferry::net {

using runtime::op;
using runtime::task;

waiting_room::guest::guest(last_act at_last) noexcept
    : op(runtime::opcode::receive_provided, -1, &guest::on_receive),
      timer(&guest::on_expiry),
      at_last_(at_last) {}

/// Its receive is over: it goes on or is closed.
void waiting_room::guest::on_receive(op& over) noexcept {
    auto& self = static_cast<guest&>(over);
    self.room_->take_leave(self);
}

/// What its receive still brings is not lost.
void waiting_room::guest::on_expiry(timer& over) noexcept {
    auto& self = static_cast<guest&>(over);
    self.room_->here_.io().cancel(self);
}

waiting_room::waiting_room(runtime::core& here, runtime::stop_scope& draining,
                           runtime::duration grace)
    : here_(here),
      draining_(draining),
      grace_(grace),
      on_drain_(
          *this,
          [](runtime::stop_callback& self) noexcept { static_cast<hook&>(self).owner.hurry(); }),
      on_stop_(*this,
               [](runtime::stop_callback& self) noexcept {
                   static_cast<hook&>(self).owner.send_away();
               }),
      emptied_(here.io()) {
    if (!draining.stop_requested()) {
        draining.add(on_drain_);
    }
}

waiting_room::~waiting_room() {
    FERRY_ASSERT(guests_ == 0);
}

void waiting_room::take(runtime::nursery& connections, std::unique_ptr<guest> who, unique_fd socket,
                        runtime::time_point until) {
    struct arriving {  // Counts already: `keep` would end without.
        explicit arriving(waiting_room& at) noexcept : room(at) { ++room.guests_; }
        ~arriving() {
            if (--room.guests_ == 0) {
                room.emptied_.announce();
            }
        }
        waiting_room& room;
    };
    const arriving first(*this);
    if (!is_kept_) {
        connections.start(&waiting_room::keep, std::ref(*this));
    }
    if (draining_.stop_requested()) {
        until = std::min(until, here_.now() + grace_);
    }
    const bool is_over = connections.scope().stop_requested() ||
                         (draining_.stop_requested() && who->at_last_ == last_act::go_on);
    guest& taken = *who.release();
    taken.room_ = this;
    taken.op::fd = socket.release();
    taken.args.receive_provided = {.multishot = false};
    all_.push_back(taken.place_);
    ++guests_;
    here_.io().timers().arm(taken, until);
    if (here_.io().submit(taken) == runtime::submission::done) {
        take_leave(taken);
    } else if (is_over) {
        here_.io().cancel(taken);
    }
}

/// Lasts as long as there are guests, for the nursery to wait for them.
task<> waiting_room::keep(waiting_room& self) {
    self.is_kept_ = true;
    runtime::stop_scope& scope = co_await runtime::current_scope();
    if (!scope.stop_requested()) {
        scope.add(self.on_stop_);
    }
    while (self.guests_ != 0) {
        static_cast<void>(co_await self.emptied_.wait_through_stop());
    }
    self.on_stop_.unlink();
    self.is_kept_ = false;
}

void waiting_room::hurry() noexcept {
    const auto until = here_.now() + grace_;
    all_.for_each([this, until](const guest::place& each) {
        if (each.owner.at_last_ == last_act::go_on) {
            here_.io().cancel(each.owner);
        } else if (each.owner.when() > until) {
            here_.io().timers().arm(each.owner, until);
        }
        return true;
    });
}

void waiting_room::send_away() noexcept {
    all_.for_each([this](const guest::place& each) {
        here_.io().cancel(each.owner);
        return true;
    });
}

void waiting_room::take_leave(guest& who) noexcept {
    const std::unique_ptr<guest> leaving(&who);
    unique_fd socket(std::exchange(leaving->op::fd, -1));
    leaving->place_.unlink();
    leaving->timer::unlink();
    const auto came = leaving->result;
    int unread = 0;
    // Closing over what came between the end of the receive and now would be a reset.
    const bool goes_on =
        came > 0 ||
        (came == -ECANCELED && (leaving->at_last_ == last_act::go_on ||
                                (kernel::count_unread(socket.get(), unread) == 0 && unread > 0)));
    if (goes_on) {
        try {
            const auto octets = leaving->lease.octets();
            std::string said(static_cast<const char*>(static_cast<const void*>(octets.data())),
                             octets.size());
            leaving->lease.release();
            leaving->go_on(std::move(socket), std::move(said));
        } catch (const std::bad_alloc&) {
            log::warning("a connection was dropped: memory is out");
        }
    }
    if (--guests_ == 0) {
        emptied_.announce();
    }
}

}  // namespace ferry::net
