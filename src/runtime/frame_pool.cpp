#include "ferry/runtime/frame_pool.hpp"

#include <array>
#include <new>

#include "ferry/base/units.hpp"

namespace ferry::runtime {
namespace {

constexpr std::size_t step_bytes = 64;
constexpr std::size_t pooled_bytes_max = 2'048;
constexpr std::size_t classes = pooled_bytes_max / step_bytes;
// Octets, not frames: a crowd that has gone must not leave its frames behind, which are large.
// Under AddressSanitizer nothing is kept: a pool would hide the use of a dead frame from it.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr std::size_t kept_bytes_per_class_max = 0;
#else
constexpr std::size_t kept_bytes_per_class_max = 256_KiB;
#endif
#else
constexpr std::size_t kept_bytes_per_class_max = 256_KiB;
#endif

struct free_block {
    free_block* next;
};

struct free_list {
    free_block* first = nullptr;
    std::size_t kept = 0;
};

/// The calling thread's lists; what they still hold goes back to the allocator when the thread
/// ends.
struct thread_lists {
    std::array<free_list, classes> lists;
    std::size_t kept_bytes_max = kept_bytes_per_class_max;

    ~thread_lists() { clear(); }
    void clear() noexcept {
        for (std::size_t index = 0; index < classes; ++index) {
            while (free_block* block = lists[index].first) {
                lists[index].first = block->next;
                ::operator delete(block, (index + 1) * step_bytes);
            }
            lists[index].kept = 0;
        }
    }
};

thread_local thread_lists local;

}  // namespace

void* allocate_frame(std::size_t size_bytes) {
    const std::size_t index = (size_bytes - 1) / step_bytes;
    if (index >= classes) {
        return ::operator new(size_bytes);
    }
    auto& list = local.lists[index];
    if (free_block* block = list.first) {
        list.first = block->next;
        --list.kept;
        return block;
    }
    return ::operator new((index + 1) * step_bytes);
}

void free_frame(void* frame, std::size_t size_bytes) noexcept {
    const std::size_t index = (size_bytes - 1) / step_bytes;
    if (index >= classes) {
        ::operator delete(frame, size_bytes);
        return;
    }
    auto& list = local.lists[index];
    if ((list.kept + 1) * (index + 1) * step_bytes > local.kept_bytes_max) {
        ::operator delete(frame, (index + 1) * step_bytes);
        return;
    }
    auto* block = static_cast<free_block*>(frame);
    block->next = list.first;
    list.first = block;
    ++list.kept;
}

void keep_frames(bool kept) noexcept {
    local.kept_bytes_max = kept ? kept_bytes_per_class_max : 0;
    if (!kept) {
        local.clear();
    }
}

}  // namespace ferry::runtime
