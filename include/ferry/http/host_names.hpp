#pragma once

#include <string_view>

namespace ferry::http {

class sites;

/// Whether a row of the rules is of `host`, a name or what it is below; others get what is at the
/// top of the rules, or nothing. Cost: as a request's own look-up.
[[nodiscard]] bool has_host(const sites& rules, std::string_view host) noexcept;

}  // namespace ferry::http
