#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "ferry/base/result.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/runtime/epoll.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/reactor.hpp"
#include "runtime/epoll/attempt.hpp"
#include "runtime/epoll/receive_buffers.hpp"
#include "runtime/epoll/watch_table.hpp"
#include "runtime/errands.hpp"
#include "runtime/inline_io.hpp"
#include "runtime/page_cache.hpp"
#include "runtime/stall_watch.hpp"

namespace ferry::runtime {

/// The backend without io_uring (decision 0010). An operation is tried by the call of its name; if
/// that would wait, it joins the watch of its descriptor, which is registered with epoll, edge by
/// edge, while it has somebody waiting and not a moment longer: descriptors are closed without
/// telling a reactor. What has no readiness goes to the offload pool.
///
/// Things of one kind are done together: everybody's receive and then everybody's coroutine, all
/// their opens, all their sends. One by one, from receive to send, a request costs 15 % more: what
/// the kernel runs and what ferry runs keep throwing each other out of the processor's caches.
///
/// An event is a hint, never a fact: it may be of a descriptor's last life, so all it does is to
/// have its watch's operations tried.
class epoll_reactor final : public reactor {
  public:
    epoll_reactor(const epoll_options& options, offload_pool& offload);

    /// Makes the epoll instance and the wake-up. Call once, on the thread that will run it.
    [[nodiscard]] result<void> open();

    [[nodiscard]] submission submit(op& what) noexcept override;
    void cancel(op& what) noexcept override;
    void run() noexcept override;
    void wake() noexcept override;

  private:
    static constexpr std::size_t events_per_turn_max = 64;

    /// What a turn does besides its events: what had been put off when it began.
    struct backlog {
        intrusive_list<op> ended;
        intrusive_list<op> put_off;
        intrusive_list<watch> busy;
        intrusive_list<watch> starved;
    };

    /// What came of trying the first who waits at `which`, to be gone on with.
    struct first_try {
        watch* which;  ///< Null: nothing is to be done.
        op* what;      ///< To be told; null: others are to be tried.
        std::uint32_t direction;
        bool is_emptied;  ///< Nothing is left for those behind it.
    };

    [[nodiscard]] bool begin(op& what) noexcept;
    [[nodiscard]] bool begin_read(op& what) noexcept;
    [[nodiscard]] bool begin_write(op& what) noexcept;
    [[nodiscard]] bool begin_transfer(op& what) noexcept;
    [[nodiscard]] bool begin_now(op& what) noexcept;
    [[nodiscard]] bool begin_multishot(op& what) noexcept;
    void put_off(op& what) noexcept;
    [[nodiscard]] attempt try_now(op& what) noexcept;
    [[nodiscard]] attempt try_receive_provided(op& what) noexcept;
    [[nodiscard]] attempt go_on_sending(op& what, bool pages_were_read) noexcept;

    [[nodiscard]] int join_watch(op& what, bool was_tried) noexcept;
    [[nodiscard]] bool wait_for_turn(op& what, bool was_tried) noexcept;
    void leave_watch(op& what) noexcept;
    void mark_due(watch& which, std::uint32_t direction) noexcept;

    [[nodiscard]] bool send_to_pool(op& what, pool_errands::work perform) noexcept;
    void come_back(op& what) noexcept;

    [[nodiscard]] bool take_backlog(backlog& due) noexcept;
    [[nodiscard]] std::size_t wait_for_events(std::span<epoll_event> into, bool may_sleep) noexcept;
    void perform_gathered() noexcept;
    void serve(std::span<const epoll_event> events) noexcept;
    [[nodiscard]] first_try try_first(watch& which, std::uint32_t direction) noexcept;
    void tell_first(const first_try& about) noexcept;
    void tell(op& what) noexcept;
    void serve_list(watch& which, std::uint32_t direction) noexcept;
    [[nodiscard]] bool settle(watch& which, op& what, attempt came,
                              std::uint32_t direction) noexcept;
    void work_off(backlog& due) noexcept;
    void complete(op& what) noexcept;
    void finish(op& what) noexcept;

    unique_fd epoll_;
    unique_fd wake_fd_;
    bool has_precise_wait_ = true;
    stall_watch stalls_{now(), counters_.stalls};
    /// What is left, of this turn or completion, to spend on operations that end in `submit`.
    std::size_t inline_octets_left_;
    receive_buffers buffers_;
    watch_table watches_;
    page_cache pages_;
    inline_writer writer_;

    intrusive_list<op> gathered_;    ///< Sends and opens, tried together.
    intrusive_list<op> ended_;       ///< Cancelled; they complete in the next turn.
    intrusive_list<op> put_off_;     ///< To be tried in the next turn.
    intrusive_list<watch> busy_;     ///< With more to do than one turn's share.
    intrusive_list<watch> starved_;  ///< Whose first reader found no receive buffer.
    pool_errands errands_;           ///< Last: the others outlive what it waits for.
};

}  // namespace ferry::runtime
