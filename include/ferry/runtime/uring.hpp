#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "ferry/base/result.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/reactor.hpp"

namespace ferry::runtime {

/// Sizes of one core's ring.
struct uring_options {
    unsigned submission_entries = 1'024;  ///< A power of two, at most 16,384.
    /// At least 4 x submission_entries. The kernel has 65,536 at most: more asked for is that many.
    unsigned completion_entries = 16'384;
    unsigned receive_buffers = 1'024;  ///< A power of two, at most 32,768.
    unsigned receive_buffer_bytes = 4'096;
};

/// What keeps `cores` rings of these sizes from being had here, in one line a person can act on;
/// empty when nothing does. Makes and drops them, all at once: a small ring may fit into a
/// locked-memory limit that they do not fit into. Blocking; before threads start, since it blocks
/// SIGPIPE as `make_uring_reactor` does.
[[nodiscard]] std::string why_no_uring(const uring_options& options, std::size_t cores);

/// Makes the io_uring backend. Must be called on the thread that will run it (SINGLE_ISSUER), whose
/// SIGPIPE it blocks; `offload` must outlive it. Where locked memory is short it waits up to a
/// quarter of a second for what rings closed before have not given back yet.
///
/// Errors: errc::unsupported (kernel older than 6.1 or built without), errc::denied (sysctl,
/// seccomp), errc::exhausted (memlock limit). `why_no_uring` says which to a person.
[[nodiscard]] result<std::unique_ptr<reactor>> make_uring_reactor(const uring_options& options,
                                                                  offload_pool& offload);

}  // namespace ferry::runtime
