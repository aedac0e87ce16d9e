"""File systems that only the process of a test, and what it starts, can see."""

import contextlib
import ctypes
import os

from support.case import Failure
from support.clients import run

CLONE_NEWNS = 0x00020000
MS_REC, MS_PRIVATE = 0x4000, 0x40000

_libc = ctypes.CDLL(None, use_errno=True)


def _be_private():
    """From here on what is mounted is seen here only, and goes with the last process that sees it."""
    if _libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    if _libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None) != 0:
        raise OSError(ctypes.get_errno(), "mount --make-rprivate /")


@contextlib.contextmanager
def tmpfs(folder, options):
    """A file system in memory at `folder`, with mount(8)'s `options`, while the body runs."""
    if os.geteuid() != 0:
        raise Failure("only root makes a file system")
    _be_private()
    run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder])
    try:
        yield
    finally:
        run(["umount", "-l", folder])
