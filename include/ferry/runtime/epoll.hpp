#pragma once

#include <memory>

#include "ferry/base/result.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/reactor.hpp"

namespace ferry::runtime {

/// Sizes of one core's epoll reactor.
struct epoll_options {
    unsigned receive_buffers = 1'024;  ///< 1 to 65,536.
    unsigned receive_buffer_bytes = 4'096;
};

/// Makes the backend for where io_uring is not to be had: sockets and pipes by readiness, files on
/// the calling core while they need no wait and on `offload` otherwise, which must outlive it.
/// Blocks SIGPIPE on the calling thread, which will run it. Listening sockets must be non-blocking,
/// since accept4(2) cannot be told so; sockets being connected too.
///
/// Errors: errc::exhausted (descriptors, memory).
[[nodiscard]] result<std::unique_ptr<reactor>> make_epoll_reactor(const epoll_options& options,
                                                                  offload_pool& offload);

}  // namespace ferry::runtime
