#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "ferry/base/unique_fd.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/time.hpp"
#include "ferry/runtime/uring.hpp"

/// Real connections on 127.0.0.1, both ends on one core: the one under test as it is, the other by
/// the core's bare operations.
namespace ferry::net_test {

/// A core on the real ring. It has few receive buffers, so that running out of them is part of
/// every test.
struct test_core {
    runtime::offload_pool pool{1};
    std::unique_ptr<runtime::reactor> io =
        runtime::make_uring_reactor({.receive_buffers = 16}, pool).value();
    runtime::core here{0, *io, ferry::random(1)};
    runtime::stop_scope stop;

    /// Runs `function(nursery&, arguments...)`, a coroutine, to its end.
    template <class Function, class... Arguments>
    void run(Function function, Arguments... arguments) {
        runtime::run_core(here, stop, function, std::move(arguments)...);
    }
};

struct connection_ends {
    unique_fd near;  ///< Accepted.
    unique_fd far;   ///< Connected.
};

/// A TCP connection: non-blocking, TCP_NODELAY, on cubic, for bbr paces loopback (datapath.md, 10).
[[nodiscard]] connection_ends connect_ends();

/// Makes the buffers of a socket small, so that a peer that does not read is soon noticed.
void shrink_buffers(int socket);

/// Makes the close of `socket` a reset for its peer.
void reset_on_close(int socket);

/// Octets that the kernel holds for a reader of `socket`.
[[nodiscard]] std::size_t unread_octets(int socket);

/// How many descriptors this process has open.
[[nodiscard]] std::size_t count_descriptors();

/// Octets of which no stretch is like its neighbours, so that a lost or doubled one shows.
[[nodiscard]] std::string pattern(std::size_t size_bytes, std::uint64_t seed = 1);

[[nodiscard]] inline std::span<const std::byte> as_octets(std::string_view text) {
    return std::as_bytes(std::span(text));
}

/// A file without a name that holds `content`.
[[nodiscard]] unique_fd unnamed_file(std::string_view content);

/// How a peer's end looked when reading from it was over.
enum class ending : std::uint8_t { still_open, end_of_stream, reset };

struct heard {
    std::string octets;
    ending how = ending::still_open;
};

/// Reads what is there, at least one octet; gives up after ten seconds.
[[nodiscard]] runtime::task<heard> hear_some(runtime::core& here, int socket);

/// Reads until `octets` have come or the stream ends; gives up after ten seconds.
[[nodiscard]] runtime::task<heard> hear(runtime::core& here, int socket, std::size_t octets);

/// Reads until the stream ends; gives up after ten seconds without an octet.
[[nodiscard]] runtime::task<heard> hear_all(runtime::core& here, int socket);

/// Sends `octets` whole, however slowly they are taken; gives how many went before a failure.
[[nodiscard]] runtime::task<std::size_t> say(runtime::core& here, int socket,
                                             std::string_view octets);

/// Lets time pass; a stop request ends it early.
[[nodiscard]] runtime::task<> pause(runtime::core& here, runtime::duration how_long);

}  // namespace ferry::net_test
