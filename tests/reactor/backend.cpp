#include "backend.hpp"

#include <array>

#include "ferry/runtime/epoll.hpp"
#include "ferry/runtime/uring.hpp"
#include "sim/reactor.hpp"

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

std::shared_ptr<void> real_world() {
    return nullptr;
}

/// A simulated host that is the current one as long as it lives.
struct simulated_world {
    simulated_world() {
        // A loopback: what was sent is there when the next operation looks.
        world.wires().set_weather({.latency_min = {}, .latency_max = std::chrono::microseconds(1)});
    }

    sim::world world{1};
    sim::host machine{world};
    sim::host::in_use now{machine};
};

std::shared_ptr<void> make_simulated_world() {
    return std::make_shared<simulated_world>();
}

std::unique_ptr<runtime::reactor> make_simulated(const backend_sizes& sizes,
                                                 [[maybe_unused]] runtime::offload_pool& pool) {
    return std::make_unique<sim::reactor>(
        *sim::host::current(),
        sim::reactor_options{.receive_buffers = sizes.receive_buffers,
                             .receive_buffer_bytes = sizes.receive_buffer_bytes,
                             .has_outside_posters = true,
                             .has_cold_pages = false});
}

std::unique_ptr<runtime::reactor> make_epoll(const backend_sizes& sizes,
                                             runtime::offload_pool& pool) {
    return runtime::make_epoll_reactor({.receive_buffers = sizes.receive_buffers,
                                        .receive_buffer_bytes = sizes.receive_buffer_bytes},
                                       pool)
        .value();
}

}  // namespace

std::span<const backend> backends() {
    // The whole list: another backend joins by one line.
    static const auto all = std::to_array<backend>({
        {"uring", real_world, make_uring, true, true, true, true},
        {"epoll", real_world, make_epoll, false, true, true, true},
        {"sim", make_simulated_world, make_simulated, false, true, false, false},
    });
    return all;
}

}  // namespace ferry::reactor_test
