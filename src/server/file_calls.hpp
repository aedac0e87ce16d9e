#pragma once

#include <string>
#include <string_view>

namespace ferry::server {

/// What keeps this process from serving the files under `root`, a directory it may enter, as far as
/// the system calls for that go: tries those that are young enough for a filter or a sandbox not to
/// know them. One line for a person; empty when nothing does. Blocking.
[[nodiscard]] std::string why_no_files(const char* root);

/// Says that `call` failed with `os_errno` where it cannot fail, and why that is likely so.
[[nodiscard]] std::string explain_missing_call(std::string_view call, int os_errno);

}  // namespace ferry::server
