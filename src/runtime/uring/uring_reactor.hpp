#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "ferry/base/result.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/runtime/buffers.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/reactor.hpp"
#include "ferry/runtime/uring.hpp"
#include "runtime/errands.hpp"
#include "runtime/inline_io.hpp"
#include "runtime/page_cache.hpp"
#include "runtime/stall_watch.hpp"
#include "runtime/uring/compat.hpp"
#include "runtime/uring/ring.hpp"

namespace ferry::runtime {

/// The product's backend: one io_uring, one `io_uring_enter` a turn (datapath.md, 5 to 9).
class uring_reactor final : public reactor, private buffer_source {
  public:
    uring_reactor(uring_grant granted, offload_pool& offload);
    ~uring_reactor() override;

    /// Takes the ring over and sets up buffers and wake-up. Call once, on the thread that will run
    /// it.
    [[nodiscard]] result<void> open();

    [[nodiscard]] submission submit(op& what) noexcept override;
    void cancel(op& what) noexcept override;
    void run() noexcept override;
    void wake() noexcept override;

  private:
    struct completion {
        std::uint64_t user_data;
        std::int32_t result;
        std::uint32_t flags;
    };

    void give_back(std::uint16_t buffer) noexcept override;

    void arm_wake() noexcept;
    [[nodiscard]] io_uring_sqe* take_entry() noexcept;
    [[nodiscard]] static std::uint64_t user_data_of(const op& what) noexcept;

    [[nodiscard]] submission finish_inline(op& what) noexcept;
    void enter_ring(op& what) noexcept;
    void prepare(op& what, io_uring_sqe& entry) noexcept;
    [[nodiscard]] submission send_to_pool(op& what) noexcept;
    void request_cancel(op& what) noexcept;
    void finish(op& what) noexcept;

    [[nodiscard]] bool go_on_sending(op& what) noexcept;
    void enter_stage(op& what) noexcept;
    void resume_send_file(op& what) noexcept;

    void retry_waiting() noexcept;
    [[nodiscard]] bool anything_waiting() noexcept;
    void submit_and_wait() noexcept;
    void reap() noexcept;
    void dispatch(const completion& came) noexcept;
    [[nodiscard]] static bool rearms(const op& what) noexcept;
    [[nodiscard]] bool take_buffer(op& what, const completion& came) noexcept;

    std::unique_ptr<uring_grant::state> granted_;
    ring& ring_;  ///< Of what was granted.
    unique_fd wake_fd_;
    std::uint64_t wake_value_ = 0;
    bool wake_armed_ = false;
    std::uint16_t last_generation_ = 0;
    stall_watch stalls_{now(), counters_.stalls};

    unsigned buffer_bytes_;
    unsigned buffer_count_;
    unsigned buffers_free_ = 0;
    io_uring_buf_ring* buffer_ring_;  ///< The same.
    std::unique_ptr<std::byte[]> buffers_;
    std::unique_ptr<std::byte[]> scratch_;  ///< Where warming reads go; made by the first.
    page_cache pages_;
    inline_writer writer_;

    intrusive_list<op> deferred_;         ///< No submission entry was free.
    intrusive_list<op> starved_;          ///< No receive buffer was free.
    intrusive_list<op> ended_;            ///< Cancelled outside the kernel.
    intrusive_list<op> cancels_waiting_;  ///< In the ring, their cancel is not yet.
    pool_errands errands_;                ///< Last: the others outlive what it waits for.
};

}  // namespace ferry::runtime
