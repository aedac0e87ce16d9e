"""Whoever reads standard output and standard error stops: nobody else does (threats.md, R15)."""

import dataclasses
import os
import pty
import select
import signal
import time

from support import check, trees
from support.case import limit, rows
from support.ftp_wire import Control
from support.http_wire import Connection, ask

SITE = trees.site()
# A line of the log is longer than this, so 3,000 are far more than a pipe and the log's buffers hold.
AGENT = "u" * 300
REQUESTS = 3000


class Shown:
    """What a server writes to: read whenever `text` is asked for, until the reader stops.

    A terminal is left as it comes, not raw: one that shows new lines as two octets says that it has
    room, and then keeps its writer waiting."""

    def __init__(self, is_terminal):
        self._reader, self.descriptor = pty.openpty() if is_terminal else os.pipe()
        self._text = b""
        self.has_stopped = False

    def text(self):
        while not self.has_stopped and select.select([self._reader], [], [], 0)[0]:
            self._text += os.read(self._reader, 65536)
        return self._text.decode(errors="backslashreplace").replace("\r\n", "\n")

    def close(self):
        os.close(self._reader)
        os.close(self.descriptor)


@dataclasses.dataclass(frozen=True)
class Reader:
    id: str
    is_terminal: bool


READERS = [Reader("terminal", True), Reader("pipe", False)]


def stall(t, row, *flags):
    """A server whose log is full, for nobody reads it."""
    shown = t.closing(Shown(row.is_terminal))
    server = t.ferry(trees.fill(t.tmp(), SITE), "--access-log", "-", "--access-log-buffer-bytes",
                     "4KiB", "--offload-threads", "2", *flags, shown_on=shown)
    shown.has_stopped = True
    for _ in range(4):  # Each on some core.
        with Connection(server) as connection:
            for _ in range(REQUESTS // 4):
                connection.ask("/one.txt", fields=[("User-Agent", AGENT)])
    time.sleep(2.5)  # Longer than a write of the log is waited for.
    return server, shown


def must_serve(server):
    for _ in range(8):
        check.equal(ask(server, "/one.txt").body, b"1\n", "a file")
        check.equal(ask(server, "/dir/").status, 200, "a listing, on the offload pool")
    with Control(server) as control:
        control.login()
        check.holds(b"hello.txt" in control.retrieve("NLST"), "NLST")


@limit(60)
@rows(READERS)
def test_serving_and_the_end(t, row):
    server, _ = stall(t, row, "--drain-timeout", "3s")
    must_serve(server)
    began = time.monotonic()
    server.signal(signal.SIGTERM)
    check.equal(server.wait(10), 0, "status")
    check.holds(time.monotonic() - began < 8, "the log held up the end")


@limit(60)
@rows(READERS)
def test_a_second_signal_ends_it_now(t, row):
    server, _ = stall(t, row, "--drain-timeout", "60s")
    half = t.closing(Control(server)).login()
    data = half.passive(receive_buffer_bytes=4096)
    half.ask("RETR size-3m.bin", 150, 125)
    server.signal(signal.SIGTERM)
    time.sleep(0.5)
    server.signal(signal.SIGTERM)
    check.equal(server.wait(10), 0, "status")
    data.close()


@limit(60)
@rows(READERS)
def test_reading_goes_on(t, row):
    """What was dropped is told of, and then the log is as it was."""
    server, shown = stall(t, row)
    shown.has_stopped = False
    deadline = time.monotonic() + 10
    while "lines were dropped" not in shown.text() and time.monotonic() < deadline:
        time.sleep(0.05)
    check.holds("lines were dropped" in shown.text(), "nothing tells of what was dropped")
    while "GET /hello.txt" not in shown.text() and time.monotonic() < deadline:
        ask(server, "/hello.txt")  # The first may find the buffer full still.
        time.sleep(0.05)
    check.holds("GET /hello.txt" in shown.text(), "a line after the reader went on")
    for line in shown.text().splitlines():
        check.holds(" ferry: " in line or line.startswith(("listening on ", "127.0.0.1 - ")),
                    f"a line in pieces: {line!r}")
