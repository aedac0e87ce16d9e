#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "ferry/base/unique_fd.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/intrusive_list.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/op.hpp"
#include "ferry/runtime/stop.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/time.hpp"
#include "ferry/runtime/timers.hpp"
#include "ferry/runtime/wait.hpp"

namespace ferry::net {

/// Where connections wait on which nothing is under way, each as a receive, a timer and what its
/// protocol wants to remember: some 200 octets, and neither a coroutine nor a stream. One a core.
///
/// Who has ended its side or failed is closed. A nursery that guests were taken in is not joined
/// before all of them have gone.
class waiting_room {
  public:
    /// What becomes of a guest whose time is over, or whose server drains or stops.
    enum class last_act : std::uint8_t {
        close,  ///< It is closed; a drain leaves it a moment to say something (threats.md, H8).
        go_on,  ///< It goes on at once, with nothing said: somebody has a word to say to its peer.
    };

    /// One that waits; owned by the room meanwhile.
    class guest : runtime::op, runtime::timer {
      public:
        explicit guest(last_act at_last = last_act::close) noexcept;
        guest(const guest&) = delete;
        guest& operator=(const guest&) = delete;
        virtual ~guest() = default;

      protected:
        /// Its peer has said `octets`. Empty: they are in the socket, or it is its last act. Begins
        /// what follows, which takes the socket; the guest dies afterwards. Called at the bottom of
        /// the core's loop, or within `take`. May throw std::bad_alloc: the connection is dropped.
        virtual void go_on(unique_fd socket, std::string octets) = 0;

      private:
        friend class waiting_room;
        struct place : runtime::list_node {
            explicit place(guest& who) noexcept : owner(who) {}
            guest& owner;
        };

        static void on_receive(runtime::op& over) noexcept;
        static void on_expiry(runtime::timer& over) noexcept;

        waiting_room* room_ = nullptr;
        place place_{*this};
        last_act at_last_;
    };

    /// When `draining` stops, a guest has `grace` left at most. Both outlive the room.
    waiting_room(runtime::core& here, runtime::stop_scope& draining, runtime::duration grace);
    waiting_room(const waiting_room&) = delete;
    waiting_room& operator=(const waiting_room&) = delete;
    ~waiting_room();

    /// Takes in `who`, whose connection is `socket`, until its peer says something, `until` at the
    /// longest, or `connections` stops. Nothing may be under way on the socket. Throws
    /// std::bad_alloc, with the connection closed.
    void take(runtime::nursery& connections, std::unique_ptr<guest> who, unique_fd socket,
              runtime::time_point until);

    [[nodiscard]] std::size_t guests() const noexcept { return guests_; }

  private:
    struct hook : runtime::stop_callback {
        hook(waiting_room& of, function on_stop) noexcept : stop_callback(on_stop), owner(of) {}
        waiting_room& owner;
    };

    static runtime::task<> keep(waiting_room& self);
    void hurry() noexcept;
    void send_away() noexcept;
    void take_leave(guest& who) noexcept;

    runtime::core& here_;
    runtime::stop_scope& draining_;
    runtime::duration grace_;
    hook on_drain_;
    hook on_stop_;
    runtime::intrusive_list<guest::place> all_;
    std::size_t guests_ = 0;
    runtime::event emptied_;
    bool is_kept_ = false;  ///< `keep` runs, for the nursery to wait for.
};

}  // namespace ferry::net
