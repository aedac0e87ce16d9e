// operator new and delete of the process, over mimalloc, and what mimalloc is told.
//
// The ones in mimalloc's shared library are C: where C++ throws std::bad_alloc they print and
// abort, and one connection's want of memory would be the end of all of them (threats.md, R14).
// These are found first, being the program's own; malloc and free stay the library's.

#include "server/allocator.hpp"

#include <mimalloc.h>

#include <cstddef>
#include <new>

#include "ferry/runtime/rarely_shared.hpp"

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

/// How long free pages are kept for whoever wants some next; they are looked at only when somebody
/// does.
#if MI_MALLOC_VERSION >= 210
constexpr auto delay = mi_option_purge_delay;
#else
constexpr auto delay = mi_option_decommit_delay;
#endif

/// Those who expect much to be freed, on any thread.
struct expectations {
    unsigned count = 0;
    long usual_delay = 0;
};
constinit ferry::runtime::rarely_shared<expectations> expected;

void expect_much() noexcept {
    expected.use([](expectations& all) noexcept {
        if (all.count++ == 0) {
            all.usual_delay = ::mi_option_get(delay);
            ::mi_option_set(delay, 0);
        }
    });
}

void collect() noexcept {
    ::mi_collect(true);
    expected.use([](expectations& all) noexcept {
        if (--all.count == 0) {
            ::mi_option_set(delay, all.usual_delay);
        }
    });
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

ferry::memory_advice ferry::server::advice_to_allocator() noexcept {
    return {.much_is_freed = &expect_much, .much_was_freed = &collect};
}
