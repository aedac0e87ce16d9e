#pragma once

#include <cstdint>
#include <vector>

#include "ferry/auth/accounts.hpp"
#include "seed_tree.hpp"

namespace ferry::sim::test {

/// The accounts of `usual_accounts` as the server has them.
[[nodiscard]] inline std::vector<auth::account> server_accounts() {
    using auth::right;
    using auth::rights;
    std::vector<auth::account> made;
    for (const auto& each : usual_accounts(true)) {
        const auto looks = each.may_read ? rights::read_only() : rights{};
        const auto creates = each.may_create ? rights{right::create} : rights{};
        const auto changes = each.may_change ? rights{right::create, right::replace, right::remove,
                                                      right::rename, right::make_directory}
                                             : rights{};
        const auto manages = each.may_administer ? rights{right::administer} : rights{};
        made.push_back({.name = each.name,
                        .password = each.password,
                        .hash = {},
                        .root = each.root,
                        .allowed = looks | creates | changes | manages,
                        // Never reached: but each session is counted, and must be given back, and
                        // so is what is in their homes.
                        .bounds = {.sessions_max = 10'000,
                                   .sessions_per_address_max = 10'000,
                                   .home_octets_max = std::uint64_t{1} << 60U,
                                   .home_files_max = std::uint64_t{1} << 60U}});
    }
    return made;
}

}  // namespace ferry::sim::test
