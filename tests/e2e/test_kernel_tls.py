"""TLS where the kernel seals large files, and where it cannot: what arrives, and what is said of it.

On a kernel without TLS these see that all is sealed by ferry; tools/test-ktls runs them on one that has it.
"""

import os
import re
import socket
import subprocess

from support import check, trees
from support.case import limit
from support.clients import run
from support.http_wire import Connection, request
from support.tls import Secure

KIB = trees.octets(9, 1 << 10)
MIB = trees.octets(10, 1 << 20)
LARGE = trees.octets(11, 5 << 20)
SITE = {b"kib": KIB, b"mib": MIB, b"large": LARGE}
SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
BY_KERNEL = "TLS: the kernel seals large files"
HERE = "TLS: files are sealed here"


def serve(t, *flags):
    folder = t.tmp()
    server = t.ferry(trees.fill(t.tmp(), SITE), "--https", "127.0.0.1:0", "--tls-self-signed",
                     "--tls-cert", f"{folder}/own.pem", "--tls-key", f"{folder}/own.key",
                     "--cores", "1", *flags)
    return server, f"{folder}/own.pem"


def sealed():
    """For how many connections the kernel has sealed; nothing where it does not."""
    try:
        with open("/proc/net/tls_stat", encoding="ascii") as file:
            return int(re.search(r"^TlsTxSw\s+(\d+)", file.read(), re.MULTILINE)[1])
    except FileNotFoundError:
        return None


def curl(authority, *arguments):
    return run(["curl", "-sS", "--cacert", authority, *arguments]).output


def check_sealed(server, before, connections):
    """That many connections have had a large file, and the server says who has sealed it."""
    after = sealed()
    if after is None:
        check.contains(server.errors(), f"{HERE}: the kernel has no TLS", "what it says of it")
        return
    check.contains(server.errors(), BY_KERNEL, "what it says of it")
    check.equal(after - (before or 0), connections, "connections that the kernel has sealed for")


@limit(90)
def test_files(t):
    """1 KiB, 1 MiB and ranges over HTTPS and FTPS, by each cipher, and several on one connection."""
    server, authority = serve(t)
    before = sealed()
    url = server.https_url
    for suite in SUITES:
        by = ("--tlsv1.3", "--tls13-ciphers", suite)
        check.same_bytes(curl(authority, *by, f"{url}/kib"), KIB, f"1 KiB by {suite}")
        check.same_bytes(curl(authority, *by, f"{url}/mib"), MIB, f"1 MiB by {suite}")
        got = curl(authority, *by, "-r", "1000-500999", f"{url}/mib")
        check.same_bytes(got, MIB[1000:501000], f"a range by {suite}")
    got = curl(authority, "--tls-max", "1.2", f"{url}/mib")
    check.same_bytes(got, MIB, "by TLS 1.2, which the kernel has no part in")
    ftps = f"ftp://localhost:{server.ftp_port}"
    for name, content in (("mib", MIB), ("kib", KIB)):
        got = curl(authority, "--ssl-reqd", "-u", "ftp:x", f"{ftps}/{name}")
        check.same_bytes(got, content, f"RETR of {name} over TLS")
    got = curl(authority, "--ssl-reqd", "-u", "ftp:x", "-C", "1000", f"{ftps}/mib")
    check.same_bytes(got, MIB[1000:], "REST and RETR")
    with Connection(Secure(server, authority)) as connection:
        for name, content in (("kib", KIB), ("mib", MIB), ("kib", KIB), ("large", LARGE)):
            check.same_bytes(connection.ask(f"/{name}").body, content, f"{name} among others")
        connection.send(b"".join(request("/kib") for _ in range(40)))
        for i in range(40):
            check.same_bytes(connection.read_response().body, KIB, f"pipelined {i}")
    check_sealed(server, before, 2 * len(SUITES) + 3)


@limit(60)
def test_the_end_arrives(t):
    """threats.md, T2: behind a large file close_notify arrives, however slowly its reader reads."""
    server, authority = serve(t)
    before = sealed()
    for room in (4096, 1 << 20):
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        plain.settimeout(20)
        plain.connect(("127.0.0.1", server.https_port))
        with Secure(server, authority).wrap(plain) as connection:
            connection.sendall(request("/large", version="HTTP/1.0"))
            got = bytearray()
            while piece := connection.recv(10_000):  # An end without close_notify is an exception.
                got += piece
        check.same_bytes(bytes(got).split(b"\r\n\r\n", 1)[1], LARGE, f"by {room} octets of room")
    check_sealed(server, before, 2)


def test_wishes(t):
    """--tls-kernel: off leaves the kernel out, require does not serve without it, --check says which."""
    server, authority = serve(t, "--tls-kernel", "off")
    before = sealed()
    check.same_bytes(curl(authority, f"{server.https_url}/mib"), MIB, "sealed by ferry")
    check.contains(server.errors(), f"{HERE}, as --tls-kernel says", "what it says of it")
    check.equal(sealed(), before, "connections that the kernel has sealed for")
    command = [t.binary, "--check", "--http", "off", "--https", "127.0.0.1:0", "--tls-self-signed",
               "--tls-kernel", "require", os.fsdecode(server.root)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    if said.returncode == 0:
        check.contains(said.stdout, BY_KERNEL, "--check")
        check.holds(sealed() is not None, "there is kernel TLS")
        return
    check.holds(sealed() is None, f"refused where there is kernel TLS: {said.stderr}")
    check.contains(said.stderr, "--tls-kernel require: the kernel has no TLS", "the refusal")
    said = run(command[:-3] + ["--tls-kernel", "auto", command[-1]]).text
    check.contains(said, f"{HERE}: the kernel has no TLS", "--check")


def test_a_reader_who_leaves(t):
    """Whoever leaves in the middle of a large file disturbs nobody else."""
    server, authority = serve(t)
    for _ in range(3):
        connection = Secure(server, authority).wrap(server.connect("https"))
        connection.sendall(request("/large"))
        check.holds(connection.recv(1000), "its beginning")
        connection.close()
    check.same_bytes(curl(authority, f"{server.https_url}/large"), LARGE, "for who stays")
