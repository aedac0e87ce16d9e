#include <sys/utsname.h>
#include <time.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "ferry/base/assert.hpp"
#include "ferry/runtime/uring.hpp"
#include "runtime/uring/explain.hpp"
#include "runtime/uring/uring_reactor.hpp"

namespace ferry::runtime {
namespace {

struct needed_opcode {
    int code;
    const char* name;
};
// Everything `uring_reactor::prepare` emits.
constexpr auto needed_opcodes = std::to_array<needed_opcode>({
    {IORING_OP_NOP, "NOP"},
    {IORING_OP_ACCEPT, "ACCEPT"},
    {IORING_OP_CONNECT, "CONNECT"},
    {IORING_OP_RECV, "RECV"},
    {IORING_OP_SEND, "SEND"},
    {IORING_OP_READ, "READ"},
    {IORING_OP_WRITE, "WRITE"},
    {IORING_OP_FSYNC, "FSYNC"},
    {IORING_OP_OPENAT2, "OPENAT2"},
    {IORING_OP_RENAMEAT, "RENAMEAT"},
    {IORING_OP_LINKAT, "LINKAT"},
    {IORING_OP_UNLINKAT, "UNLINKAT"},
    {IORING_OP_MKDIRAT, "MKDIRAT"},
    {IORING_OP_POLL_ADD, "POLL_ADD"},
    {IORING_OP_ASYNC_CANCEL, "ASYNC_CANCEL"},
});

// A kernel thread gives back the locked memory of rings that were closed, those of a probe or of an
// earlier ferry of the same user: after 20 to 30 ms (decision 0010). Only then is none left.
constexpr unsigned memory_tries = 25;
constexpr timespec memory_pause{.tv_sec = 0, .tv_nsec = 10'000'000};

std::string read_sysctl_disabled() {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(
        std::fopen("/proc/sys/kernel/io_uring_disabled", "re"), &std::fclose);
    char value[8] = {};
    if (file == nullptr || std::fgets(value, sizeof value, file.get()) == nullptr) {
        return {};
    }
    return std::string(value, std::strcspn(value, "\n"));
}

std::string explain(const error& refused) {
    utsname system{};
    ::uname(&system);
    return explain_refusal(refused.os_errno, read_sysctl_disabled(), system.release);
}

/// A pool for reactors that are made to see whether they can be.
struct unused_pool final : offload_pool {
    void submit(offload_job&) noexcept override { FERRY_ASSERT(false && "nothing runs"); }
};

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

/// What the kernel's list of operations lacks; empty when it has them all.
std::string missing_opcode() {
    const auto small = make_patiently([] { return ring::make(8, 32); });
    if (!small) {
        return explain(small.error());
    }
    const std::unique_ptr<io_uring_probe, void (*)(io_uring_probe*)> probe(
        io_uring_get_probe_ring(small->get()), &io_uring_free_probe);
    if (probe == nullptr) {
        return "the kernel does not say which operations it has";
    }
    for (const auto& each : needed_opcodes) {
        if (io_uring_opcode_supported(probe.get(), each.code) == 0) {
            return std::string("the kernel lacks IORING_OP_") + each.name;
        }
    }
    return {};
}

}  // namespace

std::string why_no_uring(const uring_options& options, std::size_t cores) {
    if (auto missing = missing_opcode(); !missing.empty()) {
        return missing;
    }
    unused_pool idle;
    std::vector<std::unique_ptr<reactor>> all;
    while (all.size() < cores) {
        auto made = make_uring_reactor(options, idle);
        if (!made) {
            return explain(made.error());
        }
        all.push_back(std::move(*made));
    }
    return {};
}

result<std::unique_ptr<reactor>> make_uring_reactor(const uring_options& options,
                                                    offload_pool& offload) {
    return make_patiently([&]() -> result<std::unique_ptr<reactor>> {
        auto made = std::make_unique<uring_reactor>(options, offload);
        if (const auto opened = made->open(options); !opened) {
            return failure(opened.error());
        }
        return made;
    });
}

}  // namespace ferry::runtime
