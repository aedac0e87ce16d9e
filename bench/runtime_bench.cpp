// What the runtime's own moves cost: a call of a coroutine, an operation through the ring, a timer,
// an event, a value from another core. The numbers behind src/decisions/.

#include <benchmark/benchmark.h>

#include <array>
#include <atomic>
#include <coroutine>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "ferry/base/random.hpp"
#include "ferry/runtime/compute.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/frame_pool.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/timers.hpp"
#include "ferry/runtime/token_bucket.hpp"
#include "ferry/runtime/uring.hpp"
#include "ferry/runtime/wait.hpp"
#include "runtime/channel.hpp"

using namespace ferry;
using namespace ferry::runtime;

namespace {

struct bench_core {
    offload_pool pool{1};
    std::unique_ptr<reactor> io = make_uring_reactor({}, pool).value();
    core here{0, *io, ferry::random(1)};
    stop_scope stop;

    template <class Function, class... Arguments>
    void run(Function function, Arguments... arguments) {
        run_core(here, stop, function, std::move(arguments)...);
    }
};

// ------------------------------------------------------------------------------------- coroutines

/// A task whose frame comes from the allocator: the other side of the frame pool's comparison.
class allocated_task {
  public:
    struct promise_type {
        std::coroutine_handle<> continuation;
        stop_scope* scope = nullptr;
        int value = 0;

        static void* operator new(std::size_t size_bytes) { return ::operator new(size_bytes); }
        static void operator delete(void* frame, std::size_t size_bytes) noexcept {
            ::operator delete(frame, size_bytes);
        }
        allocated_task get_return_object() noexcept {
            return allocated_task(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
        [[nodiscard]] runtime::detail::final_awaiter final_suspend() const noexcept { return {}; }
        void return_value(int given) noexcept { value = given; }
        void unhandled_exception() noexcept { std::terminate(); }
    };

    explicit allocated_task(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}
    allocated_task(const allocated_task&) = delete;
    allocated_task& operator=(const allocated_task&) = delete;
    ~allocated_task() { frame_.destroy(); }

    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent) noexcept {
        frame_.promise().continuation = parent;
        frame_.promise().scope = parent.promise().scope;
        return frame_;
    }
    int await_resume() noexcept { return frame_.promise().value; }

  private:
    std::coroutine_handle<promise_type> frame_;
};

// Not inlined: a frame the compiler can see the end of is never allocated at all.
[[gnu::noinline]] task<int> call_pooled(int value) {
    co_return value + 1;
}
[[gnu::noinline]] allocated_task call_allocated(int value) {
    co_return value + 1;
}
[[gnu::noinline]] task<int> call_pooled_deep(int depth) {
    if (depth == 0) {
        co_return 0;
    }
    const int below = co_await call_pooled_deep(depth - 1);
    co_return below + 1;
}
[[gnu::noinline]] allocated_task call_allocated_deep(int depth) {
    if (depth == 0) {
        co_return 0;
    }
    const int below = co_await call_allocated_deep(depth - 1);
    co_return below + 1;
}

template <auto Callee>
task<> call_again_and_again(nursery&, benchmark::State& state) {
    for (auto _ : state) {
        const int value = co_await Callee(static_cast<int>(state.range(0)));
        benchmark::DoNotOptimize(value);
    }
    state.SetItemsProcessed(state.iterations() * (state.range(0) + 1));
}

/// Create, await, destroy. The argument is the depth of further calls below.
template <auto Callee>
void task_call(benchmark::State& state) {
    bench_core machine;
    machine.run(&call_again_and_again<Callee>, std::ref(state));
}
BENCHMARK(task_call<&call_pooled>)->Name("task_call/frame_pool")->Arg(0);
BENCHMARK(task_call<&call_allocated>)->Name("task_call/operator_new")->Arg(0);
BENCHMARK(task_call<&call_pooled_deep>)->Name("task_call/frame_pool")->Arg(7);
BENCHMARK(task_call<&call_allocated_deep>)->Name("task_call/operator_new")->Arg(7);

/// 64 frames of mixed sizes alive at once, freed in another order than made: what a core with many
/// connections does to an allocator.
template <auto Allocate, auto Free>
void frames_mixed(benchmark::State& state) {
    constexpr std::array<std::size_t, 4> sizes{160, 320, 704, 1'472};
    ferry::random rng(1);
    struct held {
        void* frame = nullptr;
        std::size_t size_bytes = 0;
    };
    std::array<held, 64> alive{};
    for (auto _ : state) {
        held& each = alive[rng.below(alive.size())];
        if (each.frame != nullptr) {
            Free(each.frame, each.size_bytes);
        }
        each.size_bytes = sizes[rng.below(sizes.size())];
        each.frame = Allocate(each.size_bytes);
        benchmark::DoNotOptimize(each.frame);
    }
    for (const held& each : alive) {
        if (each.frame != nullptr) {
            Free(each.frame, each.size_bytes);
        }
    }
}
void* allocate_plain(std::size_t size_bytes) {
    return ::operator new(size_bytes);
}
void free_plain(void* frame, std::size_t size_bytes) noexcept {
    ::operator delete(frame, size_bytes);
}
BENCHMARK(frames_mixed<&allocate_frame, &free_frame>)->Name("frames_mixed/frame_pool");
BENCHMARK(frames_mixed<&allocate_plain, &free_plain>)->Name("frames_mixed/operator_new");

task<> child(int value) {
    benchmark::DoNotOptimize(value);
    co_return;
}

void nursery_start(benchmark::State& state) {
    bench_core machine;
    machine.run(
        [](nursery& home, benchmark::State& timed) -> task<> {
            for (auto _ : timed) {
                home.start(child, 1);
            }
            co_return;
        },
        std::ref(state));
}
BENCHMARK(nursery_start);

void yield(benchmark::State& state) {
    bench_core machine;
    machine.run(
        [](nursery& home, benchmark::State& timed) -> task<> {
            for (auto _ : timed) {
                co_await home.here().yield();
            }
        },
        std::ref(state));
}
BENCHMARK(yield);

// ------------------------------------------------------------------------------------- operations

void op_round_trip(benchmark::State& state) {
    bench_core machine;
    machine.run(
        [](nursery& home, benchmark::State& timed) -> task<> {
            for (auto _ : timed) {
                const auto done =
                    co_await op_wait(home.here().io(), opcode::nop, -1, never, [](op&) noexcept {});
                benchmark::DoNotOptimize(done.has_value());
            }
        },
        std::ref(state));
}
BENCHMARK(op_round_trip);

void op_round_trip_with_deadline(benchmark::State& state) {
    bench_core machine;
    machine.run(
        [](nursery& home, benchmark::State& timed) -> task<> {
            core& here = home.here();
            for (auto _ : timed) {
                const auto done =
                    co_await op_wait(here.io(), opcode::nop, -1,
                                     here.now() + std::chrono::seconds(30), [](op&) noexcept {});
                benchmark::DoNotOptimize(done.has_value());
            }
        },
        std::ref(state));
}
BENCHMARK(op_round_trip_with_deadline);

/// Many operations a turn, as on a core with many connections.
void op_round_trip_batch(benchmark::State& state) {
    bench_core machine;
    machine.run(
        [](nursery& home, benchmark::State& timed) -> task<> {
            struct counted_op : op {
                counted_op()
                    : op(opcode::nop, -1, [](op& done) noexcept {
                          auto& me = static_cast<counted_op&>(done);
                          if (--*me.left == 0) {
                              me.all_done->announce();
                          }
                      }) {}
                std::size_t* left = nullptr;
                event* all_done = nullptr;
            };
            reactor& io = home.here().io();
            event all_done(io);
            std::size_t left = 0;
            std::vector<counted_op> batch(static_cast<std::size_t>(timed.range(0)));
            for (auto& each : batch) {
                each.left = &left;
                each.all_done = &all_done;
            }
            for (auto _ : timed) {
                left = batch.size();
                for (auto& each : batch) {
                    static_cast<void>(io.submit(each));
                }
                const auto waited = co_await all_done.wait();
                benchmark::DoNotOptimize(waited.has_value());
            }
            timed.SetItemsProcessed(timed.iterations() * timed.range(0));
        },
        std::ref(state));
}
BENCHMARK(op_round_trip_batch)->Arg(1)->Arg(16)->Arg(128);

void offloaded_call(benchmark::State& state) {
    bench_core machine;
    machine.run(
        [](nursery& home, benchmark::State& timed) -> task<> {
            for (auto _ : timed) {
                const auto value =
                    co_await run_offloaded(home.here(), [](int n) noexcept { return n; }, 1);
                benchmark::DoNotOptimize(value.has_value());
            }
        },
        std::ref(state));
}
BENCHMARK(offloaded_call)->UseRealTime();

// ------------------------------------------------------------------------------ timers and events

/// Arms and disarms one timer among `range` others.
void timer_arm_disarm(benchmark::State& state) {
    ferry::random rng(1);
    timer_wheel wheel(time_point{});
    const auto some_time = [&] {
        return time_point(std::chrono::milliseconds(rng.below(60'000) + 1));
    };
    std::vector<std::unique_ptr<timer>> others;
    for (std::int64_t i = 0; i < state.range(0); ++i) {
        others.push_back(std::make_unique<timer>([](timer&) noexcept {}));
        wheel.arm(*others.back(), some_time());
    }
    timer each([](timer&) noexcept {});
    const auto when = some_time();
    for (auto _ : state) {
        wheel.arm(each, when);
        each.unlink();
    }
}
BENCHMARK(timer_arm_disarm)->Arg(0)->Arg(10'000);

/// One turn of a core with `range` idle connections, a millisecond after the last.
void timer_turn(benchmark::State& state) {
    ferry::random rng(1);
    time_point now{};
    timer_wheel wheel(now);
    std::vector<std::unique_ptr<timer>> idle;
    const auto some_time = [&] { return now + std::chrono::milliseconds(rng.below(60'000) + 1); };
    for (std::int64_t i = 0; i < state.range(0); ++i) {
        idle.push_back(std::make_unique<timer>([](timer&) noexcept {}));
        wheel.arm(*idle.back(), some_time());
    }
    std::size_t next = 0;
    for (auto _ : state) {
        now += std::chrono::milliseconds(1);
        benchmark::DoNotOptimize(wheel.advance(now));
        benchmark::DoNotOptimize(wheel.next_wake());
        if (!idle.empty()) {
            wheel.arm(*idle[next++ % idle.size()], some_time());  // So that some are always left.
        }
    }
}
BENCHMARK(timer_turn)->Arg(0)->Arg(10'000);

/// Announced before it is waited for: no switch.
void event_kept(benchmark::State& state) {
    bench_core machine;
    machine.run(
        [](nursery& home, benchmark::State& timed) -> task<> {
            event bell(home.here().io());
            for (auto _ : timed) {
                bell.announce();
                const auto rung = co_await bell.wait();
                benchmark::DoNotOptimize(rung.has_value());
            }
        },
        std::ref(state));
}
BENCHMARK(event_kept);

/// A quantum of a paced transfer: `state.threads()` cores that share an account's rate.
void token_bucket_draw(benchmark::State& state) {
    static token_bucket bucket;
    time_point now{};
    for (auto _ : state) {
        benchmark::DoNotOptimize(bucket.draw(now, 65'536, 1'048'576));
        now += std::chrono::milliseconds(62);
    }
}
BENCHMARK(token_bucket_draw)->ThreadRange(1, 2)->UseRealTime();

/// Two coroutines wake each other by turns: two announcements and two switches.
void event_ping_pong(benchmark::State& state) {
    bench_core machine;
    machine.run(
        [](nursery& home, benchmark::State& timed) -> task<> {
            reactor& io = home.here().io();
            event ping(io);
            event pong(io);
            co_await with_nursery(
                home.here(),
                [](nursery& pair, benchmark::State& inner, event& there, event& back) -> task<> {
                    pair.start(
                        [](event& heard, event& answer) -> task<> {
                            for (;;) {
                                const auto rung = co_await heard.wait();
                                if (!rung) {
                                    co_return;
                                }
                                answer.announce();
                            }
                        },
                        std::ref(there), std::ref(back));
                    for (auto _ : inner) {
                        there.announce();
                        const auto rung = co_await back.wait();
                        benchmark::DoNotOptimize(rung.has_value());
                    }
                    pair.request_stop();
                },
                std::ref(timed), std::ref(ping), std::ref(pong));
        },
        std::ref(state));
}
BENCHMARK(event_ping_pong);

// -------------------------------------------------------------------------------- between threads

/// A post from another thread while the core works: the sender's cost is what it is about.
void channel_send_and_receive_one_thread(benchmark::State& state) {
    bench_core machine;
    channel<std::uint64_t> box(machine.here, 1'024);
    for (auto _ : state) {
        benchmark::DoNotOptimize(box.try_send(1));
        benchmark::DoNotOptimize(box.try_receive());
    }
}
BENCHMARK(channel_send_and_receive_one_thread);

/// Values from a thread that sends as fast as there is room.
void channel_stream(benchmark::State& state) {
    bench_core machine;
    channel<std::uint64_t> box(machine.here, 1'024);
    std::thread sender([&] {
        while (!box.is_closed()) {
            if (!box.try_send(1)) {
                std::this_thread::yield();
            }
        }
    });
    machine.run(
        [](nursery&, benchmark::State& timed, channel<std::uint64_t>& from) -> task<> {
            for (auto _ : timed) {
                const auto value = co_await from.receive();
                benchmark::DoNotOptimize(value.has_value());
            }
            from.close();
        },
        std::ref(state), std::ref(box));
    sender.join();
}
BENCHMARK(channel_stream)->UseRealTime();

/// A question to another core and its answer; both sleep in between.
void channel_round_trip(benchmark::State& state) {
    std::atomic<channel<int>*> questions{nullptr};
    std::atomic<bool> over{false};
    bench_core machine;
    channel<int> answers(machine.here, 16);
    std::thread other([&] {
        bench_core there;
        channel<int> asked(there.here, 16);
        questions = &asked;
        questions.notify_all();
        there.run(
            [](nursery&, channel<int>& in, channel<int>& out) -> task<> {
                for (;;) {
                    const auto question = co_await in.receive();
                    if (!question) {
                        co_return;
                    }
                    benchmark::DoNotOptimize(out.try_send(*question));
                }
            },
            std::ref(asked), std::ref(answers));
        over.wait(false);
    });
    questions.wait(nullptr);
    machine.run(
        [](nursery&, benchmark::State& timed, channel<int>& out, channel<int>& in) -> task<> {
            for (auto _ : timed) {
                benchmark::DoNotOptimize(out.try_send(1));
                const auto answer = co_await in.receive();
                benchmark::DoNotOptimize(answer.has_value());
            }
            out.close();
        },
        std::ref(state), std::ref(*questions.load()), std::ref(answers));
    over = true;
    over.notify_all();
    other.join();
}
BENCHMARK(channel_round_trip)->UseRealTime();

}  // namespace
