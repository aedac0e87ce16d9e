#pragma once

#include <netinet/in.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/kernel.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/runtime/op.hpp"
#include "sim/posix.hpp"

namespace ferry::reactor_test {

namespace posix = sim::posix;
using sim::posix::count_descriptors;
using sim::posix::descriptors_used_up;

inline constexpr auto all_opcodes = std::to_array<runtime::opcode>({
    runtime::opcode::nop,
    runtime::opcode::accept,
    runtime::opcode::connect,
    runtime::opcode::receive,
    runtime::opcode::receive_provided,
    runtime::opcode::send,
    runtime::opcode::send_file,
    runtime::opcode::read,
    runtime::opcode::write,
    runtime::opcode::sync,
    runtime::opcode::allocate,
    runtime::opcode::open_at,
    runtime::opcode::rename_at,
    runtime::opcode::link_at,
    runtime::opcode::symlink_at,
    runtime::opcode::unlink_at,
    runtime::opcode::make_directory_at,
    runtime::opcode::list_directory,
    runtime::opcode::copy_range,
    runtime::opcode::compute,
});

/// A directory of the test's own on a real disk, gone with it.
class temporary_directory {
  public:
    temporary_directory();
    temporary_directory(const temporary_directory&) = delete;
    temporary_directory& operator=(const temporary_directory&) = delete;
    ~temporary_directory();

    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    [[nodiscard]] std::string path(std::string_view name) const;
    /// Makes a file holding `content` and gives it open for reading and writing.
    unique_fd make_file(const std::string& name, std::string_view content) const;

  private:
    std::string path_;
    unique_fd fd_;
};

/// Two ends of a connection, non-blocking as everything in ferry.
struct socket_pair {
    unique_fd near;
    unique_fd far;
};
[[nodiscard]] socket_pair local_pair();
[[nodiscard]] socket_pair tcp_pair();

/// A listening socket on 127.0.0.1.
struct listening_socket {
    explicit listening_socket(int backlog = 128);

    /// Opens a socket and begins to connect it; never waits.
    [[nodiscard]] unique_fd connect_to() const;
    [[nodiscard]] const sockaddr* as_sockaddr() const noexcept;

    unique_fd fd;
    sockaddr_in address{};
};

/// Makes the close of `socket` a reset for its peer.
void reset_on_close(int socket);

/// Sends until no more is taken; gives how much that was.
std::size_t fill_up(int descriptor);

/// Reads what is there without waiting.
[[nodiscard]] std::string drain(int descriptor);

/// Octets of which no stretch is like its neighbours, so that a lost or doubled one shows.
[[nodiscard]] std::string pattern(std::size_t size_bytes, std::uint64_t seed = 1);

/// What every operation needs to act on, so that a case can go through all of them.
class workshop {
  public:
    workshop();

    /// Fills `what` in to do `code` in such a way that it completes by itself.
    void fill(runtime::op& what, runtime::opcode code);
    /// What `fill` must lead to; a descriptor counts as 0, once `take_result` has it.
    [[nodiscard]] std::int64_t right_result(runtime::opcode code) const;

    /// Fills `what` in so that it waits for something that never comes. False when operations of
    /// `code` wait for nobody.
    [[nodiscard]] bool fill_waiting(runtime::op& what, runtime::opcode code);

    /// Closes what `result` is if it is a descriptor, and gives 0 then; else `result`.
    [[nodiscard]] static std::int64_t take_result(runtime::opcode code, std::int64_t result);

  private:
    [[nodiscard]] const char* fresh_name();

    temporary_directory directory_;
    listening_socket listener_;
    listening_socket full_listener_{0};
    std::vector<std::string> names_;
    std::vector<unique_fd> held_;
    std::array<std::byte, 4'096> memory_{};
    std::byte computed_{};  // Of its own: another thread writes there, at any time.
    runtime::directory_batch batch_;
};

}  // namespace ferry::reactor_test
