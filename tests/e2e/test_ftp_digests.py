"""Digests of files: HASH, OPTS HASH, RANG, XCRC and its like, against Python's hashlib; and long work
without a data connection, which holds nobody up and ends when it is told to."""

import ftplib
import hashlib
import os
import time
import zlib

from support import check, trees
from support.case import limit
from support.ftp_wire import Control

SITE = trees.site()
NAMES = ("hello.txt", "empty.txt", "size-8192.bin", "size-8193.bin", "size-3m.bin", "sp ace.txt",
         "ünï.txt", "pct%41.txt")
SPARSE_BYTES = 64 << 30  # Takes a minute.
COPIED_BYTES = 4 << 30  # Takes seconds, and as much room if its blocks cannot be shared.


def make_server(maker):
    root = trees.fill(maker.tmp(), SITE)
    with open(os.path.join(root, "sparse"), "wb") as file:
        file.truncate(SPARSE_BYTES)
    with open(os.path.join(root, "to-copy"), "wb") as file:
        file.truncate(COPIED_BYTES)
    return maker.ferry(root, "--user", "ann:secret", "--write", "--ftp-idle-timeout", "2s")


def digests_of(octets):
    return {"SHA-256": hashlib.sha256(octets).hexdigest(),
            "SHA-512": hashlib.sha512(octets).hexdigest(),
            "BLAKE2b-512": hashlib.blake2b(octets).hexdigest(),
            "SHA-1": hashlib.sha1(octets).hexdigest(), "MD5": hashlib.md5(octets).hexdigest(),
            "CRC32": f"{zlib.crc32(octets):08x}"}


def session(t):
    return t.closing(Control(t.shared(make_server))).login("ann", "secret")


def test_hash(t):
    control = session(t)
    for algorithm in digests_of(b""):
        control.ask(f"OPTS HASH {algorithm}", 200)
        for name in NAMES:
            octets = SITE[name.encode()]
            last = max(len(octets) - 1, 0)
            right = f"213 {algorithm} 0-{last} {digests_of(octets)[algorithm]} {name}"
            for _ in range(2):
                check.equal(control.ask(f"HASH {name}", 213).text, right, "HASH")


def test_hash_of_what_is_changed(t):
    """Never that of what a name was before, however quickly one follows the other."""
    control, root = session(t), t.shared(make_server).root
    for turn in range(60):
        octets = b"turn %d" % turn
        if turn % 3 == 0:
            control.store("STOR changing", octets)
        elif turn % 3 == 1:
            with open(os.path.join(root, "changing"), "r+b") as file:
                file.write(octets)  # As long as before, or longer by a digit.
        else:
            trees.write(root, "changing", octets)
        for _ in range(2):
            check.contains(control.ask("HASH changing", 213).text,
                           f" {hashlib.sha256(octets).hexdigest()} changing", f"turn {turn}")


def test_ranges(t):
    control, octets = session(t), SITE[b"size-3m.bin"]
    for first, last in ((0, 0), (0, 49), (1234567, 2345678), (3000000, 1 << 62)):
        control.ask(f"RANG {first} {last}", 350)
        right = hashlib.sha256(octets[first:last + 1]).hexdigest()
        check.equal(control.ask("HASH size-3m.bin", 213).text,
                    f"213 SHA-256 {first}-{min(last, len(octets) - 1)} {right} size-3m.bin", "RANG")


def test_ftplib(t):
    server = t.shared(make_server)
    with ftplib.FTP(timeout=10) as client:
        client.connect("127.0.0.1", server.ftp_port)
        client.login("ann", "secret")
        for name in NAMES:
            octets = SITE[name.encode()]
            for verb, algorithm in (("XCRC", "CRC32"), ("XMD5", "MD5"), ("XSHA1", "SHA-1"),
                                    ("XSHA256", "SHA-256"), ("XSHA512", "SHA-512")):
                right = f"250 {digests_of(octets)[algorithm].upper()}"
                check.equal(client.voidcmd(f"{verb} {name}"), right, f"{verb} {name}")
                if octets:
                    right = f"250 {digests_of(octets[1:5])[algorithm].upper()}"
                    check.equal(client.voidcmd(f'{verb} "{name}" 1 5'), right, f"{verb} {name} 1 5")


@limit(20)
def test_long_work_is_cut_by_abor_only(t):
    """The idle time does not count meanwhile, others are served, ABOR is heard at once."""
    with session(t) as control, session(t) as other:
        control.send("HASH sparse\r\n")
        limit_at = time.monotonic() + 2.5  # Beyond --ftp-idle-timeout.
        slowest = 0.0
        while time.monotonic() < limit_at:
            begun = time.monotonic()
            check.same_bytes(other.retrieve("RETR hello.txt"), SITE[b"hello.txt"], "RETR beside it")
            slowest = max(slowest, time.monotonic() - begun)
        check.holds(slowest < 1.0, f"another client waited {slowest} s")
        begun = time.monotonic()
        control.send("ABOR\r\n")
        control.expect("HASH", 426)
        control.expect("ABOR", 226)
        check.holds(time.monotonic() - begun < 1.0, "ABOR took its time")
        control.ask("HASH hello.txt", 213)


def test_a_copy_is_ended_by_abor(t):
    """Nothing is left of it. A file system that shares blocks is done before."""
    root = t.shared(make_server).root
    with session(t) as control:
        control.ask("SITE CPFR to-copy", 350)
        control.send("SITE CPTO copied\r\n")
        control.send("ABOR\r\n")
        done = control.expect("SITE CPTO", 426, 250)
        control.expect("ABOR", 226)
        check.equal(os.path.exists(os.path.join(root, "copied")), done.code == 250, "a copy is there")
        check.holds(not [name for name in os.listdir(root) if name.startswith(".ferry-")],
                    "hidden names are left")
        if done.code == 250:
            control.ask("DELE copied", 250)
