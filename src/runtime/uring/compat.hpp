#pragma once

// What newer kernels and headers have and liburing 2.3's headers (Debian 12) may not: the one place
// for fallback definitions. Values are the kernel's ABI and never change.

#include <liburing.h>

// liburing before 2.6 writes through the index array that this flag removes.
#if defined(IO_URING_VERSION_MAJOR) && defined(IORING_SETUP_NO_SQARRAY)
#if IO_URING_VERSION_MAJOR > 2 || (IO_URING_VERSION_MAJOR == 2 && IO_URING_VERSION_MINOR >= 6)
#define FERRY_RING_NO_SQARRAY IORING_SETUP_NO_SQARRAY
#endif
#endif
#ifndef FERRY_RING_NO_SQARRAY
#define FERRY_RING_NO_SQARRAY 0U
#endif
