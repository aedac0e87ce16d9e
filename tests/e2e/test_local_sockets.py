"""--http unix:PATH: a socket of the file system, as a reverse proxy on the same machine uses it."""

import os
import select
import signal
import socket
import stat
import time

from support import check, proxies, trees
from support.clients import run
from support.http_wire import Connection, request
from support.proxies import Through

SITE = {b"hello.txt": b"hello, world\n", b"large.bin": trees.octets(12, 3 << 20)}
CLIENT = "127.0.0.3"


class Local:
    """Stands for a server, for clients that ask it to connect them: by its socket."""

    def __init__(self, path):
        self.path = path

    def connect(self, _scheme="http", **_options):
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(10)
        made.connect(self.path)
        return made


def serve(t, *flags):
    """A server with a socket; gives both."""
    path = os.path.join(t.tmp(), "ferry.sock")
    server = t.ferry(trees.fill(t.tmp(), SITE), "--http", "127.0.0.1:0", "--http", f"unix:{path}",
                     *flags, endpoints=2)
    check.holds(f'listening on http://unix:"{path}"\n' in server.output(), server.output())
    return server, path


def test_requests(t):
    """All cores take connections from the one socket; content, pipelines, ranges, as over TCP."""
    server, path = serve(t, "--access-log", "-")
    for _ in range(20):
        with Connection(Local(path)) as connection:
            check.equal(connection.ask("/hello.txt").body, b"hello, world\n", "a small file")
            check.same_bytes(connection.ask("/large.bin").body, SITE[b"large.bin"], "a large one")
    with Connection(Local(path)) as connection:
        connection.send(b"".join(request("/hello.txt") for _ in range(50)))
        for i in range(50):
            check.equal(connection.read_response().body, b"hello, world\n", f"{i}")
    got = run(["curl", "-sS", "--unix-socket", path, "http://localhost/large.bin"]).output
    check.same_bytes(got, SITE[b"large.bin"], "what curl got")
    server.stop()
    check.holds('unix: - - [' in server.output(), "unix: in the access log")
    check.holds(not os.path.exists(path), "the socket is gone with its server")


def test_slow_reader(t):
    """threats.md, H3: who takes too little is let go here, too."""
    _, path = serve(t, "--send-timeout", "300ms")
    with Connection(Local(path)) as connection:
        connection.send(request("/large.bin"))
        first = connection.socket.recv(10)
        check.equal(first, b"HTTP/1.1 2", "the beginning")
        # Its end shows without reading what was sent, which would be taking it.
        ended, began = select.poll(), time.monotonic()
        ended.register(connection.socket, 0)
        while not ended.poll(50):
            check.holds(time.monotonic() - began < 10, "a client that takes nothing is still there")


def test_mode_and_what_is_left(t):
    """The mode is as it was asked for; what a killed server has left is replaced; a socket in use is
    not, and a file that is none stays."""
    server, path = serve(t)
    check.equal(stat.S_IMODE(os.stat(path).st_mode), 0o660, "the usual mode")
    refused = t.ferry(server.root, "--http", f"unix:{path}", starts=False).spawn()
    check.equal(refused.wait(), 1, "the status of another server there")
    check.holds("another server listens there" in refused.errors(), refused.errors())
    server.signal(signal.SIGKILL)
    server.wait()
    check.holds(os.path.exists(path), "a killed server leaves its socket")
    again = t.ferry(server.root, "--http", "127.0.0.1:0", "--http", f"unix:{path}:mode=0666",
                    endpoints=2)
    check.equal(stat.S_IMODE(os.stat(path).st_mode), 0o666, "the mode asked for")
    with Connection(Local(path)) as connection:
        check.equal(connection.ask("/hello.txt").status, 200, "the server that came after")
    again.stop()
    with open(path, "w", encoding="ascii") as file:
        file.write("mine")
    refused = t.ferry(server.root, "--http", f"unix:{path}", starts=False).spawn()
    check.equal(refused.wait(), 1, "the status where a file is in the way")
    check.holds("no socket" in refused.errors(), refused.errors())
    check.holds(os.path.isfile(path), "the file is still there")


def test_nginx(t):
    """nginx in front, by the socket, trusted as unix: for X-Forwarded-For."""
    server, path = serve(t, "--trusted-proxy", "unix:", "--deny", "127.0.0.4", "--access-log", "-")
    proxy = t.closing(proxies.nginx(t.tmp(), f"""
        location / {{
            proxy_pass http://unix:{path};
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}"""))
    for source, status in ((CLIENT, 200), ("127.0.0.4", 403)):
        with Connection(Through(proxy), source=source) as connection:
            check.equal(connection.ask("/large.bin").status, status, source)
    server.stop()
    check.holds(f"{CLIENT} - - [" in server.output(), "the client in the access log")
