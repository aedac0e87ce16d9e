#include "backend.hpp"

#include <array>

#include "ferry/runtime/uring.hpp"

namespace ferry::reactor_test {
namespace {

std::unique_ptr<runtime::reactor> make_uring(const backend_sizes& sizes,
                                             runtime::offload_pool& pool) {
    return runtime::make_uring_reactor({.submission_entries = sizes.submission_entries,
                                        .completion_entries = sizes.completion_entries,
                                        .receive_buffers = sizes.receive_buffers,
                                        .receive_buffer_bytes = sizes.receive_buffer_bytes},
                                       pool)
        .value();
}

}  // namespace

std::span<const backend> backends() {
    // The whole list: another backend joins by one line.
    static const auto all = std::to_array<backend>({
        {"uring", make_uring, true, true, true},
    });
    return all;
}

}  // namespace ferry::reactor_test
