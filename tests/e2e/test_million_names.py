"""A directory of very many names is listed in bounded memory, while others are served (threats.md, V9)."""

import dataclasses
import os
import threading
import time

from support import check, trees
from support.case import limit, rows
from support.ftp_wire import Control
from support.http_wire import Connection
from support.usage import anonymous_bytes

NAMES, NAMES_OF_A_LONG_RUN = 100_000, 1_000_000
# Half of what the names of the short form would take, and much more than the first 16,000 of them,
# which the server tries to sort (--list-sorted-max), do take.
GROWTH_BYTES_MAX = 12 << 20
IN_MEMORY = "/dev/shm"  # Where files are made fast.
OTHERS = 4
ENTRY = b'href="./n'


def tree(t):
    """A tree with a directory `many`, and how many empty files are in that."""
    count = NAMES_OF_A_LONG_RUN if t.is_long else NAMES
    root = t.tmp(IN_MEMORY if os.path.isdir(IN_MEMORY) else None)
    trees.write(root, "small", b"small")
    many = os.path.join(root, "many")
    os.mkdir(many)
    folder = os.open(many, os.O_PATH)
    for i in range(count):
        os.mknod(f"n{i:07}", dir_fd=folder)
    os.close(folder)
    return root, count


class Others:
    """Clients of the same server: how long each waits at most for a small file."""

    def __init__(self, server):
        self.server = server
        self.stop = threading.Event()
        self.trouble = []
        self.waits = []
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(OTHERS)]
        for thread in self.threads:
            thread.start()

    def run(self):
        try:
            with Connection(self.server) as connection:
                while not self.stop.is_set():
                    began = time.monotonic()
                    response = connection.ask("/small")
                    self.waits.append(time.monotonic() - began)
                    if response.body != b"small":
                        self.trouble.append(repr(response))
                        return
                    time.sleep(0.001)
        except Exception as failure:
            self.trouble.append(repr(failure))

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(20)
        check.equal(self.trouble, [], "what others got")


class Peak:
    """The most memory that a server has while it is watched."""

    def __init__(self, server):
        self.server = server
        self.peak_bytes = anonymous_bytes(server)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stop.wait(0.002):
            self.peak_bytes = max(self.peak_bytes, anonymous_bytes(self.server))

    def end(self):
        self.stop.set()
        self.thread.join()
        return self.peak_bytes


def count_over_http(server):
    """How many entries the index page of /many/ links to, read as it comes."""
    with Connection(server) as connection:
        connection.send(b"GET /many/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        found, rest = 0, b""
        while not connection.ended:
            connection.fill(time.monotonic() + 20)
            piece, connection.pending = rest + connection.pending, b""
            found += piece.count(ENTRY)
            rest = piece[max(piece.rfind(ENTRY) + len(ENTRY), len(piece) - len(ENTRY) + 1, 0):]
        return found


def count_over_ftp(command):
    def count(server):
        with Control(server) as control:
            control.login()
            data = control.passive()
            control.ask(command, 150)
            found = 0
            while piece := data.recv(1 << 18):
                found += piece.count(b"\n")
            data.close()
            control.expect(command, 226)
            return found
    return count


@dataclasses.dataclass(frozen=True)
class Way:
    id: str
    count: object
    more: int = 0  # Lines that are no names of files: the directory itself and its parent.


@limit(60)
@rows([Way("index-page", count_over_http), Way("nlst", count_over_ftp("NLST many")),
       Way("list", count_over_ftp("LIST many")), Way("mlsd", count_over_ftp("MLSD many"), more=2)])
def test_listed(t, row):
    root, names = t.shared(tree)
    server = t.ferry(root)
    others = Others(server)
    time.sleep(0.5)  # Everybody has been served, and what is made once is made.
    quiet = sorted(others.waits)
    others.waits = []
    before = anonymous_bytes(server)
    peak = Peak(server)
    began = time.monotonic()
    found = row.count(server)
    took = time.monotonic() - began
    growth = peak.end() - before
    others.end()
    waits = sorted(others.waits)
    check.holds(len(waits) > OTHERS, "others are served meanwhile")
    check.equal(found, names + row.more, "lines")
    check.holds(growth < GROWTH_BYTES_MAX, f"memory grows by {growth} octets")
    t.tell(f"{names} names in {took:.1f} s, memory grows by {growth >> 10} KiB; others, "
           f"{len(waits)} requests: median {1000 * waits[len(waits) // 2]:.2f} ms, longest "
           f"{1000 * waits[-1]:.1f} ms (before: {1000 * quiet[len(quiet) // 2]:.2f} and "
           f"{1000 * quiet[-1]:.1f} ms)")
