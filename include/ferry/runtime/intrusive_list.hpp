#pragma once

#include "ferry/base/assert.hpp"

namespace ferry::runtime {

/// A place in a doubly linked ring. A node not in a list points at itself; destroying it unlinks
/// it, so a frame that dies takes its registrations with it.
class list_node {
  public:
    list_node() noexcept = default;
    list_node(const list_node&) = delete;
    list_node& operator=(const list_node&) = delete;
    ~list_node() { unlink(); }

    [[nodiscard]] bool is_linked() const noexcept { return next_ != this; }

    /// Leaves whatever list it is in. Harmless when it is in none.
    void unlink() noexcept {
        previous_->next_ = next_;
        next_->previous_ = previous_;
        previous_ = this;
        next_ = this;
    }

    /// Enters the ring before `other`, which is to say at the end of the list whose head `other`
    /// is.
    void link_before(list_node& other) noexcept {
        FERRY_ASSERT(!is_linked());
        previous_ = other.previous_;
        next_ = &other;
        other.previous_->next_ = this;
        other.previous_ = this;
    }

    [[nodiscard]] list_node* next() const noexcept { return next_; }

  private:
    list_node* previous_ = this;
    list_node* next_ = this;
};

/// A list of objects that derive from `list_node`. Owns nothing; every operation is O(1).
template <class Node>
class intrusive_list {
  public:
    [[nodiscard]] bool empty() const noexcept { return !head_.is_linked(); }
    void push_back(Node& node) noexcept { static_cast<list_node&>(node).link_before(head_); }

    /// Unlinks and returns the first, or null when empty.
    Node* pop_front() noexcept {
        if (empty()) {
            return nullptr;
        }
        auto* first = static_cast<Node*>(head_.next());
        static_cast<list_node*>(first)->unlink();
        return first;
    }

    /// The first without unlinking it, or null when empty.
    [[nodiscard]] Node* front() noexcept {
        return empty() ? nullptr : static_cast<Node*>(head_.next());
    }

    /// Calls `visit(node)` for each, first to last, until it returns false. It must leave the list
    /// as it is.
    template <class Visitor>
    void for_each(Visitor&& visit) const {
        for (auto* at = head_.next(); at != &head_; at = at->next()) {
            if (!visit(*static_cast<const Node*>(at))) {
                return;
            }
        }
    }

    /// Moves everything in `other` to the end of this list.
    void append(intrusive_list& other) noexcept {
        while (Node* node = other.pop_front()) {
            push_back(*node);
        }
    }

  private:
    list_node head_;
};

}  // namespace ferry::runtime
