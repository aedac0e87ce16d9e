// Does it pay to let the commits of `--durability full` that meet in one directory share its sync?
// Expected: no. The journal of the file system does that already (jbd2, XFS's CIL): whoever syncs
// while a commit runs waits for the next one with all others. Writes where TMPDIR is; on tmpfs it
// says nothing.

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <string>

#include "ferry/base/unique_fd.hpp"

namespace {

using ferry::unique_fd;

constexpr std::size_t content_bytes = 4096;
constexpr unsigned names_each = 50;

/// A directory whose syncs may be shared.
struct directory {
    directory() {
        const char* const place = std::getenv("TMPDIR");
        name = std::string(place != nullptr ? place : "/tmp") + "/ferry-bench-XXXXXX";
        if (mkdtemp(name.data()) != nullptr) {
            fd.reset(open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        }
    }
    ~directory() {
        for (int thread = 0; thread < 64; ++thread) {
            for (unsigned i = 0; i < names_each; ++i) {
                unlinkat(fd.get(), fmt::format("{}-{}", thread, i).c_str(), 0);
            }
        }
        rmdir(name.c_str());
    }

    /// As soon as a sync that began after the call has ended.
    void sync_together() {
        std::unique_lock lock(mutex);
        const std::uint64_t wanted = begun + 1;
        while (ended < wanted) {
            if (is_running) {
                changed.wait(lock);
                continue;
            }
            is_running = true;
            const std::uint64_t mine = ++begun;
            lock.unlock();
            fsync(fd.get());
            lock.lock();
            ended = mine;
            is_running = false;
            changed.notify_all();
        }
    }

    std::string name;
    unique_fd fd;
    std::mutex mutex;
    std::condition_variable changed;
    bool is_running = false;
    std::uint64_t begun = 0;
    std::uint64_t ended = 0;
};

/// What `upload::commit` does with a small new file.
void commit_in(benchmark::State& state, bool together) {
    static directory at;
    static const std::array<char, content_bytes> content{};
    unsigned i = 0;
    for (auto _ : state) {
        const std::string name = fmt::format("{}-{}", state.thread_index(), i++ % names_each);
        const unique_fd file(openat(at.fd.get(), ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
        if (write(file.get(), content.data(), content.size()) !=
                static_cast<ssize_t>(content.size()) ||
            fsync(file.get()) != 0) {
            state.SkipWithError("cannot write there");
            break;
        }
        unlinkat(at.fd.get(), name.c_str(), 0);
        if (linkat(AT_FDCWD, fmt::format("/proc/self/fd/{}", file.get()).c_str(), at.fd.get(),
                   name.c_str(), AT_SYMLINK_FOLLOW) != 0) {
            state.SkipWithError("cannot give a name there");
            break;
        }
        if (together) {
            at.sync_together();
        } else {
            fsync(at.fd.get());
        }
    }
    state.SetItemsProcessed(state.iterations());
}

void each_syncs(benchmark::State& state) {
    commit_in(state, false);
}
void all_share(benchmark::State& state) {
    commit_in(state, true);
}
BENCHMARK(each_syncs)->Threads(1)->Threads(4)->Threads(16)->UseRealTime();
BENCHMARK(all_share)->Threads(1)->Threads(4)->Threads(16)->UseRealTime();

}  // namespace
