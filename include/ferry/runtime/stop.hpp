#pragma once

#include "ferry/runtime/intrusive_list.hpp"

namespace ferry::runtime {

/// Something to be told when a scope is asked to stop. Lives in the frame that waits; unlinks
/// itself.
class stop_callback : public list_node {
  public:
    using function = void (*)(stop_callback&) noexcept;

    explicit stop_callback(function on_stop) noexcept : on_stop_(on_stop) {}

    /// Called once, by the scope, after it has unlinked this.
    void run() noexcept { on_stop_(*this); }

  private:
    function on_stop_;
};

/// A region of work that can be asked to stop. Scopes form a tree: stopping one stops those below.
///
/// Stopping is a request: every wait in the scope ends early with `errc::cancelled` if it still
/// can, and code goes on to its next wait, which fails at once. Not thread-safe: one core's own.
class stop_scope {
  public:
    /// A scope of its own, or one below `parent`, which must outlive it. Below a stopped parent it
    /// begins stopped.
    explicit stop_scope(stop_scope* parent = nullptr) noexcept : link_(*this), second_link_(*this) {
        if (parent != nullptr) {
            parent->add_link(link_);
        }
    }
    stop_scope(const stop_scope&) = delete;
    stop_scope& operator=(const stop_scope&) = delete;

    [[nodiscard]] bool stop_requested() const noexcept { return stop_requested_; }

    /// Asks everything in the scope to stop. Idempotent. Callbacks run before it returns; none of
    /// them resumes a coroutine directly.
    void request_stop() noexcept {
        stop_requested_ = true;
        while (auto* callback = callbacks_.pop_front()) {
            callback->run();
        }
    }

    /// Also stops when `other` does. At most once a scope; `other` must outlive it.
    void follow(stop_scope& other) noexcept { other.add_link(second_link_); }

    /// Registers a callback. The scope must not be stopped yet: ask first.
    void add(stop_callback& callback) noexcept {
        FERRY_ASSERT(!stop_requested_);
        callbacks_.push_back(callback);
    }

  private:
    struct scope_link : stop_callback {
        explicit scope_link(stop_scope& linked) noexcept
            : stop_callback([](stop_callback& self) noexcept {
                  static_cast<scope_link&>(self).owner.request_stop();
              }),
              owner(linked) {}
        stop_scope& owner;
    };

    void add_link(scope_link& link) noexcept {
        if (stop_requested_) {
            link.run();
        } else {
            callbacks_.push_back(link);
        }
    }

    intrusive_list<stop_callback> callbacks_;
    scope_link link_;
    scope_link second_link_;
    bool stop_requested_ = false;
};

}  // namespace ferry::runtime
