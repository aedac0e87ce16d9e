#include "http/client.hpp"

#include <chrono>
#include <utility>

namespace ferry::http {

std::optional<turned_away> client::begin_request(const request& asked, runtime::time_point now) {
    if (is_proxy_) {
        if (!are_quotes_closed(asked.fields, which_)) {
            return turned_away{.what = status::bad_request};
        }
        address_ =
            find_forwarded_client(asked.fields, which_, policy_.trusted_proxies).value_or(peer_);
        if (!policy_.rules.empty() && !policy_.rules.allows(address_)) {
            return turned_away{.what = status::forbidden};
        }
        if (policy_.table != nullptr) {
            auto use = policy_.table->of(address_, now);
            before_ = std::exchange(use_, std::move(use));
        }
    }
    if (!use_ || policy_.table->limits().requests_per_second == 0) {
        return std::nullopt;
    }
    const auto& limits = policy_.table->limits();
    const auto wait =
        use_->requests.draw_one(now, limits.requests_per_second, limits.requests_saved_max);
    if (wait == runtime::duration::zero()) {
        return std::nullopt;
    }
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait).count();
    return turned_away{.what = status::too_many_requests,
                       .retry_after_seconds = static_cast<std::uint64_t>(seconds)};
}

net::pacer::rate client::sending_rate() const noexcept {
    if (!use_) {
        return {};
    }
    return {.bucket = &use_->sent,
            .octets_per_second = policy_.table->limits().sent_octets_per_second};
}

}  // namespace ferry::http
