#include "allocation_faults.hpp"

#include <cstdlib>
#include <new>

namespace {

thread_local std::size_t allocations_left = 0;  // Until the one that fails; 0: none does.
thread_local bool fault_happened = false;
thread_local bool (*asked)() noexcept = nullptr;

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
    return alignment == 0 ? std::malloc(some_bytes)
                          : std::aligned_alloc(
                                alignment, (some_bytes + alignment - 1) / alignment * alignment);
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
    std::free(memory);
}
void operator delete[](void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, const std::nothrow_t&) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}

#endif
