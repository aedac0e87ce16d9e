#pragma once

#include <memory>
#include <span>
#include <string>

#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/reactor.hpp"

namespace ferry::reactor_test {

/// What a case may ask of a backend's sizes; one without such queues ignores them.
struct backend_sizes {
    unsigned submission_entries = 256;
    unsigned completion_entries = 1'024;
    unsigned receive_buffers = 64;
    unsigned receive_buffer_bytes = 4'096;
};

/// One implementation of `runtime::reactor`. Every case runs on every row of `backends()`.
struct backend {
    std::string name;
    /// Makes what it lives in, before anything else of a case; dies after all of it.
    std::shared_ptr<void> (*make_world)();
    /// Makes it on the calling thread, which will run it.
    std::unique_ptr<runtime::reactor> (*make)(const backend_sizes&, runtime::offload_pool&);
    /// Its completions go through a queue of `completion_entries`, whose overflows it counts.
    bool has_completion_queue;
    /// Its receives share `receive_buffers` buffers and can run out of them.
    bool has_bounded_buffers;
    /// Its pages, sockets and directories are the machine's, so a cold file is really cold.
    bool is_on_real_files;
    /// What blocks has threads of its own; without, it is done in between, and must not wait.
    bool has_pool_threads;
};

[[nodiscard]] std::span<const backend> backends();

}  // namespace ferry::reactor_test
