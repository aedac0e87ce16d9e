#pragma once

#include <cstddef>

namespace ferry::test {

/// Makes one allocation of the calling thread fail with std::bad_alloc: number `which` from now on,
/// 1 being the next. At most one at a time on a thread.
///
/// A program that links this has operator new replaced by one that counts.
class allocation_fault {
  public:
    explicit allocation_fault(std::size_t which) noexcept;
    allocation_fault(const allocation_fault&) = delete;
    allocation_fault& operator=(const allocation_fault&) = delete;
    ~allocation_fault();

    /// True once it has happened: false at the end says that `which` was beyond the last one.
    [[nodiscard]] bool has_happened() const noexcept;
};

}  // namespace ferry::test
