#include "runtime/page_cache.hpp"

#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

#include "ferry/base/units.hpp"

namespace ferry::runtime {
namespace {

constexpr std::uint64_t page_bytes = 4'096;
constexpr std::uint64_t block_bytes = 1_MiB;
constexpr unsigned tick_shift = 20;
constexpr std::uint32_t trusted_ticks = 250;  // About a quarter of a second.

// Headers older than the call lack its number, and some have the structures, some do not.
#ifdef SYS_cachestat
constexpr long cachestat_number = SYS_cachestat;
#else
constexpr long cachestat_number = 451;
#endif

struct cachestat_span {
    std::uint64_t offset = 0;
    std::uint64_t size_bytes = 0;
};
struct cachestat_counts {
    std::uint64_t cached = 0;
    std::uint64_t dirty = 0;
    std::uint64_t writeback = 0;
    std::uint64_t evicted = 0;
    std::uint64_t recently_evicted = 0;
};

bool count_pages(int file, cachestat_span where, cachestat_counts& counts) noexcept {
    return ::syscall(cachestat_number, file, &where, &counts, 0) == 0;
}

/// Never 0. Of two stretches by chance the same: then a core waits for a disk once.
std::uint32_t mark_of(std::uint64_t identity, std::uint64_t block,
                      std::uint64_t size_bytes) noexcept {
    constexpr std::uint64_t odd = 0x9E37'79B9'7F4A'7C15;  // 2^64 by the golden ratio.
    std::uint64_t mixed = (identity << 32U | size_bytes) * odd;
    mixed = (mixed ^ mixed >> 32U ^ block) * odd;
    return static_cast<std::uint32_t>(mixed >> 32U) | 1U << 31U;
}

/// Whether the octet at `offset` can be read without waiting; true where the file system cannot
/// say.
bool is_in_memory(int file, std::uint64_t offset) noexcept {
    char octet = 0;
    iovec into{&octet, 1};
    return ::preadv2(file, &into, 1, static_cast<off64_t>(offset), RWF_NOWAIT) >= 0 ||
           errno != EAGAIN;
}

bool probe_cachestat() noexcept {
    cachestat_span span;
    cachestat_counts counts;
    // EBADF says the call is there; ENOSYS and EPERM (seccomp) that it is not to be had.
    static_cast<void>(::syscall(cachestat_number, -1, &span, &counts, 0));
    return errno == EBADF;
}

}  // namespace

page_cache::page_cache() noexcept : cachestat_works_(probe_cachestat()) {}

bool page_cache::holds(const file_span& file, file_window window, time_point now) noexcept {
    if (file.identity == 0) {
        return ask(file.fd, window);
    }
    // Files from their beginning, and large ones in their quanta, are remembered as they are sent;
    // a part from the middle as the block it lies in, for the next part is another.
    const auto in_block = window.offset % block_bytes;
    const bool is_part = in_block != 0;
    if (is_part && in_block + window.size_bytes > block_bytes) {
        return ask(file.fd, window);
    }
    const auto tick = static_cast<std::uint32_t>(now.time_since_epoch().count() >> tick_shift);
    const auto mark =
        mark_of(file.identity, window.offset / block_bytes, is_part ? 0 : window.size_bytes);
    // What is remembered makes no room: a crowd of stretches that is larger than the table would
    // push each other out for ever.
    seen* place = nullptr;
    for (auto& each : seen_[mark % seen_.size()].all) {
        const bool is_trusted = tick - each.when < trusted_ticks;
        if (each.mark == mark) {
            if (is_trusted) {
                return true;
            }
            place = &each;
            break;
        }
        if (!is_trusted || each.mark == 0) {
            place = &each;
        }
    }
    // Counting a block takes longer than counting its part: in vain, if there is no place for it.
    const bool is_whole_block = is_part && place != nullptr && holds_block(file.fd, window);
    if (!is_whole_block && !ask(file.fd, window)) {
        return false;
    }
    if (place != nullptr && (is_whole_block || !is_part)) {
        *place = {.mark = mark, .when = tick};
    }
    return true;
}

/// Whether all of the block that `window` lies in is in memory. False also of a file's last one,
/// which is shorter.
bool page_cache::holds_block(int file, file_window window) const noexcept {
    const auto begin = window.offset - window.offset % block_bytes;
    cachestat_counts counts;
    return cachestat_works_ &&
           count_pages(file, {.offset = begin, .size_bytes = block_bytes}, counts) &&
           counts.cached == block_bytes / page_bytes &&
           is_in_memory(file, window.offset + window.size_bytes - 1);
}

bool page_cache::ask(int file, file_window window) const noexcept {
    if (cachestat_works_) {
        cachestat_counts counts;
        if (count_pages(file, {.offset = window.offset, .size_bytes = window.size_bytes}, counts)) {
            const std::uint64_t first = window.offset / page_bytes;
            const std::uint64_t last = (window.offset + window.size_bytes - 1) / page_bytes;
            if (counts.cached < last - first + 1) {
                return false;
            }
            // Pages on their way from the disk count as cached, and sending them waits. They are
            // ahead of a sequential reader, who asks for more than the beginning.
            return window.offset == 0 || is_in_memory(file, window.offset + window.size_bytes - 1);
        }
    }
    // One octet of the first and of the last page: what lies between was most likely read with
    // them.
    return is_in_memory(file, window.offset) &&
           is_in_memory(file, window.offset + window.size_bytes - 1);
}

}  // namespace ferry::runtime
