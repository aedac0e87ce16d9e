#include "server/confinement.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "ferry/base/unique_fd.hpp"

namespace ferry::server {
namespace {

// Of Landlock's ABI, what the headers of Linux 6.1 lack.
constexpr std::uint64_t access_truncate = 1ULL << 14U;        // ABI 3, Linux 6.2.
constexpr std::uint64_t access_device_control = 1ULL << 15U;  // ABI 5, Linux 6.10.
constexpr std::uint64_t access_connect_tcp = 1ULL << 1U;      // ABI 4, Linux 6.7.
struct ruleset_with_network {
    std::uint64_t handled_access_fs = 0;
    std::uint64_t handled_access_net = 0;
};

constexpr std::uint64_t reads = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t writes = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM |
                                 LANDLOCK_ACCESS_FS_REFER | access_truncate;
// Nobody may do these anywhere: no program is run, and no device, FIFO or socket is made.
constexpr std::uint64_t never = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                                LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                                LANDLOCK_ACCESS_FS_MAKE_BLOCK | access_device_control;

// What libraries open while the process serves: character sets (iconv(3)), time zones, names of
// users, what a library brings in when it is first needed.
constexpr const char* system_paths[] = {"/usr",
                                        "/lib",
                                        "/lib64",
                                        "/etc/passwd",
                                        "/etc/group",
                                        "/etc/ssl",
                                        "/etc/localtime",
                                        "/etc/nsswitch.conf",
                                        "/etc/ld.so.cache",
                                        "/etc/mime.types",
                                        "/dev/null",
                                        "/dev/urandom",
                                        "/sys/devices/system/cpu"};

/// 0 where the kernel has none.
int landlock_abi() noexcept {
    const auto abi =
        ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi < 0 ? 0 : static_cast<int>(abi);
}

std::string why(std::string_view what) {
    return fmt::format("{}: {}", what, std::strerror(errno));
}

/// What is allowed of a set of Landlock, and the rules added to it so far.
class ruleset {
  public:
    ruleset(unique_fd made, std::uint64_t handled) noexcept
        : made_(std::move(made)), handled_(handled) {}

    /// Allows `access` to what has the name, and everything beneath. Where there is nothing of the
    /// name there is nothing to allow.
    void allow(const std::string& name, std::uint64_t access) noexcept {
        const unique_fd at(::open(name.c_str(), O_PATH | O_CLOEXEC));
        struct stat status{};
        if (!at || ::fstat(at.get(), &status) != 0) {
            return;
        }
        if (!S_ISDIR(status.st_mode)) {  // The rest is about directories: EINVAL.
            access &=
                LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | access_truncate;
        }
        landlock_path_beneath_attr rule{};
        rule.allowed_access = access & handled_;
        rule.parent_fd = at.get();
        if (rule.allowed_access != 0 && ::syscall(SYS_landlock_add_rule, made_.get(),
                                                  LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
            failed_ = errno;
        }
    }

    /// `errno` of the last rule that was refused, 0: none was.
    [[nodiscard]] int failed() const noexcept { return failed_; }
    [[nodiscard]] int fd() const noexcept { return made_.get(); }

  private:
    unique_fd made_;
    std::uint64_t handled_;
    int failed_ = 0;
};

std::string directory_of(const std::string& name) {
    const auto slash = name.rfind('/');
    if (slash == std::string::npos) {
        return ".";
    }
    return slash == 0 ? "/" : name.substr(0, slash);
}

void bound_files(const reach& what, std::vector<std::string>& lacking) {
    const int abi = landlock_abi();
    if (abi < 2) {  // With the first, nothing could be renamed from one directory to another.
        lacking.emplace_back("files are not bounded: the kernel has no Landlock of Linux 5.19");
        return;
    }
    if (what.has_paths_elsewhere) {
        lacking.emplace_back("files are not bounded: links=trusted lead wherever they say");
        return;
    }
    ruleset_with_network wanted{.handled_access_fs = reads | writes | never};
    if (abi < 3) {
        wanted.handled_access_fs &= ~access_truncate;
    }
    if (abi < 5) {
        wanted.handled_access_fs &= ~access_device_control;
    }
    if (!what.connects) {
        if (abi < 4) {
            lacking.emplace_back(
                "connecting is not barred: the kernel has no Landlock of Linux 6.7");
        } else {
            wanted.handled_access_net = access_connect_tcp;
        }
    }
    unique_fd made(
        static_cast<int>(::syscall(SYS_landlock_create_ruleset, &wanted,
                                   abi < 4 ? sizeof wanted.handled_access_fs : sizeof wanted, 0)));
    if (!made) {
        lacking.push_back(why("files are not bounded: landlock_create_ruleset"));
        return;
    }
    ruleset rules(std::move(made), wanted.handled_access_fs);
    for (const char* each : system_paths) {
        rules.allow(each, reads);
    }
    for (const auto& each : what.trees) {
        rules.allow(each, reads | writes);
    }
    for (const auto& each : what.read_only_trees) {
        rules.allow(each, reads);
    }
    for (const auto& each : what.files_read) {
        rules.allow(directory_of(each), LANDLOCK_ACCESS_FS_READ_FILE);
    }
    for (const auto& each : what.files_made) {
        rules.allow(directory_of(each),
                    LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG);
    }
    for (const auto& each : what.files_removed) {
        rules.allow(directory_of(each), LANDLOCK_ACCESS_FS_REMOVE_FILE);
    }
    if (rules.failed() != 0) {
        errno = rules.failed();
        lacking.push_back(why("files are not bounded: landlock_add_rule"));
        return;
    }
    if (::syscall(SYS_landlock_restrict_self, rules.fd(), 0) != 0) {
        lacking.push_back(why("files are not bounded: landlock_restrict_self"));
    }
}

// Calls that no part of a file server makes: programs, other processes, mounts and namespaces, the
// kernel itself, clocks, other users, and rings beside those that there are.
constexpr const char* barred_calls[] = {"execve",
                                        "execveat",
                                        "ptrace",
                                        "process_vm_readv",
                                        "process_vm_writev",
                                        "process_madvise",
                                        "pidfd_getfd",
                                        "kcmp",
                                        "mount",
                                        "umount2",
                                        "move_mount",
                                        "open_tree",
                                        "fsopen",
                                        "fsconfig",
                                        "fsmount",
                                        "fspick",
                                        "mount_setattr",
                                        "pivot_root",
                                        "chroot",
                                        "unshare",
                                        "setns",
                                        "bpf",
                                        "perf_event_open",
                                        "userfaultfd",
                                        "init_module",
                                        "finit_module",
                                        "delete_module",
                                        "kexec_load",
                                        "kexec_file_load",
                                        "reboot",
                                        "swapon",
                                        "swapoff",
                                        "syslog",
                                        "acct",
                                        "quotactl",
                                        "quotactl_fd",
                                        "iopl",
                                        "ioperm",
                                        "modify_ldt",
                                        "personality",
                                        "settimeofday",
                                        "clock_settime",
                                        "clock_adjtime",
                                        "adjtimex",
                                        "sethostname",
                                        "setdomainname",
                                        "vhangup",
                                        "lookup_dcookie",
                                        "add_key",
                                        "request_key",
                                        "keyctl",
                                        "open_by_handle_at",
                                        "setuid",
                                        "setgid",
                                        "setreuid",
                                        "setregid",
                                        "setresuid",
                                        "setresgid",
                                        "setgroups",
                                        "setfsuid",
                                        "setfsgid",
                                        "capset",
                                        "io_uring_setup"};

void bar_calls(std::vector<std::string>& lacking) {
    const std::unique_ptr<void, void (*)(scmp_filter_ctx)> filter(::seccomp_init(SCMP_ACT_ALLOW),
                                                                  &::seccomp_release);
    if (filter == nullptr) {
        lacking.emplace_back("system calls are not barred: no memory for a filter");
        return;
    }
    // Without it kernels before 5.16 slow the whole process down (spec_rst.speculative store
    // bypass).
    static_cast<void>(::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_SSB, 1));
    for (const char* name : barred_calls) {
        const int call = ::seccomp_syscall_resolve_name(name);
        if (call == __NR_SCMP_ERROR) {
            continue;  // Not of this machine's architecture, or not known to the library yet.
        }
        if (const int failed = ::seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), call, 0);
            failed != 0) {
            errno = -failed;
            lacking.push_back(why(fmt::format("system calls are not barred: {}", name)));
            return;
        }
    }
    // A filter has no "none of": so what lies below, between and above the three.
    static_assert(AF_UNSPEC == 0 && AF_UNIX == 1 && AF_INET == 2 && AF_INET6 == 10);
    const auto bar_family = [&filter](scmp_compare by, unsigned family) {
        const scmp_arg_cmp is_family{.arg = 0, .op = by, .datum_a = family, .datum_b = 0};
        return ::seccomp_rule_add_array(filter.get(), SCMP_ACT_ERRNO(EAFNOSUPPORT),
                                        SCMP_SYS(socket), 1, &is_family);
    };
    int failed = bar_family(SCMP_CMP_EQ, AF_UNSPEC);
    for (unsigned family = AF_INET + 1; failed == 0 && family < AF_INET6; ++family) {
        failed = bar_family(SCMP_CMP_EQ, family);
    }
    if (failed == 0) {
        failed = bar_family(SCMP_CMP_GT, AF_INET6);
    }
    if (failed == 0) {
        failed = ::seccomp_load(filter.get());
    }
    if (failed != 0) {
        errno = -failed;
        lacking.push_back(why("system calls are not barred"));
    }
}

}  // namespace

std::vector<std::string> confine(const reach& what) {
    std::vector<std::string> lacking;
    bound_files(what, lacking);
    bar_calls(lacking);
    return lacking;
}

}  // namespace ferry::server
