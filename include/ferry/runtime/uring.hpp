#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <string>
#include <utility>
#include <vector>

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

/// What the kernel must give for one core's io_uring, given and held: the ring, and what of its
/// receive buffers counts as locked memory. Of no thread until a reactor is made of it. Move-only.
class uring_grant {
  public:
    struct state;  ///< The backend's own.

    explicit uring_grant(std::unique_ptr<state> held) noexcept;
    uring_grant(uring_grant&& other) noexcept;
    uring_grant& operator=(uring_grant&& other) noexcept;
    uring_grant(const uring_grant&) = delete;
    uring_grant& operator=(const uring_grant&) = delete;
    ~uring_grant();

    [[nodiscard]] std::unique_ptr<state> take() && noexcept { return std::move(state_); }

  private:
    std::unique_ptr<state> state_;
};

/// Has the kernel give `cores` rings of these sizes, all or none, so that nobody else can take the
/// memory of one before its thread has come up; and has it do one operation on a small ring, since
/// what may be made need not be allowed to be used. Where locked memory is short it waits up to a
/// quarter of a second for what rings closed before have not given back yet. Blocking.
///
/// Errors: what keeps them from being had, in one line a person can act on.
[[nodiscard]] std::expected<std::vector<uring_grant>, std::string> grant_urings(
    const uring_options& options, std::size_t cores);

/// Makes the io_uring backend of what was granted. Must be called on the thread that will run it
/// (SINGLE_ISSUER), whose SIGPIPE it blocks; `offload` must outlive it.
///
/// Errors: errc::exhausted (descriptors), or what the kernel refuses all of a sudden.
[[nodiscard]] result<std::unique_ptr<reactor>> make_uring_reactor(uring_grant granted,
                                                                  offload_pool& offload);

/// The same of a ring that it asks for itself, as patiently as `grant_urings`.
///
/// Errors: errc::unsupported (kernel older than 6.1 or built without), errc::denied (sysctl,
/// seccomp), errc::exhausted (memlock limit). `grant_urings` says which to a person.
[[nodiscard]] result<std::unique_ptr<reactor>> make_uring_reactor(const uring_options& options,
                                                                  offload_pool& offload);

}  // namespace ferry::runtime
