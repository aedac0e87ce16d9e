#include "runtime/errands.hpp"

#include <new>
#include <thread>

namespace ferry::runtime {
namespace {

job_length length_of(const op& what) noexcept {
    switch (what.code) {
        case opcode::sync:
        case opcode::allocate:
        case opcode::copy_range:
        case opcode::compute:
            return job_length::lengthy;
        case opcode::list_directory:
            return what.args.list_directory.can_wait ? job_length::lengthy : job_length::brief;
        case opcode::nop:
        case opcode::accept:
        case opcode::connect:
        case opcode::receive:
        case opcode::receive_provided:
        case opcode::send:
        case opcode::send_file:
        case opcode::read:
        case opcode::write:
        case opcode::open_at:
        case opcode::rename_at:
        case opcode::link_at:
        case opcode::symlink_at:
        case opcode::unlink_at:
        case opcode::make_directory_at:
            break;
    }
    return job_length::brief;
}

}  // namespace

struct pool_errands::errand : offload_job, posted {
    errand(pool_errands& sent_by, op& done_for, work how) noexcept
        : offload_job(&errand::run_it, length_of(done_for)),
          posted(&errand::come_back),
          sender(sent_by),
          what(done_for),
          perform(how) {}

    static void run_it(offload_job& job) noexcept {
        auto& self = static_cast<errand&>(job);
        self.outcome = self.perform(self.what);
        pool_errands& sender = self.sender;  // Once posted, the errand may be gone at any moment.
        sender.home_.post(self);
        sender.out_.fetch_sub(1, std::memory_order_release);
    }
    static void come_back(posted& message) noexcept {
        auto& self = static_cast<errand&>(message);
        pool_errands& sender = self.sender;
        op& what = self.what;
        what.result = self.outcome;
        delete &self;
        sender.came_back_(sender.home_, what);
    }

    pool_errands& sender;
    op& what;
    work perform;
    std::int64_t outcome = 0;
};

pool_errands::~pool_errands() {
    // A pool thread that has posted its outcome may still be waking us.
    while (out_.load(std::memory_order_acquire) != 0) {
        std::this_thread::yield();
    }
}

bool pool_errands::send(op& what, work perform) noexcept {
    // Freed by its own delivery, which is certain: the pool runs all it was given.
    auto* sent = new (std::nothrow) errand(*this, what, perform);
    if (sent == nullptr) {
        return false;
    }
    out_.fetch_add(1, std::memory_order_relaxed);
    pool_.submit(*sent);
    return true;
}

}  // namespace ferry::runtime
