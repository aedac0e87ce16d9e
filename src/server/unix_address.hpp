#pragma once

#include <sys/socket.h>
#include <sys/un.h>

namespace ferry::server {

/// The same for system calls: every kind of sockaddr begins with the family (unix(7)).
[[nodiscard]] inline const sockaddr* as_address(const sockaddr_un& address) noexcept {
    return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

}  // namespace ferry::server
