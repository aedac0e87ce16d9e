#pragma once

#include <string>
#include <string_view>

#include "ferry/base/result.hpp"
#include "ferry/net/stream.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/time.hpp"
#include "ferry/runtime/wait.hpp"
#include "ftp/client_names.hpp"
#include "ftp/reply.hpp"

namespace ferry::ftp {

/// Writes replies to the control connection, whole and one after the other, for the two coroutines
/// of a session: the one that carries out commands and the one that reads, which answers Telnet and
/// STAT in mid-transfer.
class reply_writer {
  public:
    reply_writer(net::stream& control, const client_names& names,
                 runtime::duration stall_timeout) noexcept
        : control_(control),
          names_(names),
          stall_timeout_(stall_timeout),
          finished_(control.here().io()) {}

    /// Writes `what`, names in it as the client reads them, and returns when the network has taken
    /// it, so that a client who reads nothing is held back. Errors: errc::reset, timed_out,
    /// cancelled: part of it may be sent, so the session has to end, and whatever else is written
    /// fails with errc::reset: no line begins in the middle of another.
    [[nodiscard]] runtime::task<result<void>> write(const reply& what);

    /// Has `what` go in front of the next that is written, in one piece with it where the network
    /// takes it so. Never suspends.
    void hold(const reply& what);

    /// The same as `write` for octets that are no reply: answers to Telnet options.
    [[nodiscard]] runtime::task<result<void>> write_octets(std::string_view octets);

  private:
    /// While one writer sends. Ends with an exception, too: want of memory in one of the two must
    /// not leave the other waiting for ever (threats.md, R14).
    struct turn {
        explicit turn(reply_writer& of) noexcept : owner(of) { owner.is_sending_ = true; }
        turn(const turn&) = delete;
        turn& operator=(const turn&) = delete;
        ~turn() {
            owner.is_sending_ = false;
            owner.finished_.announce();
        }
        reply_writer& owner;
    };

    [[nodiscard]] std::string octets_of(const reply& what) const;
    [[nodiscard]] runtime::task<result<void>> flush(std::string octets);

    net::stream& control_;
    const client_names& names_;
    runtime::duration stall_timeout_;
    std::string pending_;
    runtime::event finished_;  ///< Told to the other writer when the one that sends is through.
    bool is_sending_ = false;
    bool is_broken_ = false;  ///< A send has failed.
};

}  // namespace ferry::ftp
