"""A process without io_uring: what a container's seccomp profile does (threats.md, R7)."""

import ctypes
import errno
import struct

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_ALLOW = 0x7FFF0000
SECCOMP_RET_ERRNO = 0x00050000
IO_URING_SETUP = 425  # The same number on every architecture.
BPF_LD_W_ABS, BPF_JMP_JEQ_K, BPF_RET_K = 0x20, 0x15, 0x06


def io_uring():
    """For `preexec`: from here on io_uring_setup fails with EPERM."""
    rules = [(BPF_LD_W_ABS, 0, 0, 0),  # The number of the system call.
             (BPF_JMP_JEQ_K, 0, 1, IO_URING_SETUP),
             (BPF_RET_K, 0, 0, SECCOMP_RET_ERRNO | errno.EPERM),
             (BPF_RET_K, 0, 0, SECCOMP_RET_ALLOW)]
    code = b"".join(struct.pack("HBBI", *rule) for rule in rules)
    filter_ = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HP", len(rules), ctypes.addressof(filter_))
    libc = ctypes.CDLL(None, use_errno=True)
    for call in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
                 (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.create_string_buffer(program), 0, 0)):
        if libc.prctl(*call) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
