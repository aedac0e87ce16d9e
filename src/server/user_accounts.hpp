#pragma once

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "ferry/auth/accounts.hpp"
#include "server/config.hpp"

namespace ferry::server {

struct loaded_accounts {
    std::shared_ptr<const auth::accounts> users;  ///< Never null.
    std::vector<std::string> warnings;            ///< A line each, for a person.
};

/// Everybody who may log in: those of `--user`, those of `--users-file`, and what `--anonymous`
/// says. Reads the file, of 16 MiB at most: blocking, for the main thread.
///
/// Errors: one line for a person: which file, which line, what is wrong with it.
[[nodiscard]] std::expected<loaded_accounts, std::string> load_accounts(const config& settings);

}  // namespace ferry::server
