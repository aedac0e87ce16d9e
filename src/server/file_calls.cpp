#include "server/file_calls.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <initializer_list>

#include "ferry/base/unique_fd.hpp"

namespace ferry::server {
namespace {

/// As names are resolved, by the core (RESOLVE_CACHED) and elsewhere.
int try_openat2(int root) noexcept {
    for (const unsigned cached : {0U, static_cast<unsigned>(RESOLVE_CACHED)}) {
        open_how how{};
        how.flags = O_PATH | O_CLOEXEC;
        how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | cached;
        const unique_fd found(
            static_cast<int>(::syscall(SYS_openat2, root, ".", &how, sizeof how)));
        // EAGAIN: raced with a rename, or is not in memory. EINVAL: a kernel before RESOLVE_CACHED,
        // 5.12, which the epoll reactor does without.
        if (!found && errno != EAGAIN && !(errno == EINVAL && cached != 0)) {
            return errno;
        }
    }
    return 0;
}

/// As listings do, by libc's call: it does without where there is none (ENOSYS).
int try_statx(int root) noexcept {
    struct statx status{};
    return ::statx(root, ".", AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &status) == 0 ? 0 : errno;
}

struct file_call {
    std::string_view name;
    int (*attempt)(int root) noexcept;  ///< 0 or errno.
};
constexpr auto file_calls = std::to_array<file_call>({
    {"openat2", try_openat2},
    {"statx", try_statx},
});

}  // namespace

std::string explain_missing_call(std::string_view call, int os_errno) {
    return fmt::format(
        "the system call {} fails ({}): probably a seccomp profile older than the call denies it "
        "(update the container engine), or RestrictSUIDSGID= of its systemd unit does, or a "
        "sandbox "
        "such as gVisor, or a kernel before 5.6, has none",
        call, std::strerror(os_errno));
}

std::string why_no_files(const char* root) {
    const unique_fd directory(::open(root, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory) {
        return std::strerror(errno);
    }
    for (const auto& each : file_calls) {
        if (const int refused = each.attempt(directory.get()); refused != 0) {
            return explain_missing_call(each.name, refused);
        }
    }
    return {};
}

}  // namespace ferry::server
