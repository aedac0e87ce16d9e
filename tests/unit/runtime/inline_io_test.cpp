#include "runtime/inline_io.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ferry/base/unique_fd.hpp"
#include "ferry/runtime/op.hpp"

using namespace ferry;
using namespace std::string_view_literals;
using runtime::op;
using runtime::opcode;

namespace {

void nobody(op&) noexcept {}

/// An empty directory for a test, gone with it and the files in it.
class scratch_directory {
  public:
    scratch_directory() {
        REQUIRE(::mkdtemp(name_.data()) != nullptr);
        fd_.reset(::open(name_.data(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        REQUIRE(fd_);
    }
    scratch_directory(const scratch_directory&) = delete;
    scratch_directory& operator=(const scratch_directory&) = delete;
    ~scratch_directory() {
        for (const char* name : {"first", "second", "third"}) {
            ::unlinkat(fd_.get(), name, 0);
        }
        ::rmdir(name_.data());
    }
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    [[nodiscard]] bool has(const char* name) const noexcept {
        return ::faccessat(fd_.get(), name, F_OK, 0) == 0;
    }

  private:
    std::string name_ = "/tmp/inline-io-XXXXXX";
    unique_fd fd_;
};

}  // namespace

TEST_CASE("inline: what tmpfs holds is read at once, what a driver makes is not") {
    constexpr auto text = "memory"sv;
    const unique_fd memory(::memfd_create("inline_io_test", MFD_CLOEXEC));
    REQUIRE(memory);
    REQUIRE(::pwrite(memory.get(), text.data(), text.size(), 0) ==
            static_cast<ssize_t>(text.size()));
    std::array<std::byte, 16> into{};
    op from_memory(opcode::read, memory.get(), nobody);
    from_memory.args.read = {.data = into.data(), .size_bytes = into.size(), .offset = 0};
    CHECK(runtime::read_inline(from_memory));
    CHECK(from_memory.result == static_cast<std::int64_t>(text.size()));
    CHECK(std::string_view(static_cast<const char*>(static_cast<const void*>(into.data())),
                           text.size()) == text);

    const unique_fd driver(::open("/proc/self/status", O_RDONLY | O_CLOEXEC));
    REQUIRE(driver);
    op from_driver(opcode::read, driver.get(), nobody);
    from_driver.args.read = {.data = into.data(), .size_bytes = into.size(), .offset = 0};
    CHECK_FALSE(runtime::read_inline(from_driver));
}

TEST_CASE(
    "inline: names of this machine are changed at once, other names by somebody who may wait") {
    const scratch_directory directory;
    runtime::inline_writer writer;
    const runtime::time_point now{};

    op opening(opcode::open_at, directory.fd(), nobody);
    opening.args.open_at = {
        .path = "first",
        .how = {.flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, .mode = 0600},
    };
    CHECK_FALSE(writer.act_by_name(opening, now));
    CHECK_FALSE(directory.has("first"));

    opening.args.open_at.is_local = true;
    CHECK(writer.act_by_name(opening, now));
    CHECK(opening.result >= 0);
    const unique_fd first(static_cast<int>(opening.result));
    CHECK(writer.act_by_name(opening, now));
    CHECK(opening.result == -EEXIST);

    op linking(opcode::link_at, directory.fd(), nobody);
    linking.args.link_at = {
        .from = "first", .to_directory = directory.fd(), .to = "second", .is_local = true};
    CHECK(writer.act_by_name(linking, now));
    CHECK(linking.result == 0);

    op renaming(opcode::rename_at, directory.fd(), nobody);
    renaming.args.rename_at = {
        .from = "second", .to_directory = directory.fd(), .to = "third", .is_local = true};
    CHECK(writer.act_by_name(renaming, now));
    CHECK(renaming.result == 0);
    CHECK_FALSE(directory.has("second"));
    CHECK(directory.has("third"));
}

TEST_CASE("inline: what has no disk has nothing to be written to one") {
    const unique_fd memory(::memfd_create("inline_io_test", MFD_CLOEXEC));
    REQUIRE(memory);
    op of_memory(opcode::sync, memory.get(), nobody);
    CHECK(runtime::sync_inline(of_memory));
    CHECK(of_memory.result == 0);

    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    const unique_fd reading(ends[0]);
    const unique_fd writing(ends[1]);
    op of_pipe(opcode::sync, writing.get(), nobody);
    CHECK_FALSE(runtime::sync_inline(of_pipe));
}
