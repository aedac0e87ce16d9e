#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ferry/base/result.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/time.hpp"
#include "ferry/runtime/wait.hpp"

namespace ferry::ftp {

/// A line of the control connection that waits for its turn.
struct queued_command {
    std::uint64_t sequence = 0;  ///< The first line of a session has 1.
    bool overlong = false;       ///< A line over the limit: `line` is empty, the answer 500.
    std::string line;
};

/// What a client has sent ahead, in order, between the coroutine that reads and the one that
/// carries out. Bounded: who finds it full stops reading, and the client is held back by TCP. An
/// empty one holds no memory.
class command_queue {
  public:
    explicit command_queue(runtime::core& here) noexcept : arrived_(here.io()), taken_(here.io()) {}

    /// True when nothing more may be pushed: `wait_for_room` first.
    [[nodiscard]] bool is_full() const noexcept {
        return waiting_.size() >= commands_max || waiting_octets_ >= octets_max;
    }
    [[nodiscard]] bool empty() const noexcept { return waiting_.empty(); }

    /// The next to be popped, or null.
    [[nodiscard]] const queued_command* front() const noexcept {
        return waiting_.empty() ? nullptr : &waiting_.front();
    }

    void push(queued_command next);

    /// No more will come, because of `why`; what waits can still be popped.
    void end(error why);

    /// Takes the first, waiting for one. Errors: errc::timed_out, cancelled, or what `end` gave.
    [[nodiscard]] runtime::task<result<queued_command>> pop(runtime::time_point deadline);

    /// Takes the first, which must be there.
    [[nodiscard]] queued_command pop_now();

    /// Waits until it is not full. Errors: errc::cancelled.
    [[nodiscard]] runtime::task<result<void>> wait_for_room();

  private:
    static constexpr std::size_t commands_max = 64;
    static constexpr std::size_t octets_max = 16 * 1'024;

    std::vector<queued_command> waiting_;
    std::size_t waiting_octets_ = 0;
    std::optional<error> ended_;
    runtime::event arrived_;
    runtime::event taken_;
};

}  // namespace ferry::ftp
