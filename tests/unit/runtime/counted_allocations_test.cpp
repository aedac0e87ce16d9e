#include <doctest/doctest.h>

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "../allocation_faults.hpp"
#include "ferry/base/random.hpp"

using namespace ferry;

namespace {

bool counts = false;

bool counts_now() noexcept {
    return counts;
}

class counting {
  public:
    counting() { test::count_allocations(&counts_now); }
    counting(const counting&) = delete;
    counting& operator=(const counting&) = delete;
    ~counting() { test::count_allocations(nullptr); }
};

std::unique_ptr<std::byte[]> allocate(std::size_t size_bytes, bool is_counted) {
    counts = is_counted;
    auto block = std::make_unique_for_overwrite<std::byte[]>(size_bytes);
    counts = false;
    return block;
}

}  // namespace

TEST_CASE("counted allocations: live octets, whoever frees them, in whatever order") {
    if (!test::allocation_fault::is_possible) {
        return;  // operator new is ThreadSanitizer's.
    }
    const counting while_here;
    struct block {
        std::unique_ptr<std::byte[]> memory;
        std::size_t counted_bytes = 0;
    };
    std::vector<block> blocks;
    ferry::random numbers(7);
    std::size_t expected = 0;
    for (int step = 0; step < 50'000; ++step) {
        // Grows to some thousands of blocks, then shrinks to none and grows again.
        const bool grows = (step / 10'000) % 2 == 0;
        if (blocks.empty() || numbers.below(4) < (grows ? 3U : 1U)) {
            const std::size_t size_bytes = 1 + numbers.below(300);
            const bool is_counted = numbers.below(3) != 0;
            blocks.push_back({.memory = allocate(size_bytes, is_counted),
                              .counted_bytes = is_counted ? size_bytes : 0});
            expected += blocks.back().counted_bytes;
        } else {
            std::swap(blocks[numbers.below(blocks.size())], blocks.back());
            expected -= blocks.back().counted_bytes;
            blocks.pop_back();
        }
        REQUIRE(test::counted_bytes() == expected);
    }
    blocks.clear();
    CHECK(test::counted_bytes() == 0);
}

TEST_CASE("counted allocations: nothing counts once it is over") {
    if (!test::allocation_fault::is_possible) {
        return;
    }
    std::unique_ptr<std::byte[]> kept;
    {
        const counting while_here;
        kept = allocate(100, true);
        CHECK(test::counted_bytes() == 100);
    }
    CHECK(test::counted_bytes() == 0);
    const counting again;
    kept.reset();
    CHECK(test::counted_bytes() == 0);
}
