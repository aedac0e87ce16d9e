#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/reactor.hpp"
#include "ferry/runtime/stop.hpp"

namespace ferry::reactor_test {

class machine;

/// An operation that writes down its completions.
struct probe : runtime::op {
    explicit probe(machine& on, runtime::opcode what = runtime::opcode::nop, int descriptor = -1);

    /// Notes what the operation says of itself now; the reactor calls it through `complete`.
    void record();

    machine& home;
    std::vector<std::int64_t> results;
    unsigned ends = 0;   ///< Completions without `more`.
    std::string octets;  ///< What receive_provided brought, in order.
    bool keeps_leases = false;
    std::vector<runtime::buffer_lease> leases;  ///< Kept instead of given back.
    std::function<void(probe&)> then;           ///< Called after each completion.
};

/// One core of the backend under test, driven by hand or by coroutines.
class machine {
  public:
    explicit machine(const backend& of, const backend_sizes& sizes = {});

    [[nodiscard]] runtime::reactor& io() noexcept { return *io_; }
    [[nodiscard]] runtime::core& here() noexcept { return here_; }
    [[nodiscard]] runtime::stop_scope& stop() noexcept { return stop_; }

    void submit(probe& what);

    /// Runs the loop until `over`, which is asked first and after every completion and `nudge`.
    void run_until(std::function<bool()> over);

    /// Runs until `what` has ended (again, if it had).
    void finish(probe& what);

    /// Runs `turns` turns of the loop, each of which sees what is complete by then.
    void turn(unsigned turns);

    /// Runs turns enough for anything left over to show itself.
    void settle() { turn(16); }

    /// Asks the condition of `run_until` again.
    void nudge();

    /// Runs a coroutine on this core to its end: `function(nursery&, arguments...)`.
    template <class Function, class... Arguments>
    void run_task(Function function, Arguments... arguments) {
        runtime::run_core(here_, stop_, function, std::move(arguments)...);
    }

  private:
    runtime::offload_pool pool_{2};
    std::unique_ptr<runtime::reactor> io_;
    runtime::core here_;
    runtime::stop_scope stop_;
    std::function<bool()> over_;
};

}  // namespace ferry::reactor_test
