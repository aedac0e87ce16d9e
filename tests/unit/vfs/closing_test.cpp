#include "vfs/closing.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <memory>
#include <semaphore>
#include <string>
#include <utility>

#include "ferry/base/units.hpp"
#include "ferry/vfs/tree.hpp"
#include "scratch.hpp"
#include "test_core.hpp"

using namespace ferry;
using namespace ferry::vfs_test;
using runtime::core;
using runtime::task;
using vfs::path;

namespace {

constexpr std::size_t large_bytes = 2_MiB;

/// A tree whose pool is busy until the test says otherwise, so that what was left to the pool is
/// seen to be still open.
struct closing_fixture {
    struct blocker : runtime::offload_job {
        blocker()
            : offload_job(
                  [](offload_job& job) noexcept { static_cast<blocker&>(job).may_end.acquire(); },
                  runtime::job_length::lengthy) {}
        std::binary_semaphore may_end{0};
    };

    scratch host;
    test_core machine;
    blocker busy;
    std::unique_ptr<runtime::offload_pool> closing = std::make_unique<runtime::offload_pool>(2);
    std::unique_ptr<vfs::tree> files = vfs::open_local_tree(host.root().c_str()).value();

    closing_fixture() {
        files->close_on(*closing);
        closing->submit(busy);
    }

    /// Lets the pool finish its work and end.
    void finish() {
        busy.may_end.release();
        closing.reset();
    }

    result<vfs::node> open(std::string_view name) {
        return machine.run(
            [](core& here, vfs::tree& tree, path where) -> task<result<vfs::node>> {
                co_return co_await tree.open(here, where);
            },
            std::ref(*files), at(name));
    }

    /// An upload of `size_bytes`, committed or not.
    result<vfs::upload> upload(std::size_t size_bytes, bool is_committed) {
        return machine.run(
            [](core& here, vfs::tree& tree, std::size_t count,
               bool commits) -> task<result<vfs::upload>> {
                const path name = at("/file");
                auto begun = co_await tree.begin_upload(here, name, {});
                const std::string content(count, 'x');
                const auto put = co_await begun->write(here, octets(content));
                if (!put) {
                    co_return failure(put.error());
                }
                if (commits) {
                    const auto done = co_await begun->commit(here, vfs::durability::none);
                    if (!done) {
                        co_return failure(done.error());
                    }
                }
                co_return begun;
            },
            std::ref(*files), size_bytes, is_committed);
    }
};

}  // namespace

TEST_CASE("closing: a large upload that was dropped is closed by the pool") {
    closing_fixture tree;
    const auto before = open_descriptors();
    {
        const auto begun = tree.upload(large_bytes, false);
        REQUIRE(begun);
    }
    CHECK(open_descriptors() == before + 1);  // The file; its directory is closed.
    tree.finish();
    CHECK(open_descriptors() == before);
    CHECK(tree.host.names().empty());
}

TEST_CASE("closing: a small upload, or one that has its name, is closed at once") {
    closing_fixture tree;
    const auto before = open_descriptors();
    {
        const auto small = tree.upload(10, false);
        const auto committed = tree.upload(large_bytes, true);
        REQUIRE(small);
        REQUIRE(committed);
    }
    CHECK(open_descriptors() == before);
    tree.finish();
}

TEST_CASE("closing: the last reader of a large file that was removed leaves it to the pool") {
    closing_fixture tree;
    tree.host.write("file", std::string(large_bytes, 'x'));
    tree.host.write("small", "x");
    const auto before = open_descriptors();
    auto file = tree.open("/file");
    auto other = tree.open("/small");
    REQUIRE(file);
    REQUIRE(other);
    REQUIRE(::unlink((tree.host / "file").c_str()) == 0);
    REQUIRE(::unlink((tree.host / "small").c_str()) == 0);
    *file = std::move(*other);  // Assignment closes, too; and a small file closes at once.
    CHECK(open_descriptors() == before + 2);
    other = failure(errc::closed);
    file = failure(errc::closed);
    CHECK(open_descriptors() == before + 1);
    tree.finish();
    CHECK(open_descriptors() == before);
}

TEST_CASE("closing: a large file that still has its name is closed at once") {
    closing_fixture tree;
    tree.host.write("file", std::string(large_bytes, 'x'));
    const auto before = open_descriptors();
    auto file = tree.open("/file");
    REQUIRE(file);
    file = failure(errc::closed);
    CHECK(open_descriptors() == before);
    tree.finish();
}
