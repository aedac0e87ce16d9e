#include "runtime/uring/explain.hpp"

#include <sys/utsname.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace ferry::runtime {
namespace {

constexpr std::string_view filtered =
    "refused by a seccomp filter, as in the default profile of container engines";

std::string read_sysctl_disabled() {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(
        std::fopen("/proc/sys/kernel/io_uring_disabled", "re"), &std::fclose);
    char value[8] = {};
    if (file == nullptr || std::fgets(value, sizeof value, file.get()) == nullptr) {
        return {};
    }
    return std::string(value, std::strcspn(value, "\n"));
}

}  // namespace

std::string explain_refusal(int os_errno, std::string_view sysctl_disabled,
                            std::string_view release) {
    switch (os_errno) {
        case ENOSYS:
            if (!sysctl_disabled.empty()) {
                return std::string(filtered);  // The kernel has it, or there were no such sysctl.
            }
            return "the kernel has none (CONFIG_IO_URING is off, or it is older than 5.1), or a "
                   "seccomp filter hides it";
        case EPERM:
            if (!sysctl_disabled.empty() && sysctl_disabled != "0") {
                return "disabled by sysctl kernel.io_uring_disabled = " +
                       std::string(sysctl_disabled);
            }
            return std::string(filtered);
        case EACCES:
            return "refused by a security module (SELinux, AppArmor)";
        case ENOMEM:
            return "the locked-memory limit is too low for this many cores and buffers (ulimit -l)";
        case EMFILE:
        case ENFILE:
            return "no descriptor is left (ulimit -n)";
        case EINVAL:
            return "the kernel is older than 6.1 (this is " + std::string(release) + ")";
        default:
            return std::strerror(os_errno);
    }
}

std::string explain_refusal(int os_errno) {
    utsname system{};
    ::uname(&system);
    return explain_refusal(os_errno, read_sysctl_disabled(), system.release);
}

}  // namespace ferry::runtime
