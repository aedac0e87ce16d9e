#include "machine.hpp"

namespace ferry::reactor_test {

using runtime::op;
using runtime::opcode;
using runtime::submission;

probe::probe(machine& on, opcode what, int descriptor)
    : op(what, descriptor, [](op& completed) noexcept { static_cast<probe&>(completed).record(); }),
      home(on) {}

void probe::record() {
    results.push_back(result);
    if (!more) {
        ++ends;
    }
    const auto came = lease.octets();
    octets.append(static_cast<const char*>(static_cast<const void*>(came.data())), came.size());
    if (keeps_leases && !came.empty()) {
        leases.push_back(std::move(lease));
    } else {
        lease.release();
    }
    if (then) {
        then(*this);
    }
    home.nudge();
}

machine::machine(const backend& of, const backend_sizes& sizes)
    : io_(of.make(sizes, pool_)), here_(0, *io_, ferry::random(1)) {}

void machine::submit(probe& what) {
    if (io_->submit(what) == submission::done) {
        what.record();
    }
}

void machine::run_until(std::function<bool()> over) {
    if (over()) {
        return;
    }
    over_ = std::move(over);
    io_->run();
    over_ = nullptr;
}

void machine::finish(probe& what) {
    run_until([&] { return !what.in_flight; });
}

void machine::turn(unsigned turns) {
    probe step(*this);
    for (unsigned i = 0; i < turns; ++i) {
        submit(step);
        run_until([&] { return !step.in_flight; });
    }
}

void machine::nudge() {
    if (over_ && over_()) {
        io_->quit();
    }
}

}  // namespace ferry::reactor_test
