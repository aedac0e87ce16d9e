"""A file that is changed while it is sent (threats.md, V6 and V7).

A client asks, takes the first octets and no more, so that the server has to wait in the middle of
the answer, or of a row of answers; then the file is changed; then the client takes the rest. Every
answer must be framed, be the whole file as it was at one moment, and what comes next is told right.
Sizes are those at which ferry sends in another way: from memory up to 8 KiB, and up
to 16 of what is kept, in quanta of 1 MiB.
"""

import dataclasses
import os
import time
import typing

from support import check, trees
from support.case import Failure, limit, rows
from support.ftp_wire import Control
from support.http_wire import Connection, ask

INLINE_BYTES_MAX = 8192
KEPT_BYTES_MAX = 16384
SIZES = (INLINE_BYTES_MAX - 1, INLINE_BYTES_MAX, INLINE_BYTES_MAX + 1, KEPT_BYTES_MAX + 1,
         (1 << 20) - 1, (1 << 20) + 1, 10 << 20)
HELD_BYTES = 6 << 20  # More than the sockets between the two ever take in (tcp_wmem, tcp(7)).
NARROW = {"receive_buffer_bytes": 4096, "segment_bytes": 1400}
MORE = b"m" * 5000
SHORTER_BYTES = 1000


def old_content(size):
    return b"o" * size


def replace(path, size):
    with open(path + ".new", "wb") as file:
        file.write(b"n" * size)
    os.rename(path + ".new", path)


def append(path, _):
    with open(path, "ab") as file:
        file.write(MORE)


def rewrite(path, size):
    with open(path, "r+b") as file:
        file.write(b"n" * size)


def truncate(path, _):
    os.truncate(path, SHORTER_BYTES)


def remove(path, _):
    os.unlink(path)


# What one answer may be, from the size that the file had.

def is_old_or_replaced(body, size):
    return body in (old_content(size), b"n" * size)


def is_old(body, size):
    return body == old_content(size)


def is_old_or_grown(body, size):
    return len(body) >= size and (old_content(size) + MORE).startswith(body)


def is_of_both(body, size):
    return len(body) == size and not body.strip(b"on")


def is_old_or_shorter(body, size):
    """What sendfile(2) has queued and is not sent yet becomes zeros (V6), not what HTTP has read."""
    zeros = b"\0" if size > INLINE_BYTES_MAX else b""
    return len(body) in (size, SHORTER_BYTES) and not body.strip(b"o" + zeros)


@dataclasses.dataclass(frozen=True)
class Change:
    id: str
    make: typing.Callable
    may_be: typing.Callable  # (body, size): a whole answer.
    is_warm: bool  # The file has been asked for before: the server has it open (decision 0016).
    after: typing.Callable  # size -> what the file holds then; None: it is gone.

    @property
    def cuts(self):
        return self.make is truncate


CHANGES = [Change(f"{name}-{'warm' if is_warm else 'cold'}", make, may_be, is_warm, after)
           for is_warm in (False, True)
           for name, make, may_be, after in (
               ("replaced", replace, is_old_or_replaced, lambda size: b"n" * size),
               ("removed", remove, is_old, lambda size: None),
               ("grown", append, is_old_or_grown, lambda size: old_content(size) + MORE),
               ("rewritten", rewrite, is_of_both, lambda size: b"n" * size),
               ("truncated", truncate, is_old_or_shorter,
                lambda size: old_content(SHORTER_BYTES)))]


def read_answers(connection, count):
    """Up to `count` answers as (status, body), and whether the last one was cut short."""
    answers = []
    while len(answers) < count:
        try:
            response = connection.read_response()
        except Failure as short:
            if "cut short" not in str(short):
                raise
            return answers, True
        if response is None:
            return answers, True
        answers.append((response.status, response.body))
    return answers, False


@limit(60)
@rows(CHANGES)
def test_over_http(t, row):
    root = t.tmp()
    trees.write(root, "next", b"next")
    server = t.ferry(root, "--cores", "1")
    for size in SIZES:
        path = os.fsdecode(trees.write(root, "file", old_content(size)))
        what = f"{size} octets"
        with Connection(server, **NARROW) as connection:
            if row.is_warm:
                for _ in range(3):
                    check.holds(ask(server, "/file").body == old_content(size), "asked before")
            count = max(2, HELD_BYTES // size)
            connection.send(b"GET /file HTTP/1.1\r\nHost: localhost\r\n\r\n" * count)
            connection.fill(time.monotonic() + 5)
            time.sleep(0.05)
            row.make(path, size)
            answers, is_cut = read_answers(connection, count)
            for status, body in answers:
                if status != 200:
                    check.equal((status, row.after(size)), (404, None), f"an answer, {what}")
                elif not row.may_be(body, size):
                    raise Failure(f"{what}: an answer of {len(body)} octets, begins {body[:30]!r},"
                                  f" ends {body[-30:]!r}")
            check.holds(answers or is_cut, "nothing came")
            # What was asked for before the change may be of before; but nothing goes back.
            kinds = [status == 200 and body[:1] == b"o" and len(body) == size
                     for status, body in answers]
            if row.make is not rewrite:
                check.equal(kinds, sorted(kinds, reverse=True), f"old, then new, {what}")
            if not row.cuts:
                check.equal((len(answers), is_cut), (count, False), f"answers, {what}")
            elif size >= 10 << 20:
                check.holds(is_cut, f"{what}, truncated in the middle, came whole")
            if is_cut:
                check.holds(connection.ended, f"{what}: cut short and not closed")
                must_be_new(ask(server, "/file"), row, size)
            else:  # Asked behind the change: answers are never older than that (V8).
                must_be_new(connection.ask("/file"), row, size)
                check.equal(connection.ask("/next").body, b"next", f"the next request, {what}")


def must_be_new(response, row, size):
    got = None if response.status == 404 else response.body
    check.holds(got == row.after(size), f"the file afterwards, {size} octets: {response}")


def read_some(data):
    """What comes until the end, and whether that was in order."""
    got = bytearray()
    while True:
        try:
            piece = data.recv(1 << 18)
        except ConnectionResetError:
            return bytes(got), False
        if not piece:
            return bytes(got), True
        got += piece


@limit(60)
@rows([change for change in CHANGES if not change.is_warm])
def test_over_ftp(t, row):
    """The same for RETR; how it ends is in the last reply."""
    root = t.tmp()
    trees.write(root, "next", b"next")
    server = t.ferry(root)
    control = t.closing(Control(server)).login()
    for size in SIZES:
        path = os.fsdecode(trees.write(root, "file", old_content(size)))
        what = f"{size} octets"
        data = control.passive(**NARROW)
        control.ask("RETR file", 150)
        first = data.recv(100)
        time.sleep(0.05)
        row.make(path, size)
        rest, _ = read_some(data)
        data.close()
        got = first + rest
        reply = control.expect(f"the end of RETR, {what}", 226, 426, 451)
        if reply.code == 226:
            check.equal(len(got), size, "octets sent with 226")
            check.holds(row.may_be(got, size) or row.cuts and not got.strip(b"o\0"),
                        f"{what}: octets that were never in the file")
        else:
            check.holds(row.cuts and len(got) < size, f"{what}: {reply}, {len(got)} octets")
            check.holds(not got.strip(b"o\0"), f"{what}: octets that were never in the file")
        if row.cuts and size >= 10 << 20:
            check.one_of(reply.code, (426, 451), f"{what}, truncated in the middle")
        check.equal(control.retrieve("RETR next"), b"next", f"the next transfer, {what}")
        if row.after(size) is None:
            control.ask("SIZE file", 550)
        else:
            check.holds(control.retrieve("RETR file") == row.after(size),
                        f"the file afterwards, {what}")
