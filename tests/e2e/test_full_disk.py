"""A disk on which nothing fits any more, one without room for another name, and one that fails
(threats.md, V13 and V15).

The small file systems are mounted where only this process and its children see them, so that they go
with it whatever becomes of it.
"""

import dataclasses
import errno
import os
import sys
import time

from support import check, denied, mounts, trees
from support.case import Failure, limit, needs_root, rows
from support.clients import run
from support.ftp_wire import Control, read_all
from support.http_wire import Connection, ask

OLD = b"old content\n" * 5000
DISK_BYTES = 2 << 20
TOO_MUCH = trees.octets(21, 3 << 20)
FULL_CODES = (452, 552)  # RFC 959 section 4.2.2: before the 150; behind it 552 alone.


def free_bytes(root):
    found = os.statvfs(root)
    return found.f_bavail * found.f_frsize


def refused_upload(control, command, octets, codes=FULL_CODES):
    """An upload that must be refused: before its octets or behind them."""
    data = control.passive()
    reply = control.ask(command)
    if reply.code == 150:
        try:
            data.sendall(octets)
        except OSError:
            pass  # The server has closed it: there is no use for the rest.
        data.close()
        reply = control.expect(command)
        codes = [code for code in codes if code != 452]
    data.close()
    check.one_of(reply.code, codes, f"{command}: {reply}")


def must_be_free_again(root, octets, what):
    """The space comes back when the server has closed the file, right behind its reply."""
    limit_at = time.monotonic() + 5
    while free_bytes(root) < octets and time.monotonic() < limit_at:
        time.sleep(0.01)
    check.equal(free_bytes(root), octets, f"octets free {what}")


@dataclasses.dataclass(frozen=True)
class Way:
    id: str
    commands: tuple  # Before the last one each wants 350.


@needs_root
@limit(60)
@rows([Way("stor-new", ("STOR fresh",)), Way("stor-old", ("STOR kept",)), Way("appe", ("APPE kept",)),
       Way("appe-new", ("APPE fresh",)), Way("rest", ("REST 100", "STOR kept")),
       Way("stou", ("STOU",))])
def test_nothing_fits(t, row):
    """452 or 552; the old file stands, the space is given back, the session and HTTP go on."""
    root = t.tmp()
    with mounts.tmpfs(root, f"size={DISK_BYTES}"):
        trees.write(root, "kept", OLD)
        server = t.ferry(root, "--user", "ann:secret", "--write")
        with Control(server) as control, Connection(server) as reader:
            control.login("ann", "secret")
            before = free_bytes(root)
            for turn in range(3):
                for command in row.commands[:-1]:
                    control.ask(command, 350)
                refused_upload(control, row.commands[-1], TOO_MUCH)
                check.equal(trees.contents(root), {b"kept": OLD}, "the files")
                must_be_free_again(root, before, f"behind refusal {turn}")
                check.same_bytes(reader.ask("/kept").body, OLD, "HTTP")
            control.store("STOR fresh", b"fits")
            check.equal(reader.ask("/fresh").body, b"fits", "what fits")
        server.stop()


@dataclasses.dataclass(frozen=True)
class Client:
    id: str
    command: tuple  # {url}, {port}: of the server.


CLIENTS = [
    Client("curl", ("curl", "-sS", "-u", "ann:secret", "-T", "file", "{url}/file")),
    Client("lftp", ("lftp", "-c", "set net:max-retries 2; set net:reconnect-interval-base 1; "
                    "open -u ann,secret {url}; put file")),
    Client("ncftpput", ("ncftpput", "-u", "ann", "-p", "secret", "-P", "{port}", "127.0.0.1", "/", "file")),
    Client("ftplib", (sys.executable, "-c", "import ftplib; f = ftplib.FTP(); "
                      "f.connect('127.0.0.1', {port}); f.login('ann', 'secret'); "
                      "f.storbinary('STOR file', open('file', 'rb'))")),
]


@needs_root
@limit(60)
@rows(CLIENTS)
def test_clients_are_told(t, row):
    """threats.md, V13: what does not fit is refused with words that the client shows, and is final to it:
    no beginning of the file, and no end, gets the name."""
    root, source = t.tmp(), t.tmp()
    trees.write(source, "file", trees.octets(23, 12 << 20))
    with mounts.tmpfs(root, f"size={DISK_BYTES}"):
        server = t.ferry(root, "--user", "ann:secret", "--write")
        for old in ({}, {b"file": OLD}):
            trees.fill(root, {name.decode(): content for name, content in old.items()})
            done = run([part.format(url=server.ftp_url, port=server.ftp_port) for part in row.command],
                       source, status=None)
            check.holds(done.status != 0, f"{row.id} takes it for stored")
            if row.id != "ncftpput":  # Which has its own words for everything, as curl for a 552.
                check.contains(done.text, "storage" if row.id == "curl" else "552 no space left",
                               "what is shown")
            check.equal(trees.contents(root), old, "the files")
        server.stop()


@needs_root
@limit(60)
def test_a_disk_too_small_is_told_before_an_octet_is_taken(t):
    """RFC 959 section 4.1.3: ALLO, and STOR behind it, without any data."""
    root = t.tmp()
    with mounts.tmpfs(root, "size=4m"):
        server = t.ferry(root, "--user", "ann:secret", "--write")
        with Control(server) as control:
            control.login("ann", "secret")
            control.ask("ALLO 5000000", *FULL_CODES)
            control.ask("ALLO 3000000", 200)
            trees.write(root, "much", bytes(2 << 20))  # Somebody has taken it meanwhile.
            control.passive()
            control.ask("STOR file", *FULL_CODES)
            check.equal(sorted(trees.contents(root)), [b"much"], "the files")
            control.ask("ALLO 1500000", 200)
            control.store("STOR file", bytes(1500000))
            check.equal(len(trees.read(root, "file")), 1500000, "what fits")
        server.stop()


@needs_root
def test_a_copy_does_not_fit(t):
    """SITE CPTO: 452, the old file stands, the space is given back, and what fits is copied."""
    root, large = t.tmp(), trees.octets(22, 1_200_000)
    with mounts.tmpfs(root, f"size={DISK_BYTES}"):
        trees.fill(root, {"large": large, "kept": OLD})
        server = t.ferry(root, "--user", "ann:secret", "--write")
        with Control(server) as control:
            control.login("ann", "secret")
            before = free_bytes(root)
            for to in ("fresh", "kept"):
                control.ask("SITE CPFR large", 350)
                control.ask(f"SITE CPTO {to}", *FULL_CODES)
                check.equal(trees.contents(root), {b"large": large, b"kept": OLD}, "the files")
                must_be_free_again(root, before, f"behind the refusal of {to}")
            control.ask("SITE CPFR kept", 350)
            control.ask("SITE CPTO large", 250)
            check.equal(trees.contents(root), {b"large": OLD, b"kept": OLD}, "the files")
        server.stop()


@needs_root
@limit(60)
def test_a_disk_filled_by_another(t):
    """Not an octet is free: what needs none goes on, and all is well once there is room."""
    root = t.tmp()
    with mounts.tmpfs(root, f"size={DISK_BYTES}"):
        trees.fill(root, {"kept": OLD, "d/goes": b"goes"})
        server = t.ferry(root, "--user", "ann:secret", "--write")
        with Control(server) as control, Connection(server) as reader:
            control.login("ann", "secret")
            filler = trees.write(root, "filler", bytes(free_bytes(root)))
            check.equal(free_bytes(root), 0, "octets free")
            for verb in ("APPE", "STOR"):  # In this order: a replacement is not gone on with.
                for name in ("kept", "fresh"):
                    refused_upload(control, f"{verb} {name}", b"x")
            check.same_bytes(reader.ask("/kept").body, OLD, "HTTP")
            check.same_bytes(control.retrieve("RETR kept"), OLD, "RETR")
            control.store("STOR empty", b"")
            control.ask("RNFR empty", 350)
            control.ask("RNTO renamed", 250)
            control.ask("DELE d/goes", 250)
            check.equal(trees.names_in(root), [b"d", b"filler", b"kept", b"renamed"], "the names")
            os.unlink(filler)
            control.store("STOR fresh", OLD)
            check.same_bytes(reader.ask("/fresh").body, OLD, "once there is room")
        server.stop()


@needs_root
@limit(60)
def test_no_name_is_left(t):
    """The file system has no inode left: MKD and each upload are refused, the rest goes on."""
    root = t.tmp()
    with mounts.tmpfs(root, "size=8m,nr_inodes=24"):
        trees.write(root, "kept", OLD)
        server = t.ferry(root, "--user", "ann:secret", "--write")
        with Control(server) as control, Connection(server) as reader:
            control.login("ann", "secret")
            made = 0
            while os.statvfs(root).f_favail > 0:
                control.ask(f"MKD made{made}", 257)
                made += 1
            before = trees.names_in(root)
            for _ in range(3):
                control.ask("MKD another", *FULL_CODES)
                for command in ("STOR fresh", "STOR kept", "APPE kept", "STOU"):
                    refused_upload(control, command, b"x")
                check.equal(trees.names_in(root), before, "the names")
                check.same_bytes(trees.read(root, "kept"), OLD, "the old file")
                check.same_bytes(reader.ask("/kept").body, OLD, "HTTP")
            control.ask("RMD made0", 250)
            control.store("STOR fresh", b"fits")
            check.equal(reader.ask("/fresh").body, b"fits", "what fits")
            control.ask("DELE fresh", 250)
            control.ask("MKD another", 257)
        server.stop()


@dataclasses.dataclass(frozen=True)
class Refusal:
    id: str
    number: int
    calls: tuple
    upload: int = 226
    directory: int = 257


WRITES = ("pwrite64", "pwritev2")


@rows([
    Refusal("write-full", errno.ENOSPC, WRITES, upload=552),
    Refusal("write-quota", errno.EDQUOT, WRITES, upload=552),
    Refusal("write-too-large", errno.EFBIG, WRITES, upload=552),
    Refusal("write-broken", errno.EIO, WRITES, upload=551),
    Refusal("mkdir-full", errno.ENOSPC, ("mkdirat",), directory=452),
    Refusal("mkdir-quota", errno.EDQUOT, ("mkdirat",), directory=552),
    Refusal("mkdir-read-only", errno.EROFS, ("mkdirat",), directory=550),
    Refusal("mkdir-denied", errno.EACCES, ("mkdirat",), directory=550),
    Refusal("mkdir-broken", errno.EIO, ("mkdirat",), directory=451),
])
def test_what_the_kernel_refuses(t, row):
    """Each error of the disk has its reply, nothing is left, and the session goes on."""
    root = trees.fill(t.tmp(), {"kept0": OLD, "kept1": OLD})
    # A filter sees system calls only; with io_uring some of these would be none.
    server = t.ferry(root, "--io", "epoll", "--user", "ann:secret", "--write", preexec=lambda:
                     denied.calls([denied.NUMBERS[name] for name in row.calls], row.number))
    control = t.closing(Control(server)).login("ann", "secret")
    for turn in range(2):
        for command in (f"APPE kept{turn}", f"STOR kept{turn}", f"STOR fresh{turn}"):
            if row.upload == 226:
                control.store(command, b"stored")
                continue
            refused_upload(control, command, b"x" * 100_000, (row.upload,))
            check.equal(trees.contents(root), {b"kept0": OLD, b"kept1": OLD}, f"the files after {command}")
            check.same_bytes(ask(server, "/kept0").body, OLD, "HTTP")
        control.ask(f"MKD made{turn}", row.directory)


@rows([Refusal("read-broken", errno.EIO, ("sendfile",))])
def test_a_file_that_cannot_be_read(t, row):
    """threats.md, V15: the answer ends short and is closed, at once and not tried again; others are
    served, and a session goes on."""
    content = trees.octets(3, 3 << 20)
    root = trees.fill(t.tmp(), {"broken": content, "small": b"small"})
    server = t.ferry(root, "--user", "ann:secret", preexec=lambda:
                     denied.calls([denied.NUMBERS[name] for name in row.calls], row.number))
    for _ in range(2):
        with Connection(server) as connection:
            connection.send(b"GET /broken HTTP/1.1\r\nHost: localhost\r\n\r\n")
            head, _, body = connection.read_all().partition(b"\r\n\r\n")
            check.one_of(head[:12], (b"", b"HTTP/1.1 200"), "the answer")  # The head may go with it.
            check.equal(body, b"", "what was sent")
        check.equal(ask(server, "/small").body, b"small", "another file")
    check.equal(server.errors().count("was broken off"), 2, "lines in the log")
    control = t.closing(Control(server)).login("ann", "secret")
    for _ in range(2):
        data = control.passive()
        control.ask("RETR broken", 150)
        try:
            check.equal(read_all(data), b"", "what was sent")
        except Failure as reset:
            check.contains(str(reset), "was reset", "RETR of a file that cannot be read")
        control.expect("RETR broken", 451)
        check.equal(control.retrieve("LIST")[:1], b"-", "a listing behind it")
