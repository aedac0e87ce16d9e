#pragma once

#include <sys/socket.h>

namespace ferry::net {

/// `storage` as bind(2) and connect(2) take it.
[[nodiscard]] inline const sockaddr* as_sockaddr(const sockaddr_storage& storage) noexcept {
    return static_cast<const sockaddr*>(static_cast<const void*>(&storage));
}

}  // namespace ferry::net
