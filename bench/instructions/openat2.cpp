// For tools/bench instructions: openat2(2), which valgrind 3.19 does not know, by openat(2), which
// it does. Preloaded in the place of syscall(2). What RESOLVE_ flags forbid is not forbidden then:
// the tree that is served there has no links.

#include <dlfcn.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include <cstdarg>

// The name and the shape are libc's (syscall(2)); arguments that were not given are not used.
extern "C" long syscall(long number, ...) noexcept {
    using function = long (*)(long, ...);
    static const auto real = reinterpret_cast<function>(::dlsym(RTLD_NEXT, "syscall"));
    va_list rest;
    va_start(rest, number);
    long arguments[6] = {};
    for (auto& each : arguments) {
        each = va_arg(rest, long);
    }
    va_end(rest);
    if (number == SYS_openat2) {
        const auto* const how = reinterpret_cast<const open_how*>(arguments[2]);
        return real(SYS_openat, arguments[0], arguments[1], how->flags, how->mode);
    }
    return real(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
                arguments[5]);
}
