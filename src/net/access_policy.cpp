#include "ferry/net/access_policy.hpp"

#include "net/proxy_header.hpp"

namespace ferry::net {

using runtime::task;

result<address_place> access_policy::admit(const endpoint& who, runtime::time_point now) const {
    if (!rules.empty() && !rules.allows(who)) {
        return failure(errc::denied);
    }
    if (table == nullptr || contains(trusted_proxies, who)) {
        return address_place();
    }
    auto use = table->of(who, now);
    const auto most = table->limits().connections_max;
    const auto before = use->connections.fetch_add(1, std::memory_order_relaxed);
    address_place place(std::move(use));
    if (most != 0 && before >= most) {
        return failure(errc::exhausted);
    }
    return place;
}

task<result<address_place>> admit_proxied(plain_stream& peer, const access_policy& policy) {
    const auto source =
        co_await read_proxy_header(peer, peer.here().now() + policy.proxy_header_timeout);
    if (!source) {
        co_return failure(source.error());
    }
    if (*source) {
        peer.speak_for(**source);
    }
    co_return policy.admit(peer.peer(), peer.here().now());
}

}  // namespace ferry::net
