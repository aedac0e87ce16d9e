"""SIGTERM and SIGINT: what is under way is finished, then status 0; a second one is the end."""

import dataclasses
import signal
import socket
import time

from support import check, trees
from support.case import rows
from support.ftp_wire import Control, read_all
from support.http_wire import Connection, request
from support.tls import SlowHandshake

SITE = trees.site()
LARGE = trees.octets(41, 48 << 20)


def serve(t, *flags):
    root = trees.fill(t.tmp(), SITE)
    trees.write(root, "large.bin", LARGE)
    return t.ferry(root, "--user", "ann:secret", "--write", *flags)


def begin_download(t, server):
    connection = t.closing(Connection(server, receive_buffer_bytes=8192))
    connection.send(request("/large.bin"))
    connection.fill(time.monotonic() + 5)
    time.sleep(0.2)
    return connection


def must_refuse(server, scheme):
    """New connections are refused, soon."""
    deadline = time.monotonic() + 5
    while True:
        try:
            with server.connect(scheme, timeout=2):
                pass
        except ConnectionRefusedError:
            return
        except OSError:
            pass  # Reset from the queue of a listener that was being closed.
        check.holds(time.monotonic() < deadline, f"{scheme} still accepts")
        time.sleep(0.02)


@dataclasses.dataclass(frozen=True)
class Signal:
    id: str
    number: int


@rows([Signal("SIGTERM", signal.SIGTERM), Signal("SIGINT", signal.SIGINT)])
def test_drain(t, row):
    """A download, an FTP transfer and an upload under way are finished; who is idle has to go."""
    server = serve(t, "--drain-timeout", "20s")
    download = begin_download(t, server)
    idle = t.closing(Connection(server))
    idle.ask("/one.txt")
    fresh = t.closing(Connection(server))
    session = t.closing(Control(server)).login("ann", "secret")
    retrieving = t.closing(Control(server)).login("ann", "secret")
    retrieved = retrieving.passive(receive_buffer_bytes=8192)
    retrieving.ask("RETR large.bin", 150, 125)
    storing = t.closing(Control(server)).login("ann", "secret")
    stored = storing.passive()
    storing.ask("STOR up.bin", 150, 125)
    stored.sendall(b"first half, ")
    time.sleep(0.2)

    server.signal(row.number)
    must_refuse(server, "http")
    must_refuse(server, "ftp")
    idle.must_end("an idle connection")
    fresh.must_end("a connection without a request")
    session.expect("an idle session", 421)
    session.must_end("after 421")
    check.equal(server.process.poll(), None, "it waits for what is under way")

    response = download.read_response(seconds=20)
    check.same_bytes(response.body, LARGE, "the download")
    download.must_end("after the last answer")
    check.same_bytes(read_all(retrieved, seconds=20), LARGE, "RETR")
    retrieving.expect("the end of RETR", 226)
    stored.sendall(b"second half")
    stored.close()
    storing.expect("the end of STOR", 226)
    check.equal(server.wait(), 0, "status")
    check.equal(trees.read(server.root, "up.bin"), b"first half, second half", "STOR")


def test_idle_server_stops_at_once(t):
    server = serve(t, "--drain-timeout", "60s")
    connections = [t.closing(Connection(server)) for _ in range(20)]
    for connection in connections:
        connection.ask("/one.txt")
    sessions = [t.closing(Control(server)).login() for _ in range(5)]
    for session in sessions:
        session.epsv()
    began = time.monotonic()
    server.signal(signal.SIGTERM)
    check.equal(server.wait(10), 0, "status")
    check.holds(time.monotonic() - began < 10, "idle connections held it up")


def test_the_last_answer_says_close(t):
    """threats.md, H8: a request that is under way when the server drains learns it is the last."""
    server = serve(t, "--drain-timeout", "20s")
    connection = t.closing(Connection(server, receive_buffer_bytes=8192))
    connection.send(request("/large.bin") + request("/one.txt"))
    connection.fill(time.monotonic() + 5)
    time.sleep(0.2)
    server.signal(signal.SIGTERM)
    time.sleep(0.2)
    check.same_bytes(connection.read_response(seconds=20).body, LARGE, "the first")
    second = connection.read_response()
    if second is not None:
        check.equal(second.body, b"1\n", "the second")
        check.holds(second.says_close, f"no Connection: close in {second}")
    connection.must_end("after the last answer")
    check.equal(server.wait(), 0, "status")


@dataclasses.dataclass(frozen=True)
class Secured:
    id: str
    scheme: str
    first_words: bytes = b""


@rows([Secured("https", "https"), Secured("ftps", "ftps"), Secured("auth", "ftp", b"AUTH TLS\r\n")])
def test_a_handshake_under_way_is_finished(t, row):
    """threats.md, H8, of TLS: a client that has begun to shake hands is served or told, not cut off."""
    server = serve(t, "--https", "127.0.0.1:0", "--ftps", "127.0.0.1:0", "--tls-self-signed",
                   "--drain-timeout", "20s")
    with server.connect(row.scheme, timeout=10) as plain:
        if row.first_words:
            plain.recv(1000)
            plain.sendall(row.first_words)
            check.holds(plain.recv(1000).startswith(b"234 "), "no 234")
        client = SlowHandshake(plain)
        time.sleep(0.2)
        server.signal(signal.SIGTERM)
        must_refuse(server, "http")
        time.sleep(0.7)
        client.go_on()
        if row.scheme == "https":
            client.send(request("/one.txt"))
        heard = client.read_all()
    if row.scheme == "https":
        check.holds(heard.startswith(b"HTTP/1.1 200 ") and heard.endswith(b"1\n"), f"{heard}")
        check.contains(heard, b"Connection: close", "the last answer")
    else:
        check.contains(heard, b"421 The server is shutting down", "what an FTP client is told")
    check.equal(server.wait(), 0, "status")


def test_second_signal_is_now(t):
    for number in (signal.SIGTERM, signal.SIGINT):
        server = serve(t, "--drain-timeout", "60s")
        begin_download(t, server)
        session = t.closing(Control(server)).login("ann", "secret")
        session.passive(receive_buffer_bytes=4096)
        session.ask("RETR large.bin", 150, 125)
        server.signal(number)
        time.sleep(0.5)
        check.equal(server.process.poll(), None, "it drains")
        server.signal(number)
        status = server.wait(5)
        check.one_of(status, (0, 1, 128 + number, -number), "status")


def test_drain_timeout(t):
    """What is not done by then is cut off, and the status is 0 all the same."""
    server = serve(t, "--drain-timeout", "1s")
    download = begin_download(t, server)
    session = t.closing(Control(server)).login("ann", "secret")
    data = session.passive()
    session.ask("STOR never", 150, 125)
    data.sendall(b"half")
    time.sleep(0.2)
    server.signal(signal.SIGTERM)
    check.equal(server.wait(10), 0, "status")
    check.lacks(trees.names_in(server.root), b"never", "the names")
    # What came of it waits for its client, who may go on after the restart (decision 0007).
    hidden = [n for n in trees.names_in(server.root) if n.startswith(b".ferry")]
    check.equal(hidden, [b".ferry-part-3-ann-never"], "hidden files")
    download.close()


def test_an_upload_that_is_cut_off_is_told(t):
    """Whoever stores something and is too slow for the drain gets an answer, and no reset."""
    server = serve(t, "--drain-timeout", "0s")
    login = ("Authorization", "Basic YW5uOnNlY3JldA==")
    uploads = []
    for name, framing in (("by-length", ("Content-Length", "1000")),
                          ("by-chunks", ("Transfer-Encoding", "chunked"))):
        upload = t.closing(Connection(server))
        upload.send(request(f"/{name}", method="PUT",
                            fields=[login, framing, ("Expect", "100-continue")]))
        check.equal(upload.read_response().status, 100, "what is said first")
        upload.send(b"5\r\nsome \r\n")
        uploads.append(upload)
    server.signal(signal.SIGTERM)
    for upload in uploads:
        response = upload.read_response(seconds=20)
        check.equal(response.status, 503, "what it is told")
        check.holds(response.says_close, f"no Connection: close in {response}")
        upload.must_end("behind that")
    check.equal(server.wait(), 0, "status")
    check.lacks(trees.names_in(server.root), b"by-length", "the names")
    check.lacks(trees.names_in(server.root), b"by-chunks", "the names")


def test_half_a_request_does_not_hold_it_up(t):
    server = serve(t, "--drain-timeout", "3s")
    half = t.closing(Connection(server))
    half.send(b"GET /one.txt HTTP/1.1\r\nHo")
    command = t.closing(Control(server))
    command.send(b"USE")
    time.sleep(0.2)
    server.signal(signal.SIGTERM)
    check.equal(server.wait(15), 0, "status")


def test_signals_that_do_not_end_it(t):
    """SIGPIPE, of which a client that has gone is the usual cause."""
    server = serve(t)
    for _ in range(3):
        server.signal(signal.SIGPIPE)
        time.sleep(0.1)
        check.equal(server.process.poll(), None, "after SIGPIPE")
    with Connection(server) as connection:
        check.equal(connection.ask("/one.txt").body, b"1\n", "afterwards")


def test_many_starts_and_stops(t):
    """Under load, at any moment: status 0, no crash."""
    root = trees.fill(t.tmp(), SITE)
    for i in range(15):
        server = t.ferry(root)
        sockets = [server.connect() for _ in range(20)]
        for connection in sockets:
            connection.send(request("/size-3m.bin") * 3)
        time.sleep(0.01 * i)
        server.signal(signal.SIGTERM)
        time.sleep(0.01)  # Two signals of one kind that wait together are one.
        if server.process.poll() is None:
            server.signal(signal.SIGTERM)
        check.one_of(server.wait(), (0, 1, 143, -signal.SIGTERM), "status")
        for connection in sockets:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()
