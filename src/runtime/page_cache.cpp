#include "runtime/page_cache.hpp"

#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

namespace ferry::runtime {
namespace {

constexpr std::uint64_t page_bytes = 4'096;

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

bool page_cache::holds(int file, file_window window) const noexcept {
    if (cachestat_works_) {
        cachestat_span span{.offset = window.offset, .size_bytes = window.size_bytes};
        cachestat_counts counts;
        if (::syscall(cachestat_number, file, &span, &counts, 0) == 0) {
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
