"""HTTP on a plain socket: sends any octets, and believes no answer that is not well formed."""

import re
import select
import socket
import time

from support.case import Failure

SECONDS_MAX = 10.0  # For an answer.
HEAD_BYTES_MAX = 65536
STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) ([\t\x20-\x7e]*)")
FIELD_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\x80-\xff]*?)[ \t]*")


class Response:
    def __init__(self, status, fields, body, closes):
        self.status = status
        self.fields = fields  # [(lower-case name, value)]
        self.body = body
        self.closes = closes  # The body ended where the connection did.

    def __repr__(self):
        return f"<{self.status} {dict(self.fields)} {self.body[:60]!r} ({len(self.body)})>"

    def field(self, name):
        """The field's value, None when there is none."""
        values = [value for key, value in self.fields if key == name.lower()]
        if len(values) > 1:
            raise Failure(f"{len(values)} fields named {name}: {values}")
        return values[0] if values else None

    @property
    def says_close(self):
        return "close" in (self.field("Connection") or "").lower().replace(" ", "").split(",")


def request(target, method="GET", version="HTTP/1.1", fields=(), body=b"", host="localhost"):
    """The octets of a request. `target` and field values may be octets or text."""
    def octets(text):
        return text if isinstance(text, bytes) else text.encode()
    lines = [octets(method) + b" " + octets(target) + b" " + octets(version)]
    if host is not None:
        lines.append(b"Host: " + octets(host))
    lines += [octets(name) + b": " + octets(value) for name, value in fields]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Connection:
    """One connection. What came and has not been read yet is in `pending`."""

    def __init__(self, server, **options):
        self.socket = server.connect("http", **options)
        self.pending = b""
        self.ended = False  # The server's side is closed (or reset).
        self.reset = False
        self.refused_input = False  # The server stopped taking what we sent.

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, octets, seconds=SECONDS_MAX):
        """Sends all of it, taking what comes meanwhile, until the server no longer listens."""
        view = memoryview(octets)
        limit = time.monotonic() + seconds
        while view and not self.refused_input:
            readers = [] if self.ended else [self.socket]
            readable, writable, _ = select.select(readers, [self.socket], [],
                                                  max(0, limit - time.monotonic()))
            if not readable and not writable:
                raise Failure(f"the server takes nothing: {len(view)} octets left, {seconds} s")
            if readable:
                self._receive()
            if writable:
                try:
                    sent = self.socket.send(view[:65536], socket.MSG_DONTWAIT)
                    view = view[sent:]
                except BlockingIOError:
                    continue
                except (BrokenPipeError, ConnectionResetError):
                    self.refused_input = True

    def _receive(self):
        try:
            piece = self.socket.recv(262144)
        except ConnectionResetError:
            piece, self.reset = b"", True
        self.ended = self.ended or not piece
        self.pending += piece

    def fill(self, limit):
        """Waits for more octets. False when the connection has ended; Failure at the limit."""
        if self.ended:
            return False
        readable, _, _ = select.select([self.socket], [], [], max(0, limit - time.monotonic()))
        if not readable:
            raise Failure(f"no answer; so far {self.pending[:200]!r} ({len(self.pending)} octets)")
        self._receive()
        return not self.ended

    def read_response(self, method="GET", seconds=SECONDS_MAX):
        """The next response, or None where the connection ended before one began.

        Failure when it is malformed, cut short or late.
        """
        limit = time.monotonic() + seconds
        while b"\r\n\r\n" not in self.pending:
            if len(self.pending) > HEAD_BYTES_MAX:
                raise Failure(f"no end of the head: {self.pending[:200]!r}...")
            if not self.fill(limit):
                if self.pending:
                    raise Failure(f"cut short in the head: {self.pending[:400]!r}")
                return None
        head, self.pending = self.pending.split(b"\r\n\r\n", 1)
        status, fields = parse_head(head)
        if 100 <= status < 200:
            return Response(status, fields, b"", False)
        response = Response(status, fields, b"", False)
        coding = response.field("Transfer-Encoding")
        length = response.field("Content-Length")
        if coding is not None and length is not None:
            raise Failure(f"both Content-Length and Transfer-Encoding: {fields}")
        if method == "HEAD" or status in (204, 304):
            return response
        if coding is not None:
            if coding.lower() != "chunked":
                raise Failure(f"Transfer-Encoding {coding!r}")
            response.body = self._read_chunked(limit)
        elif length is not None:
            if not re.fullmatch(r"[0-9]+", length):
                raise Failure(f"Content-Length {length!r}")
            response.body = self.read_exactly(int(length), limit)
        else:
            while self.fill(limit):
                pass
            response.body, self.pending, response.closes = self.pending, b"", True
        return response

    def read_exactly(self, count, limit=None):
        limit = limit or time.monotonic() + SECONDS_MAX
        pieces, have = [self.pending], len(self.pending)
        while have < count:
            self.pending = b""
            more = self.fill(limit)
            pieces.append(self.pending)
            have += len(self.pending)
            if not more and have < count:
                raise Failure(f"cut short: {have} octets of {count}")
        whole = b"".join(pieces)
        self.pending = whole[count:]
        return whole[:count]

    def _read_line(self, limit):
        while b"\r\n" not in self.pending:
            if not self.fill(limit):
                raise Failure(f"cut short in a chunk: {self.pending[:100]!r}")
        line, self.pending = self.pending.split(b"\r\n", 1)
        return line

    def _read_chunked(self, limit):
        pieces = []
        while True:
            line = self._read_line(limit)
            if not re.fullmatch(rb"[0-9A-Fa-f]{1,16}", line):
                raise Failure(f"chunk size {line!r}")
            size = int(line, 16)
            if size == 0:
                while self._read_line(limit):
                    pass
                return b"".join(pieces)
            pieces.append(self.read_exactly(size, limit))
            if self.read_exactly(2, limit) != b"\r\n":
                raise Failure("no CR LF behind a chunk")

    def ask(self, target, method="GET", fields=(), body=b"", seconds=SECONDS_MAX, **options):
        """One request and its response; Failure when there is none."""
        self.send(request(target, method=method, fields=fields, body=body, **options), seconds)
        response = self.read_response(method, seconds)
        if response is None:
            raise Failure(f"{method} {target!r}: the connection ended without an answer")
        return response

    def read_all(self, seconds=SECONDS_MAX):
        """Everything until the server closes; Failure when it does not."""
        limit = time.monotonic() + seconds
        while self.fill(limit):
            pass
        rest, self.pending = self.pending, b""
        return rest

    def must_end(self, what, seconds=SECONDS_MAX):
        """Failure unless the server closes, without another octet."""
        try:
            rest = self.read_all(seconds)
        except Failure as late:
            raise Failure(f"{what}: the connection stays open; {late}") from None
        if rest:
            raise Failure(f"{what}: more came before the end: {rest[:300]!r}")

    def must_be_silent(self, what, seconds=0.3):
        """Failure when anything more comes, or the connection ends, within `seconds`."""
        readable, _, _ = select.select([] if self.ended else [self.socket], [], [], seconds)
        if readable:
            self._receive()
        if self.pending or self.ended:
            raise Failure(f"{what}: got {self.pending[:300]!r}{' and the end' * self.ended}")


def parse_head(head):
    """Status and fields; Failure when a line is not as RFC 9112 sections 4 and 5 have it."""
    lines = head.split(b"\r\n")
    found = STATUS_LINE.fullmatch(lines[0])
    if not found:
        raise Failure(f"not a status line: {lines[0][:200]!r}")
    fields = []
    for line in lines[1:]:
        field = FIELD_LINE.fullmatch(line)
        if not field:
            raise Failure(f"not a field line: {line[:200]!r}")
        fields.append((field[1].decode().lower(), field[2].decode("latin-1")))
    return int(found[1]), fields


def ask(server, target, method="GET", **options):
    """One request on a connection of its own."""
    with Connection(server) as connection:
        return connection.ask(target, method=method, **options)


def fetch(server, target, seconds=SECONDS_MAX):
    """The content of `target`, which must be there."""
    response = ask(server, target, seconds=seconds)
    if response.status != 200:
        raise Failure(f"GET {target!r}: {response}")
    return response.body


def quote(name):
    """A file name's octets as a path segment; every octet that is not plainly safe is encoded."""
    safe = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~/"
    octets = name if isinstance(name, bytes) else name.encode()
    return "".join(chr(o) if o in safe else f"%{o:02X}" for o in octets)
