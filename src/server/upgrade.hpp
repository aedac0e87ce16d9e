#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ferry/base/unique_fd.hpp"
#include "server/local_listener.hpp"
#include "server/service_manager.hpp"
#include "server/starter.hpp"

namespace ferry::server {

/// How one process takes over from another while clients connect (threats.md, H8; decision 0041).
/// The old one, told by SIGUSR2, has a new one started that is handed the listening sockets
/// themselves: who has connected and was not accepted yet waits for both. The new one says when it
/// serves; only then does the old one accept no more. One that fails before changes nothing.
///
/// Of the main thread; nothing here waits.
class upgrade {
  public:
    struct parts {
        const starter* by = nullptr;      ///< Null: this process cannot be replaced.
        std::vector<handed_group> doors;  ///< All sockets that are listened at.
        std::vector<local_name> names;    ///< Of those of the file system, not yet to be kept where
                                          ///< the predecessor listens there, too.
        unique_fd predecessor;            ///< Empty: there was none.
        const service_manager& manager;
    };
    explicit upgrade(parts all) noexcept : all_(std::move(all)) {}

    /// Has the successor started. What stands against it is logged.
    void begin();

    /// Says that this process serves, whose the names are then: to its predecessor, and to the
    /// manager once that has said who is its process from now on. `status`: a line for whoever
    /// looks.
    void serves(std::string status);

    /// Readable when the successor has something to say; -1: there is none.
    [[nodiscard]] int successor_fd() const noexcept { return successor_.get(); }
    /// Hears it. True once: it serves, so accept no more.
    [[nodiscard]] bool hear_successor();

    /// The same of the predecessor.
    [[nodiscard]] int predecessor_fd() const noexcept { return all_.predecessor.get(); }
    /// Hears it. True once: it has ended.
    [[nodiscard]] bool hear_predecessor();

    /// Lets go of the sockets: nobody connects any more, once the cores have, too. Nothing begins
    /// afterwards.
    void close_doors() noexcept;

  private:
    void tell_manager() noexcept;

    parts all_;
    unique_fd successor_;  ///< One that does not serve yet.
    unique_fd heir_;       ///< One that does: it sees this process end by the end of this.
    std::string status_;
    bool is_told_ = false;  ///< The manager, that this process serves.
    bool is_over_ = false;
};

}  // namespace ferry::server
