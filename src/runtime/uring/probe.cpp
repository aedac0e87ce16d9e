#include <time.h>

#include <bit>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "ferry/base/assert.hpp"
#include "ferry/runtime/uring.hpp"
#include "runtime/uring/explain.hpp"
#include "runtime/uring/opcodes.hpp"
#include "runtime/uring/uring_reactor.hpp"

namespace ferry::runtime {
namespace {

// A kernel thread gives back the locked memory of rings that were closed, those of a probe or of an
// earlier ferry of the same user: after 20 to 30 ms (decision 0010). Only then is none left.
constexpr unsigned memory_tries = 25;
constexpr timespec memory_pause{.tv_sec = 0, .tv_nsec = 10'000'000};

constexpr std::size_t probe_page_bytes = 4'096;

/// What `make` gives, once there is memory for it.
template <class Make>
auto make_patiently(Make make) {
    for (unsigned tries = 1;; ++tries) {
        auto made = make();
        if (made || made.error().os_errno != ENOMEM || tries == memory_tries) {
            return made;
        }
        ::nanosleep(&memory_pause, nullptr);
    }
}

std::string explain(const error& refused) {
    return explain_refusal(refused.os_errno);
}

/// Has `small` do nothing, once: whoever may make a ring need not be allowed to enter it.
std::string try_once(const ring& small) {
    io_uring_sqe* entry = io_uring_get_sqe(small.get());
    FERRY_ASSERT(entry != nullptr);
    io_uring_prep_nop(entry);
    io_uring_cqe* done = nullptr;
    __kernel_timespec patience{.tv_sec = 1, .tv_nsec = 0};  // It is done within the call.
    const int entered = io_uring_submit_and_wait_timeout(small.get(), &done, 1, &patience, nullptr);
    if (entered < 0) {
        return explain_refusal(-entered);
    }
    if (done == nullptr || done->res < 0) {
        return "it does not even do nothing (IORING_OP_NOP)";
    }
    return {};
}

/// What the kernel's list of operations lacks; empty when it has them all.
std::string missing_opcode(const ring& small) {
    // The list has one entry for each operation the kernel may ever name: its ABI has 8 bits.
    constexpr unsigned operations_max = 256;
    const std::unique_ptr<io_uring_probe, void (*)(void*)> probe(
        static_cast<io_uring_probe*>(
            std::calloc(1, sizeof(io_uring_probe) + operations_max * sizeof(io_uring_probe_op))),
        &std::free);
    if (probe == nullptr) {
        return explain_refusal(ENOMEM);
    }
    if (const int refused = io_uring_register_probe(small.get(), probe.get(), operations_max);
        refused < 0) {
        return explain_refusal(-refused);
    }
    for (const auto& each : ring_opcodes) {
        if (io_uring_opcode_supported(probe.get(), each.code) == 0) {
            return std::string("the kernel lacks IORING_OP_") + each.name;
        }
    }
    return {};
}

/// What a ring of the least size shows; empty when it can all that ferry asks of one.
std::string why_not_usable() {
    auto small = make_patiently([] { return ring::make(8, 32); });
    if (!small) {
        return explain(small.error());
    }
    if (const auto enabled = small->enable(); !enabled) {
        return explain(enabled.error());
    }
    auto why = missing_opcode(*small);
    return why.empty() ? try_once(*small) : why;
}

result<uring_grant> grant_one(const uring_options& options) {
    FERRY_ASSERT(std::has_single_bit(options.receive_buffers) && options.receive_buffers <= 32'768);
    auto held = std::make_unique<uring_grant::state>();
    held->options = options;
    FERRY_TRY(made, ring::make(options.submission_entries, options.completion_entries));
    held->kernel = std::move(made);

    // Outside a page boundary the kernel refuses the buffer ring.
    const std::size_t size_bytes = options.receive_buffers * sizeof(io_uring_buf);
    void* memory = std::aligned_alloc(probe_page_bytes, (size_bytes + probe_page_bytes - 1) /
                                                            probe_page_bytes * probe_page_bytes);
    if (memory == nullptr) {
        return failure(errc::exhausted, ENOMEM);
    }
    held->buffers.reset(static_cast<io_uring_buf_ring*>(memory));
    io_uring_buf_ring_init(held->buffers.get());
    io_uring_buf_reg registration{};
    // The kernel's ABI carries the address as a number.
    registration.ring_addr = std::bit_cast<std::uint64_t>(held->buffers.get());
    registration.ring_entries = options.receive_buffers;
    registration.bgid = receive_buffer_group;
    if (const int refused = io_uring_register_buf_ring(held->kernel.get(), &registration, 0);
        refused < 0) {
        return failure_from_errno(-refused);
    }
    return uring_grant(std::move(held));
}

}  // namespace

uring_grant::uring_grant(std::unique_ptr<state> held) noexcept : state_(std::move(held)) {}
uring_grant::uring_grant(uring_grant&& other) noexcept = default;
uring_grant& uring_grant::operator=(uring_grant&& other) noexcept = default;
uring_grant::~uring_grant() = default;

std::expected<std::vector<uring_grant>, std::string> grant_urings(const uring_options& options,
                                                                  std::size_t cores) {
    if (auto why = why_not_usable(); !why.empty()) {
        return std::unexpected(std::move(why));
    }
    std::vector<uring_grant> all;
    while (all.size() < cores) {
        auto granted = make_patiently([&options] { return grant_one(options); });
        if (!granted) {
            return std::unexpected(explain(granted.error()));
        }
        all.push_back(std::move(*granted));
    }
    return all;
}

result<std::unique_ptr<reactor>> make_uring_reactor(uring_grant granted, offload_pool& offload) {
    auto made = std::make_unique<uring_reactor>(std::move(granted), offload);
    if (const auto opened = made->open(); !opened) {
        return failure(opened.error());
    }
    return made;
}

result<std::unique_ptr<reactor>> make_uring_reactor(const uring_options& options,
                                                    offload_pool& offload) {
    auto granted = make_patiently([&options] { return grant_one(options); });
    if (!granted) {
        return failure(granted.error());
    }
    return make_uring_reactor(std::move(*granted), offload);
}

}  // namespace ferry::runtime
