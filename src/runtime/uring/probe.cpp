#include <sys/utsname.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>

#include "ferry/base/log.hpp"
#include "ferry/runtime/uring.hpp"
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
    switch (refused.os_errno) {
        case ENOSYS:
            return "the kernel has none (CONFIG_IO_URING is off, or it is older than 5.1)";
        case EPERM: {
            const auto disabled = read_sysctl_disabled();
            if (!disabled.empty() && disabled != "0") {
                return "disabled by sysctl kernel.io_uring_disabled = " + disabled;
            }
            return "refused by a seccomp filter, as in the default profile of container engines";
        }
        case EACCES:
            return "refused by a security module (SELinux, AppArmor)";
        case ENOMEM:
            return "the locked-memory limit is too low (ulimit -l)";
        case EMFILE:
        case ENFILE:
            return "no descriptor is left (ulimit -n)";
        case EINVAL: {
            utsname system{};
            ::uname(&system);
            return std::string("the kernel is older than 6.1 (this is ") + system.release + ")";
        }
        default:
            return std::strerror(refused.os_errno);
    }
}

}  // namespace

std::string why_no_uring() {
    const auto small = ring::make(8, 32);
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

result<std::unique_ptr<reactor>> make_uring_reactor(const uring_options& options,
                                                    offload_pool& offload) {
    auto made = std::make_unique<uring_reactor>(options, offload);
    if (auto opened = made->open(options); !opened) {
        return failure(opened.error());
    }
    return made;
}

}  // namespace ferry::runtime
