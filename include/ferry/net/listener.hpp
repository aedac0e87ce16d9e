#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/result.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/net/endpoint.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/op.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/wait.hpp"

namespace ferry::net {

struct listen_options {
    endpoint at;
    bool share_port = false;  ///< SO_REUSEPORT: one socket a core, the kernel spreads connections.
    int backlog = 1'024;
    std::string congestion{};  ///< TCP_CONGESTION by name; empty keeps the system's.
};

/// Opens a listening TCP socket: close-on-exec, SO_REUSEADDR, TCP_NODELAY (inherited by what it
/// accepts, datapath.md 17). An unspecified v6 address serves both families. Never suspends.
///
/// Errors: errc::in_use, denied (a port below 1024), unavailable (not an address of this machine),
/// unsupported or not_found (the congestion control is not in this kernel).
[[nodiscard]] result<unique_fd> open_listener(const listen_options& options);

/// Sets what `open_listener` does on a listening TCP socket that somebody else has opened, but for
/// what a bound socket cannot be told. Errors: those about the congestion control.
[[nodiscard]] result<void> set_up_listener(int socket, const std::string& congestion) noexcept;

/// Where a listening socket is bound: the port when 0 was asked for. errc::io if it is no socket.
[[nodiscard]] result<endpoint> local_endpoint(int socket);

/// Whose the other end of an accepted socket is, or errc::reset where it has gone.
[[nodiscard]] result<endpoint> peer_endpoint(int socket);

/// One that has connected.
struct accepted {
    unique_fd socket;  ///< Non-blocking, close-on-exec.
    endpoint peer;
};

/// Who has connected to a listening socket already, if anybody has: errc::exhausted without a
/// descriptor; else EAGAIN where nobody waits, or what became of him (errc::reset: he has gone).
/// Never suspends.
[[nodiscard]] result<accepted> accept_at_once(int listening) noexcept;

/// Closes a connection so that the peer sees a reset, and takes nothing for a whole file.
void reset(unique_fd connection) noexcept;

/// Has a listening socket listen no more: connections that nobody has accepted are reset, its port
/// answers nobody. No operation may be under way on it. False: it cannot be told to; close it.
[[nodiscard]] bool stop_listening(int listening) noexcept;

/// Has a socket that has stopped listening do so again, at `at`, where it listened before. It keeps
/// a port that it was bound to by number: bind it where the kernel chose the port, for the first
/// time only. Errors: errc::in_use (somebody else has the port by now), or whatever the system
/// says: close it.
struct listen_again_options {
    const endpoint& at;
    bool binds = false;
    int backlog = 1'024;
};
[[nodiscard]] result<void> listen_again(int socket, const listen_again_options& options) noexcept;

/// Sends `last_words` if the socket takes them at once, and closes. For a connection over the
/// limit. Never suspends, never fails.
void refuse(unique_fd connection, std::string_view last_words) noexcept;

/// The connections of one listening socket, as one multishot accept. Close before it dies.
class acceptor {
  public:
    acceptor(runtime::core& here, unique_fd listening) noexcept;
    acceptor(const acceptor&) = delete;
    acceptor& operator=(const acceptor&) = delete;
    ~acceptor();

    /// The next connection: non-blocking, close-on-exec. Errors: errc::timed_out, cancelled;
    /// errc::exhausted (no descriptors: wait a while and call again, without spinning; H6);
    /// anything else the kernel says of one connection (ECONNABORTED): call again.
    ///
    /// In a stopped scope it gives those who had connected by then, for whom the kernel has
    /// answered already (H8), one a call and 1,024 at most; then errc::cancelled.
    [[nodiscard]] runtime::task<result<unique_fd>> accept(
        runtime::time_point deadline = runtime::never);

    /// What `close` gives to await.
    class [[nodiscard]] closing {
      public:
        explicit closing(acceptor& of) noexcept
            : owner_(of), last_came_(of.came_.wait_through_stop()) {}
        [[nodiscard]] bool await_ready() noexcept { return owner_.begin_close(); }
        template <class Promise>
        [[nodiscard]] bool await_suspend(std::coroutine_handle<Promise> self) noexcept {
            return last_came_.await_suspend(self);
        }
        void await_resume() noexcept { owner_.end_close(); }

      private:
        acceptor& owner_;
        runtime::event::wait_awaiter last_came_;
    };

    /// Stops accepting: connections not yet handed out are closed. Deaf to stop requests; takes no
    /// memory, so it never fails.
    [[nodiscard]] closing close() noexcept { return closing(*this); }

  private:
    struct accept_op : runtime::op {
        explicit accept_op(acceptor& of) noexcept
            : op(runtime::opcode::accept, -1, &acceptor::on_accept), owner(of) {}
        acceptor& owner;
    };

    static void on_accept(runtime::op& came) noexcept;
    [[nodiscard]] result<unique_fd> take_queued() noexcept;
    [[nodiscard]] bool begin_close() noexcept;
    void end_close() noexcept;

    runtime::core& here_;
    unique_fd listening_;
    accept_op accept_{*this};
    runtime::event came_;
    std::vector<unique_fd> waiting_;  ///< Accepted and not handed out.
    std::size_t handed_out_ = 0;
    std::size_t taken_after_stop_ = 0;
    int failed_with_ = 0;  ///< errno of an accept that ended, not yet reported.
    bool closing_ = false;
};

}  // namespace ferry::net
