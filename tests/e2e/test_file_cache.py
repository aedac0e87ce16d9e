"""Files stay open between requests, and no answer is older than its request (decision 0016)."""

import dataclasses
import os
import threading
import time

from support import check, trees
from support.case import rows
from support.ftp_wire import Control
from support.http_wire import Connection, ask, request

CHANGES = 120  # By the writer of a test under load, whatever time they take.


def changes(root):
    """What may happen to /d/f, as (name, function); each leaves a tree that is like no other."""
    at = os.path.join(root, "d", "f")
    count = [0]

    def content():
        count[0] += 1
        return b"%d " % count[0] + b"x" * (count[0] % 50)

    def in_place():
        with open(at, "r+b") as file:
            file.write(content())
            file.truncate()

    def append():
        with open(at, "ab") as file:
            file.write(content())

    def rename_over():
        new = os.path.join(root, "d", "new")
        with open(new, "wb") as file:
            file.write(content())
        os.rename(new, at)

    def remove_and_make():
        os.remove(at)
        with open(at, "wb") as file:
            file.write(content())

    def exchange_directories():
        other = os.path.join(root, "other")
        trees.write(root, "other/f", content())
        os.rename(os.path.join(root, "d"), os.path.join(root, "old"))
        os.rename(other, os.path.join(root, "d"))
        os.remove(os.path.join(root, "old", "f"))
        os.rmdir(os.path.join(root, "old"))

    def through_a_hard_link():
        other = os.path.join(root, "elsewhere")
        os.link(at, other)
        with open(other, "wb") as file:
            file.write(content())
        os.remove(other)

    def large_and_small():
        with open(at, "wb") as file:
            file.write(content() * 3000)

    return [in_place, append, rename_over, remove_and_make, exchange_directories,
            through_a_hard_link, large_and_small]


def test_no_answer_is_older_than_its_request(t):
    """After each change the very next request, on a connection that is warm, has it."""
    root = t.tmp()
    trees.write(root, "d/f", b"first")
    server = t.ferry(root, "--cores", "2")
    every = changes(root)
    connections = [t.closing(Connection(server)) for _ in range(4)]
    for turn in range(400):
        for connection in connections:  # Of either core, and kept by both.
            connection.ask("/d/f")
        every[turn % len(every)]()
        with open(os.path.join(root, "d", "f"), "rb") as file:
            now = file.read()
        response = connections[turn % 4].ask("/d/f")
        check.equal(response.status, 200, "the status")
        check.equal(response.body, now, f"after {every[turn % len(every)].__name__}, turn {turn}")


def test_under_load_a_request_sees_what_was_there_before_it(t):
    """A writer counts up, by rename; readers on warm connections never see less than had been
    counted when they asked, and validators go with the content."""
    root = t.tmp()
    trees.write(root, "count", b"0")
    server = t.ferry(root, "--cores", "2")
    counted, stop, trouble, seen = [0], threading.Event(), [], [0]

    def read_on():
        tags = {}
        with Connection(server) as connection:
            while not stop.is_set():
                before = counted[0]
                response = connection.ask("/count")
                number = int(response.body)
                seen[0] += 1
                if number < before:
                    trouble.append(f"asked after {before}, got {number}")
                    return
                tag = response.field("ETag").removeprefix("W/")
                if tags.setdefault(tag, number) != number:
                    trouble.append(f"{tag} named {tags[tag]} and {number}")
                    return

    readers = [threading.Thread(target=read_on, daemon=True) for _ in range(4)]
    for reader in readers:
        reader.start()
    number = 0
    while (number < CHANGES or seen[0] < CHANGES) and not trouble:
        number += 1
        new = os.path.join(root, "new")
        with open(new, "wb") as file:
            file.write(b"%d" % number)
        os.rename(new, os.path.join(root, "count"))
        counted[0] = number
        if number % 50 == 0:
            time.sleep(0.01)  # Long enough to be kept.
    alive = sum(reader.is_alive() for reader in readers)
    stop.set()
    for reader in readers:
        reader.join(10)
    check.equal(trouble, [], "what readers saw")
    check.equal(alive, len(readers), "readers at work until the end")


def test_an_upload_is_what_the_next_request_gets(t):
    """On whatever core: the upload's own, or another that has the old file open."""
    root = t.tmp()
    trees.write(root, "file", b"old")
    server = t.ferry(root, "--cores", "2", "--user", "ann:secret", "--write")
    connections = [t.closing(Connection(server)) for _ in range(4)]
    control = t.closing(Control(server)).login("ann", "secret")
    for turn in range(30):
        for connection in connections:
            connection.ask("/file")
        new = b"new %d" % turn
        control.store("STOR file", new)
        for connection in connections:
            check.equal(connection.ask("/file").body, new, f"after upload {turn}")


def test_what_one_request_changed_is_what_those_behind_it_get(t):
    """All of them in one packet: nothing arrives in between (RFC 9112, 9.3.2)."""
    root = t.tmp()
    server = t.ferry(root, "--cores", "1", "--durability", "none", "--ftp", "off",
                     "--anonymous", "list+read+create+write+delete+rename")
    moved = [("Destination", "/b")]
    for turn in range(10):
        new = b"new %d" % turn
        rows = (("GET", "a", (), b"", 404), ("PUT", "a", (), new, 201), ("GET", "a", (), b"", new),
                ("MOVE", "a", moved, b"", 201), ("GET", "a", (), b"", 404),
                ("GET", "b", (), b"", new), ("PUT", "b", (), b"more", 204),
                ("GET", "b", (), b"", b"more"), ("DELETE", "b", (), b"", 204),
                ("GET", "b", (), b"", 404))
        with Connection(server) as connection:
            for method, name, _, _, _ in rows[:1] * 3:
                connection.ask(f"/{name}", method=method)  # Its absence is known.
            connection.send(b"".join(
                request(f"/{name}", method, fields=[*fields, *length_of(method, body)], body=body)
                for method, name, fields, body, _ in rows))
            for method, name, _, _, wanted in rows:
                response = connection.read_response(method)
                what = f"{method} {name} in turn {turn}"
                if isinstance(wanted, bytes):
                    check.equal((response.status, response.body), (200, wanted), what)
                else:
                    check.equal(response.status, wanted, what)


def length_of(method, body):
    return [("Content-Length", str(len(body)))] if method == "PUT" else []


@dataclasses.dataclass(frozen=True)
class Reason:
    id: str
    idle_timeout: str
    is_removed: bool


@rows([Reason("removed", "1h", True), Reason("idle", "1s", False)])
def test_descriptors_go(t, row):
    """A file that was removed is closed within a few seconds, unasked; an idle one, too."""
    root = t.tmp()
    for i in range(20):
        trees.write(root, f"f{i}", b"x" * 100_000)
    server = t.ferry(root, "--cores", "1", "--file-cache-idle-timeout",
                     row.idle_timeout)
    base = len(server.descriptors())
    for _ in range(3):
        for i in range(20):
            check.equal(ask(server, f"/f{i}").status, 200, f"f{i}")
    check.holds(len(server.descriptors()) >= base + 20, "they are kept open")
    if row.is_removed:
        for i in range(20):
            os.remove(os.path.join(root, f"f{i}"))
    until = time.monotonic() + 10
    while len(server.descriptors()) > base and time.monotonic() < until:
        time.sleep(0.05)
    check.equal(len(server.descriptors()), base, "descriptors")


def test_small_files_need_no_descriptor_each(t):
    """Beyond --file-cache-entries they are kept in memory alone (decision 0048), and are as fresh."""
    root = t.tmp()
    for i in range(40):
        trees.write(root, f"f{i}", b"small %d" % i)
    server = t.ferry(root, "--cores", "1", "--file-cache-entries", "4")
    with Connection(server) as connection:
        check.equal(connection.ask("/f0").status, 200, "f0")
        base = len(server.descriptors())
        for _ in range(4):
            for i in range(40):
                check.equal(connection.ask(f"/f{i}").body, b"small %d" % i, f"f{i}")
        check.holds(len(server.descriptors()) < base + 20, "they are not kept open")
        for i in range(40):
            at = os.path.join(root, f"f{i}")
            if i % 3 == 0:
                os.remove(at)
                check.equal(connection.ask(f"/f{i}").status, 404, f"f{i}, removed")
                continue
            if i % 3 == 1:
                trees.write(root, "new", b"other %d" % i)
                os.rename(os.path.join(root, "new"), at)
            else:
                trees.write(root, f"f{i}", b"other %d" % i)
            check.equal(connection.ask(f"/f{i}").body, b"other %d" % i, f"f{i}, changed")


def test_off(t):
    root = t.tmp()
    trees.write(root, "f", b"content")
    server = t.ferry(root, "--cores", "1", "--file-cache-entries", "off")
    base = len(server.descriptors())
    for _ in range(4):
        check.equal(ask(server, "/f").body, b"content", "the body")
    until = time.monotonic() + 5
    while len(server.descriptors()) > base and time.monotonic() < until:
        time.sleep(0.02)
    check.equal(len(server.descriptors()), base, "descriptors")
