"""FTP on plain sockets: sends any octets, and believes no reply that is not well formed."""

import re
import select
import socket
import struct
import time

from support.case import Failure

SECONDS_MAX = 10.0  # For a reply.
REPLY_BYTES_MAX = 1 << 20


class Reply:
    def __init__(self, code, lines):
        self.code = code
        self.lines = lines  # As they came, without their ends; octets.

    @property
    def text(self):
        return b"\n".join(self.lines).decode("utf-8", "surrogateescape")

    def __repr__(self):
        return f"<{self.text}>"


class Control:
    """A control connection."""

    def __init__(self, server, source=None, greeting=True):
        self.socket = server.connect("ftp", source=source)
        self.server = server
        self.pending = b""
        self.ended = False
        self._data = []
        if greeting:
            first = self.reply()
            if first.code != 220:
                raise Failure(f"the greeting is {first}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for data in self._data:
            data.close()
        self.socket.close()

    def send(self, octets):
        self.socket.sendall(octets if isinstance(octets, bytes) else octets.encode())

    def _line(self, limit):
        while b"\r\n" not in self.pending:
            readable = not self.ended and select.select([self.socket], [], [],
                                                        max(0, limit - time.monotonic()))[0]
            if not self.ended and not readable:
                raise Failure(f"no reply; so far {self.pending[:200]!r}")
            piece = b""
            if not self.ended:
                try:
                    piece = self.socket.recv(65536)
                except ConnectionResetError:
                    pass
            if not piece:
                self.ended = True
                if self.pending:
                    raise Failure(f"the connection ended in a reply: {self.pending[:200]!r}")
                return None
            self.pending += piece
            if len(self.pending) > REPLY_BYTES_MAX:
                raise Failure("a reply without an end")
        line, self.pending = self.pending.split(b"\r\n", 1)
        if re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", line):
            raise Failure(f"a control octet in a reply: {line!r}")
        return line

    def reply(self, seconds=SECONDS_MAX):
        """The next reply; None where the connection has ended (RFC 959 section 4.2)."""
        limit = time.monotonic() + seconds
        first = self._line(limit)
        if first is None:
            return None
        found = re.match(rb"([1-6][0-5][0-9])([ -])", first)
        if not found:
            raise Failure(f"not a reply: {first[:200]!r}")
        lines = [first]
        while found[2] == b"-":
            line = self._line(limit)
            if line is None:
                raise Failure(f"the connection ended in a reply: {lines}")
            lines.append(line)
            if line.startswith(found[1] + b" ") or line == found[1]:
                break
        return Reply(int(found[1]), lines)

    def ask(self, line, *codes, seconds=SECONDS_MAX):
        """Sends a command and returns its reply, which must have one of `codes` if there are any.

        A code of one digit stands for its hundred: 5 is any 5xx.
        """
        self.send((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
        return self.expect(line, *codes, seconds=seconds)

    def expect(self, what, *codes, seconds=SECONDS_MAX):
        got = self.reply(seconds)
        if got is None:
            raise Failure(f"{what!r}: the connection ended instead of a reply")
        if codes and got.code not in codes and got.code // 100 not in codes:
            raise Failure(f"{what!r}: got {got}, wanted {' or '.join(map(str, codes))}")
        return got

    def login(self, name="anonymous", password="guest@"):
        self.ask(f"USER {name}", 331, 230)
        self.ask(f"PASS {password}", 230)
        self.ask("TYPE I", 200)  # A session begins with TYPE A (RFC 959 section 5.1).
        return self

    def must_end(self, what, seconds=SECONDS_MAX):
        got = self.reply(seconds)
        if got is not None:
            raise Failure(f"{what}: got {got} instead of the end")

    # Data connections.

    def epsv(self):
        got = self.ask("EPSV", 229)
        found = re.search(r"\(\|\|\|(\d+)\|\)", got.text)
        if not found:
            raise Failure(f"EPSV: {got}")
        return "127.0.0.1", int(found[1])

    def pasv(self):
        got = self.ask("PASV", 227)
        found = re.search(r"\((\d+),(\d+),(\d+),(\d+),(\d+),(\d+)\)", got.text)
        if not found:
            raise Failure(f"PASV: {got}")
        numbers = [int(n) for n in found.groups()]
        if max(numbers) > 255:
            raise Failure(f"PASV: {got}")
        return ".".join(map(str, numbers[:4])), numbers[4] * 256 + numbers[5]

    def passive(self, receive_buffer_bytes=None, segment_bytes=None, source=None):
        """A connected passive data connection."""
        where = self.epsv()
        data = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._data.append(data)
        data.settimeout(SECONDS_MAX)
        if receive_buffer_bytes:
            data.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        if segment_bytes:
            # Over loopback the server's buffer would grow by 64 KiB segments to megabytes.
            data.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment_bytes)
        if source:
            data.bind((source, 0))
        data.connect(where)
        return data

    def active(self, extended=False):
        """A listening socket that PORT or EPRT has told the server of."""
        listener = socket.create_server(("127.0.0.1", 0))
        self._data.append(listener)
        listener.settimeout(SECONDS_MAX)
        self.ask(port_command(*listener.getsockname(), extended=extended), 200)
        return listener

    def retrieve(self, line, seconds=SECONDS_MAX):
        """The octets that a command (RETR, LIST ...) sends over a passive connection."""
        data = self.passive()
        self.ask(line, 150, 125, seconds=seconds)
        octets = read_all(data, seconds)
        data.close()
        self.expect(f"the end of {line!r}", 226, 250, seconds=seconds)
        return octets

    def store(self, line, octets, seconds=SECONDS_MAX):
        """Sends `octets` as the data of a command (STOR, APPE). Returns the last reply."""
        data = self.passive()
        self.ask(line, 150, 125, seconds=seconds)
        data.sendall(octets)
        data.close()
        return self.expect(f"the end of {line!r}", 226, 250, seconds=seconds)

    def lines_of(self, line):
        """What a listing command sends, as lines; each must end in CR LF."""
        octets = self.retrieve(line)
        if octets and not octets.endswith(b"\r\n"):
            raise Failure(f"{line!r}: the last line has no end: {octets[-100:]!r}")
        lines = octets.split(b"\r\n")[:-1]
        for each in lines:
            if b"\r" in each or b"\n" in each:
                raise Failure(f"{line!r}: a bare CR or LF: {each!r}")
        return lines


def port_command(address, port, extended=False):
    if extended:
        return f"EPRT |1|{address}|{port}|"
    return f"PORT {address.replace('.', ',')},{port // 256},{port % 256}"


def read_all(data, seconds=SECONDS_MAX):
    """Everything until the other side closes; Failure when it resets or stalls."""
    pieces = []
    data.settimeout(seconds)
    while True:
        try:
            piece = data.recv(262144)
        except TimeoutError:
            raise Failure(f"no data for {seconds} s, after {sum(map(len, pieces))} octets") \
                from None
        except ConnectionResetError:
            raise Failure(f"the data connection was reset after {sum(map(len, pieces))} octets") \
                from None
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)


def reset(connection):
    """Closes with a RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def facts_of(line):
    """The facts and the name of a line of MLSD or MLST (RFC 3659 section 7.2)."""
    facts, _, name = line.lstrip(b" ").partition(b" ")
    if not facts.endswith(b";") and facts:
        raise Failure(f"not a line of facts: {line!r}")
    pairs = dict(part.split(b"=", 1) for part in facts.split(b";") if part)
    return {key.decode().lower(): value.decode() for key, value in pairs.items()}, name
