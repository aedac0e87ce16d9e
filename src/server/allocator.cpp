// operator new and delete of the process, over mimalloc, and what mimalloc is told.
//
// The ones in mimalloc's shared library are C: where C++ throws std::bad_alloc they print and
// abort, and one connection's want of memory would be the end of all of them (threats.md, R14).
// These are found first, being the program's own; malloc and free stay the library's.

#include "server/allocator.hpp"

#include <mimalloc.h>

#include <atomic>
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

/// How long free pages are kept for whoever wants some next; they are looked at only when somebody
/// does.
#if MI_MALLOC_VERSION >= 210
constexpr auto delay = mi_option_purge_delay;
#else
constexpr auto delay = mi_option_decommit_delay;
#endif

/// Threads that expect much to be freed.
constinit std::atomic<unsigned> expecting{0};

/// While this lives free pages go back at once. On all threads, as mimalloc has one setting for
/// all of them; so it is for one call.
class at_once {
  public:
    at_once() noexcept {
        static_cast<void>(usual());  // Learned before it is changed.
        ::mi_option_set(delay, 0);
    }
    at_once(const at_once&) = delete;
    at_once& operator=(const at_once&) = delete;
    ~at_once() { ::mi_option_set(delay, usual()); }

  private:
    /// As the environment has it, which others of this class do not change.
    static long usual() noexcept {
        static const long set = ::mi_option_get(delay);
        return set;
    }
};

void expect_much() noexcept {
    const at_once learns_the_usual;
    expecting.fetch_add(1, std::memory_order_relaxed);
}

void collect() noexcept {
    expecting.fetch_sub(1, std::memory_order_relaxed);
    const at_once now;
    ::mi_collect(true);
}

/// Coroutines and what belongs to a connection, but not what a request packs or receives by.
constexpr std::size_t small_bytes_max = 4'096;

[[gnu::noinline, gnu::cold]] void release_at_once(void* memory, std::size_t size_bytes) noexcept {
    if (size_bytes <= small_bytes_max) {
        const at_once now;
        ::mi_free(memory);
    } else {
        ::mi_free(memory);
    }
}

/// For every small thing that is freed: two instructions more than mimalloc's own.
[[gnu::always_inline]] inline void release(void* memory, std::size_t size_bytes) noexcept {
    if (expecting.load(std::memory_order_relaxed) == 0) [[likely]] {
        ::mi_free(memory);
    } else {
        release_at_once(memory, size_bytes);
    }
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
void operator delete(void* memory, std::size_t size_bytes) noexcept {
    release(memory, size_bytes);
}
void operator delete[](void* memory, std::size_t size_bytes) noexcept {
    release(memory, size_bytes);
}
void operator delete(void* memory, std::align_val_t) noexcept {
    mi_free(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
    mi_free(memory);
}
void operator delete(void* memory, std::size_t size_bytes, std::align_val_t) noexcept {
    release(memory, size_bytes);
}
void operator delete[](void* memory, std::size_t size_bytes, std::align_val_t) noexcept {
    release(memory, size_bytes);
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
