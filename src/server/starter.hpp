#pragma once

#include <expected>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ferry/base/unique_fd.hpp"

namespace ferry::server {

/// Listening sockets that go to another process, under a name of `handed_sockets`.
struct handed_group {
    std::string name;
    std::vector<unique_fd> sockets;
};

/// A process beside the one that serves. It is made before all else, when there are no threads and
/// no rings (R10), and keeps what the serving process gives up: it may still run a program, and is
/// who has started ferry (decision 0041). It holds no descriptor, reads no file, waits for orders
/// at a socket, of which there is one kind, and ends when the serving process does. Whoever has
/// taken over the serving process gives the orders: so it starts one program a second at most, and
/// calls sockets a service manager's only by names that a manager has given this process.
class starter {
  public:
    /// Makes it. `arguments`: those of main, the program's own name first; they outlive this.
    /// Before threads start. Errors: one line for a person.
    [[nodiscard]] static std::expected<starter, std::string> begin(char* const* arguments);

    /// Starts the program once more as this process was started: the same arguments, environment
    /// and directory; and as the child of whoever waits for orphans, a service manager.
    /// The file is looked for by its name, so a new one is found. It is handed
    /// `groups` and the other end of the channel that is returned (`handed_sockets::predecessor`);
    /// a program that cannot be run says so there. Never waits for the program. Errors: one line
    /// for a person.
    [[nodiscard]] std::expected<unique_fd, std::string> start(
        std::span<const handed_group> groups) const;

  private:
    explicit starter(unique_fd orders) noexcept : orders_(std::move(orders)) {}

    unique_fd orders_;
};

}  // namespace ferry::server
