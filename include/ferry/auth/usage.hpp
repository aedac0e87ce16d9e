#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "ferry/runtime/rarely_shared.hpp"
#include "ferry/runtime/token_bucket.hpp"

namespace ferry::auth {

/// What all sessions of one account use up together, on all cores.
struct usage {
    runtime::token_bucket download;
    runtime::token_bucket upload;
};

/// The `usage` of each account that has a limit on it, from any thread. An account is asked for
/// when somebody logs in; after that nobody takes a lock. They stay until the end of the process,
/// so that logging out and in again buys nothing: as many as names have had limits.
class usage_table {
  public:
    /// That of `name`, made at the first call. Throws std::bad_alloc.
    [[nodiscard]] std::shared_ptr<usage> of(std::string_view name);

  private:
    runtime::rarely_shared<std::map<std::string, std::shared_ptr<usage>, std::less<>>> by_name_;
};

}  // namespace ferry::auth
