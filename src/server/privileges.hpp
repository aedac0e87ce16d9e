#pragma once

#include <sys/types.h>

#include <expected>
#include <string>
#include <string_view>

#include "server/config.hpp"

namespace ferry::server {

/// A user and a group of this machine.
struct system_account {
    std::string name;  ///< As it was asked for.
    uid_t user = 0;
    gid_t group = 0;
};

/// Looks "USER" or "USER:GROUP" up (passwd(5), group(5)), by name or number; without GROUP it is
/// the user's own, which a number that no name has lacks. Blocking. Errors: which of them there is
/// not, for a person.
[[nodiscard]] std::expected<system_account, std::string> find_system_account(std::string_view text);

/// Whether this process may become `who`: it has the right to, or is that already.
/// Errors: why not, for a person.
[[nodiscard]] std::expected<void, std::string> may_become(const system_account& who);

/// Makes the process `who` for good, with the groups it is in and no capability but, with
/// `keeps_low_ports` and where it has that, CAP_NET_BIND_SERVICE: active FTP sends from port 20
/// (RFC 959 section 5.2). Descriptors that are open stay so. Before threads start. Errors: what
/// failed, for a person; the process is then half of it and must end.
[[nodiscard]] std::expected<void, std::string> become(const system_account& who,
                                                      bool keeps_low_ports);

/// Of the rights of root (capabilities(7)) keeps those about files and low ports: it can no longer
/// mount, trace, load modules or become somebody else. Before threads start. Where the system
/// refuses that, they stay.
void give_up_foreign_rights() noexcept;

/// Nothing this process may start later can have more rights than it has (PR_SET_NO_NEW_PRIVS).
/// Before threads start.
void give_up_new_privileges() noexcept;

}  // namespace ferry::server
