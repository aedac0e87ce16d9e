#include "lying_proxy.hpp"

#include <functional>
#include <utility>

#include "ferry/base/assert.hpp"
#include "ferry/net/connect.hpp"
#include "ferry/net/listener.hpp"
#include "ferry/net/urgent.hpp"
#include "ferry/runtime/op.hpp"
#include "ferry/runtime/wait.hpp"
#include "wire.hpp"

namespace ferry::sim::test {

using runtime::task;

namespace {

/// Both ends of one connection through the proxy.
struct passage {
    lying_proxy& owner;
    wire client;
    wire server;
};

void replace_all(std::string& octets, const lie& told) {
    if (told.find.empty()) {
        return;
    }
    for (auto at = octets.find(told.find); at != std::string::npos;
         at = octets.find(told.find, at + told.replace.size())) {
        octets.replace(at, told.find.size(), told.replace);
    }
}

task<> pump(passage& through, bool to_server) {
    auto& from = to_server ? through.client : through.server;
    auto& to = to_server ? through.server : through.client;
    const auto& told = through.owner.told();
    std::size_t passed = 0;
    for (;;) {
        const auto got = co_await from.fill(runtime::never);
        if (!got || !*got) {
            co_await to.end_sending(runtime::never);
            co_return;
        }
        auto octets = std::exchange(from.input(), {});
        if (told.to_server == to_server) {
            replace_all(octets, told);
        }
        if (told.to_server == to_server && told.corrupt_from > 0) {
            for (std::size_t i = 0; i < octets.size(); ++i) {
                const auto place = passed + i;
                if (place >= told.corrupt_from && place % 4'096 == 0) {
                    octets[i] = static_cast<char>(octets[i] ^ 1);
                }
            }
        }
        passed += octets.size();
        if (!to_server && told.end_after > 0 && passed > told.end_after) {
            octets.resize(octets.size() - std::min(octets.size(), passed - told.end_after));
        }
        const auto sent = co_await to.send(octets, runtime::never);
        if (!sent) {
            co_await from.end_sending(runtime::never);
            co_return;
        }
        if (!to_server && told.end_after > 0 && passed > told.end_after) {
            co_await to.end_sending(runtime::never);
            co_return;
        }
    }
}

task<> pump_both(runtime::nursery& ways, passage& through) {
    ways.start(&pump, std::ref(through), true);
    ways.start(&pump, std::ref(through), false);
    co_return;
}

task<> serve(lying_proxy& owner, unique_fd client) {
    auto connected = co_await net::connect(owner.here(), {.to = owner.server()}, runtime::never);
    if (!connected) {
        co_return;
    }
    passage through{.owner = owner,
                    .client = wire(owner.here(), std::move(client)),
                    .server = wire(owner.here(), std::move(*connected))};
    co_await runtime::with_nursery(owner.here(), pump_both, std::ref(through));
}

task<> accept_all(runtime::nursery& connections, lying_proxy& self) {
    for (;;) {
        const auto accepted =
            co_await runtime::op_wait(self.here().io(), runtime::opcode::accept, self.listening(),
                                      runtime::never, [](runtime::op&) {});
        if (!accepted) {
            co_return;
        }
        unique_fd client(static_cast<int>(*accepted));
        net::receive_urgent_inline(client.get());  // Else the Synch of an ABOR would not pass.
        connections.start(&serve, std::ref(self), std::move(client));
    }
}

}  // namespace

lying_proxy::lying_proxy(runtime::core& here, net::endpoint server, lie told)
    : here_(here), server_(server), told_(std::move(told)) {
    auto at = server;
    at.port = 0;
    auto opened = net::open_listener({.at = at});
    FERRY_ASSERT(opened.has_value());
    listening_ = std::move(*opened);
    at_ = net::local_endpoint(listening_.get()).value_or(at);
}

task<> lying_proxy::run(lying_proxy& self) {
    co_await runtime::with_nursery(self.here_, accept_all, std::ref(self));
}

}  // namespace ferry::sim::test
