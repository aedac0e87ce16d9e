#pragma once

// What newer kernels and headers have and liburing 2.3's headers (Debian 12) may not: the one place
// for fallback definitions. Values are the kernel's ABI and never change.

#include <liburing.h>
#include <sys/syscall.h>

#include <cstdint>

#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

// liburing before 2.6 writes through the index array that this flag removes.
#if defined(IO_URING_VERSION_MAJOR) && defined(IORING_SETUP_NO_SQARRAY)
#if IO_URING_VERSION_MAJOR > 2 || (IO_URING_VERSION_MAJOR == 2 && IO_URING_VERSION_MINOR >= 6)
#define FERRY_RING_NO_SQARRAY IORING_SETUP_NO_SQARRAY
#endif
#endif
#ifndef FERRY_RING_NO_SQARRAY
#define FERRY_RING_NO_SQARRAY 0U
#endif

namespace ferry::runtime {

/// cachestat(2)'s arguments (Linux 6.5), by our own name: some headers have the struct, some do
/// not.
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

}  // namespace ferry::runtime
