#include "runtime/inline_io.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <string_view>

#include "ferry/base/unique_fd.hpp"
#include "ferry/runtime/op.hpp"

using namespace ferry;
using namespace std::string_view_literals;
using runtime::op;
using runtime::opcode;

namespace {

void nobody(op&) noexcept {}

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
