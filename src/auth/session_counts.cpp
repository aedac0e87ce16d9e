#include "ferry/auth/session_counts.hpp"

#include <optional>

#include "ferry/base/assert.hpp"

namespace ferry::auth {

std::expected<session_counts::place, full> session_counts::take(const identity& who,
                                                                std::string_view address) {
    const auto& bounds = who.bounds;
    if (bounds.sessions_max == 0 && bounds.sessions_per_address_max == 0) {
        return place{};
    }
    place taken;
    taken.name_ = who.name;
    taken.address_ = address;
    const auto refused = users_.use([&taken,
                                     &bounds](users_with_sessions& users) -> std::optional<full> {
        user& mine = users[taken.name_];
        const auto there = mine.by_address.find(taken.address_);
        const std::uint64_t from_there = there == mine.by_address.end() ? 0 : there->second;
        if (bounds.sessions_max != 0 && mine.sessions >= bounds.sessions_max) {
            return full::sessions;
        }
        if (bounds.sessions_per_address_max != 0 && from_there >= bounds.sessions_per_address_max) {
            return full::sessions_per_address;
        }
        ++mine.by_address[taken.address_];  // May throw; a user without sessions is no harm.
        ++mine.sessions;
        return std::nullopt;
    });
    if (refused) {
        return std::unexpected(*refused);
    }
    taken.counts_ = this;
    return taken;
}

std::size_t session_counts::size() {
    return users_.use([](const users_with_sessions& users) noexcept {
        std::size_t sum = 0;
        for (const auto& [name, each] : users) {
            sum += each.sessions;
        }
        return sum;
    });
}

void session_counts::give_back(const std::string& name, const std::string& address) noexcept {
    users_.use([&name, &address](users_with_sessions& users) noexcept -> void {
        const auto mine = users.find(name);
        FERRY_ASSERT(mine != users.end());
        const auto from_there = mine->second.by_address.find(address);
        FERRY_ASSERT(from_there != mine->second.by_address.end());
        if (--from_there->second == 0) {
            mine->second.by_address.erase(from_there);
        }
        if (--mine->second.sessions == 0) {
            users.erase(mine);
        }
    });
}

}  // namespace ferry::auth
