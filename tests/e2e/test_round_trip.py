"""500 random files: put by FTP, fetched by HTTP and by FTP, every octet and every name the same."""

import ftplib
import io
import math
import os
import random
import re

from support import check, trees
from support.case import limit
from support.http_wire import Connection, quote

COUNT = 500
EDGES = [0, 1, 2, 1023, 1024, 4095, 4096, 4097, 8191, 8192, 8193, 16383, 16384, 65535, 65536, 65537,
         131072, 262143, 262144, 262145, 524288, 1048575, 1048576]


def random_name(source):
    """A name no client would dare: any octets but NUL, '/', CR, LF, backslash and IAC."""
    kind = source.randrange(6)
    if kind == 0:
        text = bytes(source.choice(b" '\"%&;#?*[]{}()<>|`$!~=+,:@^-._abc123") for _ in range(20))
    elif kind == 1:
        text = "".join(source.choice("äöüßéèñçøåλжя日本語한국어🛳🚢 ") for _ in range(12)).encode()
    elif kind == 2:
        text = b"-" + bytes(source.choice(b"abcdefgh-") for _ in range(8))
    elif kind == 3:
        text = bytes(source.choice(b"abcdefghijklmnopqrstuvwxyz") for _ in range(255))
    elif kind == 4:
        text = b"%" + b"%02x" % source.randrange(256) + b" %s%n" + bytes([source.randrange(33, 91)])
    else:
        text = bytes(source.randrange(1, 255) for _ in range(source.randrange(4, 40)))
    return re.sub(rb"[\r\n/\\\x00]", b"_", text)


def random_files(seed):
    source = random.Random(seed)
    files = {}
    while len(files) < COUNT:
        if len(files) < len(EDGES):
            size = EDGES[len(files)]
        else:  # As many between 1 and 2 KiB as between 512 KiB and 1 MiB.
            size = int(math.exp(source.uniform(0, math.log(1 << 20))))
        name = random_name(source)
        if len(files) < len(trees.PLAIN_HOSTILE_NAMES):
            name = trees.PLAIN_HOSTILE_NAMES[len(files)]
        if name not in (b".", b"..") and not name.startswith(b".ferry-"):
            files.setdefault(name, source.randbytes(size))
    return files


@limit(240)
def test_five_hundred_random_files(t):
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    files = random_files(seed)
    root = t.tmp()
    server = t.ferry(root, "--user", "ann:secret", "--write")
    client = t.closing(ftplib.FTP(timeout=20, encoding="latin-1"))
    client.connect("127.0.0.1", server.ftp_port)
    client.login("ann", "secret")
    for name, content in files.items():
        what = f"seed {seed}, {name!r}"
        command = "STOR " + name.decode("latin-1")
        check.holds(client.storbinary(command, io.BytesIO(content)).startswith("226"), what)
    check.equal(set(trees.names_in(root)), set(files), f"seed {seed}: the names on the disk")
    for name, content in files.items():
        check.same_bytes(trees.read(root, name), content, f"seed {seed}, on the disk: {name!r}")
    with Connection(server) as connection:
        for name, content in files.items():
            response = connection.ask("/" + quote(name))
            check.equal(response.status, 200, f"seed {seed}, HTTP: {name!r}")
            check.same_bytes(response.body, content, f"seed {seed}, HTTP: {name!r}")
    for name, content in files.items():
        into = io.BytesIO()
        client.retrbinary("RETR " + name.decode("latin-1"), into.write)
        check.same_bytes(into.getvalue(), content, f"seed {seed}, FTP: {name!r}")
    listed = {name.encode("latin-1"): facts for name, facts in client.mlsd()}
    for name, content in files.items():
        check.contains(listed, name, f"seed {seed}: MLSD")
        check.equal(listed[name]["size"], str(len(content)), f"seed {seed}, MLSD: {name!r}")
