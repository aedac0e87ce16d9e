#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <type_traits>
#include <utility>
#include <variant>

#include "ferry/base/assert.hpp"
#include "ferry/runtime/frame_pool.hpp"
#include "ferry/runtime/stop.hpp"

namespace ferry::runtime {

template <class T>
class task;

/// What every coroutine of ferry carries: who waits for it, and the scope that may ask it to stop.
struct promise_base {
    std::coroutine_handle<> continuation;
    stop_scope* scope = nullptr;  ///< Inherited from the awaiting coroutine.

    static void* operator new(std::size_t size_bytes) { return allocate_frame(size_bytes); }
    static void operator delete(void* frame, std::size_t size_bytes) noexcept {
        free_frame(frame, size_bytes);
    }
};

namespace detail {

struct final_awaiter {
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    [[nodiscard]] std::coroutine_handle<> await_suspend(
        std::coroutine_handle<Promise> finished) const noexcept {
        return finished.promise().continuation;
    }
    void await_resume() const noexcept {}
};

template <class T>
struct task_promise : promise_base {
    // 0: not finished, 1: value, 2: an exception of a library.
    std::variant<std::monostate, T, std::exception_ptr> outcome;

    task<T> get_return_object() noexcept;
    [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
    [[nodiscard]] final_awaiter final_suspend() const noexcept { return {}; }
    template <class U>
        requires std::is_convertible_v<U&&, T>
    void return_value(U&& value) {
        outcome.template emplace<1>(std::forward<U>(value));
    }
    void unhandled_exception() noexcept { outcome.template emplace<2>(std::current_exception()); }
    T take() {
        if (outcome.index() == 2) {
            std::rethrow_exception(std::get<2>(std::move(outcome)));
        }
        FERRY_ASSERT(outcome.index() == 1);
        return std::get<1>(std::move(outcome));
    }
};

template <>
struct task_promise<void> : promise_base {
    std::exception_ptr failure;

    task<void> get_return_object() noexcept;
    [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
    [[nodiscard]] final_awaiter final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() noexcept { failure = std::current_exception(); }
    void take() {
        if (failure) {
            std::rethrow_exception(std::move(failure));
        }
    }
};

}  // namespace detail

/// A coroutine that runs when awaited and gives a `T`. Lazy and immovable: the one thing to do with
/// it is `co_await f(x)` in the expression that made it, so reference parameters are as safe as in
/// a call. To run one beside others give the function and its arguments to a `nursery`.
///
/// An exception of a library passes through to the awaiting coroutine and ends at a nursery.
/// Cost: 6 to 20 ns to create, await and destroy (bench/runtime_bench).
template <class T = void>
class [[nodiscard]] task {
  public:
    using promise_type = detail::task_promise<T>;

    explicit task(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}
    task(const task&) = delete;
    task& operator=(const task&) = delete;
    ~task() {
        // Never started, or finished: one that is suspended in between is owned by its awaiter's
        // frame, which cannot die before it.
        if (frame_) {
            frame_.destroy();
        }
    }

    class awaiter {
      public:
        explicit awaiter(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}
        [[nodiscard]] bool await_ready() const noexcept { return false; }
        template <class Promise>
        [[nodiscard]] std::coroutine_handle<> await_suspend(
            std::coroutine_handle<Promise> parent) noexcept {
            auto& promise = frame_.promise();
            promise.continuation = parent;
            if (promise.scope == nullptr) {  // Set already by `in_scope`.
                promise.scope = parent.promise().scope;
            }
            return frame_;
        }
        T await_resume() { return frame_.promise().take(); }

      private:
        std::coroutine_handle<promise_type> frame_;
    };

    [[nodiscard]] awaiter operator co_await() && noexcept { return awaiter(frame_); }

    /// Runs this task's waits in `scope` instead of the awaiting coroutine's:
    /// `co_await read_head(peer).in_scope(idle)`. The scope should follow the caller's own.
    [[nodiscard]] awaiter in_scope(stop_scope& scope) && noexcept {
        frame_.promise().scope = &scope;
        return awaiter(frame_);
    }

  private:
    std::coroutine_handle<promise_type> frame_;
};

namespace detail {

template <class T>
task<T> task_promise<T>::get_return_object() noexcept {
    return task<T>(std::coroutine_handle<task_promise>::from_promise(*this));
}

inline task<void> task_promise<void>::get_return_object() noexcept {
    return task<void>(std::coroutine_handle<task_promise>::from_promise(*this));
}

/// Gives the awaiting coroutine its own scope without suspending.
struct scope_awaiter {
    stop_scope* scope = nullptr;
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    [[nodiscard]] bool await_suspend(std::coroutine_handle<Promise> self) noexcept {
        scope = self.promise().scope;
        return false;
    }
    [[nodiscard]] stop_scope& await_resume() const noexcept { return *scope; }
};

}  // namespace detail

/// `auto& scope = co_await current_scope();`: the scope this coroutine's waits belong to.
[[nodiscard]] inline detail::scope_awaiter current_scope() noexcept {
    return {};
}

}  // namespace ferry::runtime
