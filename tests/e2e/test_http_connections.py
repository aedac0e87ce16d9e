"""Connections over time: deadlines, limits, slow and rude clients (threats.md, H3 and H4)."""

import contextlib
import os
import re
import resource
import select
import shutil
import socket
import struct
import subprocess
import time

from support import check, trees
from support.case import Failure, limit
from support.http_wire import Connection, ask, fetch, request
from support.usage import (anonymous_bytes, cpu_seconds, resident_bytes, must_settle,
                           warm)

SITE = trees.site()


def make_server(maker):
    return maker.ferry(trees.fill(maker.tmp(), SITE))


def test_keep_alive(t):
    """A thousand requests on one connection, of every kind of answer."""
    server = t.shared(make_server)
    with Connection(server) as connection:
        for i in range(250):
            check.equal(connection.ask("/hello.txt").body, b"hello, world\n", f"{i}")
            check.equal(connection.ask("/nope").status, 404, f"{i}")
            check.equal(connection.ask("/size-8193.bin", method="HEAD").status, 200, f"{i}")
            check.same_bytes(connection.ask("/size-8193.bin").body, SITE[b"size-8193.bin"], f"{i}")


def test_http_1_0_keep_alive_on_request(t):
    """RFC 9112 section 9.3: `Connection: keep-alive` of a 1.0 client may be honoured, but then the
    answer says so and is framed."""
    server = t.shared(make_server)
    with Connection(server) as connection:
        first = connection.ask("/hello.txt", version="HTTP/1.0",
                               fields=[("Connection", "keep-alive")])
        check.equal(first.body, b"hello, world\n", "the first answer")
        if "keep-alive" in (first.field("Connection") or "").lower():
            again = connection.ask("/one.txt", version="HTTP/1.0")
            check.equal(again.body, b"1\n", "the second answer")
        connection.must_end("after an answer to 1.0")


def test_pipeline_of_mixed_sizes(t):
    """Large and small answers interleaved, in order, while the client sends before it reads."""
    server = t.shared(make_server)
    names = ["size-3m.bin", "one.txt", "size-8192.bin", "size-8193.bin", "empty.txt", "nope",
             "size-100k.bin", "hello.txt"] * 3
    with Connection(server) as connection:
        connection.send(b"".join(request("/" + name) for name in names))
        for name in names:
            response = connection.read_response()
            if name == "nope":
                check.equal(response.status, 404, name)
            else:
                check.same_bytes(response.body, SITE[name.encode()], name)


def test_pipeline_split_anywhere(t):
    """A request head may end in one segment and begin in another, at every octet."""
    server = t.shared(make_server)
    octets = request("/one.txt", fields=[("X-Long", "v" * 20)]) * 2
    for cut in range(1, len(octets), 3):
        with Connection(server) as connection:
            connection.send(octets[:cut])
            time.sleep(0.002)
            connection.send(octets[cut:])
            for _ in range(2):
                check.equal(connection.read_response().body, b"1\n", f"cut at {cut}")


def test_unread_pipeline_is_bounded(t):
    """threats.md, H4: a client that asks and never reads is stopped, not answered into memory."""
    server = t.ferry(trees.fill(t.tmp(), SITE), "--send-timeout", "2s")
    before = resident_bytes(server)
    connection = t.closing(Connection(server, receive_buffer_bytes=4096))
    octets = request("/size-100k.bin") * 200
    sent, began = 0, time.monotonic()
    connection.socket.setblocking(False)
    while sent < 64 << 20 and time.monotonic() - began < 1.5:
        try:
            sent += connection.socket.send(octets)
        except BlockingIOError:
            select.select([], [connection.socket], [], 0.1)
        except (ConnectionResetError, BrokenPipeError):
            break
    check.equal(fetch(server, "/one.txt"), b"1\n", "another client")
    grown = resident_bytes(server) - before
    check.holds(grown < 32 << 20, f"the server grew by {grown} octets for one client")


def with_large_directory(root):
    """`root` with a file, and 8,000 names in `many/`: a page of 1.4 MB."""
    trees.write(root, b"one.txt", b"1\n")
    os.mkdir(os.path.join(root, "many"))
    for name in large_directory_names():
        os.close(os.open(os.path.join(root, "many", name), os.O_CREAT | os.O_WRONLY))
    return root


def large_directory_names():
    return {f"a-name-of-some-length-for-a-file-{i:05}.txt" for i in range(8000)}


@limit(120)
def test_a_crowd_asks_for_a_large_directory(t):
    """threats.md, V9 and H4: of clients that ask for a large page and do not read, few make the
    server hold one. The others get the directory unsorted, as far as they read."""
    server = t.ferry(with_large_directory(t.tmp()), "--cores", "1", "--list-held-max", "4",
                     "--list-reads-max", "2", "--list-wait-timeout", "1m", "--send-timeout", "1m")
    check.equal(fetch(server, "/one.txt"), b"1\n", "before")
    before = resident_bytes(server)
    crowd = [t.closing(Connection(server, receive_buffer_bytes=4096, segment_bytes=1400))
             for _ in range(200)]
    for each in crowd:
        each.send(request("/many/"))
    most = 0
    for each in crowd:
        each.fill(time.monotonic() + 60)
        most = max(most, resident_bytes(server))
    began = time.monotonic()
    check.equal(fetch(server, "/one.txt"), b"1\n", "another client")
    check.holds(time.monotonic() - began < 2, "another client waits")
    grown = max(most, resident_bytes(server)) - before
    check.holds(grown < 80 << 20, f"the server grew by {grown} octets for 200 pages of 1.4 MB")
    heads = [each.pending for each in crowd]
    check.equal(sum(b"\r\nContent-Length: " in head for head in heads), 4, "pages held")
    # One that reads after all has every name once, and so has a newcomer.
    names = large_directory_names()
    for reader in (crowd[-1], Connection(server)):
        with reader:
            if reader is not crowd[-1]:
                reader.send(request("/many/"))
            body = reader.read_response().body.decode()
            listed = re.findall(r'href="\./([^"/]+)"', body)
            check.equal(len(listed), len(names), "links")
            check.equal(set(listed), names, "names")
    # Those that leave make room for sorted pages again.
    for each in crowd:
        each.close()
    deadline = time.monotonic() + 10
    while ask(server, "/many/", method="HEAD").field("Content-Length") is None:
        check.holds(time.monotonic() < deadline, "no page is sorted any more")
        time.sleep(0.1)


def test_a_large_page_is_forgotten(t):
    """threats.md, H4: a client that has its page and goes on in drips makes the server hold it no
    longer."""
    server = t.ferry(with_large_directory(t.tmp()), "--cores", "1", "--header-timeout", "1m")
    check.holds(len(fetch(server, "/many/")) > 1_000_000, "a large page")
    before = resident_bytes(server)
    for _ in range(60):
        connection = t.closing(Connection(server))
        connection.send(request("/many/") + b"GET /one.txt HT")
        check.equal(connection.read_response().status, 200, "status")
    grown = resident_bytes(server) - before
    check.holds(grown < 32 << 20, f"the server grew by {grown} octets for 60 pages that were read")


def test_more_directories_than_can_wait(t):
    """RFC 9110 sections 10.2.3 and 15.6.4: 503 says when to come again, and the connection stays."""
    server = t.ferry(with_large_directory(t.tmp()), "--cores", "1", "--list-reads-max", "1",
                     "--list-wait-timeout", "0s", "--offload-threads", "2")
    crowd = [t.closing(Connection(server)) for _ in range(40)]
    for each in crowd:
        each.send(request("/many/"))
    seen = {200: 0, 503: 0}
    for each in crowd:
        response = each.read_response()
        seen[response.status] = seen.get(response.status, 0) + 1
        if response.status == 503:
            check.equal(response.field("Retry-After"), "5", "Retry-After")
            check.equal(each.ask("/one.txt").body, b"1\n", "the next request")
    check.equal(set(seen), {200, 503}, "statuses")
    check.holds(seen[200] >= 1 and seen[503] >= 1, f"{seen}")
    check.equal(crowd[-1].ask("/many/").status, 200, "later")


def test_header_timeout(t):
    """threats.md, H3: a head has a total deadline, also when it trickles in: 408 (or the end)."""
    server = t.ferry(trees.fill(t.tmp(), SITE), "--header-timeout", "1s", "--idle-timeout", "30s")
    with Connection(server) as connection:
        connection.send(b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n")
        ended = False
        for i in range(100):  # Ten seconds: the trickle does not put the deadline off.
            try:
                connection.send(f"X-{i}: y\r\n".encode())
            except OSError:
                ended = True
            if connection.pending or connection.ended or ended:
                break
            time.sleep(0.1)
        else:
            raise Failure("the head trickles in for 10 s at --header-timeout 1s")
        response = connection.read_response()
        if response is not None:
            check.equal(response.status, 408, "status")
            check.holds(response.says_close, f"no Connection: close in {response}")
        connection.must_end("after the deadline")
    # The second request of a connection has the same deadline.
    with Connection(server) as connection:
        connection.ask("/one.txt")
        connection.send(b"GET /hello.txt HT")
        response = connection.read_response()
        if response is not None:
            check.equal(response.status, 408, "status of the second")
        connection.must_end("after the deadline of the second")
    check.equal(fetch(server, "/one.txt"), b"1\n", "another client")


def test_idle_timeout(t):
    """RFC 9112 section 9.5: an idle connection is closed, silently."""
    server = t.ferry(trees.fill(t.tmp(), SITE), "--idle-timeout", "1s")
    with Connection(server) as connection:
        connection.ask("/one.txt")
        connection.must_end("an idle connection")
    with Connection(server) as connection:
        rest = connection.read_all()
        check.holds(rest == b"" or rest.startswith(b"HTTP/1.1 408 "), f"before a request: {rest!r}")


def test_send_timeout(t):
    """A client that takes nothing of its answer is let go; one that is only slow is not."""
    root = t.tmp()
    content = trees.octets(8, 10 << 20)
    trees.write(root, "large.bin", content)
    server = t.ferry(root, "--send-timeout", "2s")
    stuck = t.closing(Connection(server, receive_buffer_bytes=4096))
    stuck.send(request("/large.bin"))
    slow = t.closing(Connection(server, receive_buffer_bytes=65536))
    slow.send(request("/large.bin"))
    got, began = b"", time.monotonic()
    while len(got) < len(content):
        piece = slow.socket.recv(65536)
        check.holds(piece, f"the slow client was cut off after {len(got)} octets")
        got += piece
        time.sleep(0.03)
    check.same_bytes(got.split(b"\r\n\r\n", 1)[1], content, "what the slow client got")
    while is_established(server, stuck):
        check.holds(time.monotonic() - began < 15, "a client that takes nothing is still connected")
        time.sleep(0.1)


def test_slow_read(t):
    """threats.md, H3: who takes less of an answer than --send-rate-min is let go, however small his
    window; whom the server's own rate holds back is not."""
    root = t.tmp()
    trees.write(root, "large.bin", trees.octets(8, 4 << 20))
    trees.write(root, "small.bin", trees.octets(9, 1500))
    least = ("--send-rate-min", "2k", "--rate-window", "500ms")
    server = t.ferry(root, *least)
    dripping = t.closing(Connection(server, receive_buffer_bytes=2048))
    dripping.send(request("/large.bin"))
    held_back = t.closing(Connection(t.ferry(root, *least, "--anonymous-limits",
                                             "session-rate=1k")))
    held_back.send(request("/small.bin"))
    began = time.monotonic()
    with contextlib.suppress(ConnectionError):
        while dripping.socket.recv(10):
            check.holds(time.monotonic() - began < 15, "a client that drips is still connected")
            time.sleep(0.02)
    check.holds(held_back.read_response().status == 200, "slow by --anonymous-limits")


def test_slowhttptest(t):
    """slowhttptest, with slow heads, slow bodies and slow readers: the server's end of each of its
    connections is ended, and others are served meanwhile."""
    if shutil.which("slowhttptest") is None:
        t.tell("slowhttptest is not installed: nothing was shown")
        return
    root = t.tmp()
    trees.write(root, "large.bin", trees.octets(8, 4 << 20))
    server = t.ferry(root, "--header-timeout", "600ms", "--idle-timeout", "600ms",
                     "--body-timeout", "600ms", "--send-rate-min", "100k", "--rate-window", "500ms")
    began = time.monotonic()
    attacks = [subprocess.Popen(
        ["slowhttptest", *kind, "-c", "40", "-r", "200", "-i", "1", "-l", "20", "-p", "1",
         "-u", f"{server.http_url}/large.bin"],
        cwd=t.tmp(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for kind in (["-H"], ["-B"],
                     ["-X", "-w", "512", "-y", "1024", "-n", "1", "-z", "32", "-k", "1"])]
    try:
        most = 0
        while most < 40 or count_established(server) > 0:
            most = max(most, count_established(server))
            check.equal(ask(server, "/large.bin", method="HEAD").status, 200, "an honest client")
            check.holds(time.monotonic() - began < 15,
                        f"{count_established(server)} connections of {most} are still there")
            time.sleep(0.02)
    finally:
        for each in attacks:
            each.kill()
            each.wait()


def count_established(server):
    """How many connections the server has, of HTTP."""
    with open(f"/proc/{server.pid}/net/tcp", encoding="ascii") as file:
        parts = (line.split() for line in file.readlines()[1:])
        return sum(int(each[1].split(":")[1], 16) == server.http_port and each[3] == "01"
                   for each in parts)


def is_established(server, connection):
    """Whether the server's end of the connection is in state ESTABLISHED."""
    local = connection.socket.getsockname()[1]
    with open(f"/proc/{server.pid}/net/tcp", encoding="ascii") as file:
        for line in file.readlines()[1:]:
            parts = line.split()
            if (int(parts[1].split(":")[1], 16) == server.http_port
                    and int(parts[2].split(":")[1], 16) == local and parts[3] == "01"):
                return True
    return False


def test_requests_per_connection_max(t):
    server = t.ferry(trees.fill(t.tmp(), SITE), "--requests-per-connection-max", "3")
    with Connection(server) as connection:
        check.holds(not connection.ask("/one.txt").says_close, "the first")
        check.holds(not connection.ask("/one.txt").says_close, "the second")
        third = connection.ask("/one.txt")
        check.equal(third.body, b"1\n", "the third")
        check.holds(third.says_close, f"no Connection: close in {third}")
        connection.must_end("after the third")


def test_connections_max(t):
    """Up to --connections-max everybody is served, on whatever core; above it nobody until somebody
    leaves, and then at once. Ten times: which core a connection falls to is chance."""
    server = t.ferry(trees.fill(t.tmp(), SITE), "--connections-max", "4", "--ftp", "off")
    for round_ in range(10):
        with contextlib.ExitStack() as stack:
            crowd = [stack.enter_context(Connection(server)) for _ in range(4)]
            for connection in crowd:
                check.equal(connection.ask("/one.txt").body, b"1\n", f"one of four, round {round_}")
            late = stack.enter_context(Connection(server))
            late.send(request("/one.txt"))
            ready, _, _ = select.select([late.socket], [], [], 0.2)
            if ready:
                answer = late.read_response()
                check.holds(answer is None or answer.status == 503, f"the fifth got {answer}")
            for connection in crowd:
                connection.close()
            if not ready:
                check.equal(late.read_response().body, b"1\n", "the fifth, after others left")
        time.sleep(0.1)


def test_limits_of_heads(t):
    """--head-bytes-max, --target-bytes-max and --fields-max, each with its status."""
    server = t.ferry(trees.fill(t.tmp(), SITE), "--head-bytes-max", "2k", "--target-bytes-max",
                     "512", "--fields-max", "10")
    check.equal(ask(server, "/one.txt?" + "a" * 400).status, 200, "a target below the limit")
    check.equal(ask(server, "/one.txt?" + "a" * 600).status, 414, "a target above the limit")
    check.equal(ask(server, "/one.txt", fields=[("X", "a" * 1800)]).status, 200, "a head below")
    check.equal(ask(server, "/one.txt", fields=[("X", "a" * 2100)]).status, 431, "a head above")
    check.equal(ask(server, "/one.txt", fields=[(f"X{i}", "a") for i in range(9)]).status, 200,
                "10 fields")
    check.equal(ask(server, "/one.txt", fields=[(f"X{i}", "a") for i in range(10)]).status, 431,
                "11 fields")


def test_half_closed_with_a_large_answer(t):
    """A client that has said all it wants to (shutdown) still gets all of its answer."""
    server = t.shared(make_server)
    with Connection(server, receive_buffer_bytes=8192) as connection:
        connection.send(request("/size-3m.bin"))
        connection.socket.shutdown(socket.SHUT_WR)
        check.same_bytes(connection.read_response().body, SITE[b"size-3m.bin"], "the answer")
        connection.must_end("after it")


@limit(60)
def test_descriptors_return_to_base(t):
    """threats.md, H4: idle, cut, reset and half-done connections leave nothing behind."""
    server = t.ferry(trees.fill(t.tmp(), SITE), "--file-cache-idle-timeout", "1s")
    base = warm(server, SITE)
    for round_ in range(3):
        idle = [Connection(server) for _ in range(300)]
        for number, connection in enumerate(idle):
            if number % 4 == 1:
                connection.send(b"GET /hello.txt HTTP/1.1\r\nHo")
            elif number % 4 == 2:
                connection.send(request("/size-3m.bin"))
            elif number % 4 == 3:
                connection.send(request("/one.txt") * 5)
        check.equal(fetch(server, "/one.txt"), b"1\n", "another client")
        for number, connection in enumerate(idle):
            if number % 2:
                connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                             struct.pack("ii", 1, 0))
            connection.close()
        must_settle(server, base, f"descriptors after round {round_}")


def hear_one(connection):
    """The body of /one.txt, over a socket of any number, which select(2) takes no more."""
    connection.sendall(request("/one.txt"))
    got = b""
    while b"\r\n\r\n1\n" not in got:
        more = connection.recv(4096)
        if not more:
            raise Failure(f"the connection ended behind {got!r}")
        got += more
    return got.partition(b"\r\n\r\n")[2]


def test_memory_of_a_crowd_goes_back(t):
    """What connections need while they talk is the system's again once they are silent (decision 0044)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(2_000, hard // 2 - 200)  # Half of a server's descriptors are for files.
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    crowd = []
    try:
        server = t.ferry(trees.fill(t.tmp(), SITE), "--cores", "1", "--idle-timeout", "5m")
        with Connection(server) as first:
            for _ in range(1_100):  # Buffers that all share are in use from then on.
                first.ask("/one.txt")
            before = anonymous_bytes(server)
            for _ in range(count):
                crowd.append(server.connect())
                check.equal(hear_one(crowd[-1]), b"1\n", f"{len(crowd)}")
            deadline = time.monotonic() + 30
            each = 640
            while (left := anonymous_bytes(server) - before) > count * each:
                if time.monotonic() > deadline:
                    raise Failure(f"{count} silent connections hold {left} octets")
                time.sleep(0.1)
            check.equal(hear_one(crowd[0]), b"1\n", "one that speaks again")
    finally:
        for each in crowd:
            each.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_ten_thousand_idle_connections(t):
    """threats.md, H4: each takes little, one more is refused, who is there is served, and all is
    given back."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(10_000, hard // 2 - 200)  # Half of a server's descriptors are for files.
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        server = t.ferry(trees.fill(t.tmp(), SITE), "--file-cache-idle-timeout", "1s",
                         "--connections-max", str(count), "--idle-timeout", "5m",
                         "--header-timeout", "5m")
        base = warm(server, SITE)
        before = resident_bytes(server)
        crowd = []
        with Connection(server) as honest, contextlib.closing(server.connect()) as asked:
            crowd = [server.connect() for _ in range(count - 2)]
            asked.sendall(request("/one.txt"))
            for number, each in enumerate(crowd):
                if number % 4 == 0:
                    each.sendall(request("/hello.txt"))
                elif number % 4 == 1:
                    each.sendall(b"GET /hello.txt HTTP/1.1\r\nHo")
            check.equal(honest.ask("/hello.txt").body, b"hello, world\n", "who is there")
            for each in crowd[::4]:  # All have been served: memory is what it will be.
                check.holds(each.recv(4096).startswith(b"HTTP/1.1 200"), "one of the crowd")
            each_bytes = (resident_bytes(server) - before) // count
            t.tell(f"{count} idle connections: {each_bytes} octets each")
            check.holds(each_bytes < 16_384, f"{each_bytes} octets for a connection")
            with server.connect() as beyond:
                check.holds(beyond.recv(4096).startswith(b"HTTP/1.1 503"), "one more")
            check.equal(honest.ask("/hello.txt").body, b"hello, world\n", "who is there")
        for each in crowd:  # By a reset: no port of this machine waits for its end.
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            each.close()
        must_settle(server, base, "descriptors")
        check.equal(fetch(server, "/one.txt"), b"1\n", "another client")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_storm_of_resets(t):
    """threats.md, H4: connections that are reset as soon as they are made, or in mid-request."""
    server = t.ferry(trees.fill(t.tmp(), SITE), "--file-cache-idle-timeout", "1s")
    base = warm(server, SITE)
    linger = struct.pack("ii", 1, 0)
    for i in range(2000):
        connection = server.connect()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        if i % 3:
            connection.send(request("/size-100k.bin"))
        connection.close()
    check.equal(fetch(server, "/one.txt"), b"1\n", "an honest client")
    must_settle(server, base, "descriptors")


@limit(60)
def test_out_of_descriptors(t):
    """threats.md, H6: a full table of descriptors does not make accept spin, and passes."""
    def few_descriptors():
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))

    server = t.ferry(trees.fill(t.tmp(), SITE), preexec=few_descriptors)
    held = Connection(server)
    check.equal(held.ask("/hello.txt").body, b"hello, world\n", "before")
    crowd = [server.connect() for _ in range(200)]
    time.sleep(0.5)
    before = cpu_seconds(server)
    time.sleep(2)
    spent = cpu_seconds(server) - before
    check.holds(spent < 1.0, f"{spent:.2f} s of CPU in 2 s of doing nothing: it spins")
    # A connection that was there before still gets files.
    check.equal(held.ask("/hello.txt").body, b"hello, world\n", "held, while the table is full")
    held.close()
    for connection in crowd:
        connection.close()
    deadline = time.monotonic() + 10
    while True:
        try:
            check.equal(fetch(server, "/one.txt", seconds=2), b"1\n", "afterwards")
            break
        except (Failure, OSError):
            if time.monotonic() > deadline:
                raise


def test_idle_server_sleeps(t):
    """No turn of the loop without a reason: an idle server with idle clients uses no CPU."""
    server = t.ferry(trees.fill(t.tmp(), SITE))
    crowd = [t.closing(Connection(server)) for _ in range(50)]
    for connection in crowd:
        connection.ask("/one.txt")
    before = cpu_seconds(server)
    time.sleep(3)
    spent = cpu_seconds(server) - before
    check.holds(spent < 0.3, f"{spent:.2f} s of CPU in 3 s of idling")


def test_ipv6_and_several_endpoints(t):
    root = trees.fill(t.tmp(), SITE)
    server = t.ferry(root, "--http", "127.0.0.1:0", "--http", "[::1]:0", "--http", "127.0.0.2:0",
                     "--ftp", "[::1]:0")
    check.equal([address for address, _ in server.http], ["127.0.0.1", "::1", "127.0.0.2"],
                "the endpoints, in order")
    for address, port in server.http:
        with socket.create_connection((address, port), timeout=5) as connection:
            connection.sendall(b"GET /one.txt HTTP/1.0\r\n\r\n")
            whole = b""
            while piece := connection.recv(65536):
                whole += piece
            check.holds(whole.endswith(b"\r\n\r\n1\n"), f"{address}: {whole!r}")
