"""A process that may use less than most: no io_uring, as in a container (threats.md, R7), little
locked memory (R8), another user."""

import ctypes
import errno
import os
import resource
import struct

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_ALLOW = 0x7FFF0000
SECCOMP_RET_ERRNO = 0x00050000
# The same numbers on every architecture.
IO_URING_CALLS = SETUP, ENTER, REGISTER = (425, 426, 427)
OPENAT2 = 437
STATX = {"x86_64": 332, "aarch64": 291, "riscv64": 291}[os.uname().machine]
_OTHERS = {"pwrite64": 68, "pwritev2": 287, "mkdirat": 34, "sendfile": 71}
NUMBERS = {"x86_64": {"pwrite64": 18, "pwritev2": 328, "mkdirat": 258, "sendfile": 40},
           "aarch64": _OTHERS, "riscv64": _OTHERS}[os.uname().machine]
NEW_CALLS = (441, 451)  # epoll_pwait2, cachestat: unknown to filters older than they are.
BPF_LD_W_ABS, BPF_JMP_JEQ_K, BPF_RET_K = 0x20, 0x15, 0x06
USER = 61_234  # Nobody's: no account has it, so none of its rights come from anywhere else.


def io_uring(refusal=errno.EPERM, also=()):
    """From here on, and in all children, every call of io_uring, and `also`, fails with `refusal`."""
    calls((*IO_URING_CALLS, *also), refusal)


def calls(numbers, refusal=errno.EPERM):
    """From here on, and in all children, every call of `numbers` fails with `refusal`."""
    rules = [(BPF_LD_W_ABS, 0, 0, 0),  # The number of the system call.
             # Over the tests left and the rule that allows, if it is this one.
             *((BPF_JMP_JEQ_K, len(numbers) - i, 0, each) for i, each in enumerate(numbers)),
             (BPF_RET_K, 0, 0, SECCOMP_RET_ALLOW),
             (BPF_RET_K, 0, 0, SECCOMP_RET_ERRNO | refusal)]
    code = b"".join(struct.pack("HBBI", *rule) for rule in rules)
    filter_ = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HP", len(rules), ctypes.addressof(filter_))
    libc = ctypes.CDLL(None, use_errno=True)
    for call in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
                 (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.create_string_buffer(program), 0, 0)):
        if libc.prctl(*call) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


def locked_memory(octets=0):
    """Never more than there was: to raise a limit takes a right of its own."""
    had = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    if had != resource.RLIM_INFINITY:
        octets = min(octets, had)
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (octets, octets))


def root(user=USER):
    """From here on an ordinary user, without groups."""
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
