#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ferry/base/error.hpp"
#include "ferry/net/stream.hpp"
#include "ferry/runtime/stop.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/vfs/path.hpp"
#include "ftp/reply.hpp"
#include "ftp/session.hpp"

namespace ferry::ftp {

/// One RETR, STOR, LIST and so on, from its command to its final reply: what STAT shows of it and
/// ABOR stops. Made first thing by its handler; a session has one at a time.
class running_transfer {
  public:
    /// `verb` must outlive it. Already stopped if an ABOR behind this command has been read.
    running_transfer(session& user, std::string_view verb) noexcept;
    running_transfer(const running_transfer&) = delete;
    running_transfer& operator=(const running_transfer&) = delete;
    ~running_transfer();

    /// Where everything of the transfer waits, but not its replies.
    [[nodiscard]] runtime::stop_scope& scope() noexcept { return scope_; }
    [[nodiscard]] std::string_view verb() const noexcept { return verb_; }
    /// What is transferred, as the user sees it.
    void set_name(const vfs::path& seen);
    /// How much there is to move, for who is shown it: octets, where that is known before.
    void set_whole(std::uint64_t bytes) noexcept { shown_.whole_bytes = bytes; }
    /// From here on it is among those under way (`service::transfers`).
    void show();

    /// Between the preliminary and the final reply.
    bool is_announced = false;
    /// Octets of content moved over the data connection.
    shared_count moved_bytes;

    /// Leaves what the access log says of it and passes `answer`, the final reply, through.
    [[nodiscard]] reply finish(reply answer);

  private:
    session& user_;
    runtime::stop_scope scope_;
    std::string_view verb_;
    std::string name_;         ///< In the whole tree, for the log.
    session_activity* doing_;  ///< For SITE WHO.
    net::shown_transfer shown_;
};

/// Whether the command called `verb` stores a file.
[[nodiscard]] bool receives(std::string_view verb) noexcept;

/// How the moving of octets ended.
struct transfer_end {
    enum class kind : std::uint8_t {
        complete,
        data_failed,  ///< The data connection broke, stalled or was aborted: 426.
        file_failed,  ///< `reply_for(why, transfer_work::use)`.
        wrong_form,   ///< What came is not what TYPE, STRU and MODE say: 551.
    };
    kind how = kind::complete;
    error why = {};
};

/// What a transfer does with its data connection.
class transfer_work {
  public:
    virtual ~transfer_work() = default;

    /// Moves everything over `data` and counts it in `progress.moved_bytes`. Closes nothing. Runs
    /// in `progress.scope()`.
    [[nodiscard]] virtual runtime::task<transfer_end> run(net::stream& data,
                                                          running_transfer& progress) = 0;

    /// Does all of it without waiting, where it can and the network takes it at once; then the
    /// client hears of beginning and end in one. False: `run` has the rest to do. Never suspends.
    [[nodiscard]] virtual bool is_done_at_once(net::stream& data, running_transfer& progress) {
        static_cast<void>(data);
        static_cast<void>(progress);
        return false;
    }

    /// `content` for who receives a file.
    [[nodiscard]] virtual file_use use() const noexcept { return file_use::existing; }
};

/// A transfer that is ready to begin.
struct prepared_transfer {
    running_transfer& progress;
    transfer_work& work;
    std::string announcement;  ///< The text of 150.
};

/// Opens the data connection, announces the transfer with 150, or 125 where it is open already,
/// does the work, and returns the final reply: 226, or 250 where the mode marks the end and the
/// connection stays open (RFC 959 section 3.3); 425 if there is no data connection in time; 426 if
/// it broke or ABOR came; else what the file failed with. A data connection that did not carry
/// everything is reset and not closed in order, so the client cannot take the half for the whole.
/// An upload whose file failed gets its reply first (`session::is_answered`), and what the client
/// still sends is dropped for a while. Work done at once has 150 and the final reply leave
/// in one piece.
[[nodiscard]] runtime::task<reply> carry_out(session& user, prepared_transfer what);

/// The end of a transfer whose data connection gave `why`; a file may fail through it, too, when it
/// is sent from the kernel.
[[nodiscard]] transfer_end data_end(const error& why) noexcept;

}  // namespace ferry::ftp
