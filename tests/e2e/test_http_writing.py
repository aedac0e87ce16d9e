"""Changing files over HTTP: curl as people run it, accounts, what is cut off, what is refused."""

import base64
import concurrent.futures
import os
import re
import socket
import time

from support import check, trees
from support.accounts import session, users_file
from support.clients import run
from support.http_wire import Connection, request

CURL = ("curl", "-sS", "--max-time", "20", "-o", "-", "-w", "%{http_code}")
BIG = bytes(range(256)) * 16_384  # 4 MiB


def make_server(t):
    root = trees.fill(t.tmp(), {"pub.txt": b"public\n", "ann/old.txt": b"old\n", "box/x": b"x\n"})
    file = users_file(t, ann=":/ann:all:", rex="::read-only:", all="::all,/box=read-only:",
                      few=":/few:all:quota=100k,files=3")
    os.mkdir(os.path.join(root, "few"))
    return t.ferry(root, "--users-file", file, "--anonymous", "read,/box=none",
                   "--http-upload-max", "64M", "--ftp-login-delay-max", "100ms",
                   "--upload-part-keep", "1h")


def authorization(name, password=None):
    pair = f"{name}:{password or 'pw-' + name}"
    return ("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())


def send(server, octets, method="GET"):
    with Connection(server) as client:
        client.send(octets)
        return client.read_response(method)


def put(server, target, content, *fields, by="all"):
    fields = [("Content-Length", str(len(content))), *fields]
    if by:
        fields.append(authorization(by))
    return send(server, request(target, "PUT", fields=fields, body=content))


def curl(server, *words, code, by="all"):
    """Gives what curl got; the status must be `code`."""
    *options, target = words
    said = run([*CURL, "-u", f"{by}:pw-{by}", *options, server.http_url + target]).output
    check.equal(said[-3:], str(code).encode(), f"curl {words}")
    return said[:-3]


def test_parts_are_swept_without_ftp(t):
    """What is cut off over HTTP does not stay for ever where nobody speaks FTP."""
    root = t.tmp()
    server = t.ferry(root, "--ftp", "off", "--users-file", users_file(t, all="::all:"),
                     "--upload-part-keep", "1s")
    with Connection(server) as client:
        client.send(request("/file", "PUT", fields=[("Content-Length", "9"), authorization("all")],
                            body=b"some"))
        client.socket.shutdown(socket.SHUT_WR)
        check.equal(client.read_response("PUT").status, 400, "content that ended early")
    check.equal(len(os.listdir(root)), 1, "the part")
    limit_at = time.monotonic() + 15
    while os.listdir(root) and time.monotonic() < limit_at:
        time.sleep(0.1)
    check.equal(os.listdir(root), [], "some seconds later")


def test_curl_uploads(t):
    """curl -T: a new file, an old one, from a pipe (chunked), with 100-continue."""
    server = t.shared(make_server)
    folder = t.tmp()
    trees.write(folder, "big", BIG)
    big = os.path.join(folder, "big")
    curl(server, "-T", big, "/up/big", code=409)
    curl(server, "-X", "MKCOL", "/up", code=201)
    curl(server, "-T", big, "/up/", code=201)
    check.equal(trees.read(server.root, "up/big"), BIG, "the file")
    curl(server, "-T", big, "-H", "Expect: 100-continue", "/up/big", code=204)
    said = run([*CURL, "-u", "all:pw-all", "-T", "-", server.http_url + "/up/piped"],
               stdin=BIG).output
    check.equal(said, b"201", "from a pipe")
    check.equal(trees.read(server.root, "up/piped"), BIG, "from a pipe")
    check.equal(curl(server, "/up/piped", code=200), BIG, "back again")
    curl(server, "-X", "DELETE", "/up/piped", code=204)
    curl(server, "-X", "DELETE", "/up/", code=409)
    curl(server, "-X", "DELETE", "/up/big", code=204)
    curl(server, "-X", "DELETE", "/up/", code=204)


def test_curl_names(t):
    """Names of every kind, encoded once."""
    server = t.shared(make_server)
    for encoded, name in (("%C3%BCn%C3%AF%20x", "ünï x"), ("a%25b", "a%b"), ("q%3F%23", "q?#"),
                          ("a+b", "a+b")):
        curl(server, "-T", "/etc/hostname", f"/{encoded}", code=201)
        check.holds(os.path.exists(os.path.join(server.root, name)), f"{name} is there")
        curl(server, "-X", "DELETE", f"/{encoded}", code=204)


def test_who_may(t):
    """Visitors, accounts with other rights, a home, a wrong password (RFC 9110, 15.5.2)."""
    server = t.shared(make_server)
    check.equal(put(server, "/new", b"x", by=None).status, 401, "a visitor")
    check.equal(put(server, "/new", b"x", by="rex").status, 403, "one who reads")
    check.equal(put(server, "/new", b"x", by="ann").status, 403, "outside the home")
    check.equal(put(server, "/box/new", b"x").status, 403, "a rule of the path")
    refused = send(server, request("/pub.txt", fields=[authorization("all", "wrong")]))
    check.equal(refused.status, 401, "a wrong password")
    check.equal(refused.field("WWW-Authenticate"), 'Basic realm="ferry", charset="UTF-8"', "how")
    check.equal(put(server, "/ann/new", b"mine", by="ann").status, 201, "in the home")
    check.equal(send(server, request("/box/x")).status, 401, "what visitors may not see")
    check.equal(send(server, request("/box/x", fields=[authorization("all")])).body, b"x\n", "who may")
    check.equal(session(t, server, "ann").retrieve("RETR new"), b"mine", "the same over FTP")
    allowed = send(server, request("/", "OPTIONS")).field("Allow")
    check.equal(allowed, "GET, HEAD, OPTIONS, PUT, DELETE, MKCOL, MOVE, COPY", "Allow")
    for name in ("new", "box/new"):
        check.holds(not os.path.exists(os.path.join(server.root, name)), f"{name} is there")


def test_only_with_an_account(t):
    """--http-anonymous off: nobody sees anything without logging in."""
    root = trees.fill(t.tmp(), {"a": b"a"})
    server = t.ferry(root, "--user", "ann:secret", "--http-anonymous", "off")
    for target in ("/", "/a", "/missing"):
        check.equal(send(server, request(target)).status, 401, target)
    check.equal(send(server, request("/a", fields=[authorization("ann", "secret")])).body, b"a", "ann")
    check.equal(put(server, "/a", b"x", authorization("ann", "secret"), by=None).status, 405,
                "without --write")


def test_who_is_logged(t):
    """The access log names who logged in, and who tried."""
    root = trees.fill(t.tmp(), {"a": b"a"})
    log = os.path.join(t.tmp(), "log")
    server = t.ferry(root, "--user", "ann:secret", "--write", "--access-log", log,
                     "--ftp-login-delay-max", "0")
    put(server, "/b", b"12345", authorization("ann", "secret"), by=None)
    send(server, request("/a", fields=[authorization("eve", "x")]))
    server.stop()
    with open(log, encoding="utf-8") as file:
        lines = sorted(file.read().splitlines())  # Two cores may have written them.
    check.equal(len(lines), 2, f"{lines}")
    check.holds(re.match(r'127\.0\.0\.1 - ann \[.*\] "PUT /b HTTP/1\.1" 201 ', lines[0]), lines[0])
    check.holds(re.match(r'127\.0\.0\.1 - eve \[.*\] "GET /a HTTP/1\.1" 401 ', lines[1]), lines[1])


def test_conditions(t):
    """Lost updates do not happen to who names what he changes (RFC 9110, 13.1.1)."""
    server = t.shared(make_server)
    tag = put(server, "/doc", b"one").field("ETag")
    check.equal(put(server, "/doc", b"two", ("If-None-Match", "*")).status, 412, "it is there")
    check.equal(put(server, "/doc", b"two", ("If-Match", tag)).status, 204, "it is the same")
    check.equal(put(server, "/doc", b"three", ("If-Match", tag)).status, 412, "it has changed")
    check.equal(trees.read(server.root, "doc"), b"two", "the file")

    def create(i):
        return put(server, "/race", b"%d" % i, ("If-None-Match", "*")).status
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = sorted(pool.map(create, range(32)))
    check.equal(answers, [201] + [412] * 31, "of many who create one file, one does")


def test_refused_before_content(t):
    """A client that waits for 100 (Continue) hears a refusal instead (RFC 9110, 10.1.1)."""
    server = t.shared(make_server)
    waits = ("Expect", "100-continue")
    for target, fields, status in (
            ("/new", [], 401),
            ("/missing/new", [authorization("all")], 409),
            ("/new", [authorization("all"), ("If-Match", "*")], 412),
            ("/new", [authorization("all"), ("Content-Encoding", "gzip")], 415)):
        with Connection(server) as client:
            client.send(request(target, "PUT", fields=[waits, ("Content-Length", "10"), *fields]))
            check.equal(client.read_response("PUT").status, status, target)
    with Connection(server) as client:
        client.send(request("/new", "PUT", fields=[waits, ("Content-Length", "100000000000"),
                                                   authorization("all")]))
        check.equal(client.read_response("PUT").status, 413, "too large")


def test_pipelined(t):
    """Requests behind a body are answered in their order (RFC 9112, 9.3.2)."""
    server = t.shared(make_server)
    by = authorization("all")
    chunks = b"3\r\nabc\r\n5;x=y\r\ndefgh\r\n0\r\nTrailer: z\r\n\r\n"
    with Connection(server) as client:
        client.send(
            request("/p1", "PUT", fields=[by, ("Transfer-Encoding", "chunked")], body=chunks)
            + request("/p1")
            + request("/p2", "PUT", fields=[by, ("Content-Length", "2")], body=b"xy")
            + request("/p2") + request("/p1", "DELETE", fields=[by])
            + request("/p1") + request("/pub.txt"))
        check.equal(client.read_response("PUT").status, 201, "PUT")
        check.equal(client.read_response().body, b"abcdefgh", "GET of it")
        check.equal(client.read_response("PUT").status, 201, "PUT")
        check.equal(client.read_response().body, b"xy", "GET of it")
        check.equal(client.read_response("DELETE").status, 204, "DELETE")
        check.equal(client.read_response().status, 404, "GET of it")
        check.equal(client.read_response().body, b"public\n", "GET")


def test_cut_off(t):
    """Readers see the old file until the new one is whole; what was cut goes on (threats.md, V12)."""
    server = t.shared(make_server)
    by = authorization("all")
    trees.write(server.root, "whole", b"old")
    for target in ("/whole", "/fresh"):
        with Connection(server) as client:
            client.send(request(target, "PUT", fields=[by, ("Content-Length", "10")], body=b"01234"))
            time.sleep(0.1)
            check.holds(not os.path.exists(os.path.join(server.root, "fresh")), "seen too early")
            check.equal(send(server, request("/whole")).body, b"old", "while it comes")
    until = time.monotonic() + 5
    went_on = put(server, "/fresh", b"56789", ("Content-Range", "bytes 5-9/10"))
    while went_on.status == 416 and time.monotonic() < until:  # The server may not know it yet.
        time.sleep(0.05)
        went_on = put(server, "/fresh", b"56789", ("Content-Range", "bytes 5-9/10"))
    check.equal(went_on.status, 201, "the rest")
    check.equal(trees.read(server.root, "fresh"), b"0123456789", "the file")
    check.equal(trees.read(server.root, "whole"), b"old", "the old file")
    mixed = put(server, "/whole", b"34567", ("Content-Range", "bytes 3-7/8"))
    check.equal(mixed.status, 409, "the rest of the one that was to replace it")
    check.equal(put(server, "/whole", b"whole").status, 204, "a whole one")
    check.equal(put(server, "/whole", b"!", ("Content-Range", "bytes 5-5/6")).status, 204, "more")
    grown = os.fsdecode(trees.write(t.tmp(), "grown", b"0123456789abc"))
    curl(server, "-C", "10", "-T", grown, "/fresh", code=204)
    check.equal(trees.read(server.root, "fresh"), b"0123456789abc", "curl -C")


def test_broken_chunks(t):
    """One answer, then the end; nothing is stored (threats.md, H1)."""
    server = t.shared(make_server)
    by = authorization("all")
    for body in (b"3\nabc\r\n0\r\n\r\n", b"3\r\nabcd\r\n0\r\n\r\n", b"0x3\r\nabc\r\n0\r\n\r\n",
                 b"3\r\nabc\r\n0\r\nbad trailer\r\n\r\n"):
        with Connection(server) as client:
            client.send(request("/bad", "PUT", fields=[by, ("Transfer-Encoding", "chunked")],
                                body=body) + request("/pub.txt"))
            answer = client.read_response("PUT")
            check.equal(answer.status, 400, f"{body}")
            check.holds(answer.says_close, "it ends there")
            check.holds(client.read_response() is None, "nothing after it is answered")
    check.holds(not os.path.exists(os.path.join(server.root, "bad")), "it is stored")


def test_slow_content(t):
    """--body-timeout and --receive-rate-min: 408, and an honest client is not told so (H3)."""
    root = trees.fill(t.tmp(), {})
    server = t.ferry(root, "--user", "ann:secret", "--write", "--body-timeout", "400ms",
                     "--rate-window", "1s", "--receive-rate-min", "1000")
    head = request("/a", "PUT", fields=[("Content-Length", "5000"), authorization("ann", "secret")])
    with Connection(server) as client:
        client.send(head + b"some")
        check.equal(client.read_response("PUT").status, 408, "silence")
    with Connection(server) as client:
        client.send(head)
        until = time.monotonic() + 8
        while not client.pending and not client.refused_input and time.monotonic() < until:
            client.send(b"x")
            time.sleep(0.02)
        check.equal(client.read_response("PUT").status, 408, "drips")
    with Connection(server) as client:
        client.send(head)
        for _ in range(10):
            client.send(b"x" * 500)
            time.sleep(0.1)
        check.equal(client.read_response("PUT").status, 201, "slow, but fast enough")
    check.equal(os.listdir(root), ["a"], "what is there")


def test_quota(t):
    """A full home: 507, over HTTP as over FTP."""
    server = t.shared(make_server)
    answer = put(server, "/few/a", b"x" * 50_000, by="few")
    until = time.monotonic() + 5
    while answer.status == 503 and time.monotonic() < until:  # It is being counted.
        answer = put(server, "/few/a", b"x" * 50_000, by="few")
    check.equal(answer.status, 201, "what fits")
    refused = put(server, "/few/b", b"x" * 60_000, by="few")
    check.equal(refused.status, 507, "what does not")
    check.contains(refused.body, b"quota", "what is said")
    check.equal(os.listdir(os.path.join(server.root, "few")), ["a"], "what is there")


def test_move_and_copy(t):
    """RFC 4918, 9.8 and 9.9."""
    server = t.shared(make_server)
    put(server, "/m1", b"one")
    curl(server, "-X", "COPY", "-H", "Destination: /m2", "/m1", code=201)
    curl(server, "-X", "MOVE", "-H", f"Destination: {server.http_url}/m3", "/m1", code=201)
    curl(server, "-X", "MOVE", "-H", "Destination: /m3", "-H", "Overwrite: F", "/m2", code=412)
    curl(server, "-X", "MOVE", "-H", "Destination: /m3", "/m2", code=204)
    check.equal(trees.read(server.root, "m3"), b"one", "the file")
    check.holds(not os.path.exists(os.path.join(server.root, "m1")), "m1 is gone")
    curl(server, "-X", "DELETE", "/m3", code=204)


def test_rates_of_accounts(t):
    """An account's own rates hold, and visitors' do not hold it back."""
    root = trees.fill(t.tmp(), {"big": b"x" * 400_000})
    file = users_file(t, slow="::all:rate=400k", free="::all:")
    server = t.ferry(root, "--users-file", file, "--anonymous-limits", "rate=10k")

    def seconds(call):
        begun = time.monotonic()
        call()
        return time.monotonic() - begun
    free = seconds(lambda: send(server, request("/big", fields=[authorization("free")])))
    check.holds(free < 20, f"not held back: {free:.1f} s")
    down = seconds(lambda: send(server, request("/big", fields=[authorization("slow")])))
    check.holds(down > 0.4, f"download: {down:.1f} s")
    up = seconds(lambda: put(server, "/up", b"x" * 400_000, by="slow"))
    check.holds(up > 0.4, f"upload: {up:.1f} s")
