"""The rows of RFC 9110 and 9112 that concern an origin server of files, one test a row.

A request goes out as the octets written here; what may come back is what the row says, and where
the RFCs leave a choice, what cannot be used for smuggling, disclosure or a hang.
"""

import dataclasses

from support import check, trees
from support.case import Failure, rows
from support.http_wire import Connection

HOST = b"Host: localhost\r\n\r\n"
HELLO = b"hello, world\n"
ONE = b"1\n"
MARKER = b"GET /one.txt HTTP/1.1\r\n" + HOST  # Sent behind what must end the connection.
SITE = "the file's octets"


@dataclasses.dataclass(frozen=True)
class Row:
    """`statuses`: those that may come; 200 with `content` where that is not None. `silent`: the end
    without an answer is right too. `closes`: the connection ends behind the answer, and nothing
    sent after the request is answered. `stays`: another request is answered. `sequence`: exactly
    these."""
    id: str
    what: str
    octets: bytes
    statuses: tuple = ()
    content: bytes | None = None
    silent: bool = False
    closes: bool = False
    stays: bool = False
    sequence: tuple = ()
    methods: tuple = ()
    slowly: bool = False
    half_close: bool = False
    follow: object = None  # More to check: a function of the response.


def get(target, version=b"HTTP/1.1", method=b"GET"):
    return method + b" " + target + b" " + version + b"\r\n" + HOST


def file_row(id_, what, octets, content=HELLO, others=(), **options):
    return Row(id_, what, octets, statuses=(200, *others), content=content, **options)


def refusal(id_, what, octets, statuses=(400,), **options):
    return Row(id_, what, octets, statuses=tuple(statuses), **options)


def closing(id_, what, octets, statuses=(400,), **options):
    return Row(id_, what, octets, statuses=tuple(statuses), closes=True, **options)


def sequence(id_, what, octets, statuses, methods=None, **options):
    return Row(id_, what, octets, sequence=tuple(statuses),
               methods=tuple(methods or ["GET"] * len(statuses)), **options)


def allows_get_and_head(response):
    allowed = [part.strip() for part in (response.field("Allow") or "").split(",")]
    check.holds({"GET", "HEAD"} <= set(allowed), f"Allow is {allowed}")


def says_close(response):
    check.holds(response.says_close, f"no Connection: close in {response}")


def lacks_transfer_encoding(response):
    check.equal(response.field("Transfer-Encoding"), None, "Transfer-Encoding in an answer to 1.0")


def lacks_injection(response):
    check.equal(response.field("X-Injected"), None, "a field the client has smuggled in")
    check.holds(response.status < 500, f"status {response.status}")


def lacks_script(response):
    check.lacks(response.body.lower(), b"<script>", "the body")
    check.lacks((response.field("Location") or "").lower(), "<script>", "Location")


def lacks_secret_value(response):
    check.lacks(response.body, b"secretvalue", "the body of an answer to TRACE")


def location_ends(end):
    def follow(response):
        location = response.field("Location") or ""
        check.holds(location.endswith(end), f"Location {location!r} does not end in {end!r}")
    return follow


REDIRECTS = (301, 302, 307, 308)
ANYTHING = tuple(range(200, 500))

# RFC 9112: the request line, the target forms, framing of several requests.
A_ROWS = [
    file_row("A01", "plain GET", get(b"/hello.txt")),
    file_row("A02", "one empty line before the request line is ignored",
             b"\r\n" + get(b"/hello.txt")),
    refusal("A03", "methods are case-sensitive: 'get' is not GET",
            get(b"/hello.txt", method=b"get"), (400, 405, 501)),
    refusal("A04", "unknown method", get(b"/hello.txt", method=b"FOO"), (501, 405)),
    refusal("A05", "method with a non-token character", get(b"/hello.txt", method=b"GE(T"),
            (400, 501)),
    closing("A06", "two spaces after the method", b"GET  /hello.txt HTTP/1.1\r\n" + HOST),
    closing("A07", "tab instead of space", b"GET\t/hello.txt\tHTTP/1.1\r\n" + HOST),
    closing("A08", "space after the version", b"GET /hello.txt HTTP/1.1 \r\n" + HOST, (400, 505)),
    refusal("A09", "HTTP/0.9 simple request", b"GET /hello.txt\r\n\r\n", (400, 505, 426),
            silent=True),
    closing("A10", "no version but field lines", b"GET /hello.txt\r\n" + HOST, (400, 505),
            silent=True),
    file_row("A11", "HTTP/1.2 is handled as 1.1, or 505", get(b"/hello.txt", b"HTTP/1.2"),
             others=(505,)),
    refusal("A12", "HTTP/2.0 in text form", get(b"/hello.txt", b"HTTP/2.0"), (505,)),
    refusal("A13", "version with two-digit minor", get(b"/hello.txt", b"HTTP/1.10"), (400, 505)),
    refusal("A14", "version with leading zero", get(b"/hello.txt", b"HTTP/01.1"), (400, 505)),
    refusal("A15", "version name is case-sensitive", get(b"/hello.txt", b"http/1.1"), (400, 505)),
    refusal("A16", "version with sign", get(b"/hello.txt", b"HTTP/+1.1"), (400, 505)),
    refusal("A17", "version with comma", get(b"/hello.txt", b"HTTP/1,1"), (400, 505)),
    closing("A18", "bare LF line ends throughout", b"GET /hello.txt HTTP/1.1\nHost: localhost\n\n"),
    closing("A19", "bare CR in the request line", b"GET /hello.txt\rHTTP/1.1\r\n" + HOST),
    closing("A20", "CR CR LF line end", b"GET /hello.txt HTTP/1.1\r\r\n" + HOST),
    closing("A21", "NUL in the target", get(b"/hello.txt\x00.png")),
    closing("A22", "control octet in the target", get(b"/hel\x01lo.txt"), (400, 404)),
    refusal("A23", "DEL in the target", get(b"/hel\x7flo.txt"), (400, 404)),
    file_row("A24", "raw UTF-8 target: right file or 400", get(b"/\xc3\xbcn\xc3\xaf.txt"),
             content=b"unicode\n", others=(400,)),
    closing("A25", "space inside the target", get(b"/sp ace.txt"), (400, 505)),
    refusal("A26", "fragment in the target", get(b"/hello.txt#frag"), (400, 404)),
    closing("A27", "empty target", b"GET  HTTP/1.1\r\n" + HOST),
    closing("A28", "relative target", get(b"hello.txt")),
    file_row("A29", "request line of 8000 octets is accepted",
             get(b"/hello.txt?" + b"a" * (8020 - len(get(b"/hello.txt?"))))),
    refusal("A30", "over-long target", get(b"/" + b"a" * (262179 - len(get(b"/")))),
            (414, 431, 400)),
    file_row("A31", "absolute-form", get(b"http://localhost/hello.txt")),
    refusal("A32", "absolute-form, empty path is '/'", get(b"http://localhost"), (200,)),
    file_row("A33", "absolute-form, scheme is case-insensitive",
             get(b"HTTP://localhost/hello.txt")),
    refusal("A34", "absolute-form with userinfo", get(b"http://u:p@localhost/hello.txt")),
    closing("A35", "absolute-form still needs a Host",
            b"GET http://localhost/hello.txt HTTP/1.1\r\n\r\n"),
    refusal("A36", "absolute-form with a scheme we do not serve", get(b"ftp://localhost/hello.txt"),
            (400, 404, 421)),
    closing("A37", "authority-form outside CONNECT", get(b"localhost:80")),
    refusal("A38", "CONNECT is never a 2xx here", get(b"localhost:80", method=b"CONNECT"),
            (400, 403, 405, 501)),
    refusal("A39", "OPTIONS *", get(b"*", method=b"OPTIONS"), (200, 204)),
    refusal("A40", "asterisk-form outside OPTIONS", get(b"*"), (400, 404)),
    refusal("A41", "OPTIONS on a file lists Allow", get(b"/hello.txt", method=b"OPTIONS"),
            (200, 204, 405), follow=allows_get_and_head),
    refusal("A42", "TRACE is refused",
            b"TRACE /hello.txt HTTP/1.1\r\nX-Echo: secretvalue\r\n" + HOST, (405, 501, 403, 400),
            follow=lacks_secret_value),
    sequence("A44", "HEAD sends no body", get(b"/hello.txt", method=b"HEAD") + MARKER, (200, 200),
             ("HEAD", "GET")),
    refusal("A45", "64 KiB method", b"A" * 65536 + b" / HTTP/1.1\r\n" + HOST,
            (400, 414, 431, 501, 405), silent=True),
    sequence("A46", "two pipelined requests", get(b"/hello.txt") + MARKER, (200, 200)),
    sequence("A47", "pipeline with a 404 in the middle keeps order",
             get(b"/hello.txt") + get(b"/nope") + MARKER, (200, 404, 200)),
    sequence("A48", "pipelined HEAD, GET, HEAD",
             get(b"/hello.txt", method=b"HEAD") + MARKER + get(b"/nope", method=b"HEAD"),
             (200, 200, 404), ("HEAD", "GET", "HEAD")),
    sequence("A49", "100 pipelined requests", MARKER * 100, [200] * 100),
    file_row("A50", "request sent one octet at a time", get(b"/hello.txt"), slowly=True),
    file_row("A51", "client half-closes after the request", get(b"/hello.txt"), half_close=True),
    file_row("A52", "Connection: close",
             b"GET /hello.txt HTTP/1.1\r\nConnection: close\r\n" + HOST, closes=True),
    file_row("A53", "... and the response says so",
             b"GET /hello.txt HTTP/1.1\r\nConnection: close\r\n" + HOST, follow=says_close),
    sequence("A54", "requests after Connection: close are not answered",
             b"GET /hello.txt HTTP/1.1\r\nConnection: close\r\n" + HOST + MARKER, (200,)),
    file_row("A55", "connection options are case-insensitive and a list",
             b"GET /hello.txt HTTP/1.1\r\nConnection: foo , CLOSE\r\n" + HOST, closes=True),
    file_row("A56", "HTTP/1.0: closed after the response", get(b"/hello.txt", b"HTTP/1.0"),
             closes=True),
    file_row("A57", "HTTP/1.0 needs no Host", b"GET /hello.txt HTTP/1.0\r\n\r\n"),
    refusal("A58", "HTTP/1.0 never gets Transfer-Encoding",
            b"GET /dir/ HTTP/1.0\r\nAccept-Encoding: gzip\r\n" + HOST, (200,),
            follow=lacks_transfer_encoding),
    refusal("A58-listing", "... nor does a listing",
            b"GET /plain/ HTTP/1.0\r\nAccept-Encoding: gzip\r\n" + HOST, (200,), closes=True,
            follow=lacks_transfer_encoding),
    file_row("A59", "1.1 is persistent by default", get(b"/hello.txt"), stays=True),
]

# RFC 3986 and RFC 9110 section 4: what a target names.
D_ROWS = [
    file_row("D01", "percent-encoded letter", get(b"/%68ello.txt")),
    file_row("D02", "percent-encoded dot, upper hex", get(b"/hello%2Etxt")),
    file_row("D02-lower", "percent-encoded dot, lower hex", get(b"/hello%2etxt")),
    file_row("D03", "'/./'", get(b"/./hello.txt"), others=(*REDIRECTS, 400)),
    file_row("D04", "'/dir/../'", get(b"/dir/../hello.txt"), others=(*REDIRECTS, 400)),
    file_row("D05", "'/dir/%2e%2e/'", get(b"/dir/%2e%2e/hello.txt"), others=(*REDIRECTS, 400)),
    refusal("D07", "%00 truncates nothing", get(b"/hello.txt%00.html"), (400, 404)),
    refusal("D08", "%2F is not a separator", get(b"/dir%2Findex.html"), (400, 404)),
    refusal("D09", "overlong UTF-8 slash", get(b"/dir%c0%afindex.html"), (400, 404)),
    refusal("D10", "backslash is not a separator", get(b"/dir\\index.html"), (400, 404)),
    refusal("D12", "no double decoding", get(b"/%2568ello.txt"), (404,)),
    file_row("D13", "'pct%2541.txt' is the file 'pct%41.txt'", get(b"/pct%2541.txt"),
             content=b"percent\n"),
    refusal("D16", "paths are case-sensitive", get(b"/HELLO.TXT"), (404,)),
    file_row("D17", "query is not part of the file name", get(b"/hello.txt?a=/../..&b")),
    file_row("D18", "empty query", get(b"/hello.txt?")),
    refusal("D19", "5000-octet file name", get(b"/" + b"b" * 5000), (404, 400, 414, 403)),
    refusal("D20", "2000 directories deep", get(b"/a" * 2000), (404, 400, 414, 403)),
    refusal("D21", "file with a trailing slash is not the file", get(b"/hello.txt/"),
            (404, 301, 302, 307, 308, 403, 400)),
    refusal("D22", "file used as a directory", get(b"/hello.txt/x"), (404, 403, 400)),
    refusal("D23", "directory without slash redirects with the slash", get(b"/dir"), REDIRECTS,
            follow=location_ends("/dir/")),
    refusal("D24", "the redirect keeps the query", get(b"/dir?a=b&c"), REDIRECTS,
            follow=location_ends("dir/?a=b&c")),
    refusal("D26", "no header injection: CR LF in the path", get(b"/dir%0d%0aX-Injected:%201/"),
            ANYTHING, follow=lacks_injection),
    refusal("D27", "no header injection: CR LF in the redirect's query",
            get(b"/dir?%0d%0aX-Injected:%201"), ANYTHING, follow=lacks_injection),
    refusal("D28", "no header injection: CR LF in a dir redirect",
            get(b"/dir/%0d%0aX-Injected:1%0d%0a/.."), ANYTHING, follow=lacks_injection),
    refusal("D29", "redirect does not use a bad Host",
            b"GET /dir HTTP/1.1\r\nHost: a\"><script>\r\n\r\n", (400, *REDIRECTS),
            follow=lacks_script),
    refusal("D30", "error page does not reflect markup",
            get(b"/<script>alert(1)</script>"), ANYTHING, follow=lacks_script),
]


def make_server(maker):
    return maker.ferry(trees.fill(maker.tmp(), trees.site()))


def send(connection, row):
    if row.slowly:
        for octet in row.octets:
            connection.send(bytes([octet]))
    else:
        connection.send(row.octets + (MARKER if row.closes else b""))
    if row.half_close:
        connection.socket.shutdown(1)


@rows(A_ROWS + D_ROWS)
def test_row(t, row):
    server = t.shared(make_server)
    with Connection(server) as connection:
        send(connection, row)
        if row.sequence:
            return check_sequence(connection, row)
        method = row.octets.lstrip().split(b" ")[0].decode("latin-1")
        response = connection.read_response("HEAD" if method == "HEAD" else "GET")
        if response is None:
            if not row.silent:
                raise Failure(f"{row.what}: the connection ended without an answer")
            return None
        check.one_of(response.status, row.statuses, row.what)
        if response.status == 200 and row.content is not None:
            check.same_bytes(response.body, row.content, row.what)
        if row.follow:
            row.follow(response)
        if row.closes:
            connection.must_end(row.what)
        if row.stays:
            check.equal(connection.ask("/one.txt").body, ONE, "the next request")
    # Whatever was said to it, it serves the next client.
    with Connection(server) as another:
        check.equal(another.ask("/one.txt").body, ONE, "the next client")


def check_sequence(connection, row):
    statuses = []
    for method in row.methods:
        response = connection.read_response(method)
        check.holds(response is not None, f"{row.what}: the end after {statuses}")
        statuses.append(response.status)
    check.equal(tuple(statuses), row.sequence, row.what)
    if row.id == "A54":
        connection.must_end(row.what)
    else:
        connection.must_be_silent(row.what)
