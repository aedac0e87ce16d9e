#pragma once

#include <exception>
#include <functional>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "ferry/base/result.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/op.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/time.hpp"
#include "ferry/runtime/wait.hpp"

namespace ferry::runtime {

namespace detail {

/// A call on its way to the pool and back, in the frame of whoever awaits it.
template <class Function, class Value, class... Arguments>
struct offloaded {
    Function function;
    std::tuple<Arguments...> arguments;
    std::optional<std::conditional_t<std::is_void_v<Value>, std::monostate, Value>> returned;
    std::exception_ptr caught;

    static void run(void* context) noexcept {
        auto& self = *static_cast<offloaded*>(context);
        try {
            if constexpr (std::is_void_v<Value>) {
                std::apply(self.function, std::move(self.arguments));
            } else {
                self.returned.emplace(std::apply(self.function, std::move(self.arguments)));
            }
        } catch (...) {
            self.caught = std::current_exception();
        }
    }
};

}  // namespace detail

/// Runs `function(arguments...)` on the offload pool and gives what it returns, while the core goes
/// on: `co_await run_offloaded(here, &hash_password, std::move(password), salt)`. For what takes
/// longer than a core may be held, a tenth of a millisecond or so.
///
/// The function must be pure: it gets its arguments by value and touches nothing of any core. Once
/// begun it cannot be stopped; a stop or its caller's deadline has to wait for its end, so it must
/// be bounded.
///
/// Errors: errc::cancelled (the scope had been asked to stop: nothing was run), errc::exhausted
/// (memory). What the function throws reaches the awaiting coroutine.
/// Cost: one allocation, two switches of thread.
template <class Function, class... Arguments>
task<result<std::invoke_result_t<Function, Arguments...>>> run_offloaded(core& here,
                                                                         Function function,
                                                                         Arguments... arguments) {
    using value = std::invoke_result_t<Function, Arguments...>;
    static_assert(std::is_pointer_v<Function> || std::is_empty_v<Function>,
                  "a function that captures could reach a core's state");
    static_assert(!std::is_reference_v<value>, "what it returns must be its caller's alone");

    detail::offloaded<Function, value, Arguments...> errand{
        .function = function, .arguments = {std::move(arguments)...}, .returned = {}, .caught = {}};
    const auto ran = co_await op_wait(here.io(), opcode::compute, -1, never, [&](op& fresh) {
        fresh.args.compute = {.function = &decltype(errand)::run, .context = &errand};
    });
    if (!ran) {
        co_return failure(ran.error());
    }
    if (errand.caught) {
        std::rethrow_exception(errand.caught);
    }
    if constexpr (std::is_void_v<value>) {
        co_return result<void>{};
    } else {
        co_return std::move(*errand.returned);
    }
}

}  // namespace ferry::runtime
