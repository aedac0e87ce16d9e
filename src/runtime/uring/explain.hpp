#pragma once

#include <string>
#include <string_view>

namespace ferry::runtime {

/// Says why the kernel refused to make an io_uring, in one line a person can act on.
/// `sysctl_disabled`: what /proc/sys/kernel/io_uring_disabled says, empty where there is no such
/// file; `release`: the kernel's, as uname(2) has it.
[[nodiscard]] std::string explain_refusal(int os_errno, std::string_view sysctl_disabled,
                                          std::string_view release);

/// The same of this machine.
[[nodiscard]] std::string explain_refusal(int os_errno);

}  // namespace ferry::runtime
