#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "ferry/base/result.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/base/units.hpp"

namespace ferry {

/// Writes to a descriptor that may keep its writer waiting for ever, such as a terminal that was
/// stopped or a pipe that nobody reads, on a thread of its own: that thread waits, nobody else does
/// (threats.md, R15). The descriptor's flags stay as they are, for whoever started the process
/// shares them; so it cannot be made to refuse instead of wait.
///
/// Messages reach the thread through a socket that keeps them apart, so any number of threads may
/// send at once, and the kernel holds what is on its way: some 200 KiB, of which a short message
/// takes one. Each is one write to the descriptor, so of up to PIPE_BUF octets it stays whole in a
/// pipe that others write to also.
class background_writer {
  public:
    /// Longer messages are cut off.
    static constexpr std::size_t message_bytes_max = 64_KiB;

    /// Hears what becomes of the lines that could not be written. Called on the thread.
    struct listener {
        /// A write failed; the one before it had not.
        void (*failed)(int os_errno) noexcept = nullptr;
        /// A write worked again, or the end has come: so many lines are lost.
        void (*lost)(std::uint64_t lines) noexcept = nullptr;
    };

    /// Starts the thread. `target` is duplicated: what becomes of the number afterwards does not
    /// matter. Errors: errc::exhausted, of descriptors, memory or threads.
    [[nodiscard]] static result<background_writer> open(int target, listener told);

    background_writer(background_writer&&) noexcept = default;
    background_writer& operator=(background_writer&&) noexcept = default;
    /// Waits for nothing: what `finish` has not seen written is lost if the process ends.
    ~background_writer() = default;

    /// Where messages go: a socket, for sending only; one send is one message.
    [[nodiscard]] int inlet() const noexcept { return inlet_.get(); }

    /// Sends `message` if there is room for it at once. False: it is lost, as is one too long.
    [[nodiscard]] bool offer(std::string_view message) const noexcept;

    /// Takes no more, and waits until all that was taken is written, for `time_max` at most. False:
    /// something is not, and the thread that still tries hears and says nothing from now on; it
    /// ends with the process.
    [[nodiscard]] bool finish(std::chrono::milliseconds time_max) noexcept;

  private:
    struct shared;
    background_writer(unique_fd inlet, std::shared_ptr<shared> state) noexcept;

    unique_fd inlet_;
    std::shared_ptr<shared> state_;
};

}  // namespace ferry
