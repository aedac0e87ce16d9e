"""What depends on the address of a client: who may connect, and how much it may use; with proxies in
front that say whose connections and requests they pass on."""

import socket
import struct
import time

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


SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def version_1(address):
    return f"PROXY TCP4 {address} 198.51.100.2 4660 80\r\n".encode()


def version_2(address, extensions=b""):
    block = (socket.inet_aton(address) + socket.inet_aton("198.51.100.2")
             + struct.pack(">HH", 4660, 80) + extensions)
    return SIGNATURE + b"\x21\x11" + struct.pack(">H", len(block)) + block


LOCAL = SIGNATURE + b"\x20\x00\x00\x00"


def behind(server, header, source=SECOND):
    """A connection of HTTP that begins with `header`."""
    connection = Connection(server, source=source)
    connection.send(header)
    return connection


def test_proxy_protocol_http(t):
    """--proxy-protocol: rules, limits and log go by whom the header names; without one, or from
    elsewhere, nothing is guessed."""
    server = t.ferry(trees.fill(t.tmp(), SITE), "--proxy-protocol", SECOND, "--deny", "192.0.2.9",
                     "--address-connections-max", "1", "--access-log", "-")
    for header in (version_1("192.0.2.1"), version_2("192.0.2.2"), LOCAL,
                   version_2("192.0.2.3", b"\x04\x00\x02ab")):
        with behind(server, header) as connection:
            check.equal(connection.ask("/hello.txt").body, b"hello, world\n", f"{header}")
            check.equal(connection.ask("/hello.txt").status, 200, "the next request")
    with behind(server, version_1("192.0.2.9")) as denied:
        check.equal(denied.read_response().status, 403, "who is denied")
        denied.must_end("after 403")
    with behind(server, version_1("192.0.2.4")) as first:
        # Answered before the second comes: two cores may read the headers in either order.
        check.equal(first.ask("/hello.txt").status, 200, "the first of an address")
        with behind(server, version_2("192.0.2.4")) as second:
            check.equal(second.read_response().status, 503, "the second")
    with Connection(server, source=SECOND) as plain:
        plain.send(request("/hello.txt"))
        plain.must_end("from the proxy, without a header")
    with behind(server, version_1("192.0.2.1"), source=THIRD) as stranger:
        check.holds(stranger.read_response().status in (400, 501), "a header from elsewhere")
    with behind(server, b"PROXY TCP4 ") as half:
        half.send(b"192.0.2.1 198.51.100.2 4660 80\r\n" + request("/hello.txt"))
        check.equal(half.read_response().status, 200, "a header in two pieces")
    server.stop()
    log = server.output()
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.9", "192.0.2.4", SECOND, THIRD):
        check.holds(f"\n{address} - " in log, f"{address} in the access log: {log}")


def test_proxy_protocol_takes_its_time(t):
    """A header that does not come ends the connection after --header-timeout."""
    server = t.ferry(trees.fill(t.tmp(), SITE), "--proxy-protocol", SECOND, "--header-timeout",
                     "300ms")
    with behind(server, b"PROXY TCP4 192.") as half, Control(server, source=SECOND,
                                                             greeting=False) as silent:
        half.must_end("half a header")
        silent.must_end("no header")


def test_proxy_protocol_ftp(t):
    server = t.ferry(trees.fill(t.tmp(), SITE), "--proxy-protocol", SECOND, "--deny", "192.0.2.9")
    for header, code in ((version_1("192.0.2.1"), 220), (version_2("192.0.2.2"), 220), (LOCAL, 220),
                         (version_1("192.0.2.9"), 421)):
        with Control(server, source=SECOND, greeting=False) as control:
            control.send(header)
            check.equal(control.reply().code, code, f"{header}")
            if code == 220:
                control.login()
                said = control.ask("STAT", 211).text
                whom = {version_1("192.0.2.1"): "192.0.2.1", LOCAL: SECOND}.get(header, "192.0.2.2")
                check.holds(whom in said, f"STAT names the client: {said}")
    with Control(server, source=SECOND, greeting=False) as plain:
        plain.send("USER ann\r\n")
        plain.must_end("from the proxy, without a header")
    with Control(server) as other:
        other.login()


def test_trusted_proxy(t):
    """--trusted-proxy: the request is whose X-Forwarded-For says at its end; from others it is
    nobody's word."""
    server = t.ferry(trees.fill(t.tmp(), SITE), "--trusted-proxy", SECOND, "--deny", "192.0.2.9",
                     "--access-log", "-")

    def status(source, said, field="X-Forwarded-For"):
        with Connection(server, source=source) as connection:
            return connection.ask("/hello.txt", fields=[(field, said)]).status

    check.equal(status(SECOND, "192.0.2.9, 192.0.2.1"), 200, "a client that lies to the proxy")
    check.equal(status(SECOND, "192.0.2.1, 192.0.2.9"), 403, "who is denied")
    check.equal(status(FIRST, "192.0.2.9"), 200, "a client that is no proxy")
    check.equal(status(SECOND, "for=192.0.2.9", "Forwarded"), 200, "the field that is not read")
    with Connection(server, source=SECOND) as several:
        check.equal([several.ask("/hello.txt", fields=[("X-Forwarded-For", each)]).status
                     for each in ("192.0.2.9", "192.0.2.5", "192.0.2.9")], [403, 200, 403],
                    "requests of several clients on one connection")
    server.stop()
    log = server.output()
    for address in ("192.0.2.1", "192.0.2.9", "192.0.2.5", FIRST, SECOND):
        check.holds(f"\n{address} - " in log, f"{address} in the access log: {log}")


def test_forwarded(t):
    server = t.ferry(trees.fill(t.tmp(), SITE), "--trusted-proxy", FIRST, "--forwarded-field",
                     "forwarded", "--deny", "2001:db8::/32")
    with Connection(server) as proxy:
        check.equal([proxy.ask("/hello.txt", fields=[each]).status for each in (
            ("Forwarded", 'for="[2001:db8::1]:4711";proto=https'),
            ("Forwarded", "for=192.0.2.1"),
            ("X-Forwarded-For", "2001:db8::1"))], [403, 200, 200], "RFC 7239")


def test_limits_of_an_address(t):
    """--address-...: connections, and requests with 429 and Retry-After, of an address, on whatever
    core; others are served."""
    server = t.ferry(trees.fill(t.tmp(), SITE), "--address-connections-max", "3",
                     "--address-requests-rate", "1", "--address-requests-burst", "10")
    held = [t.closing(Connection(server, source=SECOND)) for _ in range(3)]
    answers = [each.ask("/hello.txt") for each in held for _ in range(4)]
    check.equal([each.status for each in answers[:10]], [200] * 10, "the first ten")
    check.equal(answers[11].status, 429, "the twelfth")
    check.holds(answers[11].field("Retry-After") in ("1", "2"), f"{answers[11].fields}")
    check.holds(not answers[11].says_close, "the connection stays")
    with Connection(server, source=SECOND) as fourth:
        check.equal(fourth.read_response().status, 503, "the fourth connection")
    check.equal(status_for(server, THIRD), 200, "another address")
    with Control(server, source=SECOND, greeting=False) as control:
        check.equal(control.reply().code, 421, "FTP counts, too")
    held[0].close()
    must_come(lambda: greeting_for(server, SECOND) == 220, "a place that was given back")


def must_come(holds, what):
    for _ in range(200):
        if holds():
            return
        time.sleep(0.01)
    check.holds(False, what)


def test_rate_of_an_address(t):
    """--address-send-rate-max: of all connections of the address together."""
    root = t.tmp()
    trees.write(root, "large.bin", trees.octets(1, 60_000))
    server = t.ferry(root, "--address-send-rate-max", "100k")
    both = [t.closing(Connection(server)) for _ in range(2)]
    began = time.monotonic()
    for each in both:
        each.send(request("/large.bin"))
    for each in both:
        check.equal(len(each.read_response().body), 60_000, "octets")
    check.holds(time.monotonic() - began > 0.9, "120 KB at 100 KiB a second take a second")
