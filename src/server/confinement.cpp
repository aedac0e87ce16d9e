#include "server/confinement.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "ferry/base/unique_fd.hpp"
#include "server/directory_of.hpp"
#include "server/links.hpp"

namespace ferry::server {
namespace {

// Of Landlock's ABI, what the headers of Linux 6.1 lack.
constexpr std::uint64_t access_truncate = 1ULL << 14U;        // ABI 3, Linux 6.2.
constexpr std::uint64_t access_device_control = 1ULL << 15U;  // ABI 5, Linux 6.10.
constexpr std::uint64_t access_connect_tcp = 1ULL << 1U;      // ABI 4, Linux 6.7.
constexpr std::uint64_t scope_abstract_sockets = 1ULL << 0U;  // ABI 6, Linux 6.12.
constexpr std::uint64_t scope_signals = 1ULL << 1U;           // ABI 6.
struct whole_ruleset {
    std::uint64_t handled_access_fs = 0;
    std::uint64_t handled_access_net = 0;
    std::uint64_t scoped = 0;
};

std::size_t ruleset_bytes(int abi) noexcept {
    if (abi < 4) {
        return sizeof(std::uint64_t);
    }
    return abi < 6 ? 2 * sizeof(std::uint64_t) : sizeof(whole_ruleset);
}

constexpr std::uint64_t reads = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t writes = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM |
                                 LANDLOCK_ACCESS_FS_REFER | access_truncate;
// Nobody may do these anywhere: no program is run, and no device, FIFO or socket is made.
constexpr std::uint64_t never = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                                LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                                LANDLOCK_ACCESS_FS_MAKE_BLOCK | access_device_control;

// What libraries open while the process serves: character sets (iconv(3)), time zones, what a
// library brings in when it is first needed.
constexpr const char* system_paths[] = {"/usr",
                                        "/lib",
                                        "/lib64",
                                        "/etc/ssl/openssl.cnf",
                                        "/etc/ssl/certs",
                                        "/etc/localtime",
                                        "/etc/mime.types",
                                        "/dev/null",
                                        "/dev/urandom",
                                        "/etc/ld.so.cache",
                                        "/sys/devices/system/cpu"};

/// 0 where there is none; `errno` says why.
int landlock_abi() noexcept {
    const auto abi =
        ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi < 0 ? 0 : static_cast<int>(abi);
}

std::string why(std::string_view what) {
    return fmt::format("{}: {}", what, std::strerror(errno));
}

/// Why there is no Landlock of ABI 2, by the `errno` of the call that asked for its version.
std::string why_no_landlock(int abi, int os_errno) {
    if (abi > 0 || os_errno == ENOSYS) {
        return "the kernel has no Landlock of Linux 5.19";
    }
    if (os_errno == EOPNOTSUPP) {
        return "Landlock is not among the modules that the kernel was started with (lsm=)";
    }
    return fmt::format("Landlock cannot be had, as where a filter of system calls denies it ({})",
                       std::strerror(os_errno));
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

/// Whether a directory has much beside what is ferry's business.
bool is_of_the_system(const std::string& directory) {
    const std::unique_ptr<char, void (*)(void*)> real(::realpath(directory.c_str(), nullptr),
                                                      &std::free);
    if (real == nullptr) {
        return false;
    }
    const std::string_view name = real.get();
    return name == "/" || name == "/etc" || name == "/dev" || name.starts_with("/proc");
}

/// Whether nothing but "/" is above it, so that it may hold whole file systems.
bool is_at_the_top(const std::string& directory) {
    const std::unique_ptr<char, void (*)(void*)> real(::realpath(directory.c_str(), nullptr),
                                                      &std::free);
    return real != nullptr && std::string_view(real.get()).rfind('/') == 0;
}

/// The directories that must be searched for a file of that name: its own, and those of whatever
/// links lead on from there, as to certificates that are renewed.
std::vector<std::string> directories_to(const std::string& name) {
    std::vector<std::string> all;
    for (const auto& each : names_along_links(name)) {
        all.push_back(directory_of(each));
    }
    return all;
}

/// Where one of these is a link itself, those beside the one that it leads to, to which it may be
/// led instead.
std::vector<std::string> directories_beside(const std::vector<std::string>& directories) {
    std::vector<std::string> all;
    for (const auto& each : directories) {
        const auto ways =
            names_along_links(each.ends_with('/') ? each.substr(0, each.size() - 1) : each);
        for (std::size_t i = 1; i < ways.size(); ++i) {
            all.push_back(directory_of(ways[i]));
        }
    }
    return all;
}

/// Allows to read what one of the links on the way to `name` may be led to. A directory at the top
/// is much more than that, so there it is told that the link has to stay as it is.
void allow_ways_beside(ruleset& rules, const std::string& name, std::vector<std::string>& lacking) {
    const auto own = directories_to(name);
    for (const auto& each : directories_beside(own)) {
        if (is_of_the_system(each) || std::ranges::find(own, each) != own.end()) {
            continue;
        }
        if (is_at_the_top(each)) {
            lacking.push_back(
                fmt::format("\"{}\" cannot be read anew if a link on the way leads elsewhere "
                            "within \"{}\": better that was a directory of its own",
                            name, each));
            continue;
        }
        rules.allow(each, LANDLOCK_ACCESS_FS_READ_FILE);
    }
}

/// Allows what `each` of the names is for, in every directory on the way to it.
void allow_ways(ruleset& rules, const std::vector<std::string>& names, std::uint64_t access,
                std::vector<std::string>& lacking) {
    for (const auto& each : names) {
        for (const auto& directory : directories_to(each)) {
            rules.allow(directory, access);
            if (is_of_the_system(directory)) {
                lacking.push_back(
                    fmt::format("files beside \"{}\" are not barred: better it had a directory of "
                                "its own",
                                each));
            }
        }
    }
}

void add_rules(ruleset& rules, const reach& what, std::vector<std::string>& lacking) {
    for (const char* each : system_paths) {
        rules.allow(each, reads);
    }
    for (const auto& each : what.trees) {
        rules.allow(each, reads | writes);
    }
    for (const auto& each : what.read_only_trees) {
        rules.allow(each, reads);
    }
    allow_ways(rules, what.files_read, LANDLOCK_ACCESS_FS_READ_FILE, lacking);
    for (const auto& each : what.files_read) {
        allow_ways_beside(rules, each, lacking);
    }
    allow_ways(rules, what.files_made, LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG,
               lacking);
    for (const auto& each : what.files_removed) {
        rules.allow(directory_of(each), LANDLOCK_ACCESS_FS_REMOVE_FILE);
    }
}

void bound_files(const reach& what, std::vector<std::string>& lacking) {
    const int abi = landlock_abi();
    if (abi < 2) {  // With the first, nothing could be renamed from one directory to another.
        lacking.push_back(fmt::format("files are not bounded: {}", why_no_landlock(abi, errno)));
        return;
    }
    whole_ruleset wanted{.handled_access_fs = never};
    if (what.has_paths_elsewhere) {
        lacking.emplace_back("files are not bounded: links=trusted lead wherever they say");
    } else {
        wanted.handled_access_fs |= reads | writes;
    }
    if (abi < 3) {
        wanted.handled_access_fs &= ~access_truncate;
    }
    if (abi < 5) {
        wanted.handled_access_fs &= ~access_device_control;
    }
    if (abi >= 4 && !what.connects) {
        wanted.handled_access_net = access_connect_tcp;
    }
    if (abi >= 6) {
        wanted.scoped = scope_abstract_sockets | scope_signals;
    }
    unique_fd made(
        static_cast<int>(::syscall(SYS_landlock_create_ruleset, &wanted, ruleset_bytes(abi), 0)));
    if (!made) {
        lacking.push_back(why("files are not bounded: landlock_create_ruleset"));
        return;
    }
    ruleset rules(std::move(made), wanted.handled_access_fs);
    if (!what.has_paths_elsewhere) {
        add_rules(rules, what, lacking);
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
// kernel itself, clocks, other users, owners of files, and rings beside those that there are.
constexpr const char* barred_calls[] = {"execve",
                                        "execveat",
                                        "ptrace",
                                        "process_vm_readv",
                                        "kcmp",
                                        "process_madvise",
                                        "process_vm_writev",
                                        "pidfd_getfd",
                                        "kill",
                                        "tkill",
                                        "rt_sigqueueinfo",
                                        "pidfd_send_signal",
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
                                        "chown",
                                        "fchown",
                                        "lchown",
                                        "fchownat",
                                        "setxattr",
                                        "lsetxattr",
                                        "fsetxattr",
                                        "removexattr",
                                        "lremovexattr",
                                        "fremovexattr",
                                        "mknod",
                                        "mknodat",
                                        "fanotify_init",
                                        "fanotify_mark",
                                        "io_uring_setup"};

// What asks for a namespace of its own, of clone(2).
constexpr std::uint64_t namespace_flags[] = {CLONE_NEWNS,  CLONE_NEWCGROUP, CLONE_NEWUTS,
                                             CLONE_NEWIPC, CLONE_NEWUSER,   CLONE_NEWPID,
                                             CLONE_NEWNET};

/// A filter of system calls in the making. The first failure is what counts.
class call_filter {
  public:
    call_filter() noexcept : context_(::seccomp_init(SCMP_ACT_ALLOW), &::seccomp_release) {
        if (context_ == nullptr) {
            failed_ = ENOMEM;
            return;
        }
        // Without it kernels before 5.16 slow the whole process down (speculative store bypass).
        static_cast<void>(::seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_SSB, 1));
    }

    void bar(int call, int os_errno) noexcept {
        if (failed_ == 0) {
            failed_ =
                -::seccomp_rule_add(context_.get(), SCMP_ACT_ERRNO(as_action(os_errno)), call, 0);
        }
    }
    void bar_if(int call, int os_errno, unsigned argument, scmp_compare by, std::uint64_t first,
                std::uint64_t second = 0) noexcept {
        const scmp_arg_cmp only{.arg = argument, .op = by, .datum_a = first, .datum_b = second};
        if (failed_ == 0) {
            failed_ = -::seccomp_rule_add_array(context_.get(), SCMP_ACT_ERRNO(as_action(os_errno)),
                                                call, 1, &only);
        }
    }
    void load() noexcept {
        if (failed_ == 0) {
            failed_ = -::seccomp_load(context_.get());
        }
    }

    /// `errno` of what failed, 0: nothing has.
    [[nodiscard]] int failed() const noexcept { return failed_; }

  private:
    static std::uint16_t as_action(int os_errno) noexcept {
        return static_cast<std::uint16_t>(os_errno);
    }

    std::unique_ptr<void, void (*)(scmp_filter_ctx)> context_;
    int failed_ = 0;
};

/// Who connects makes sockets of TCP over IPv4 and IPv6 and no others; who does not makes none:
/// those that listen are there. A filter has no "none of": so what lies below, between and above.
void bar_sockets(call_filter& filter, bool connects) noexcept {
    constexpr int call = SCMP_SYS(socket);
    if (!connects) {
        filter.bar(call, EPERM);
        return;
    }
    static_assert(AF_INET == 2 && AF_INET6 == 10 && SOCK_STREAM == 1 && IPPROTO_TCP == 6);
    constexpr std::uint64_t kind_mask = 0xf;  // The rest are flags.
    for (std::uint64_t family = 0; family < AF_INET6; ++family) {
        if (family != AF_INET) {
            filter.bar_if(call, EAFNOSUPPORT, 0, SCMP_CMP_EQ, family);
        }
    }
    filter.bar_if(call, EAFNOSUPPORT, 0, SCMP_CMP_GT, AF_INET6);
    for (std::uint64_t kind = 0; kind <= kind_mask; ++kind) {
        if (kind != SOCK_STREAM) {
            filter.bar_if(call, EPERM, 1, SCMP_CMP_MASKED_EQ, kind_mask, kind);
        }
    }
    for (std::uint64_t protocol = 1; protocol < IPPROTO_TCP; ++protocol) {
        filter.bar_if(call, EPERM, 2, SCMP_CMP_EQ, protocol);
    }
    filter.bar_if(call, EPERM, 2, SCMP_CMP_GT, IPPROTO_TCP);
}

void bar_calls(const reach& what, std::vector<std::string>& lacking) {
    call_filter filter;
    for (const char* name : barred_calls) {
        const int call = ::seccomp_syscall_resolve_name(name);
        if (call != __NR_SCMP_ERROR) {  // Else not of this architecture, or new to the library.
            filter.bar(call, EPERM);
        }
    }
    for (const auto each : namespace_flags) {
        filter.bar_if(SCMP_SYS(clone), EPERM, 0, SCMP_CMP_MASKED_EQ, each, each);
    }
    filter.bar(SCMP_SYS(clone3), ENOSYS);  // Its flags are in memory; libraries go back to clone.
    bar_sockets(filter, what.connects);
    filter.load();
    if (filter.failed() != 0) {
        errno = filter.failed();
        lacking.push_back(why("system calls are not barred"));
    }
}

}  // namespace

std::vector<std::string> confine(const reach& what) {
    std::vector<std::string> lacking;
    bound_files(what, lacking);
    bar_calls(what, lacking);
    return lacking;
}

}  // namespace ferry::server
