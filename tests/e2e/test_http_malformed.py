"""Request smuggling (threats.md, H1) and malformed requests (H2), one test a row.

In the smuggling rows a second request, for the marker file, is hidden where only a wrong reading of
the first one's framing finds it (RFC 9112 sections 6 and 11.2). The marker's octets must never come
back.
"""

import dataclasses

from support import check, trees
from support.case import Failure, rows
from support.http_wire import Connection

MARKER = b"MARKER-OF-A-SMUGGLED-REQUEST"
HIDDEN = b"GET /marker.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"
NEXT = b"GET /one.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"
HIDDEN_SIZE = len(HIDDEN)


def post(fields, body, version=b"HTTP/1.1", method=b"POST"):
    return method + b" /hello.txt " + version + b"\r\nHost: localhost\r\n" + fields + b"\r\n" + body


def chunked(*pieces):
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"


@dataclasses.dataclass(frozen=True)
class Smuggle:
    """`octets`, which may hide a request for the marker; NEXT is sent behind them. `refused`: one
    answer, of 4xx or 5xx, then the end; else the message is legal: its body is read over (or the
    connection closed) and NEXT may be answered."""
    id: str
    octets: bytes
    refused: bool = True


def te(value, body=None, extra=b""):
    """A request with this Transfer-Encoding whose body only counts if that is taken for chunked."""
    return post(b"Transfer-Encoding:" + value + b"\r\n" + extra,
                chunked(b"x") + HIDDEN if body is None else body)


def cl(value, extra=b""):
    return post(b"Content-Length:" + value + b"\r\n" + extra, HIDDEN)


SMUGGLING = [
    # Both framings in one message (RFC 9112 section 6.3).
    Smuggle("cl-te", post(b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n"
                          % (5 + HIDDEN_SIZE), b"0\r\n\r\n" + HIDDEN)),
    Smuggle("te-cl", post(b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
                          b"%x\r\n%s\r\n0\r\n\r\n" % (HIDDEN_SIZE, HIDDEN))),
    Smuggle("cl-zero-te", post(b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
                               chunked(HIDDEN))),
    # Spellings of Transfer-Encoding.
    Smuggle("te-unknown", te(b" xchunked")),
    Smuggle("te-identity", te(b" identity")),
    Smuggle("te-chunked-identity", te(b" chunked, identity")),
    Smuggle("te-identity-chunked", te(b" identity, chunked")),
    Smuggle("te-gzip-chunked", te(b" gzip, chunked")),
    Smuggle("te-chunked-twice", te(b" chunked, chunked")),
    Smuggle("te-two-lines", te(b" chunked", extra=b"Transfer-Encoding: x\r\n")),
    Smuggle("te-two-lines-chunked", te(b" chunked", extra=b"Transfer-Encoding: chunked\r\n")),
    Smuggle("te-space-before-colon", post(b"Transfer-Encoding : chunked\r\n", chunked(HIDDEN))),
    Smuggle("te-tab-before-colon", post(b"Transfer-Encoding\t: chunked\r\n", chunked(HIDDEN))),
    Smuggle("te-vertical-tab", te(b" \x0bchunked")),
    Smuggle("te-form-feed", te(b" chunked\x0c")),
    Smuggle("te-quoted", te(b" \"chunked\"")),
    Smuggle("te-nul", te(b" chunked\x00")),
    Smuggle("te-parameter", te(b" chunked;q=1")),
    Smuggle("te-empty", te(b"")),
    Smuggle("te-comma", te(b" ,")),
    Smuggle("te-obs-fold", te(b"\r\n chunked")),
    Smuggle("te-fold-of-other", post(b"X: y\r\n Transfer-Encoding: chunked\r\n", chunked(HIDDEN))),
    Smuggle("te-after-bare-lf", post(b"X: y\nTransfer-Encoding: chunked\r\n", chunked(HIDDEN))),
    Smuggle("te-after-bare-cr", post(b"X: y\rTransfer-Encoding: chunked\r\n", chunked(HIDDEN))),
    Smuggle("te-in-1.0", post(b"Transfer-Encoding: chunked\r\n", chunked(b"x") + HIDDEN,
                              version=b"HTTP/1.0")),
    Smuggle("te-cl-in-1.0", post(b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
                                 chunked(b"x") + HIDDEN, version=b"HTTP/1.0")),
    # Spellings of Content-Length.
    Smuggle("cl-two-values", cl(b" 0", b"Content-Length: %d\r\n" % HIDDEN_SIZE)),
    Smuggle("cl-two-values-turned", cl(b" %d" % HIDDEN_SIZE, b"Content-Length: 0\r\n")),
    Smuggle("cl-list", cl(b" 0, %d" % HIDDEN_SIZE)),
    Smuggle("cl-plus", cl(b" +%d" % HIDDEN_SIZE)),
    Smuggle("cl-minus", cl(b" -1")),
    Smuggle("cl-hex", cl(b" 0x%x" % HIDDEN_SIZE)),
    Smuggle("cl-hex-digits", cl(b" 2e")),
    Smuggle("cl-two-numbers", cl(b" 4 6")),
    Smuggle("cl-fraction", cl(b" 4.0")),
    Smuggle("cl-semicolon", cl(b" 4;")),
    Smuggle("cl-empty", cl(b"")),
    Smuggle("cl-2^64", cl(b" 18446744073709551616")),
    Smuggle("cl-2^64-plus", cl(b" %d" % (2**64 + HIDDEN_SIZE))),
    Smuggle("cl-nul", cl(b" 4\x00")),
    Smuggle("cl-obs-fold", cl(b"\r\n 4")),
    Smuggle("cl-space-before-colon", post(b"Content-Length : %d\r\n" % HIDDEN_SIZE, HIDDEN)),
    Smuggle("cl-quoted", cl(b" \"4\"")),
    # Sizes of chunks (RFC 9112 section 7.1). The refusal may come before the chunk is read.
    Smuggle("chunk-not-hex", te(b" chunked", b"g\r\n" + HIDDEN)),
    Smuggle("chunk-minus", te(b" chunked", b"-1\r\n" + HIDDEN)),
    Smuggle("chunk-plus", te(b" chunked", b"+1\r\nx\r\n0\r\n\r\n" + HIDDEN)),
    Smuggle("chunk-0x", te(b" chunked", b"0x0\r\n\r\n" + HIDDEN)),
    Smuggle("chunk-empty", te(b" chunked", b"\r\n\r\n" + HIDDEN)),
    Smuggle("chunk-2^64", te(b" chunked", b"10000000000000000\r\n\r\n" + HIDDEN)),
    Smuggle("chunk-2^64+1", te(b" chunked", b"10000000000000001\r\nx\r\n0\r\n\r\n" + HIDDEN)),
    Smuggle("chunk-2^63", te(b" chunked", b"8000000000000000\r\nx\r\n0\r\n\r\n" + HIDDEN)),
    Smuggle("chunk-longer", te(b" chunked", b"1\r\nxy\r\n0\r\n\r\n" + HIDDEN)),
    Smuggle("chunk-bare-lf", te(b" chunked", b"1\nx\n0\n\n" + HIDDEN)),
    Smuggle("chunk-lf-in-extension", te(b" chunked", b"1;a\nb\r\nx\r\n0\r\n\r\n" + HIDDEN)),
    Smuggle("chunk-cr-in-extension", te(b" chunked", b"1;a\rb\r\nx\r\n0\r\n\r\n" + HIDDEN)),
    Smuggle("chunk-space-before-size", te(b" chunked", b" 1\r\nx\r\n0\r\n\r\n" + HIDDEN)),
    Smuggle("trailer-without-colon", te(b" chunked", b"0\r\ntrailer\r\n\r\n" + HIDDEN)),
    # Legal: the hidden request is the body.
    Smuggle("body-of-post", post(b"Content-Length: %d\r\n" % HIDDEN_SIZE, HIDDEN), refused=False),
    Smuggle("body-of-get", post(b"Content-Length: %d\r\n" % HIDDEN_SIZE, HIDDEN, method=b"GET"),
            refused=False),
    Smuggle("body-of-head", post(b"Content-Length: %d\r\n" % HIDDEN_SIZE, HIDDEN, method=b"HEAD"),
            refused=False),
    Smuggle("body-in-chunks", post(b"Transfer-Encoding: chunked\r\n", chunked(HIDDEN, HIDDEN)),
            refused=False),
    Smuggle("body-chunked-upper-case", post(b"Transfer-Encoding: CHUNKED\r\n", chunked(HIDDEN)),
            refused=False),
    Smuggle("body-same-cl-twice", post(b"Content-Length: %d\r\nContent-Length: %d\r\n"
                                       % (HIDDEN_SIZE, HIDDEN_SIZE), HIDDEN), refused=False),
    Smuggle("body-chunk-extensions", post(b"Transfer-Encoding: chunked\r\n",
                                          b"%x;a=b;c=\"d\"\r\n%s\r\n0\r\nT: x\r\n\r\n"
                                          % (HIDDEN_SIZE, HIDDEN)), refused=False),
    Smuggle("cl-other-name", post(b"Content_Length: 9\r\nContent-Length: %d\r\n" % HIDDEN_SIZE,
                                  HIDDEN), refused=False),
]


def make_server(maker):
    root = trees.fill(maker.tmp(), trees.site())
    trees.write(root, "marker.txt", MARKER)
    return maker.ferry(root, "--header-timeout", "5s")


@rows(SMUGGLING)
def test_smuggling(t, row):
    server = t.shared(make_server)
    with Connection(server) as connection:
        connection.send(row.octets + NEXT)
        connection.socket.shutdown(1)
        whole = connection.read_all()
    check.lacks(whole, MARKER, "what came back")
    heads = whole.count(b"HTTP/1.1 ")
    if row.refused:
        check.holds(heads >= 1, f"no answer; got {whole[:200]!r}")
        check.equal(heads, 1, f"answers in {whole[:600]!r}")
        status = int(whole.split(b" ", 2)[1])
        # A message both ways framed may be served as chunked and closed behind (section 6.3).
        check.holds(400 <= status <= 505, f"status {status}")
        check.contains(whole.lower(), b"\r\nconnection: close", "the answer")
    else:
        check.holds(1 <= heads <= 2, f"{heads} answers in {whole[:600]!r}")
        if heads == 2:
            check.holds(whole.endswith(b"1\n"), f"the second answer is not NEXT's: {whole[-80:]!r}")
    with Connection(server) as another:
        check.equal(another.ask("/one.txt").body, b"1\n", "the next client")


@dataclasses.dataclass(frozen=True)
class Malformed:
    """One answer with one of `statuses` (or, `silent`, none), then the end."""
    id: str
    octets: bytes
    statuses: tuple = (400,)
    silent: bool = False


def with_line(line, host=b"Host: localhost\r\n"):
    return b"GET /hello.txt HTTP/1.1\r\n" + host + line + b"\r\n\r\n"


MALFORMED = [
    Malformed("no-host", b"GET /hello.txt HTTP/1.1\r\n\r\n"),
    Malformed("two-hosts", with_line(b"Host: other")),
    Malformed("same-host-twice", with_line(b"Host: localhost")),
    Malformed("host-with-space", with_line(b"A: b", host=b"Host: a b\r\n")),
    Malformed("host-with-path", with_line(b"A: b", host=b"Host: a/b\r\n")),
    Malformed("host-with-userinfo", with_line(b"A: b", host=b"Host: u@h\r\n")),
    Malformed("host-with-bad-port", with_line(b"A: b", host=b"Host: a:b\r\n")),
    Malformed("host-with-huge-port", with_line(b"A: b", host=b"Host: a:99999999999\r\n"),
              statuses=(400, 200)),
    Malformed("host-list", with_line(b"A: b", host=b"Host: a, b\r\n")),
    Malformed("host-open-bracket", with_line(b"A: b", host=b"Host: [::1\r\n")),
    Malformed("host-bad-percent", with_line(b"A: b", host=b"Host: a%zz\r\n")),
    Malformed("space-before-colon", with_line(b"A : b")),
    Malformed("space-before-name", b"GET /hello.txt HTTP/1.1\r\n Host: localhost\r\n\r\n"),
    Malformed("obs-fold", with_line(b"A: b\r\n c")),
    Malformed("obs-fold-tab", with_line(b"A: b\r\n\tc")),
    Malformed("no-colon", with_line(b"nonsense")),
    Malformed("empty-name", with_line(b": value")),
    Malformed("nul-in-value", with_line(b"A: b\x00c")),
    Malformed("nul-in-name", with_line(b"A\x00: b")),
    Malformed("bare-cr-in-value", with_line(b"A: b\rc")),
    Malformed("control-in-value", with_line(b"A: b\x01c")),
    Malformed("del-in-name", with_line(b"A\x7f: b")),
    Malformed("8-bit-in-name", with_line(b"\xc3\xbc: b")),
    Malformed("delimiter-in-name", with_line(b"A(b): c")),
    Malformed("bare-lf-in-fields", b"GET /hello.txt HTTP/1.1\r\nHost: localhost\nA: b\r\n\r\n"),
    Malformed("bare-lf-at-the-end", b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\n"),
    Malformed("cr-cr-lf-at-the-end", b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\r\n"),
    Malformed("no-slash", b"GET hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    Malformed("bad-percent", b"GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", (400, 404)),
    Malformed("cut-percent", b"GET /hello.txt% HTTP/1.1\r\nHost: localhost\r\n\r\n", (400, 404)),
    Malformed("trace", b"TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n", (405, 501, 403, 400)),
    Malformed("connect-host", b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n",
              (400, 403, 405, 501)),
    Malformed("connect-path", b"CONNECT / HTTP/1.1\r\nHost: localhost\r\n\r\n",
              (400, 403, 405, 501)),
    Malformed("http2-preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 405, 501, 505),
              silent=True),
    Malformed("tls-client-hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 300,
              silent=True),
    Malformed("garbage", bytes(range(256)) * 4, silent=True),
    Malformed("only-line-ends", b"\r\n" * 20000, silent=True),
    Malformed("64-kib-target", b"GET /" + b"a" * 65536 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
              (414, 431, 400)),
    Malformed("64-kib-query", b"GET /?" + b"a" * 65536 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
              (414, 431, 400)),
    Malformed("1-mib-field", with_line(b"A: " + b"b" * (1 << 20)), (431, 400)),
    Malformed("64-kib-field-name", with_line(b"A" * 65536 + b": b"), (431, 400)),
    Malformed("20k-fields", with_line(b"\r\n".join(b"A%d: b" % i for i in range(20000))),
              (431, 400)),
    Malformed("101-fields", with_line(b"\r\n".join(b"A%d: b" % i for i in range(101))), (431,)),
    Malformed("endless-version", b"GET / HTTP/1." + b"1" * 70000, (400, 431, 505, 414)),
]
KEEPS = {"bad-percent", "cut-percent", "trace", "connect-path", "connect-host",
         "host-with-huge-port"}  # Well framed: the connection may stay.


@rows(MALFORMED)
def test_malformed(t, row):
    server = t.shared(make_server)
    with Connection(server) as connection:
        connection.send(row.octets)
        if row.silent or row.id == "endless-version":
            try:
                connection.socket.shutdown(1)
            except OSError:
                pass  # It has been reset already.
        response = connection.read_response()
        if response is None:
            check.holds(row.silent, "the connection ended without an answer")
        else:
            check.one_of(response.status, row.statuses, "status")
            if row.id not in KEEPS:
                check.holds(response.says_close, f"no Connection: close in {response}")
                connection.must_end("behind the answer")
    with Connection(server) as another:
        check.equal(another.ask("/one.txt").body, b"1\n", "the next client")


def test_fields_up_to_the_limit_are_taken(t):
    """100 fields, and a head just under 16 KiB: nobody's browser is turned away."""
    server = t.shared(make_server)
    with Connection(server) as connection:
        fields = [(f"X-{i}", "v") for i in range(99)]
        check.equal(connection.ask("/one.txt", fields=fields).status, 200, "100 fields")
        check.equal(connection.ask("/one.txt", fields=[("X", "v" * 15000)]).status, 200, "15 kB")


def test_upgrade_and_expect_do_not_hang(t):
    """llhttp pauses on Upgrade; RFC 9110 sections 7.8 and 10.1.1 let an origin ignore both."""
    server = t.shared(make_server)
    for fields in ([("Connection", "Upgrade"), ("Upgrade", "websocket")],
                   [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"),
                    ("HTTP2-Settings", "AAMAAABk")],
                   [("Expect", "100-continue")], [("Expect", "nonsense")]):
        with Connection(server) as connection:
            response = connection.ask("/one.txt", fields=fields)
            if response.status == 100:
                response = connection.read_response()
            check.one_of(response.status, (200, 400, 417), f"{fields}")
            if response.status == 200:
                check.equal(response.body, b"1\n", f"{fields}")


def test_expect_before_an_unwanted_body(t):
    """A client that waits for 100 learns the final answer at once (RFC 9110 section 10.1.1)."""
    server = t.shared(make_server)
    with Connection(server) as connection:
        response = connection.ask("/hello.txt", method="POST",
                                  fields=[("Expect", "100-continue"), ("Content-Length", "1000")])
        if response.status == 100:
            connection.send(b"x" * 1000)
            response = connection.read_response()
        check.one_of(response.status, (405, 417, 501), "POST to a file")


def test_an_endless_unwanted_body_is_not_read(t):
    """More than --body-drain-bytes-max is not read: the answer comes, then the end."""
    server = t.shared(make_server)
    with Connection(server) as connection:
        connection.send(b"POST /hello.txt HTTP/1.1\r\nHost: localhost\r\n"
                        b"Content-Length: 100000000000\r\n\r\n" + b"x" * 65536)
        for _ in range(400):
            connection.send(b"x" * 65536)
            if connection.refused_input or connection.ended:
                break
        else:
            raise Failure("it reads on and on: 25 MB of a body that nobody wants")
        if connection.pending:
            response = connection.read_response()
            check.one_of(response.status, (405, 413, 501), "status")
            check.holds(response.says_close, f"no Connection: close in {response}")


def test_a_small_unwanted_body_keeps_the_connection(t):
    """Up to --body-drain-bytes-max an unwanted body is read over (RFC 9112 section 9.3)."""
    server = t.shared(make_server)
    with Connection(server) as connection:
        first = connection.ask("/hello.txt", method="POST", fields=[("Content-Length", "1000")],
                               body=b"y" * 1000)
        check.one_of(first.status, (405, 501), "POST to a file")
        if not first.says_close:
            check.equal(connection.ask("/one.txt").body, b"1\n", "the next request")
        else:
            connection.must_end("it said close")
