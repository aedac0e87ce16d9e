#include "ferry/runtime/offload.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <array>
#include <deque>
#include <semaphore>
#include <string>
#include <vector>

#include "ferry/base/unique_fd.hpp"
#include "ferry/runtime/epoll.hpp"
#include "ferry/runtime/op.hpp"

using namespace ferry;
using namespace ferry::runtime;

namespace {

/// A job that tells when it begins and ends when it may.
struct held_job : offload_job {
    explicit held_job(job_length takes) : offload_job(&held_job::hold, takes) {}

    static void hold(offload_job& job) noexcept {
        auto& self = static_cast<held_job&>(job);
        self.begun.release();
        self.may_end.acquire();
    }

    std::binary_semaphore begun{0};
    std::binary_semaphore may_end{0};
};

/// A job that writes its name down.
struct named_job : offload_job {
    named_job(job_length takes, char called, std::string& into, std::counting_semaphore<>& done)
        : offload_job(&named_job::write, takes), name(called), log(into), ended(done) {}

    static void write(offload_job& job) noexcept {
        auto& self = static_cast<named_job&>(job);
        self.log += self.name;  // By one thread at a time, says the test.
        self.ended.release();
    }

    char name;
    std::string& log;
    std::counting_semaphore<>& ended;
};

struct counted_job : offload_job {
    explicit counted_job(std::counting_semaphore<>& done)
        : offload_job(&counted_job::count), ended(done) {}

    static void count(offload_job& job) noexcept { static_cast<counted_job&>(job).ended.release(); }

    std::counting_semaphore<>& ended;
};

}  // namespace

TEST_CASE("offload: brief jobs go on while every thread that lengthy ones may have is stuck") {
    for (const std::size_t threads : {1U, 2U, 4U}) {  // One thread is two.
        CAPTURE(threads);
        const std::size_t stuck_max = threads == 4 ? 3 : 1;
        std::deque<held_job> stuck;
        std::counting_semaphore<> ended{0};
        std::deque<counted_job> brief;
        offload_pool pool(threads);
        for (int i = 0; i < 10; ++i) {
            pool.submit(stuck.emplace_back(job_length::lengthy));
        }
        for (std::size_t i = 0; i < stuck_max; ++i) {
            stuck[i].begun.acquire();
        }
        for (int i = 0; i < 100; ++i) {
            pool.submit(brief.emplace_back(ended));
        }
        for (int i = 0; i < 100; ++i) {
            ended.acquire();
        }
        for (std::size_t i = stuck_max; i < stuck.size(); ++i) {
            CHECK_FALSE(stuck[i].begun.try_acquire());
        }
        // Each that ends lets the next begin, in order.
        for (std::size_t i = 0; i < stuck.size(); ++i) {
            if (i >= stuck_max) {
                stuck[i].begun.acquire();
            }
            stuck[i].may_end.release();
        }
    }
}

TEST_CASE("offload: first come, first served, of whichever length") {
    std::string order;
    std::counting_semaphore<> ended{0};
    std::deque<named_job> jobs;
    std::array<held_job, 2> busy{held_job(job_length::brief), held_job(job_length::brief)};
    offload_pool pool(2);
    for (auto& each : busy) {
        pool.submit(each);
        each.begun.acquire();
    }
    for (const char name : std::string("aBcDEf")) {
        const bool is_lengthy = name < 'a';
        pool.submit(jobs.emplace_back(is_lengthy ? job_length::lengthy : job_length::brief, name,
                                      order, ended));
    }
    busy[0].may_end.release();  // One thread for all of them.
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        ended.acquire();
    }
    CHECK(order == "aBcDEf");
    busy[1].may_end.release();
}

TEST_CASE("offload: the end of a pool finishes what is queued, the lengthy that had to wait too") {
    std::deque<held_job> jobs;
    {
        offload_pool pool(2);
        for (int i = 0; i < 5; ++i) {
            auto& job = jobs.emplace_back(job_length::lengthy);
            job.may_end.release();
            pool.submit(job);
        }
    }
    for (auto& each : jobs) {
        CHECK(each.begun.try_acquire());
    }
}

namespace {

/// Does at once what it is given, and notes its length.
struct noting_pool final : offload_pool {
    void submit(offload_job& job) noexcept override {
        lengths.push_back(job.length);
        job.run(job);
    }
    std::vector<job_length> lengths;
};

/// An operation that ends the run when it is over.
struct last_op : op {
    last_op(opcode what, int fd, reactor& of) : op(what, fd, &last_op::finish), home(of) {}
    static void finish(op& what) noexcept { static_cast<last_op&>(what).home.quit(); }
    reactor& home;
};

}  // namespace

TEST_CASE("offload: syncs, copies, computations and lists that can wait are lengthy") {
    noting_pool pool;
    const auto io = make_epoll_reactor({.receive_buffers = 16}, pool).value();
    const unique_fd here(::open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    REQUIRE(here);
    directory_batch batch;
    const auto length_of = [&](opcode what, auto set) {
        pool.lengths.clear();
        last_op asked(what, here.get(), *io);
        set(asked.args);
        REQUIRE(io->submit(asked) == submission::pending);
        io->run();
        REQUIRE(pool.lengths.size() == 1);
        return pool.lengths.front();
    };
    using arguments = op::arguments;
    CHECK(length_of(opcode::sync, [](arguments& args) { args.sync = {}; }) == job_length::lengthy);
    CHECK(length_of(opcode::allocate, [](arguments& args) { args.allocate = {.size_bytes = 1}; }) ==
          job_length::lengthy);
    CHECK(length_of(opcode::copy_range, [&](arguments& args) {
              args.copy_range = {.to = here.get(), .size_bytes = 1};
          }) == job_length::lengthy);
    CHECK(length_of(opcode::compute, [](arguments& args) {
              args.compute = {.function = [](void*) noexcept {}};
          }) == job_length::lengthy);
    CHECK(length_of(opcode::unlink_at, [](arguments& args) {
              args.unlink_at = {.path = "no such file of ferry's tests"};
          }) == job_length::brief);
    for (const bool can_wait : {false, true}) {
        CAPTURE(can_wait);
        CHECK(length_of(opcode::list_directory, [&](arguments& args) {
                  args.list_directory = {
                      .batch = &batch, .root = here.get(), .directory = ".", .can_wait = can_wait};
              }) == (can_wait ? job_length::lengthy : job_length::brief));
    }
}
