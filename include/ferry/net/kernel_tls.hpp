#pragma once

#include <string>

namespace ferry::net {

/// Why the kernel does not seal records of TLS (CONFIG_TLS, its module tls), for a person; empty:
/// it does. Asks a socket that is connected to nobody. Where the process may bring in modules
/// (CAP_NET_ADMIN, capabilities(7)) the kernel does so for the asking: ask at the start.
/// Cost: three system calls.
[[nodiscard]] std::string why_no_kernel_tls();

}  // namespace ferry::net
