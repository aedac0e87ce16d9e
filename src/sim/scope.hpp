#pragma once

namespace ferry::sim {

/// Whose code runs on this thread just now: that under test, whose allocations may be made to fail,
/// or the simulator's own, which has no such worries.
class under_test {
  public:
    under_test() noexcept : before_(running_) { running_ = true; }
    under_test(const under_test&) = delete;
    under_test& operator=(const under_test&) = delete;
    ~under_test() { running_ = before_; }

    [[nodiscard]] static bool is_running() noexcept { return running_; }

  private:
    friend class in_simulator;
    static inline thread_local bool running_ = false;
    bool before_;
};

/// The way back, wherever the code under test calls into the simulator.
class in_simulator {
  public:
    in_simulator() noexcept : before_(under_test::running_) { under_test::running_ = false; }
    in_simulator(const in_simulator&) = delete;
    in_simulator& operator=(const in_simulator&) = delete;
    ~in_simulator() { under_test::running_ = before_; }

  private:
    bool before_;
};

}  // namespace ferry::sim
