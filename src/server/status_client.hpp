#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace ferry::server {

/// Asks the admin server at `address` ("ADDR:PORT" or "unix:PATH") for `/status.json`. Blocks for
/// some seconds at most. Errors: one line for a person.
[[nodiscard]] std::expected<std::string, std::string> fetch_status(std::string_view address);

/// What an answer over HTTP holds, if all of it came and it is good: `answer` is what was received
/// until the connection ended. Errors: one line for a person.
[[nodiscard]] std::expected<std::string, std::string> content_of(std::string_view answer);

}  // namespace ferry::server
