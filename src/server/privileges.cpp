#include "server/privileges.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <vector>

#include "server/flag_values.hpp"

namespace ferry::server {
namespace {

std::optional<id_t> id_in(std::string_view text) noexcept {
    id_t number = 0;
    const auto* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, number);
    // The largest stands for "leave as it is" in setresuid(2).
    if (read.ec != std::errc() || read.ptr != end || number == static_cast<id_t>(-1)) {
        return std::nullopt;
    }
    return number;
}

/// Entries of passwd(5) and group(5) are looked up in a buffer that may be too small.
constexpr std::size_t entry_bytes_max = 1U << 20U;

template <class Entry, class LookUp>
std::optional<Entry> looked_up(std::vector<char>& buffer, LookUp look_up) {
    for (buffer.resize(4'096); buffer.size() <= entry_bytes_max; buffer.resize(2 * buffer.size())) {
        Entry entry{};
        Entry* found = nullptr;
        const int failed = look_up(&entry, buffer.data(), buffer.size(), &found);
        if (failed != ERANGE) {
            return found != nullptr ? std::optional(entry) : std::nullopt;
        }
    }
    return std::nullopt;
}

std::optional<passwd> user_numbered(uid_t number, std::vector<char>& buffer) {
    return looked_up<passwd>(buffer,
                             [&](passwd* into, char* room, std::size_t bytes, passwd** out) {
                                 return ::getpwuid_r(number, into, room, bytes, out);
                             });
}

std::optional<passwd> user_called(const std::string& text, std::vector<char>& buffer) {
    auto found =
        looked_up<passwd>(buffer, [&](passwd* into, char* room, std::size_t bytes, passwd** out) {
            return ::getpwnam_r(text.c_str(), into, room, bytes, out);
        });
    const auto number = id_in(text);
    if (found || !number) {
        return found;
    }
    return user_numbered(*number, buffer);
}

std::optional<gid_t> group_called(const std::string& text) {
    std::vector<char> buffer;
    const auto found =
        looked_up<group>(buffer, [&](group* into, char* room, std::size_t bytes, group** out) {
            return ::getgrnam_r(text.c_str(), into, room, bytes, out);
        });
    return found ? std::optional(found->gr_gid) : id_in(text);
}

std::unexpected<std::string> failed(std::string_view what) {
    return std::unexpected(fmt::format("{}: {}", what, std::strerror(errno)));
}

/// All the capabilities of a process (capget(2)), of which there are 64 at most.
struct capabilities {
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data{};

    bool read() noexcept {
        __user_cap_header_struct of{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
        return ::syscall(SYS_capget, &of, data.data()) == 0;
    }
    [[nodiscard]] bool write() const noexcept {
        __user_cap_header_struct of{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
        return ::syscall(SYS_capset, &of, data.data()) == 0;
    }
    [[nodiscard]] bool permits(unsigned which) const noexcept {
        return (data[CAP_TO_INDEX(which)].permitted & CAP_TO_MASK(which)) != 0;
    }
    void add(unsigned which) noexcept {
        data[CAP_TO_INDEX(which)].permitted |= CAP_TO_MASK(which);
        data[CAP_TO_INDEX(which)].effective |= CAP_TO_MASK(which);
    }
    void drop(unsigned which) noexcept {
        data[CAP_TO_INDEX(which)].permitted &= ~CAP_TO_MASK(which);
        data[CAP_TO_INDEX(which)].effective &= ~CAP_TO_MASK(which);
    }
    friend bool operator==(const capabilities& one, const capabilities& other) noexcept {
        return std::ranges::equal(one.data, other.data, [](const auto& left, const auto& right) {
            return left.permitted == right.permitted && left.effective == right.effective &&
                   left.inheritable == right.inheritable;
        });
    }
};

// Of root, what no part of serving files needs: the rest is about files, owners and low ports.
constexpr unsigned foreign_rights[] = {
    CAP_SYS_ADMIN,      CAP_SYS_PTRACE,        CAP_SYS_MODULE,   CAP_SYS_RAWIO,
    CAP_SYS_BOOT,       CAP_SYS_TIME,          CAP_SYS_CHROOT,   CAP_MKNOD,
    CAP_SYS_TTY_CONFIG, CAP_SYS_PACCT,         CAP_NET_ADMIN,    CAP_NET_RAW,
    CAP_SYSLOG,         CAP_MAC_ADMIN,         CAP_MAC_OVERRIDE, CAP_AUDIT_READ,
    CAP_AUDIT_CONTROL,  CAP_AUDIT_WRITE,       CAP_BPF,          CAP_PERFMON,
    CAP_SETPCAP,        CAP_SETFCAP,           CAP_SETUID,       CAP_SETGID,
    CAP_KILL,           CAP_LINUX_IMMUTABLE,   CAP_IPC_OWNER,    CAP_WAKE_ALARM,
    CAP_BLOCK_SUSPEND,  CAP_CHECKPOINT_RESTORE};

bool is_already(const system_account& who) noexcept {
    uid_t users[3] = {};
    gid_t groups[3] = {};
    return ::getresuid(&users[0], &users[1], &users[2]) == 0 &&
           ::getresgid(&groups[0], &groups[1], &groups[2]) == 0 &&
           std::ranges::all_of(users, [&who](uid_t each) { return each == who.user; }) &&
           std::ranges::all_of(groups, [&who](gid_t each) { return each == who.group; });
}

/// The groups that somebody is in, sorted: one at least.
std::vector<gid_t> groups_of(const system_account& who) {
    std::vector<char> buffer;
    const auto entry = user_numbered(who.user, buffer);
    if (!entry) {
        return {who.group};
    }
    std::vector<gid_t> all(64);
    int count = static_cast<int>(all.size());
    while (::getgrouplist(entry->pw_name, who.group, all.data(), &count) < 0) {
        all.resize(2 * all.size());
        count = static_cast<int>(all.size());
    }
    all.resize(static_cast<std::size_t>(count));
    std::ranges::sort(all);
    return all;
}

/// The groups that this process is in, sorted.
std::vector<gid_t> own_groups() {
    const int count = ::getgroups(0, nullptr);
    std::vector<gid_t> all(static_cast<std::size_t>(std::max(count, 0)));
    if (::getgroups(count, all.data()) < 0) {
        all.clear();
    }
    std::ranges::sort(all);
    return all;
}

}  // namespace

std::expected<system_account, std::string> find_system_account(std::string_view text) {
    const auto colon = text.find(':');
    system_account found{.name = std::string(text)};
    const std::string user(text.substr(0, colon));
    std::vector<char> buffer;
    const auto entry = user_called(user, buffer);
    if (entry) {
        found.user = entry->pw_uid;
        found.group = entry->pw_gid;
    } else if (const auto number = id_in(user); number && colon != std::string_view::npos) {
        found.user = *number;  // Of a container, in whose passwd(5) it need not be.
    } else {
        return std::unexpected(
            number ? fmt::format("user {} has no name here, and so no group: write {}:GROUP", user,
                                 user)
                   : fmt::format("there is no user {}", in_quotes(user)));
    }
    if (colon != std::string_view::npos) {
        const std::string wanted(text.substr(colon + 1));
        const auto number = group_called(wanted);
        if (!number) {
            return std::unexpected(fmt::format("there is no group {}", in_quotes(wanted)));
        }
        found.group = *number;
    }
    return found;
}

std::expected<void, std::string> may_become(const system_account& who) {
    capabilities held;
    if (is_already(who) || (held.read() && held.permits(CAP_SETUID) && held.permits(CAP_SETGID))) {
        return {};
    }
    return std::unexpected(fmt::format(
        "to become {} it must be started by root (CAP_SETUID, CAP_SETGID)", in_quotes(who.name)));
}

std::expected<void, std::string> become(const system_account& who, bool keeps_low_ports) {
    capabilities held;
    if (!held.read()) {
        return failed("cannot tell the capabilities it has");
    }
    keeps_low_ports = keeps_low_ports && held.permits(CAP_NET_BIND_SERVICE);
    const auto groups = groups_of(who);
    const auto had = own_groups();
    // Who is that user already may be in fewer groups, but in no others.
    const bool may_stay = is_already(who) && std::ranges::includes(groups, had);
    if (had != groups && ::setgroups(groups.size(), groups.data()) != 0 && !may_stay) {
        return failed(fmt::format("cannot take the groups of {}", in_quotes(who.name)));
    }
    if (!is_already(who) && (::setresgid(who.group, who.group, who.group) != 0 ||
                             (keeps_low_ports && ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) ||
                             ::setresuid(who.user, who.user, who.user) != 0)) {
        return failed(fmt::format("cannot become {}", in_quotes(who.name)));
    }
    capabilities kept;
    if (keeps_low_ports) {
        kept.add(CAP_NET_BIND_SERVICE);
    }
    // A filter of whoever has started it may deny to change what is right already.
    if (!held.read() || (held != kept && !kept.write())) {
        return failed("cannot give up its capabilities");
    }
    static_cast<void>(::prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0));
    if (who.user != 0 && ::setresuid(0, 0, 0) == 0) {
        return std::unexpected(fmt::format("as {} it can still become root", in_quotes(who.name)));
    }
    return {};
}

void give_up_foreign_rights() noexcept {
    capabilities kept;
    if (!kept.read()) {
        return;
    }
    const auto held = kept;
    for (const auto each : foreign_rights) {
        kept.drop(each);
    }
    if (held != kept) {
        static_cast<void>(kept.write());
    }
}

void give_up_new_privileges() noexcept {
    // Older than every kernel that ferry runs on; and what it guards against is not of ferry's
    // doing.
    static_cast<void>(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

}  // namespace ferry::server
