#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include "ferry/runtime/core.hpp"
#include "ferry/runtime/stop.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/wait.hpp"

namespace ferry::runtime {

/// Where concurrent tasks live: started here, joined before it ends, stopped with it. Nothing in
/// ferry runs outside a nursery; one is made by `with_nursery` or, at the bottom of a core, by
/// `run_core`.
class nursery {
  public:
    nursery(core& here, stop_scope* parent) noexcept
        : here_(here), scope_(parent), all_done_(here.io()) {}
    nursery(const nursery&) = delete;
    nursery& operator=(const nursery&) = delete;
    ~nursery() { FERRY_ASSERT(children_ == 0); }

    /// Runs `function(arguments...)`, a coroutine giving `task<>`, as a child: at once up to its
    /// first wait, then whenever its core comes to it. Takes a function and values, never a task,
    /// and never a capturing lambda; wrap what outlives the nursery in `std::ref`.
    ///
    /// An exception that leaves the child is logged here and ends that child only
    /// (threats.md, R14). Throws std::bad_alloc, with nothing started, when memory is out for the
    /// child or for the call of the function; the arguments are then destroyed.
    template <class Function, class... Arguments>
    void start(Function function, Arguments... arguments) {
        static_assert(std::is_pointer_v<Function> || std::is_empty_v<Function> ||
                          std::is_member_function_pointer_v<Function>,
                      "a capturing lambda would die before its coroutine");
        auto child = run_child(*this, function, std::move(arguments)...);
        ++children_;
        child.frame.resume();
        if (refused_) {
            std::rethrow_exception(std::exchange(refused_, nullptr));
        }
    }

    /// Asks every child to stop; they still have to be joined.
    void request_stop() noexcept { scope_.request_stop(); }

    /// Waits until no child is left. Deaf to stop requests: they reach the children instead.
    task<> join() {
        while (children_ != 0) {
            // Only an announcement ends this wait, so there is no error to look at.
            static_cast<void>(co_await all_done_.wait_through_stop());
        }
    }

    [[nodiscard]] std::size_t children() const noexcept { return children_; }
    [[nodiscard]] stop_scope& scope() noexcept { return scope_; }
    [[nodiscard]] core& here() noexcept { return here_; }

  private:
    struct child_task {
        struct promise_type : promise_base {
            nursery& owner;
            bool has_begun = false;  ///< The function was called, and its frame is there.

            template <class Function, class... Arguments>
            explicit promise_type(nursery& home, Function&, Arguments&...) noexcept : owner(home) {
                scope = &home.scope_;
            }
            child_task get_return_object() noexcept {
                return {std::coroutine_handle<promise_type>::from_promise(*this)};
            }
            [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
            struct leave {
                [[nodiscard]] bool await_ready() const noexcept { return false; }
                void await_suspend(std::coroutine_handle<promise_type> self) const noexcept {
                    nursery& home = self.promise().owner;
                    self.destroy();
                    home.child_done();
                }
                void await_resume() const noexcept {}
            };
            [[nodiscard]] leave final_suspend() const noexcept { return {}; }
            void return_void() const noexcept {}
            void unhandled_exception() noexcept {
                if (has_begun) {
                    report_exception(std::current_exception());
                } else {
                    owner.refused_ = std::current_exception();
                }
            }
        };
        struct begun {
            [[nodiscard]] bool await_ready() const noexcept { return false; }
            [[nodiscard]] bool await_suspend(
                std::coroutine_handle<promise_type> self) const noexcept {
                self.promise().has_begun = true;
                return false;
            }
            void await_resume() const noexcept {}
        };
        std::coroutine_handle<promise_type> frame;
    };

    template <class Function, class... Arguments>
    static child_task run_child(nursery&, Function function, Arguments... arguments) {
        auto work = std::invoke(function, std::move(arguments)...);
        co_await typename child_task::begun{};
        co_await std::move(work);
    }

    static void report_exception(const std::exception_ptr& caught) noexcept;

    friend class core_tasks;
    template <class Function, class... Arguments>
    friend auto with_nursery(core& here, Function body, Arguments... arguments)
        -> std::invoke_result_t<Function, nursery&, Arguments...>;

    void child_done() noexcept {
        if (--children_ != 0) {
            return;
        }
        if (all_done_.has_waiter()) {
            all_done_.announce();
        }
        if (quit_when_empty_) {
            here_.io().quit();
        }
    }

    core& here_;
    stop_scope scope_;
    event all_done_;
    std::size_t children_ = 0;
    std::exception_ptr refused_;    ///< Why a child could not begin, on its way to `start`.
    bool quit_when_empty_ = false;  ///< A core's bottom nursery: its end is the core's.
};

namespace detail {

template <class Task>
struct task_value;
template <class T>
struct task_value<task<T>> {
    using type = T;
};

}  // namespace detail

/// Runs `body(nursery, arguments...)` and joins everything it started, on every path: its return,
/// an exception (children are asked to stop first), a stop of the enclosing scope (passed on to
/// children). The body's own waits belong to the enclosing scope.
template <class Function, class... Arguments>
auto with_nursery(core& here, Function body, Arguments... arguments)
    -> std::invoke_result_t<Function, nursery&, Arguments...> {
    using value =
        typename detail::task_value<std::invoke_result_t<Function, nursery&, Arguments...>>::type;
    stop_scope& enclosing = co_await current_scope();
    nursery children(here, &enclosing);
    std::exception_ptr caught;
    if constexpr (std::is_void_v<value>) {
        try {
            co_await std::invoke(body, children, std::move(arguments)...);
        } catch (...) {
            caught = std::current_exception();
            children.request_stop();
        }
        while (children.children_ != 0) {  // `join` in place: a frame of its own may be refused.
            static_cast<void>(co_await children.all_done_.wait_through_stop());
        }
        if (caught) {
            std::rethrow_exception(caught);
        }
    } else {
        std::optional<value> outcome;
        try {
            outcome.emplace(co_await std::invoke(body, children, std::move(arguments)...));
        } catch (...) {
            caught = std::current_exception();
            children.request_stop();
        }
        while (children.children_ != 0) {
            static_cast<void>(co_await children.all_done_.wait_through_stop());
        }
        if (caught) {
            std::rethrow_exception(caught);
        }
        co_return std::move(*outcome);
    }
}

namespace detail {

/// Begins within the loop, where the core's time is that of the turn and not of whenever the
/// reactor was made.
template <class Function, class... Arguments>
task<> begin_in_loop(nursery& bottom, Function function, Arguments... arguments) {
    co_await bottom.here().yield();
    co_await std::invoke(function, bottom, std::move(arguments)...);
}

}  // namespace detail

/// All tasks of one core: its bottom nursery, whose end is the end of `reactor::run`. Dies after
/// that.
class core_tasks {
  public:
    /// `stop` stops all of them.
    core_tasks(core& here, stop_scope& stop) noexcept : bottom_(here, &stop) {
        bottom_.quit_when_empty_ = true;
    }

    /// Lets `function(nursery, arguments...)` begin in the reactor's first turn.
    template <class Function, class... Arguments>
    void start(Function function, Arguments... arguments) {
        bottom_.start(&detail::begin_in_loop<Function, Arguments...>, std::ref(bottom_), function,
                      std::move(arguments)...);
    }

    /// True when none is left.
    [[nodiscard]] bool have_ended() const noexcept { return bottom_.children() == 0; }

  private:
    nursery bottom_;
};

/// Runs `function(nursery, arguments...)` as the first child of a core's bottom nursery, on the
/// calling thread, until it and everything started in that nursery has ended. `stop` stops all of
/// it.
template <class Function, class... Arguments>
void run_core(core& here, stop_scope& stop, Function function, Arguments... arguments) {
    core_tasks all(here, stop);
    all.start(function, std::move(arguments)...);
    here.io().run();
}

}  // namespace ferry::runtime
