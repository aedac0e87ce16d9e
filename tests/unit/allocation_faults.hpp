#pragma once

#include <cstddef>
#include <string_view>

namespace ferry::test {

/// Makes one allocation of the calling thread fail with std::bad_alloc: number `which` from now on,
/// 1 being the next. At most one at a time on a thread.
///
/// A program that links this has operator new replaced by one that counts.
class allocation_fault {
  public:
    /// Under ThreadSanitizer nothing fails: operator new is that library's own.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
    static constexpr bool is_possible = false;
#else
    static constexpr bool is_possible = true;
#endif
#else
    static constexpr bool is_possible = true;
#endif

    explicit allocation_fault(std::size_t which) noexcept;
    allocation_fault(const allocation_fault&) = delete;
    allocation_fault& operator=(const allocation_fault&) = delete;
    ~allocation_fault();

    /// True once it has happened: false at the end says that `which` was beyond the last one.
    [[nodiscard]] bool has_happened() const noexcept;
};

/// From now on `fails` is asked at each allocation of the calling thread whether it does; null: it
/// does not. What `fails` itself allocates asks again.
void ask_at_allocations(bool (*fails)() noexcept) noexcept;

/// From now on counts the octets of what the calling thread allocates while `counts` says so, until
/// it is freed by whatever part of that thread; null: counts nothing and forgets what there was.
/// Under ThreadSanitizer nothing is counted.
void count_allocations(bool (*counts)() noexcept) noexcept;

/// The octets that are counted just now: as asked for, without what malloc(3) adds.
[[nodiscard]] std::size_t counted_bytes() noexcept;

/// From now on counts the blocks that the calling thread frees with `octets` in them, which must
/// stay; empty: does not look. Under ThreadSanitizer none is found.
void look_at_freed_blocks_for(std::string_view octets) noexcept;
[[nodiscard]] std::size_t found_in_freed_blocks() noexcept;

}  // namespace ferry::test
