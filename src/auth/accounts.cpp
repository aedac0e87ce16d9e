#include "ferry/auth/accounts.hpp"

#include <utility>

#include "ferry/base/ascii.hpp"

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

}  // namespace

accounts::accounts(std::vector<account> named, std::optional<rights> anonymous)
    : named_(std::move(named)), anonymous_(anonymous) {}

bool accounts::is_anonymous_name(std::string_view name) const noexcept {
    return anonymous_.has_value() && (ascii::equal_ignoring_case(name, "anonymous") ||
                                      ascii::equal_ignoring_case(name, "ftp"));
}

std::optional<identity> accounts::log_in(std::string_view name, std::string_view password) const {
    if (is_anonymous_name(name)) {
        return identity{
            .name = "anonymous", .root = "/", .allowed = *anonymous_, .anonymous = true};
    }
    const account* matched = nullptr;
    for (const auto& each : named_) {  // All of them, so that the position does not show.
        const bool right_password = equal_in_constant_time(password, each.password);
        const bool right_name = equal_in_constant_time(name, each.name);
        if (static_cast<unsigned>(right_name) & static_cast<unsigned>(right_password)) {
            matched = &each;
        }
    }
    if (matched == nullptr) {
        return std::nullopt;
    }
    return identity{.name = matched->name,
                    .root = matched->root,
                    .allowed = matched->allowed,
                    .anonymous = false};
}

}  // namespace ferry::auth
