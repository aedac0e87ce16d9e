#include "runtime/page_cache.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "ferry/base/unique_fd.hpp"
#include "ferry/base/units.hpp"

using namespace ferry;
using namespace ferry::runtime;
using namespace std::chrono_literals;

namespace {

/// A file without a name, of `size_bytes` octets that are in memory.
unique_fd make_file(std::size_t size_bytes) {
    std::string name = "./page-cache-XXXXXX";
    unique_fd file(::mkstemp(name.data()));
    REQUIRE(file);
    ::unlink(name.c_str());
    const std::string content(size_bytes, 'x');
    REQUIRE(::write(file.get(), content.data(), content.size()) ==
            static_cast<ssize_t>(content.size()));
    return file;
}

/// Has the kernel let go of it. False: this file system's files are always in memory.
bool make_cold(int file, page_cache& pages, time_point now) {
    ::fdatasync(file);
    ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    return !pages.holds({.fd = file}, {.offset = 0, .size_bytes = 4'096}, now);
}

constexpr std::uint32_t quantum = 1_MiB;

}  // namespace

// Goal: the kernel is not asked again what it has just said, and what it said long ago is not
// believed. Method: the file is driven out of memory in between.
TEST_CASE("page_cache: what was in memory is remembered for a moment, of this file alone") {
    page_cache pages;
    const auto file = make_file(100'000);
    const file_window whole{.offset = 0, .size_bytes = 100'000};
    const time_point now{1h};
    CHECK(pages.holds({.fd = file.get(), .identity = 7}, whole, now));
    if (!make_cold(file.get(), pages, now)) {
        MESSAGE("skipped: its files do not leave memory");
        return;
    }
    CHECK(pages.holds({.fd = file.get(), .identity = 7}, whole, now + 100ms));
    CHECK(!pages.holds({.fd = file.get(), .identity = 7}, whole, now + 1s));
    CHECK(!pages.holds({.fd = file.get(), .identity = 7}, whole, now + 1s));  // Nor a cold one.
    CHECK(!pages.holds({.fd = file.get(), .identity = 8}, whole, now));
    CHECK(
        !pages.holds({.fd = file.get(), .identity = 7}, {.offset = 0, .size_bytes = 99'999}, now));
    CHECK(!pages.holds({.fd = file.get()}, whole, now));
}

TEST_CASE("page_cache: parts from the middle are remembered by the block they lie in") {
    page_cache pages;
    const auto file = make_file(3 * quantum + 100'000);
    const file_span span{.fd = file.get(), .identity = 7};
    const time_point now{1h};
    const auto part = [](std::uint64_t offset) {
        return file_window{.offset = offset, .size_bytes = 65'536};
    };
    CHECK(pages.holds(span, part(quantum + 65'536), now));      // Of the second block.
    CHECK(pages.holds(span, part(2 * quantum - 32'768), now));  // Of two blocks.
    CHECK(pages.holds(span, part(3 * quantum + 10'000), now));  // Of the last one, not whole.
    CHECK(pages.holds(span, {.offset = 2 * quantum, .size_bytes = quantum}, now));
    if (!make_cold(file.get(), pages, now)) {
        MESSAGE("skipped: its files do not leave memory");
        return;
    }
    CHECK(pages.holds(span, part(quantum + 500'000), now + 100ms) ==
          pages.holds({.fd = file.get(), .identity = 7}, part(quantum + 65'536), now + 100ms));
    CHECK(!pages.holds(span, part(quantum + 500'000), now + 1s));
    CHECK(!pages.holds(span, part(2 * quantum - 32'768), now));
    CHECK(!pages.holds(span, part(3 * quantum + 10'000), now));
    CHECK(!pages.holds(span, part(65'536), now));
    CHECK(pages.holds(span, {.offset = 2 * quantum, .size_bytes = quantum}, now + 100ms));
}

// Goal: a crowd of stretches that fits is remembered whole, and one that does not fit keeps what
// was remembered first. Method: one file under many identities.
TEST_CASE("page_cache: many stretches do not push each other out") {
    constexpr std::uint32_t fitting = 1'024;
    constexpr std::uint32_t crowd = 8 * fitting;
    page_cache pages;
    const auto file = make_file(4'096);
    const file_window whole{.offset = 0, .size_bytes = 4'096};
    const time_point now{1h};
    for (std::uint32_t i = 1; i <= crowd; ++i) {
        REQUIRE(pages.holds({.fd = file.get(), .identity = i}, whole, now));
    }
    if (!make_cold(file.get(), pages, now)) {
        MESSAGE("skipped: its files do not leave memory");
        return;
    }
    std::uint32_t of_fitting = 0;
    std::uint32_t of_all = 0;
    for (std::uint32_t i = 1; i <= crowd; ++i) {
        const bool is_known = pages.holds({.fd = file.get(), .identity = i}, whole, now + 100ms);
        of_fitting += is_known && i <= fitting ? 1 : 0;
        of_all += is_known ? 1 : 0;
    }
    CHECK(of_fitting >= fitting * 97 / 100);
    CHECK(of_all == 2 * fitting);
}
