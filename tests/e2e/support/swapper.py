"""Exchanges names as fast as the kernel does it, in a process of its own."""

import ctypes
import os
import random
import time

from support.case import Failure

AT_FDCWD = -100
RENAME_EXCHANGE = 2
BURST_MAX = 200  # Exchanges between two rests.
REST_SECONDS_MAX = 0.004


class Swapper:
    """`names` are pairs, one after the other; each is exchanged in one step (renameat2(2)), pair after
    pair, `count` times in all. Now and then it rests for a moment, so that a server comes to trust
    what it has seen. The process is made at once, and begins with `run`."""

    def __init__(self, count, names):
        begin, self._begin = os.pipe()
        self._process = os.fork()
        if self._process == 0:
            status = 1
            try:
                os.close(self._begin)
                if os.read(begin, 1):
                    exchange(count, names)
                    status = 0
            finally:
                os._exit(status)
        os.close(begin)

    def run(self):
        """Returns when all is done; Failure when it could not be."""
        os.write(self._begin, b"!")
        os.close(self._begin)
        _, status = os.waitpid(self._process, 0)
        if status != 0:
            raise Failure(f"exchanging names ended with {os.waitstatus_to_exitcode(status)}")


def exchange(count, names):
    libc = ctypes.CDLL(None, use_errno=True)
    pairs = [(os.fsencode(a), os.fsencode(b)) for a, b in zip(names[::2], names[1::2])]
    chance = random.Random(count)
    rest_at = 0
    for done in range(count):
        one, other = pairs[done % len(pairs)]
        if libc.renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) != 0:
            raise OSError(ctypes.get_errno(), "renameat2")
        if done >= rest_at:
            rest_at = done + chance.randint(1, BURST_MAX)
            time.sleep(chance.uniform(0, REST_SECONDS_MAX))
