#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ferry::auth {

/// `text` with `%3A` and the like as the octets they stand for; nothing when a "%" has no two
/// hexadecimal digits behind it.
[[nodiscard]] std::optional<std::string> unescape(std::string_view text);

/// The other way: what has a meaning in a users file or a mount, ":", ",", "=", "%" and controls,
/// as `%XX`.
[[nodiscard]] std::string escape(std::string_view text);

}  // namespace ferry::auth
