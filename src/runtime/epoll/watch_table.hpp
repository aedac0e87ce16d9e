#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "ferry/runtime/intrusive_list.hpp"
#include "ferry/runtime/op.hpp"

namespace ferry::runtime {

/// What waits for one descriptor to become ready. A node of the list of watches that are due
/// without an event, if it is.
struct watch : list_node {
    intrusive_list<op> readers;  ///< Those that wait for input, first come first served.
    intrusive_list<op> writers;  ///< Those that wait for room.
    std::uint32_t events = 0;    ///< What epoll has it registered for; 0: it is not registered.
    std::uint32_t due = 0;       ///< EPOLLIN, EPOLLOUT: try these without waiting for an event.
    bool reads_to_end = false;   ///< A short read does not mean that nothing is left.

    /// EPOLLIN: the readers; EPOLLOUT: the writers.
    [[nodiscard]] intrusive_list<op>& waiting_for(std::uint32_t direction) noexcept {
        return direction == EPOLLIN ? readers : writers;
    }
};

/// The watches of one core, by descriptor. A watch never moves and lives as long as the table,
/// which grows to the highest descriptor watched: 14 KiB for every 256 of them.
class watch_table {
  public:
    /// The watch of `fd`, made if need be. Null: memory is out, or `fd` is negative.
    [[nodiscard]] watch* make(int fd) noexcept;

    /// The watch of `fd`, or null when there never was one. Cost: two loads.
    [[nodiscard]] watch* find(int fd) const noexcept;

  private:
    static constexpr std::size_t chunk_watches = 256;
    using chunk = std::array<watch, chunk_watches>;

    std::vector<std::unique_ptr<chunk>> chunks_;
};

}  // namespace ferry::runtime
