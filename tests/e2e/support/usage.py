"""What a server process uses of the machine."""

import os
import time

from support.case import Failure
from support.http_wire import fetch, quote


def warm(server, contents):
    """The number of descriptors of a server that has served all of `contents` and is idle again."""
    for name in contents:
        fetch(server, "/" + quote(name))
    for _ in range(8):
        fetch(server, "/plain/")
    time.sleep(0.5)
    return len(server.descriptors())


def must_settle(server, base, what, seconds=10):
    """Failure unless the server soon has no more descriptors than `base`."""
    deadline = time.monotonic() + seconds
    while len(server.descriptors()) > base:
        if time.monotonic() > deadline:
            found = sorted(server.descriptors().values())
            raise Failure(f"{what}: {len(found)} descriptors, {base} before: {found}")
        time.sleep(0.05)


def cpu_seconds(server):
    with open(f"/proc/{server.pid}/stat", encoding="ascii") as file:
        parts = file.read().rsplit(") ", 1)[1].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(server):
    with open(f"/proc/{server.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def anonymous_bytes(server):
    """Of its resident memory, what no file is behind: heap and stacks, not its own code."""
    with open(f"/proc/{server.pid}/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) << 10
    raise Failure("no RssAnon in /proc/PID/status")
