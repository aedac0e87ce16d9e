"""Resumable uploads over HTTP (draft-ietf-httpbis-resumable-upload): connections that break or hang,
a server that starts again, curl that knows of nothing."""

import os
import re

from support import check, trees
from support.clients import run
from support.http_wire import Connection, request

CONTENT = bytes(range(256)) * 8_192  # 2 MiB
DRAFT = ("Upload-Draft-Interop-Version", "8")


def make_server(t):
    return t.ferry(t.tmp(), "--anonymous", "all", "--cores", "2")


def put(target="/file", completes=True, length=len(CONTENT), *fields):
    """The head of a PUT."""
    return request(target, "PUT", fields=[("Upload-Complete", "?1" if completes else "?0"), DRAFT,
                                          ("Content-Length", str(length)), *fields])


def ask(server, method, target, *fields, body=b""):
    with Connection(server) as client:
        client.send(request(target, method, fields=[("Content-Length", str(len(body))), *fields]
                            if method == "PATCH" else fields, body=body))
        return client.read_response(method)


def append(server, where, offset, body, completes=True):
    return ask(server, "PATCH", where, ("Content-Type", "application/partial-upload"),
               ("Upload-Offset", str(offset)), ("Upload-Complete", "?1" if completes else "?0"),
               body=body)


def offset(server, where):
    state = ask(server, "HEAD", where)
    check.equal(state.status, 204, "the upload")
    check.equal(state.field("Cache-Control"), "no-store", "of it")
    return int(state.field("Upload-Offset"))


def begin(client, sent, target="/file"):
    """Sends a PUT's head and the first octets: where the upload is, from the interim answer."""
    client.send(put(target) + CONTENT[:sent])
    interim = client.read_response("PUT")
    check.equal(interim.status, 104, "the interim answer")
    check.equal(interim.field("Upload-Draft-Interop-Version"), "8", "its version")
    return interim.field("Location")


def test_goes_on_after_a_break(t):
    """The client loses its connection in the middle, twice, and goes on."""
    server = t.shared(make_server)
    with Connection(server) as client:
        where = begin(client, 1_000_000, "/broken")
    first = offset(server, where)
    check.holds(first <= 1_000_000, f"{first} octets")
    check.equal(ask(server, "GET", "/broken").status, 404, "before its end")
    with Connection(server) as client:
        client.send(request(where, "PATCH", fields=[
            ("Content-Type", "application/partial-upload"), ("Upload-Offset", str(first)),
            ("Upload-Complete", "?1"), ("Content-Length", str(len(CONTENT) - first)),
            ("Expect", "100-continue")]))
        # Else the next request may come before it.
        check.equal(client.read_response("PATCH").status, 100, "its turn has come")
        client.send(CONTENT[first:1_500_000])
    second = offset(server, where)
    check.holds(first <= second <= 1_500_000, f"{second} octets")
    done = append(server, where, second, CONTENT[second:])
    check.equal((done.status, done.field("Upload-Complete")), (201, "?1"), "the end")
    check.same_bytes(trees.read(server.root, "broken"), CONTENT, "the file")


def test_hanging_request_is_ended(t):
    """A request whose client has gone without a word holds nobody up: not HEAD, PATCH nor DELETE,
    whichever core they come to."""
    server = t.shared(make_server)
    for turn in range(6):
        name = f"/hanging{turn}"
        with Connection(server) as hanging:
            where = begin(hanging, 500_000, name)
            have = offset(server, where)
            check.holds(have <= 500_000, f"{have} octets")
            told = hanging.read_response("PUT")  # Nothing more of it is taken.
            check.equal(told.status, 409, "the one that hung")
            check.holds(told.says_close, "it closes")
        with Connection(server) as hanging:
            hanging.send(request(where, "PATCH", fields=[
                ("Content-Type", "application/partial-upload"), ("Upload-Offset", str(have)),
                ("Upload-Complete", "?1"), ("Content-Length", str(len(CONTENT) - have)),
                ("Expect", "100-continue")]))
            # Else the next request may come before it.
            check.equal(hanging.read_response("PATCH").status, 100, "its turn has come")
            hanging.send(CONTENT[have:have + 1_000])
            if turn % 2:
                check.equal(ask(server, "DELETE", where).status, 204, "cancelled")
                check.equal(ask(server, "HEAD", where).status, 404, "and gone")
                check.holds(not os.path.exists(os.path.join(server.root, name[1:])), "no file")
                continue
            have = offset(server, where)
            check.equal(append(server, where, have, CONTENT[have:]).status, 201, "the end")
            check.same_bytes(trees.read(server.root, name[1:]), CONTENT, "the file")


def test_survives_a_restart(t):
    """What has come is there when the server starts again, cut off by its end or before."""
    server = t.ferry(t.tmp(), "--anonymous", "all", "--drain-timeout", "100ms")
    whole = ask(server, "OPTIONS", "/file")
    check.equal(whole.field("Accept-Patch"), "application/partial-upload", "OPTIONS")
    check.equal(whole.field("Upload-Limit"), "max-age=86400", "OPTIONS")
    with Connection(server) as client:
        client.send(put("/early", False, 5) + b"hello")
        check.equal(client.read_response("PUT").status, 104, "the interim answer")
        made = client.read_response("PUT")
        early = made.field("Location")
        check.equal((made.status, made.field("Upload-Offset")), (201, "5"), "a part")
    with Connection(server) as client:
        late = begin(client, 600_000, "/late")
        server.stop()
    check.equal([each for each in os.listdir(server.root) if not each.startswith(".")], [],
                "files")
    server = t.ferry(server.root, "--anonymous", "all")
    check.equal(offset(server, early), 5, "the early one")
    check.equal(append(server, early, 5, b" world").status, 201, "its end")
    check.equal(trees.read(server.root, "early"), b"hello world", "its file")
    have = offset(server, late)
    check.equal(append(server, late, have, CONTENT[have:]).status, 201, "the end of the late one")
    check.same_bytes(trees.read(server.root, "late"), CONTENT, "its file")
    check.equal(sorted(os.listdir(server.root)), ["early", "late"], "all that is left")


def test_curl_says_that_it_is_whole(t):
    """curl with the field added takes the interim answer as any other and gets what PUT gives."""
    server = t.shared(make_server)
    folder = t.tmp()
    trees.write(folder, "big", CONTENT)
    said = run(["curl", "-sS", "-D", "-", "--max-time", "20", "-H", "Upload-Complete: ?1", "-H",
                "Upload-Draft-Interop-Version: 6", "-T", os.path.join(folder, "big"),
                server.http_url + "/curl"]).output
    check.holds(re.search(rb"HTTP/1.1 104 Upload Resumption Supported\r\n", said), "104")
    check.holds(re.search(rb"HTTP/1.1 201 Created\r\n", said), "201")
    check.same_bytes(trees.read(server.root, "curl"), CONTENT, "the file")


def test_malformed_fields_cost_no_file(t):
    """Fields of uploads and digests that are malformed are refused with the reason, whether the
    request waits for 100 or not: passed over, a part would replace the file (decision 0025)."""
    server = t.shared(make_server)
    trees.write(server.root, "precious", b"all of it")
    for name, value in (("Upload-Complete", "false"), ("Upload-Complete", "?2"),
                        ("Upload-Length", "-1"), ("Repr-Digest", "sha-256=deadbeef")):
        for expect in ([], [("Expect", "100-continue")]):
            with Connection(server) as client:
                client.send(request("/precious", "PUT", fields=[
                    (name, value), ("Content-Length", "4"), *expect]))
                if not expect:
                    client.send(b"part")
                refused = client.read_response("PUT")
                check.equal(refused.status, 400, f"{name}: {value}")
                reason = b"digest-invalid-values" if "Digest" in name else name.encode()
                check.holds(reason in refused.body, f"the reason: {refused.body}")
    check.equal(trees.read(server.root, "precious"), b"all of it", "the file")


def test_interim_answers_overtake_none(t):
    """A PUT right behind a GET on one connection: 104 comes behind the answer to the GET
    (RFC 9110 section 15.2), also where no content is to come."""
    server = t.shared(make_server)
    trees.write(server.root, "first", b"first")
    begins = request("/second", "PUT", fields=[("Upload-Complete", "?0"), DRAFT])
    with Connection(server) as client:
        client.send(request("/first") + begins + request("/first"))
        check.equal([client.read_response().status for _ in range(4)], [200, 104, 201, 200],
                    "the answers")


def test_old_clients_hear_nothing_between(t):
    """HTTP/1.0 knows of no interim answers (RFC 9110 section 15.2)."""
    server = t.shared(make_server)
    with Connection(server) as client:
        client.send(put("/old", True, 5).replace(b"HTTP/1.1", b"HTTP/1.0") + b"hello")
        check.equal(client.read_response("PUT").status, 201, "the first answer")
    check.equal(trees.read(server.root, "old"), b"hello", "the file")


def test_100_comes_behind_104(t):
    """Who waits for 100 gets it besides 104 (section 5 of the draft), and neither where the
    request is refused."""
    server = t.shared(make_server)
    expect = ("Expect", "100-continue")
    with Connection(server) as client:
        client.send(put("/waits", True, 5, expect))
        check.equal([client.read_response("PUT").status for _ in range(2)], [104, 100], "interim")
        client.send(b"hello")
        check.equal(client.read_response("PUT").status, 201, "the last")
    with Connection(server) as client:
        client.send(put("/waits", True, 5, expect, ("If-None-Match", "*")))
        check.equal(client.read_response("PUT").status, 412, "refused")
