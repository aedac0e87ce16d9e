#include "ferry/auth/accounts.hpp"

#include <algorithm>
#include <utility>

#include "ferry/auth/password.hpp"
#include "ferry/base/ascii.hpp"
#include "ferry/runtime/compute.hpp"

namespace ferry::auth {
namespace {

/// Compares every octet whatever the outcome: the time depends on the length of `given` alone,
/// which its sender knows. `volatile` keeps the compiler from leaving early.
bool equal_in_constant_time(std::string_view given, std::string_view kept) noexcept {
    volatile unsigned difference = given.size() == kept.size() ? 0U : 1U;
    for (std::size_t i = 0; i < given.size(); ++i) {
        const char against = kept.empty() ? '\0' : kept[i % kept.size()];
        difference = difference | static_cast<unsigned char>(given[i] ^ against);
    }
    return difference == 0;
}

bool compare(std::string password, std::string hash) {
    return is_password_of(password, hash);
}

identity identity_from(const account& matched) {
    return {.name = matched.name,
            .root = matched.root,
            .allowed = matched.allowed,
            .bounds = matched.bounds,
            .anonymous = false};
}

}  // namespace

bool is_name_of_anonymous(std::string_view name) noexcept {
    return ascii::equal_ignoring_case(name, "anonymous") || ascii::equal_ignoring_case(name, "ftp");
}

accounts::accounts(std::vector<account> named, std::optional<permissions> anonymous,
                   const limits& visitors)
    : named_(std::move(named)), anonymous_(std::move(anonymous)), visitors_(visitors) {
    for (const auto& each : named_) {
        if (!each.hash.empty()) {
            decoy_ = &each.hash;
            break;
        }
    }
}

bool accounts::may_anywhere(right which) const noexcept {
    return (anonymous_ && anonymous_->has_anywhere({which})) ||
           std::ranges::any_of(named_, [which](const account& each) {
               return !each.is_locked && each.allowed.has_anywhere({which});
           });
}

bool accounts::is_anonymous_name(std::string_view name) const noexcept {
    return anonymous_.has_value() && is_name_of_anonymous(name);
}

std::optional<identity> accounts::identity_of(std::string_view name) const {
    const auto found = std::ranges::find(named_, name, &account::name);
    if (found == named_.end() || found->is_locked) {
        return std::nullopt;
    }
    return identity_from(*found);
}

accounts::candidate accounts::find(std::string_view name,
                                   std::string_view password) const noexcept {
    candidate found{.hash = decoy_};
    for (const auto& each : named_) {  // All of them, so that the position does not show.
        const bool is_right_password = equal_in_constant_time(password, each.password);
        if (!equal_in_constant_time(name, each.name)) {
            continue;
        }
        found.matched = &each;
        found.is_plain_right = is_right_password && !each.password.empty();
        if (!each.hash.empty()) {
            found.hash = &each.hash;
        }
    }
    return found;
}

runtime::task<result<std::optional<identity>>> log_in(runtime::core& here,
                                                      std::shared_ptr<const accounts> users,
                                                      std::string name, std::string password) {
    if (users->is_anonymous_name(name)) {
        co_return identity{.name = std::string(name_of_visitors),
                           .root = "/",
                           .allowed = *users->anonymous(),
                           .bounds = users->visitors(),
                           .anonymous = true};
    }
    const auto against = users->find(name, password);
    bool is_right = against.is_plain_right;
    if (against.hash != nullptr) {
        const auto compared = co_await runtime::run_offloaded(here, &compare, std::move(password),
                                                              std::string(*against.hash));
        if (!compared) {
            co_return failure(compared.error());
        }
        const bool is_hash_of_user =
            against.matched != nullptr && against.hash == &against.matched->hash;
        is_right = is_right || (*compared && is_hash_of_user);
    }
    if (against.matched == nullptr || against.matched->is_locked || !is_right) {
        co_return std::nullopt;
    }
    co_return identity_from(*against.matched);
}

}  // namespace ferry::auth
