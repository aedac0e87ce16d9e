#include "worker.hpp"

#include <functional>
#include <utility>

#include "ferry/base/random.hpp"
#include "ferry/runtime/epoll.hpp"
#include "runtime/clock.hpp"

namespace ferry::load {

worker::worker(worker_place place) noexcept : place_(std::move(place)) {}

result<void> worker::open() {
    auto made = place_.ring ? runtime::make_uring_reactor(std::move(*place_.ring), *place_.offload)
                            : runtime::make_epoll_reactor({}, *place_.offload);
    if (!made) {
        return failure(made.error());
    }
    reactor_ = std::move(*made);
    here_ = std::make_unique<runtime::core>(static_cast<unsigned>(place_.index), *reactor_,
                                            ferry::random(seed_from_kernel()));
    return prepare();
}

void worker::run() {
    runtime::run_core(*here_, stop_, &worker::begin, std::ref(*this));
    ended_ = runtime::read_clock();
    end_timer_.unlink();
}

runtime::task<> worker::begin(runtime::nursery& bottom, worker& self) {
    self.began_ = runtime::read_clock();
    if (self.place_.duration) {
        self.reactor_->timers().arm(self.end_timer_, self.began_ + *self.place_.duration);
    }
    self.start(bottom);
    co_return;
}

}  // namespace ferry::load
