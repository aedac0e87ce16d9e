#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "ferry/base/unique_fd.hpp"
#include "runtime/uring/opcodes.hpp"
#include "runtime/uring/ring.hpp"

using namespace ferry;
using namespace ferry::runtime;

namespace {

/// The result of one operation that `prepare` writes.
template <class Prepare>
int result_of(ring& of, Prepare prepare) {
    io_uring_sqe* const entry = io_uring_get_sqe(of.get());
    REQUIRE(entry != nullptr);
    prepare(entry);
    REQUIRE(io_uring_submit_and_wait(of.get(), 1) == 1);
    io_uring_cqe* came = nullptr;
    REQUIRE(io_uring_peek_cqe(of.get(), &came) == 0);
    const int result = came->res;
    io_uring_cqe_seen(of.get(), came);
    return result;
}

}  // namespace

// System call filters do not see what goes through a ring (threats.md, R16).
TEST_CASE("ring: what ferry does not use is barred from it, and stays so") {
    auto made = ring::make(8, 32);
    REQUIRE(made.has_value());
    ring& under_test = *made;
    REQUIRE(under_test.enable().has_value());
    CHECK(result_of(under_test, [](io_uring_sqe* entry) { io_uring_prep_nop(entry); }) == 0);

    for (int code = 0; code < IORING_OP_LAST; ++code) {
        CAPTURE(code);
        const bool is_used =
            std::ranges::find(ring_opcodes, code, &ring_opcode::code) != ring_opcodes.end();
        if (!is_used) {
            CHECK(result_of(under_test, [code](io_uring_sqe* entry) {
                      io_uring_prep_rw(code, entry, -1, nullptr, 0, 0);
                  }) == -EACCES);
        }
    }
    CHECK(result_of(under_test, [](io_uring_sqe* entry) {
              io_uring_prep_openat(entry, AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
          }) == -EACCES);
    CHECK(result_of(under_test, [](io_uring_sqe* entry) {
              io_uring_prep_nop(entry);
              entry->flags |= IOSQE_FIXED_FILE;
          }) == -EACCES);

    const unique_fd event(::eventfd(0, EFD_CLOEXEC));
    CHECK(io_uring_register_eventfd(under_test.get(), event.get()) == -EACCES);
    CHECK(io_uring_register_personality(under_test.get()) == -EACCES);
    io_uring_restriction all{};
    all.opcode = IORING_RESTRICTION_SQE_OP;
    all.sqe_op = IORING_OP_OPENAT;
    // Not by liburing's function for it: 2.3's shared library does not export that.
    CHECK(io_uring_register(static_cast<unsigned>(under_test->ring_fd),
                            IORING_REGISTER_RESTRICTIONS, &all, 1) < 0);
}
