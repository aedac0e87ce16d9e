"""Python's ftplib, active and passive: everything it can do."""

import ftplib
import io
import os
import time

from support import check, trees

SITE = trees.site()
LONG_AGO = 1_600_000_000
BIG = SITE[b"size-3m.bin"]


def make_server(maker):
    root = trees.fill(maker.tmp(), SITE)
    for name in SITE:
        os.utime(os.path.join(os.fsencode(root), name), (LONG_AGO, LONG_AGO))
    return maker.ferry(root, "--user", "ann:secret", "--write")


class Old(ftplib.FTP):
    """With PASV and PORT, as clients before RFC 2428."""

    def makepasv(self):
        return ftplib.parse227(self.sendcmd("PASV"))


def clients(t):
    """Passive and active, with the old commands and the new ones, logged in as a writer."""
    server = t.shared(make_server)
    for kind, passive in ((ftplib.FTP, True), (ftplib.FTP, False), (Old, True)):
        client = t.closing(kind(timeout=10))
        client.connect("127.0.0.1", server.ftp_port)
        client.login("ann", "secret")
        client.set_pasv(passive)
        yield client, f"{kind.__name__} {'passive' if passive else 'active'}"


def retrieve(client, name, **options):
    into = io.BytesIO()
    client.retrbinary(f"RETR {name}", into.write, **options)
    return into.getvalue()


def test_retrieve(t):
    for client, what in clients(t):
        for name in ("hello.txt", "empty.txt", "size-8192.bin", "size-3m.bin", "sp ace.txt",
                     "ünï.txt", "pct%41.txt", "dir/index.html"):
            check.same_bytes(retrieve(client, name), SITE[name.encode()], f"{what}: {name}")
        check.same_bytes(retrieve(client, "size-3m.bin", rest=1234567), BIG[1234567:],
                         f"{what}: rest")


def test_lines(t):
    for client, what in clients(t):
        got = []
        client.retrlines("RETR hello.txt", got.append)
        check.equal(got, ["hello, world"], f"{what}: retrlines")
        client.storlines("STOR lines.txt", io.BytesIO(b"one\ntwo\nthree\n"))
        check.equal(trees.read(t.shared(make_server).root, "lines.txt"), b"one\ntwo\nthree\n",
                    f"{what}: storlines")


def test_store(t):
    root = t.shared(make_server).root
    for client, what in clients(t):
        client.storbinary("STOR stored.bin", io.BytesIO(BIG))
        check.same_bytes(trees.read(root, "stored.bin"), BIG, f"{what}: STOR")
        client.storbinary("APPE stored.bin", io.BytesIO(b"tail"))
        check.same_bytes(trees.read(root, "stored.bin"), BIG + b"tail", f"{what}: APPE")
        client.storbinary("STOR stored.bin", io.BytesIO(b"abc"), rest=10)
        check.same_bytes(trees.read(root, "stored.bin"), BIG[:10] + b"abc" + BIG[13:] + b"tail",
                         f"{what}: REST and STOR")
        client.storbinary("STOR empty.bin", io.BytesIO(b""))
        check.equal(trees.read(root, "empty.bin"), b"", f"{what}: nothing")


def test_copy(t):
    """SITE CPFR and CPTO: 350 and 250, as clients of ProFTPD's mod_copy know them."""
    root = t.shared(make_server).root
    for client, what in clients(t):
        for source, target in (("size-3m.bin", "copy.bin"), ("sp ace.txt", "a copy.bin"),
                               ("ünï.txt", "cöpy"), ("empty.txt", "copy.bin")):
            check.holds(client.sendcmd(f"SITE CPFR {source}").startswith("350 "), what)
            check.holds(client.voidcmd(f"SITE CPTO {target}").startswith("250 "), what)
            check.same_bytes(trees.read(root, target), SITE[source.encode()],
                             f"{what}: {source} copied")
        for refused in ("SITE CPFR nowhere", "SITE CPTO copy.bin"):
            try:
                client.sendcmd(refused)
            except ftplib.error_perm as error:
                check.one_of(int(str(error)[:3]), (503, 550), f"{what}: {refused}")
            else:
                check.holds(False, f"{what}: {refused} was taken")


def test_lists(t):
    for client, what in clients(t):
        check.equal(sorted(client.nlst("plain")), ["plain/a.txt", "plain/b.css", "plain/deep"],
                    f"{what}: nlst")
        lines = []
        client.dir("plain", lines.append)
        check.equal([line.split()[-1] for line in lines if not line.startswith("total")],
                    ["a.txt", "b.css", "deep"], f"{what}: dir")
        entries = dict(client.mlsd("plain", ["type", "size", "modify"]))
        check.equal(entries["a.txt"], {"type": "file", "size": "2", "modify": "20200913122640"},
                    f"{what}: mlsd")
        check.equal(entries["deep"]["type"], "dir", f"{what}: mlsd")


def test_names(t):
    root = t.shared(make_server).root
    for client, what in clients(t):
        check.equal(client.mkd('a "quoted" name'), '/a "quoted" name', f"{what}: mkd")
        client.cwd('a "quoted" name')
        check.equal(client.pwd(), '/a "quoted" name', f"{what}: pwd")
        client.storbinary("STOR f", io.BytesIO(b"f"))
        client.rename("f", "g")
        check.equal(trees.read(root, 'a "quoted" name/g'), b"f", f"{what}: rename")
        check.equal(client.size("g"), 1, f"{what}: size")
        modified = os.stat(os.path.join(root, 'a "quoted" name/g')).st_mtime
        stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime(modified))
        check.equal(client.sendcmd("MDTM g"), f"213 {stamp}", f"{what}: MDTM")
        client.delete("g")
        client.cwd("..")
        client.rmd('a "quoted" name')
        check.equal(os.path.exists(os.path.join(root, 'a "quoted" name')), False, f"{what}: rmd")


def test_mistakes_are_permanent_errors(t):
    for client, what in clients(t):
        for call in (lambda c: c.cwd("nope"), lambda c: c.delete("nope"), lambda c: c.rmd("plain"),
                     lambda c: c.size("nope"), lambda c: retrieve(c, "nope"),
                     lambda c: c.storbinary("STOR no/where", io.BytesIO(b"x")),
                     lambda c: c.rename("nope", "x")):
            try:
                call(client)
            except ftplib.error_perm:
                continue
            check.holds(False, f"{what}: a mistake went through")
        client.voidcmd("NOOP")


def test_abort(t):
    """abort() sends the whole of ABOR as urgent data and wants 426, 225 or 226 first."""
    trees.write(t.shared(make_server).root, "large.bin", trees.octets(12, 32 << 20))
    for client, what in clients(t):
        data = client.transfercmd("RETR large.bin")
        check.equal(len(data.recv(1000)), 1000, f"{what}: the beginning")
        first = client.abort()
        check.one_of(first[:3], ("426", "225", "226"), f"{what}: abort")
        data.close()
        if first[:3] == "426":
            check.equal(client.getmultiline()[:3], "226", f"{what}: behind 426")
        check.equal(retrieve(client, "hello.txt"), b"hello, world\n", f"{what}: the next transfer")


def test_ten_thousand_commands(t):
    client, _ = next(clients(t))
    for _ in range(2500):
        client.voidcmd("NOOP")
        client.pwd()
        client.size("hello.txt")
        client.cwd("/plain")
        client.cwd("/")


def test_hundreds_of_small_transfers(t):
    """150 and 226 without waiting for a delayed acknowledgement (that would take 40 ms each)."""
    for client, what in clients(t):
        began = time.monotonic()
        for _ in range(300):
            check.equal(retrieve(client, "hello.txt"), b"hello, world\n", what)
        check.holds(time.monotonic() - began < 12, f"{what}: a wait of 40 ms in each transfer")


def test_encodings(t):
    """Names are octets: those that are no UTF-8 come back as they were sent."""
    server = t.shared(make_server)
    client = t.closing(ftplib.FTP(timeout=10, encoding="latin-1"))
    client.connect("127.0.0.1", server.ftp_port)
    client.login("ann", "secret")
    client.storbinary("STOR caf\xe9", io.BytesIO(b"latin"))
    check.equal(trees.read(server.root, b"caf\xe9"), b"latin", "on the disk")
    check.contains(client.nlst(), "caf\xe9", "nlst")
    check.equal(retrieve(client, "caf\xe9"), b"latin", "RETR")
