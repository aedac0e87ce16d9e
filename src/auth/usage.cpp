#include "ferry/auth/usage.hpp"

namespace ferry::auth {

std::shared_ptr<usage> usage_table::of(std::string_view name) {
    return by_name_.use([name](auto& known) {
        const auto found = known.find(name);
        if (found != known.end()) {
            return found->second;
        }
        return known.emplace(std::string(name), std::make_shared<usage>()).first->second;
    });
}

}  // namespace ferry::auth
