#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <map>
#include <thread>

#include "ferry/runtime/wait.hpp"
#include "machine.hpp"
#include "workshop.hpp"

using namespace ferry;
using namespace ferry::reactor_test;
using namespace ferry::runtime;

namespace {

struct listed {
    bool is_symlink = false;
    int status_errno = 0;
    mode_t kind = 0;
    std::uint64_t size_bytes = 0;
};

/// Lists batch by batch, as a protocol does, until the end or a failure.
task<std::int64_t> list_all(core& here, int directory, int root, std::string path,
                            std::map<std::string, listed>& into, std::size_t& batches) {
    directory_batch batch;
    while (!batch.at_end) {
        const auto came =
            co_await op_wait(here.io(), opcode::list_directory, directory, never, [&](op& fresh) {
                fresh.args.list_directory = {
                    .batch = &batch, .root = root, .directory = path.c_str()};
            });
        if (!came) {
            co_return -came.error().os_errno;
        }
        CHECK(*came == static_cast<std::int64_t>(batch.records.size()));
        CHECK(batch.records.size() <= directory_batch::records_max);
        ++batches;
        for (const directory_record& each : batch.records) {
            const bool is_new =
                into.emplace(batch.names.substr(each.name_offset, each.name_bytes),
                             listed{.is_symlink = each.is_symlink,
                                    .status_errno = each.status_errno,
                                    .kind = static_cast<mode_t>(each.status.stx_mode & S_IFMT),
                                    .size_bytes = each.status.stx_size})
                    .second;
            CHECK(is_new);
        }
    }
    co_return 0;
}

struct listing {
    std::map<std::string, listed> names;
    std::size_t batches = 0;
    std::int64_t outcome = 0;
};

listing list_beneath(machine& host, int root, const char* path) {
    const unique_fd directory(posix::openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    listing all;
    host.run_task(
        [](nursery& home, int from, int beneath, std::string name, listing& into) -> task<> {
            into.outcome = co_await list_all(home.here(), from, beneath, std::move(name),
                                             into.names, into.batches);
        },
        directory.get(), root, std::string(path), std::ref(all));
    return all;
}

}  // namespace

TEST_CASE("list_directory: five thousand names, each once, with what they lead to") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        const int root = directory.fd();
        REQUIRE(posix::mkdirat(root, "big", 0700) == 0);
        directory.make_file("target", "four");
        constexpr std::size_t plain = 4'990;
        for (std::size_t i = 0; i < 7; ++i) {
            directory.make_file("size-" + std::to_string(i), std::string(i, 'x'));
        }
        for (std::size_t i = 0; i < plain; ++i) {  // Links: made much faster than files.
            REQUIRE(posix::linkat(root, ("size-" + std::to_string(i % 7)).c_str(), root,
                                  ("big/file-" + std::to_string(i)).c_str(), 0) == 0);
        }
        const auto link = [&](const char* to, const char* name) {
            REQUIRE(posix::symlinkat(to, root, (std::string("big/") + name).c_str()) == 0);
        };
        link("file-3", "in");
        link("../target", "in-above");
        link("../big", "to-itself");
        link("in-above", "chain");
        link("../../outside", "out");
        link("/etc/passwd", "absolute");
        link("nowhere", "dangling");
        link("loop", "loop");
        REQUIRE(posix::mkdirat(root, "big/directory", 0700) == 0);
        REQUIRE(posix::mkfifoat(root, "big/fifo", 0600) == 0);

        const auto all = list_beneath(host, root, "big");
        CHECK(all.outcome == 0);
        CHECK(all.names.size() == plain + 10);
        CHECK(all.batches >= all.names.size() / directory_batch::records_max);
        for (std::size_t i = 0; i < plain; ++i) {
            const auto& each = all.names.at("file-" + std::to_string(i));
            REQUIRE(each.kind == S_IFREG);
            REQUIRE(each.size_bytes == i % 7);
            REQUIRE_FALSE(each.is_symlink);
            REQUIRE(each.status_errno == 0);
        }
        for (const auto& [name, size_bytes] :
             {std::pair{"in", 3U}, {"in-above", 4U}, {"chain", 4U}}) {
            CAPTURE(std::string(name));
            const auto& each = all.names.at(name);
            CHECK(each.is_symlink);
            CHECK(each.status_errno == 0);
            CHECK(each.kind == S_IFREG);
            CHECK(each.size_bytes == size_bytes);
        }
        CHECK(all.names.at("to-itself").kind == S_IFDIR);
        for (const auto& [name, refused] : {std::pair{"out", EXDEV},
                                            {"absolute", EXDEV},
                                            {"dangling", ENOENT},
                                            {"loop", ELOOP}}) {
            CAPTURE(std::string(name));
            CHECK(all.names.at(name).is_symlink);
            CHECK(all.names.at(name).status_errno == refused);
        }
        CHECK(all.names.at("directory").kind == S_IFDIR);
        CHECK(all.names.at("fifo").kind == S_IFIFO);
    }
}

TEST_CASE("list_directory: an empty one, the root itself, something that is no directory") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        REQUIRE(posix::mkdirat(directory.fd(), "empty", 0700) == 0);
        const auto empty = list_beneath(host, directory.fd(), "empty");
        CHECK(empty.outcome == 0);
        CHECK(empty.names.empty());
        REQUIRE(posix::symlinkat("empty", directory.fd(), "link") == 0);
        const auto root = list_beneath(host, directory.fd(), ".");
        CHECK(root.names.size() == 2);
        CHECK(root.names.at("link").kind == S_IFDIR);
        directory_batch batch;
        const unique_fd file = directory.make_file("file", "x");
        probe each(host, opcode::list_directory, file.get());
        each.args.list_directory = {.batch = &batch, .root = directory.fd(), .directory = "file"};
        host.submit(each);
        host.finish(each);
        CHECK(each.results == std::vector<std::int64_t>{-ENOTDIR});
    }
}

TEST_CASE("list_directory: a directory removed meanwhile ends or fails, and never hangs") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        REQUIRE(posix::mkdirat(directory.fd(), "gone", 0700) == 0);
        const unique_fd gone(
            posix::openat(directory.fd(), "gone", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        REQUIRE(posix::unlinkat(directory.fd(), "gone", AT_REMOVEDIR) == 0);
        directory_batch batch;
        probe each(host, opcode::list_directory, gone.get());
        each.args.list_directory = {.batch = &batch, .root = directory.fd(), .directory = "gone"};
        host.submit(each);
        host.finish(each);
        CHECK((each.results.front() == 0 || each.results.front() == -ENOENT));
    }
}

namespace {

/// A batch of names to be looked at again.
directory_batch batch_of(const std::vector<std::string>& names) {
    directory_batch batch;
    for (const auto& each : names) {
        auto& record = batch.records.emplace_back();
        record.name_offset = static_cast<std::uint32_t>(batch.names.size());
        record.name_bytes = static_cast<std::uint32_t>(each.size());
        batch.names += each;
    }
    return batch;
}

}  // namespace

TEST_CASE("list_directory: names are looked at again, few of this machine at once") {
    constexpr std::size_t few = list_directory_args::names_here_max;
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        const temporary_directory directory;
        const unique_fd file = directory.make_file("file", "twelve bytes");
        REQUIRE(posix::symlinkat("file", directory.fd(), "link") == 0);
        REQUIRE(posix::symlinkat("../out", directory.fd(), "stray") == 0);
        const unique_fd opened(
            posix::openat(directory.fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        for (const bool is_local : {false, true}) {
            for (const std::size_t count : {std::size_t{2}, few, few + 1, std::size_t{100}}) {
                for (const bool has_stray : {false, true}) {
                    CAPTURE(is_local);
                    CAPTURE(count);
                    CAPTURE(has_stray);
                    machine host(under_test);
                    std::vector<std::string> names = {"file", has_stray ? "stray" : "link"};
                    names.resize(count, "gone");
                    auto batch = batch_of(names);
                    probe each(host, opcode::list_directory, opened.get());
                    each.args.list_directory = {.batch = &batch,
                                                .root = directory.fd(),
                                                .directory = ".",
                                                .again = true,
                                                .is_local = is_local};
                    host.submit(each);
                    if (under_test.is_on_real_files) {
                        CHECK((each.ends == 1) == (is_local && count <= few && !has_stray));
                    }
                    host.finish(each);
                    CHECK(each.results == std::vector{static_cast<std::int64_t>(count)});
                    REQUIRE(batch.records.size() == count);
                    const auto& records = batch.records;
                    CHECK(records[0].status.stx_size == 12);
                    CHECK_FALSE(records[0].is_symlink);
                    CHECK(records[1].is_symlink);
                    CHECK(records[1].status_errno == (has_stray ? EXDEV : 0));
                    CHECK(records[1].status.stx_size == (has_stray ? 6 : 12));
                    CHECK(batch.names.substr(records[1].target_offset, records[1].target_bytes) ==
                          (has_stray ? "../out" : "file"));
                    for (std::size_t i = 2; i < count; ++i) {
                        CHECK(records[i].status_errno == ENOENT);
                    }
                }
            }
        }
    }
}

TEST_CASE("list_directory: what lies on another file system is not asked for by the core") {
    for (const backend& under_test : backends()) {
        if (!under_test.is_on_real_files) {
            continue;  // There is one file system.
        }
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        const temporary_directory directory;
        const std::string into_proc = "into-proc";
        REQUIRE(posix::symlinkat("/proc", directory.fd(), into_proc.c_str()) == 0);
        const unique_fd root(posix::openat(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        const unique_fd opened(
            posix::openat(directory.fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        struct stat proc{};
        REQUIRE(::stat("/proc", &proc) == 0);
        for (const bool is_mount : {false, true}) {
            CAPTURE(is_mount);
            machine host(under_test);
            auto batch = batch_of({is_mount ? "proc" : into_proc});
            probe each(host, opcode::list_directory, is_mount ? root.get() : opened.get());
            each.args.list_directory = {.batch = &batch,
                                        .root = is_mount ? root.get() : directory.fd(),
                                        .directory = ".",
                                        .resolve = 0,
                                        .again = true,
                                        .is_local = true};
            host.submit(each);
            CHECK(each.ends == 0);
            host.finish(each);
            CHECK(batch.records[0].status_errno == 0);
            CHECK(batch.records[0].is_symlink == !is_mount);
            CHECK(batch.records[0].status.stx_ino == proc.st_ino);
            CHECK(makedev(batch.records[0].status.stx_dev_major,
                          batch.records[0].status.stx_dev_minor) == proc.st_dev);
        }
    }
}

namespace {

/// Copies in as many calls as it takes, up to the first that copies nothing; gives the octets.
task<> copy_all(core& here, int source, int target, copy_range_args first, std::uint64_t& copied) {
    for (unsigned calls = 0; calls < 1'000; ++calls) {
        const auto came =
            co_await op_wait(here.io(), opcode::copy_range, source, never, [&](op& fresh) {
                fresh.args.copy_range = {.from_offset = first.from_offset + copied,
                                         .to = target,
                                         .to_offset = first.to_offset + copied,
                                         .size_bytes = 1U << 30U};
            });
        REQUIRE(came.has_value());
        if (*came == 0) {
            co_return;
        }
        copied += static_cast<std::uint64_t>(*came);
    }
}

}  // namespace

TEST_CASE("copy_range: copies what is there, 0 at the end, in as many calls as it takes") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        const std::string content = pattern(20U << 20U);
        const unique_fd from = directory.make_file("from", content);
        const unique_fd to = directory.make_file("to", "keep");
        std::uint64_t copied = 0;
        host.run_task(
            [](nursery& home, int source, int target, std::uint64_t& count) -> task<> {
                co_await copy_all(home.here(), source, target, {.from_offset = 1, .to_offset = 4},
                                  count);
            },
            from.get(), to.get(), std::ref(copied));
        CHECK(copied == (20U << 20U) - 1);
        std::string got(content.size() + 3, '\0');
        REQUIRE(posix::pread(to.get(), got.data(), got.size(), 0) ==
                static_cast<ssize_t>(got.size()));
        CHECK((got == "keep" + content.substr(1)));
    }
}

TEST_CASE("copy_range: holes stay holes, and end where content of the target begins") {
    constexpr off_t size_bytes = 5 << 20;
    constexpr off_t data_at = 2 << 20;
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        const unique_fd from = directory.make_file("from", "");
        const std::string data = pattern(70'000);
        REQUIRE(posix::pwrite(from.get(), data.data(), data.size(), data_at) == 70'000);
        REQUIRE(posix::ftruncate(from.get(), size_bytes) == 0);
        std::string whole(size_bytes, '\0');
        whole.replace(data_at, data.size(), data);
        const unique_fd fresh = directory.make_file("fresh", "");
        const unique_fd filled = directory.make_file("filled", std::string(3 << 20, 'x'));
        for (const int to : {fresh.get(), filled.get()}) {
            std::uint64_t copied = 0;
            host.run_task(
                [](nursery& home, int source, int target, std::uint64_t& count) -> task<> {
                    co_await copy_all(home.here(), source, target, {}, count);
                },
                from.get(), to, std::ref(copied));
            CHECK(copied == size_bytes);
            std::string got(size_bytes + 1, '\0');
            REQUIRE(posix::pread(to, got.data(), got.size(), 0) == size_bytes);
            got.pop_back();
            CHECK((got == whole));
        }
        struct stat status{};
        REQUIRE(posix::fstatat(directory.fd(), "fresh", &status, 0) == 0);
        CHECK(status.st_blocks * 512 < 1 << 20);
    }
}

TEST_CASE("copy_range: refusals arrive as results") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        const unique_fd file = directory.make_file("file", "0123456789");
        probe each(host, opcode::copy_range, file.get());
        each.args.copy_range = {
            .from_offset = 0, .to = file.get(), .to_offset = 2, .size_bytes = 8};
        host.submit(each);
        host.finish(each);
        CHECK(each.results.back() == -EINVAL);  // Onto itself, overlapping.
        each.args.copy_range = {.from_offset = 0, .to = -1, .to_offset = 0, .size_bytes = 8};
        host.submit(each);
        host.finish(each);
        CHECK(each.results.back() == -EBADF);
    }
}

TEST_CASE("allocate: room for a stretch, and the size stays") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        const unique_fd file = directory.make_file("file", "0123456789");
        probe each(host, opcode::allocate, file.get());
        each.args.allocate = {.offset = 10, .size_bytes = 3'000'000};
        host.submit(each);
        host.finish(each);
        CHECK(each.results.back() == 0);
        struct stat status{};
        REQUIRE(kernel::fstat(file.get(), status) == 0);
        CHECK(status.st_size == 10);
        each.args.allocate = {.offset = 0, .size_bytes = 0};
        host.submit(each);
        host.finish(each);
        CHECK(each.results.back() == -EINVAL);
        each.args.allocate = {.offset = 1'000, .size_bytes = (std::uint64_t{1} << 63U) - 1};
        host.submit(each);
        host.finish(each);
        CHECK(each.results.back() == -EFBIG);
    }
}

TEST_CASE("compute: runs once each, off this thread, while the core goes on") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        struct job {
            std::thread::id where;
            std::atomic<bool> may_end{false};
            unsigned runs = 0;
        };
        std::vector<std::unique_ptr<job>> jobs;
        std::vector<std::unique_ptr<probe>> probes;
        for (unsigned i = 0; i < 200; ++i) {
            jobs.push_back(std::make_unique<job>());
            jobs.back()->may_end = i > 0 || !under_test.has_pool_threads;
            probes.push_back(std::make_unique<probe>(host, opcode::compute));
            probes.back()->args.compute = {.function =
                                               [](void* context) noexcept {
                                                   auto& self = *static_cast<job*>(context);
                                                   self.may_end.wait(false);
                                                   self.where = std::this_thread::get_id();
                                                   ++self.runs;
                                               },
                                           .context = jobs.back().get()};
            host.submit(*probes.back());
        }
        if (under_test.has_pool_threads) {
            host.settle();  // The first job holds a pool thread, never this one.
            CHECK(probes.front()->in_flight);
        }
        host.io().cancel(*probes.front());  // What runs cannot be stopped, only waited for.
        if (under_test.has_pool_threads) {
            host.settle();
            CHECK(probes.front()->in_flight);
        }
        jobs.front()->may_end = true;
        jobs.front()->may_end.notify_all();
        for (unsigned i = 0; i < 200; ++i) {
            host.finish(*probes[i]);
            CHECK(probes[i]->results == std::vector<std::int64_t>{0});
            CHECK(jobs[i]->runs == 1);
            CHECK((jobs[i]->where != std::this_thread::get_id()) == under_test.has_pool_threads);
        }
    }
}
