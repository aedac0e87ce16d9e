"""ferry behind nginx and HAProxy: whose requests and connections they pass on is seen (threats.md,
H11), and every answer arrives as it would without them; a client that asks in parts."""

import os
import shutil

from support import check, proxies, trees
from support.clients import run
from support.ftp_wire import Control
from support.http_wire import Connection, request
from support.proxies import Through

SITE = {b"hello.txt": b"hello, world\n", b"large.bin": trees.octets(11, 3 << 20),
        b"sub/name with space.txt": b"x"}
PROXY, CLIENT, DENIED = "127.0.0.1", "127.0.0.3", "127.0.0.4"


def make_root(t):
    return trees.fill(t.tmp(), SITE)


def lines_of(server):
    server.stop()
    return [line for line in server.output().splitlines() if " - - [" in line]


def check_answers(server):
    """What a client gets that asks by way of the proxy."""
    with Connection(server, source=CLIENT) as connection:
        check.equal(connection.ask("/hello.txt").body, b"hello, world\n", "a small file")
        whole = connection.ask("/large.bin")
        check.same_bytes(whole.body, SITE[b"large.bin"], "a large one")
        part = connection.ask("/large.bin", fields=[("Range", "bytes=1000000-1000009")])
        check.equal(part.status, 206, "a part")
        check.same_bytes(part.body, SITE[b"large.bin"][1000000:1000010], "its octets")
        check.equal(connection.ask("/hello.txt", method="HEAD").status, 200, "HEAD")
        tag = whole.field("ETag")
        check.equal(connection.ask("/large.bin", fields=[("If-None-Match", tag)]).status, 304,
                    "not modified")
        check.equal(connection.ask("/sub/name%20with%20space.txt").body, b"x", "a name")
        check.equal(connection.ask("/nope").status, 404, "nothing")
        moved = connection.ask("/sub")
        check.equal((moved.status, moved.field("Location")), (301, "/sub/"), "a redirect")
        check.equal(connection.ask("/sub/").status, 200, "a listing")
    with Connection(server, source=DENIED) as connection:
        check.equal(connection.ask("/hello.txt").status, 403, "who is denied")


def test_nginx(t):
    """proxy_pass with X-Forwarded-For, over connections that stay."""
    server = t.ferry(make_root(t), "--trusted-proxy", PROXY, "--deny", DENIED, "--access-log", "-")
    proxy = t.closing(proxies.nginx(t.tmp(), f"""
        location / {{
            proxy_pass http://127.0.0.1:{server.http_port};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}"""))
    check_answers(Through(proxy))
    seen = {line.split()[0] for line in lines_of(server)}
    check.equal(seen, {CLIENT, DENIED}, "addresses in the access log")


def needs_haproxy(t):
    if proxies.find("haproxy") is None:
        t.tell("HAProxy is not installed: nothing was shown")
        return False
    return True


def test_haproxy_http(t):
    """Its HTTP mode, with X-Forwarded-For."""
    if not needs_haproxy(t):
        return
    server = t.ferry(make_root(t), "--trusted-proxy", PROXY, "--deny", DENIED, "--access-log", "-")
    proxy = t.closing(proxies.haproxy(t.tmp(), [
        ("http", ["option forwardfor", f"server s 127.0.0.1:{server.http_port}"])]))
    check_answers(Through(proxy))
    seen = {line.split()[0] for line in lines_of(server)}
    check.equal(seen, {CLIENT, DENIED}, "addresses in the access log")


def test_haproxy_proxy_protocol(t):
    """PROXY headers of both versions, with a checksum, in front of HTTP and FTP; and the checks that
    HAProxy makes itself, which are LOCAL."""
    if not needs_haproxy(t):
        return
    server = t.ferry(make_root(t), "--proxy-protocol", PROXY, "--deny", DENIED, "--access-log", "-")
    http, ftp = (f"server s 127.0.0.1:{each}" for each in (server.http_port, server.ftp_port))
    proxy = t.closing(proxies.haproxy(t.tmp(), [
        ("tcp", [f"{http} send-proxy"]),
        ("tcp", [f"{http} send-proxy-v2"]),
        ("http", [f"{http} send-proxy-v2 proxy-v2-options crc32c,unique-id check inter 50ms"]),
        ("tcp", [f"{ftp} send-proxy"]),
        ("tcp", [f"{ftp} send-proxy-v2"])]))
    for door in range(3):
        check_answers(Through(proxy, door))
    for door in (3, 4):
        with Control(Through(proxy, door), source=CLIENT) as control:
            control.login()
            check.holds(CLIENT in control.ask("STAT", 211).text, "STAT names the client")
        with Control(Through(proxy, door), source=DENIED, greeting=False) as control:
            check.equal(control.reply().code, 421, "who is denied")
    seen = {line.split()[0] for line in lines_of(server)}
    check.equal(seen & {CLIENT, DENIED, PROXY}, {CLIENT, DENIED}, "addresses in the access log")


def test_where_data_connections_go(t):
    """Behind a proxy EPSV would lead to the proxy, so with an address of its own the server refuses it,
    and clients go on with PASV; without one, and for who connects directly, it is as ever."""
    server = t.ferry(make_root(t), "--proxy-protocol", PROXY, "--public-address", "127.0.0.1")
    header = f"PROXY TCP4 {CLIENT} 127.0.0.9 40000 21\r\n"
    with Control(server, source=PROXY, greeting=False) as control:
        control.send(header)
        control.expect("the greeting", 220)
        control.login()
        for command in ("EPSV", "EPSV ALL"):
            control.ask(command, 502)
        check.equal(control.pasv()[0], "127.0.0.1", "the address in the reply to PASV")
    with Control(server, source=CLIENT) as control:
        control.login().ask("EPSV", 229)
    plain = t.ferry(make_root(t), "--proxy-protocol", PROXY)
    with Control(plain, source=PROXY, greeting=False) as control:
        control.send(header)
        control.expect("the greeting", 220)
        control.login().ask("EPSV", 229)


def test_aria2(t):
    """A download of ranges over several connections at once."""
    if shutil.which("aria2c") is None:
        t.tell("aria2 is not installed: nothing was shown")
        return
    server = t.ferry(make_root(t), "--access-log", "-")
    folder = t.tmp()
    run(["aria2c", "--no-conf", "--split=4", "--max-connection-per-server=4",
         "--min-split-size=1M", "--piece-length=1M", "--file-allocation=none", "--quiet",
         f"--dir={folder}", "--out=got", f"{server.http_url}/large.bin"])
    with open(os.path.join(folder, "got"), "rb") as file:
        check.same_bytes(file.read(), SITE[b"large.bin"], "what arrived")
    parts = [line for line in lines_of(server) if '" 206 ' in line]
    check.holds(len(parts) >= 2, f"asked for in parts: {parts}")
