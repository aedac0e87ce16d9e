#pragma once

#include "ferry/runtime/reactor.hpp"
#include "ferry/runtime/wait.hpp"
#include "server/core_server.hpp"
#include "server/reading.hpp"

namespace ferry::server {

/// Asks one core what it has counted: a message there, and one back. Outlives the core's thread, as
/// a core that is stuck answers late or never.
class core_question {
  public:
    /// `answered` of the core that asks is announced with each answer.
    core_question(core_server& asked, runtime::reactor& asker, runtime::event& answered) noexcept
        : asked_(asked), asker_(asker), answered_(answered) {}
    core_question(const core_question&) = delete;
    core_question& operator=(const core_question&) = delete;

    /// Asks, unless an answer is awaited already. On the core that asks, like all that follows.
    void ask() noexcept;

    /// No answer is awaited: it has come, or the core has ended.
    [[nodiscard]] bool is_answered() const noexcept { return !is_under_way_ || asked_.has_ended(); }

    /// The last answer.
    [[nodiscard]] const core_reading& told() const noexcept { return told_; }

  private:
    struct message : runtime::posted {
        message(core_question& of, function on_delivery) noexcept
            : posted(on_delivery), owner(of) {}
        core_question& owner;
    };

    void answer() noexcept;
    void take() noexcept;

    core_server& asked_;
    runtime::reactor& asker_;
    runtime::event& answered_;
    message there_{
        *this, [](runtime::posted& self) noexcept { static_cast<message&>(self).owner.answer(); }};
    message back_{*this,
                  [](runtime::posted& self) noexcept { static_cast<message&>(self).owner.take(); }};
    core_reading fresh_;  ///< Of the core that is asked, until it is told.
    core_reading told_;
    bool is_under_way_ = false;
};

}  // namespace ferry::server
