// operator new and delete of the process, over mimalloc.
//
// The ones in mimalloc's shared library are C: where C++ throws std::bad_alloc they print and
// abort, and one connection's want of memory would be the end of all of them (threats.md, R14).
// These are found first, being the program's own; malloc and free stay the library's.

#include <mimalloc.h>

#include <cstddef>
#include <new>

namespace {

/// Never null. As [new.delete.single] has it: the handler may free something, or throw itself.
void* allocate(std::size_t size_bytes, std::size_t alignment) {
    for (;;) {
        void* const memory = mi_malloc_aligned(size_bytes, alignment);
        if (memory != nullptr) {
            return memory;
        }
        const auto handler = std::get_new_handler();
        if (handler == nullptr) {
            throw std::bad_alloc();
        }
        handler();
    }
}

void* allocate(std::size_t size_bytes) {
    void* const memory = mi_malloc(size_bytes);
    return memory != nullptr ? memory : allocate(size_bytes, alignof(std::max_align_t));
}

/// The same, null where that throws.
template <class... Sizes>
void* allocate_or_null(Sizes... sizes) noexcept {
    try {
        return allocate(sizes...);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

std::size_t octets(std::align_val_t alignment) noexcept {
    return static_cast<std::size_t>(alignment);
}

}  // namespace

void* operator new(std::size_t size_bytes) {
    return allocate(size_bytes);
}
void* operator new[](std::size_t size_bytes) {
    return allocate(size_bytes);
}
void* operator new(std::size_t size_bytes, std::align_val_t alignment) {
    return allocate(size_bytes, octets(alignment));
}
void* operator new[](std::size_t size_bytes, std::align_val_t alignment) {
    return allocate(size_bytes, octets(alignment));
}
void* operator new(std::size_t size_bytes, const std::nothrow_t&) noexcept {
    return allocate_or_null(size_bytes);
}
void* operator new[](std::size_t size_bytes, const std::nothrow_t&) noexcept {
    return allocate_or_null(size_bytes);
}
void* operator new(std::size_t size_bytes, std::align_val_t alignment,
                   const std::nothrow_t&) noexcept {
    return allocate_or_null(size_bytes, octets(alignment));
}
void* operator new[](std::size_t size_bytes, std::align_val_t alignment,
                     const std::nothrow_t&) noexcept {
    return allocate_or_null(size_bytes, octets(alignment));
}

void operator delete(void* memory) noexcept {
    mi_free(memory);
}
void operator delete[](void* memory) noexcept {
    mi_free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    mi_free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
    mi_free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
    mi_free(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
    mi_free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    mi_free(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
    mi_free(memory);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
    mi_free(memory);
}
void operator delete[](void* memory, const std::nothrow_t&) noexcept {
    mi_free(memory);
}
void operator delete(void* memory, std::align_val_t, const std::nothrow_t&) noexcept {
    mi_free(memory);
}
void operator delete[](void* memory, std::align_val_t, const std::nothrow_t&) noexcept {
    mi_free(memory);
}
