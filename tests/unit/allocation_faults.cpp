#include "allocation_faults.hpp"

#include <malloc.h>

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

namespace {

/// Which blocks are counted, and their sizes: a table of our own, for it must not allocate by what
/// it watches.
class block_table {
  public:
    void insert(void* block, std::size_t size_bytes) noexcept {
        if ((used_ + 1) * 2 > capacity_) {
            grow();
        }
        entry* at = slots_ + home(block);
        while (at->block != nullptr) {
            at = next(at);
        }
        *at = {.block = block, .size_bytes = size_bytes};
        ++used_;
        sum_bytes_ += size_bytes;
    }

    void erase(const void* block) noexcept {
        if (used_ == 0) {
            return;
        }
        entry* at = slots_ + home(block);
        for (; at->block != block; at = next(at)) {
            if (at->block == nullptr) {
                return;
            }
        }
        --used_;
        sum_bytes_ -= at->size_bytes;
        // What comes behind moves up, so that no search ends at a hole.
        for (entry* behind = next(at); behind->block != nullptr; behind = next(behind)) {
            const std::size_t way = distance(home(behind->block), behind);
            if (way >= distance(static_cast<std::size_t>(at - slots_), behind)) {
                *at = *behind;
                at = behind;
            }
        }
        *at = {};
    }

    void clear() noexcept {
        std::free(slots_);
        *this = {};
    }

    [[nodiscard]] std::size_t sum_bytes() const noexcept { return sum_bytes_; }

  private:
    struct entry {
        void* block = nullptr;
        std::size_t size_bytes = 0;
    };

    [[nodiscard]] std::size_t home(const void* block) const noexcept {
        const auto number = std::bit_cast<std::uintptr_t>(block) / 16;
        return (number * 0x9E3779B97F4A7C15U >> 20U) & (capacity_ - 1);
    }
    [[nodiscard]] std::size_t distance(std::size_t from, const entry* to) const noexcept {
        return (static_cast<std::size_t>(to - slots_) - from) & (capacity_ - 1);
    }
    [[nodiscard]] entry* next(entry* at) const noexcept {
        return at + 1 == slots_ + capacity_ ? slots_ : at + 1;
    }

    void grow() noexcept {
        block_table larger;
        larger.capacity_ = capacity_ == 0 ? 1024 : capacity_ * 2;
        larger.slots_ = static_cast<entry*>(std::calloc(larger.capacity_, sizeof(entry)));
        if (larger.slots_ == nullptr) {
            std::abort();
        }
        for (std::size_t i = 0; i < capacity_; ++i) {
            if (slots_[i].block != nullptr) {
                larger.insert(slots_[i].block, slots_[i].size_bytes);
            }
        }
        std::free(slots_);
        *this = larger;
    }

    entry* slots_ = nullptr;
    std::size_t capacity_ = 0;  // A power of two.
    std::size_t used_ = 0;
    std::size_t sum_bytes_ = 0;
};

thread_local std::size_t allocations_left = 0;  // Until the one that fails; 0: none does.
thread_local bool fault_happened = false;
thread_local bool (*asked)() noexcept = nullptr;
thread_local bool (*counts_now)() noexcept = nullptr;  // Null: nothing is counted.
thread_local block_table counted;
thread_local std::string_view wanted;  // Empty: nothing is looked for.
thread_local std::size_t found = 0;

}  // namespace

namespace ferry::test {

allocation_fault::allocation_fault(std::size_t which) noexcept {
    allocations_left = which;
    fault_happened = false;
}

allocation_fault::~allocation_fault() {
    allocations_left = 0;
}

bool allocation_fault::has_happened() const noexcept {
    return fault_happened;
}

void ask_at_allocations(bool (*fails)() noexcept) noexcept {
    asked = fails;
}

void count_allocations(bool (*counts)() noexcept) noexcept {
    counts_now = counts;
    if (counts == nullptr) {
        counted.clear();
    }
}

std::size_t counted_bytes() noexcept {
    return counted.sum_bytes();
}

void look_at_freed_blocks_for(std::string_view octets) noexcept {
    wanted = octets;
    found = 0;
}

std::size_t found_in_freed_blocks() noexcept {
    return found;
}

}  // namespace ferry::test

#if !defined(__has_feature) || !__has_feature(thread_sanitizer)

namespace {

void* allocate(std::size_t size_bytes, std::size_t alignment) noexcept {
    if (allocations_left != 0 && --allocations_left == 0) {
        fault_happened = true;
        return nullptr;
    }
    if (asked != nullptr && asked()) {
        return nullptr;
    }
    const std::size_t some_bytes = size_bytes == 0 ? 1 : size_bytes;
    void* const memory =
        alignment == 0
            ? std::malloc(some_bytes)
            : std::aligned_alloc(alignment, (some_bytes + alignment - 1) / alignment * alignment);
    if (counts_now != nullptr && memory != nullptr && counts_now()) {
        counted.insert(memory, size_bytes);
    }
    return memory;
}

void release(void* memory) noexcept {
    if (counts_now != nullptr) {
        counted.erase(memory);
    }
    if (!wanted.empty() && memory != nullptr &&
        ::memmem(memory, ::malloc_usable_size(memory), wanted.data(), wanted.size()) != nullptr) {
        ++found;
    }
    std::free(memory);
}

void* allocate_or_throw(std::size_t size_bytes, std::size_t alignment = 0) {
    void* memory = allocate(size_bytes, alignment);
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    return memory;
}

}  // namespace

// All forms, so that none comes from one allocator and goes back to another.
void* operator new(std::size_t size_bytes) {
    return allocate_or_throw(size_bytes);
}
void* operator new[](std::size_t size_bytes) {
    return allocate_or_throw(size_bytes);
}
void* operator new(std::size_t size_bytes, const std::nothrow_t&) noexcept {
    return allocate(size_bytes, 0);
}
void* operator new[](std::size_t size_bytes, const std::nothrow_t&) noexcept {
    return allocate(size_bytes, 0);
}
void* operator new(std::size_t size_bytes, std::align_val_t alignment) {
    return allocate_or_throw(size_bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size_bytes, std::align_val_t alignment) {
    return allocate_or_throw(size_bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept {
    release(memory);
}
void operator delete[](void* memory) noexcept {
    release(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    release(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
    release(memory);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
    release(memory);
}
void operator delete[](void* memory, const std::nothrow_t&) noexcept {
    release(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
    release(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
    release(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    release(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
    release(memory);
}

#endif
