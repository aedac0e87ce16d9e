"""What depends on the address of a client: who may connect."""

import socket

from support import check, trees
from support.ftp_wire import Control
from support.http_wire import Connection, request

SITE = {b"hello.txt": b"hello, world\n"}
FIRST, SECOND, THIRD = "127.0.0.1", "127.0.0.2", "127.0.0.3"


def status_for(server, source):
    with Connection(server, source=source) as connection:
        return connection.ask("/hello.txt").status


def greeting_for(server, source):
    with Control(server, source=source, greeting=False) as control:
        return control.reply().code


def test_rules(t):
    """--allow and --deny: the closest block decides; who is kept out gets 403 or 421 and the end."""
    server = t.ferry(trees.fill(t.tmp(), SITE), "--allow", "127.0.0.0/8", "--deny", "127.0.0.2",
                     "--deny", "ftp:127.0.0.3", "--access-log", "-")
    check.equal([status_for(server, each) for each in (FIRST, SECOND, THIRD)], [200, 403, 200],
                "HTTP")
    check.equal([greeting_for(server, each) for each in (FIRST, SECOND, THIRD)], [220, 421, 421],
                "FTP")
    with Connection(server, source=SECOND) as refused:
        check.equal(refused.read_response().status, 403, "before anything is asked")
        refused.must_end("after 403")
    server.stop()
    lines = [line for line in server.output().splitlines() if line.startswith(SECOND)]
    check.equal(len(lines), 3, f"lines of the access log for {SECOND}: {lines}")


def test_only_some_are_allowed(t):
    server = t.ferry(trees.fill(t.tmp(), SITE), "--allow", "http:127.0.0.2")
    check.equal([status_for(server, each) for each in (FIRST, SECOND)], [403, 200], "HTTP")
    check.equal([greeting_for(server, each) for each in (FIRST, SECOND)], [220, 220], "FTP")


def test_mapped_addresses(t):
    """A listener for both families sees 127.0.0.2 as ::ffff:127.0.0.2: rules for v4 hold."""
    server = t.ferry(trees.fill(t.tmp(), SITE), "--http", "*:0", "--deny", "127.0.0.2")

    def status(source):
        with socket.create_connection((FIRST, server.http_port), 10, (source, 0)) as connection:
            connection.sendall(request("/hello.txt"))
            return int(connection.recv(65536).split()[1])

    check.equal([status(each) for each in (FIRST, SECOND)], [200, 403], "HTTP")
