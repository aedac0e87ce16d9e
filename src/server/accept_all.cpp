#include "server/accept_all.hpp"

#include <chrono>
#include <new>
#include <utility>

#include "ferry/net/listener.hpp"
#include "ferry/runtime/wait.hpp"

namespace ferry::server {
namespace {

// After the descriptors or the memory ran out: long enough not to spin, short enough not to be
// noticed.
constexpr auto accept_pause = std::chrono::milliseconds(200);

}  // namespace

runtime::task<> accept_all(runtime::core& here, runtime::stop_scope& accepting, unique_fd listening,
                           reception by) {
    net::acceptor from(here, std::move(listening));
    runtime::stop_scope scope(&co_await runtime::current_scope());
    scope.follow(accepting);
    for (auto why = errc::reset; why != errc::cancelled;) {
        if (why != errc::reset) {
            // Not of one connection only: trying again at once would spin.
            by.pauses(why);
            static_cast<void>(co_await runtime::sleep_until(here, here.now() + accept_pause));
        }
        why = errc::reset;
        try {
            auto accepted = co_await from.accept().in_scope(scope);
            if (accepted) {
                by.take(std::move(*accepted));
            } else {
                why = accepted.error().code;
            }
        } catch (const std::bad_alloc&) {
            why = scope.stop_requested() ? errc::cancelled : errc::exhausted;
        }
    }
    co_await from.close();
}

}  // namespace ferry::server
