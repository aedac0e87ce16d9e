"""Files of more than 4 GiB (threats.md, V10): sparse ones, so nothing of that size is stored."""

import os
import socket

from support import check, trees
from support.case import limit
from support.clients import run
from support.ftp_wire import Control, read_all, reset
from support.http_wire import Connection

GIB = 1 << 30
SIZE = 4 * GIB + (32 << 20)
PART = 64 << 10
IN_MEMORY = "/dev/shm"  # Where reading what a file has no blocks for makes no pages for it.
MARKS = (0, (1 << 31) - PART // 2, (1 << 32) - PART // 2, (1 << 32) + PART + 12345, SIZE - PART)


def make_server(maker):
    root = maker.tmp(IN_MEMORY)
    path = os.path.join(root, "large.bin")
    with open(path, "wb") as file:
        for number, place in enumerate(MARKS):
            file.seek(place)
            file.write(trees.octets(number, PART))
        file.truncate(SIZE)
    return maker.ferry(root, "--user", "ann:secret", "--write")


def test_head_and_ranges(t):
    server = t.shared(make_server)
    with Connection(server) as connection:
        head = connection.ask("/large.bin", method="HEAD")
        check.equal((head.status, head.field("Content-Length")), (200, str(SIZE)), "HEAD")
        for number, place in enumerate(MARKS):
            response = connection.ask("/large.bin",
                                      fields=[("Range", f"bytes={place}-{place + PART - 1}")])
            check.equal(response.status, 206, f"{place}")
            check.equal(response.field("Content-Range"),
                        f"bytes {place}-{place + PART - 1}/{SIZE}", "Content-Range")
            check.same_bytes(response.body, trees.octets(number, PART), f"{place}")
        suffix = connection.ask("/large.bin", fields=[("Range", f"bytes=-{PART}")])
        check.same_bytes(suffix.body, trees.octets(len(MARKS) - 1, PART), "the suffix")
        beyond = connection.ask("/large.bin", fields=[("Range", f"bytes={SIZE}-")])
        check.equal((beyond.status, beyond.field("Content-Range")), (416, f"bytes */{SIZE}"), "416")
        for value in (1 << 63, 1 << 64, (1 << 64) + 5):
            check.one_of(connection.ask("/large.bin", fields=[("Range", f"bytes={value}-")]).status,
                         (416,) if value == 1 << 63 else (416, 400), f"first octet {value}")


@limit(240)
def test_all_of_it(t):
    """All 4 GiB and more through one response, counted; the marks compared as they come by."""
    server = t.shared(make_server)
    with Connection(server) as connection:
        connection.send(b"GET /large.bin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.socket.recv(1)
        check.contains(head, b"Content-Length: %d\r\n" % SIZE, "the head")
        place = 0
        for number, start in enumerate(MARKS):
            place += drop(connection.socket, start - place)
            check.equal(place, start, "octets up to a mark")
            part = b""
            while len(part) < PART and (got := connection.socket.recv(PART - len(part))):
                part += got
            check.same_bytes(part, trees.octets(number, PART), f"{start}")
            place += PART
        check.equal((place, connection.socket.recv(1)), (SIZE, b""), "octets, and the end")


def drop(stream, octets):
    """Takes so many from the socket as nothing but a number (tcp(7), MSG_TRUNC). Returns how many came."""
    left, buffer = octets, bytearray(4 << 20)
    while left and (count := stream.recv_into(buffer, min(left, len(buffer)), socket.MSG_TRUNC)):
        left -= count
    return octets - left


def test_ftp(t):
    server = t.shared(make_server)
    control = t.closing(Control(server)).login("ann", "secret")
    check.equal(control.ask("SIZE large.bin", 213).text, f"213 {SIZE}", "SIZE")
    check.contains(control.ask("MLST large.bin", 250).text.lower(), f"size={SIZE};", "MLST")
    check.contains(control.retrieve("LIST"), str(SIZE).encode(), "LIST")
    control.ask(f"REST {MARKS[-1]}", 350)
    check.same_bytes(control.retrieve("RETR large.bin"), trees.octets(4, PART), "the last 64 KiB")
    control.ask(f"REST {MARKS[3]}", 350)
    data = control.passive()
    control.ask("RETR large.bin", 150, 125)
    got = b""
    while len(got) < PART:
        got += data.recv(PART - len(got))
    check.same_bytes(got, trees.octets(3, PART), "64 KiB past 4 GiB")
    reset(data)
    control.expect("a reset download", 426)
    control.ask("NOOP", 200)
    control.ask("TYPE A", 200)
    control.ask("SIZE large.bin", 213, 550, seconds=30)  # Counting has its limit: 550.
    control.ask("NOOP", 200)


@limit(180)
def test_ftp_upload_past_4_gib(t):
    """STOR at an offset above 2^32 of a sparse file: the tail is kept, the file grows."""
    server = t.shared(make_server)
    path = os.path.join(server.root, "grows.bin")
    with open(path, "wb") as file:
        file.truncate((1 << 32) + 100)
    control = t.closing(Control(server)).login("ann", "secret")
    control.ask(f"REST {(1 << 32) + 90}", 350)
    control.store("STOR grows.bin", b"0123456789ABCDEF", seconds=150)
    with open(path, "rb") as file:
        check.equal(os.fstat(file.fileno()).st_size, (1 << 32) + 106, "size")
        file.seek((1 << 32) + 80)
        check.equal(file.read(), bytes(10) + b"0123456789ABCDEF", "the end of the file")
    os.unlink(path)


def test_clients(t):
    server, folder = t.shared(make_server), t.tmp()
    last = trees.octets(len(MARKS) - 1, PART)
    for url in (f"{server.http_url}/large.bin", f"{server.ftp_url}/large.bin"):
        path = os.path.join(folder, "large.bin")
        with open(path, "wb") as file:
            file.truncate(MARKS[-1])
        run(["curl", "-sS", "--max-time", "20", "-C", "-", "-o", path, url])
        with open(path, "rb") as file:
            check.equal(os.fstat(file.fileno()).st_size, SIZE, f"{url}: size")
            file.seek(MARKS[-1])
            check.same_bytes(file.read(), last, f"{url}: the rest")
        said = run(["curl", "-sS", "-r", f"{MARKS[3]}-{MARKS[3] + PART - 1}", url]).output
        check.same_bytes(said, trees.octets(3, PART), f"{url}: a range past 4 GiB")


def test_a_range_of_an_empty_and_a_tiny_file(t):
    server = t.shared(make_server)
    trees.write(server.root, "empty", b"")
    trees.write(server.root, "tiny", b"x")
    with Connection(server) as connection:
        check.equal(connection.ask("/empty", fields=[("Range", "bytes=0-0")]).status, 416, "empty")
        check.one_of(connection.ask("/empty", fields=[("Range", "bytes=-5")]).status, (416, 200),
                     "the suffix of an empty file")
        tiny = connection.ask("/tiny", fields=[("Range", "bytes=-5")])
        check.equal((tiny.status, tiny.body), (206, b"x"), "the suffix of a tiny file")
    with Control(server) as control:
        control.login()
        check.equal(read_empty(control), b"", "RETR of an empty file")


def read_empty(control):
    data = control.passive()
    control.ask("RETR empty", 150, 125)
    got = read_all(data)
    control.expect("the end", 226)
    return got
