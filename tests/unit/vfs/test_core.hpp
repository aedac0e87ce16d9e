#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "ferry/runtime/core.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/uring.hpp"
#include "scripted_reactor.hpp"

namespace ferry::vfs_test {

/// A core on the real ring, with a script in front of it, that runs one coroutine after another.
struct test_core {
    runtime::offload_pool pool{1};
    std::unique_ptr<runtime::reactor> ring =
        runtime::make_uring_reactor({.receive_buffers = 16}, pool).value();
    scripted_reactor io{*ring};
    runtime::core here{0, io, ferry::random(seed_from_kernel())};
    runtime::stop_scope stop;

    /// Runs `function(core, arguments...)`, a coroutine, to its end and gives back its value.
    /// References travel in std::ref.
    template <class Function, class... Arguments>
    auto run(Function function, Arguments... arguments) {
        using task_type = std::invoke_result_t<Function, runtime::core&, Arguments...>;
        using value = typename runtime::detail::task_value<task_type>::type;
        std::optional<value> outcome;
        runtime::run_core(here, stop, &test_core::store<value, Function, Arguments...>,
                          std::ref(outcome), function, std::move(arguments)...);
        return std::move(outcome.value());
    }

  private:
    template <class Value, class Function, class... Arguments>
    static runtime::task<> store(runtime::nursery& bottom, std::optional<Value>& outcome,
                                 Function function, Arguments... arguments) {
        outcome.emplace(co_await function(bottom.here(), std::move(arguments)...));
    }
};

}  // namespace ferry::vfs_test
