"""Clients of a soak: each does one thing after another and knows every right answer."""

import base64
import ftplib
import io
import random
import ssl
import struct
import threading
import time

from soaklib.books import CUT, NO_ROOM, WELL, WRONG, Cut, NoRoom
from support import trees
from support.case import Failure
from support.ftp_forms import every_form
from support.ftp_wire import Control, read_all, reset
from support.http_wire import Connection, quote, request
from support.tls import Secure

SIZES = (0, 1, 700, 4096, 30_000, 200_000, 900_000)
TEXT_LINES_MAX = 400
SITE_FILES = 16
EXCHANGES_OF_A_CONNECTION = 40
VICTIM, VICTIM_BYTES = "victim.bin", 3 << 20
LOGIN = ("Authorization", "Basic " + base64.b64encode(b"ann:secret").decode())
DRAFT = ("Upload-Draft-Interop-Version", "8")
NO_ROOM_CODES = {452, 552, 507}


def site_files():
    """{name: content} of what never changes."""
    files = {f"site/{i}.bin": trees.octets(i, SIZES[i % len(SIZES)]) for i in range(SITE_FILES)}
    files["site/lines.txt"] = b"".join(b"line %d of a text\n" % i for i in range(3000))
    return files


def victim():
    """What is truncated while it is sent: whatever its length, this is what it begins with."""
    return trees.octets("victim", VICTIM_BYTES)


class Client(threading.Thread):
    """`work` has the protocol's operations: (name, how often, function); `pause` is between two."""

    protocol = ""

    def __init__(self, number, server, books, stopped, pause):
        super().__init__(daemon=True)
        self.server, self.books = server, books
        self.random = random.Random(f"{self.protocol}{number}")
        self.files = site_files()
        self.folder = f"up/{self.protocol}{number}"
        self.held = {}  # {name: content} of its own names.
        self._stopped, self._pause = stopped, pause
        self._count = 0
        self.crash = ""  # What the program did not expect.

    def connect(self):
        raise NotImplementedError

    def disconnect(self):
        raise NotImplementedError

    def operations(self):
        raise NotImplementedError

    def run(self):
        try:
            while not self._stopped.is_set():
                if not self._do("connect", self.connect):
                    self._stopped.wait(0.2)
                    continue
                self._use_connection()
                self.disconnect()
        except Exception as error:  # Shown by whoever waits for this thread.
            self.crash = f"{self.folder}: {error!r}"

    def _use_connection(self):
        table = self.operations()
        for _ in range(self.random.randrange(1, EXCHANGES_OF_A_CONNECTION)):
            name, _, function = self.random.choices(table, [weight for _, weight, _ in table])[0]
            if not self._do(name, function) or self._stopped.wait(self._pause):
                return

    def _do(self, operation, function):
        """Does it and notes how it went: whether the connection is still of use."""
        began = time.monotonic()
        try:
            function()
        except NoRoom as refused:
            if self.books.may_lack_room(began):
                self.books.note(self.protocol, operation, NO_ROOM)
                return False
            self._complain(operation, refused)
            return False
        except Cut:
            self.books.note(self.protocol, operation, CUT)
            return False
        except (Failure, OSError, EOFError, ftplib.Error) as error:
            self._complain(operation, error)
            return False
        self.books.note(self.protocol, operation, WELL)
        return True

    def _complain(self, operation, error):
        self.books.note(self.protocol, operation, WRONG)
        self.books.complain(f"{self.folder}, {operation}: {type(error).__name__}: {error}"[:600])

    def new_name(self):
        self._count += 1
        return f"{self.folder}/{self._count % 12}.bin"

    def new_content(self):
        return self.random.randbytes(self.random.choice(SIZES))

    def new_text(self):
        return b"".join(b"%d %s\n" % (i, b"x" * self.random.randrange(60))
                        for i in range(self.random.randrange(TEXT_LINES_MAX)))

    def have(self, name, content):
        self.held[name] = content
        self.books.stored[name] = content

    def any_held(self):
        names = sorted(name for name, content in self.held.items() if content is not None)
        return self.random.choice(names) if names else None

    def must_be(self, what, got, wanted):
        if got != wanted:
            raise Failure(f"{what}: {len(got)} octets, wanted {len(wanted)}, "
                          f"{'a part of it' if wanted.startswith(got) else 'others'}")


class WebClient(Client):
    protocol = "http"

    def connect(self):
        self.connection = Connection(self.server)

    def disconnect(self):
        self.connection.close()

    def operations(self):
        return [("read", 6, self.read), ("range", 3, self.range), ("not modified", 2, self.unchanged),
                ("nothing there", 1, self.nothing), ("listing", 1, self.listing), ("put", 3, self.put),
                ("put in chunks", 2, self.put_chunked), ("delete", 1, self.delete),
                ("resumed upload", 1, self.put_resumed), ("upload cut", 1, self.cut_upload),
                ("download cut", 1, self.cut_download), ("truncated", 1, self.read_victim)]

    def _ask(self, wanted, *arguments, **options):
        answer = self.connection.ask(*arguments, **options)
        return self._judge(wanted, arguments[0], answer)

    @staticmethod
    def _judge(wanted, target, answer):
        if answer.status in NO_ROOM_CODES:
            raise NoRoom(f"{target}: {answer.status}")
        if answer.status not in wanted:
            raise Failure(f"{target}: {answer}")
        return answer

    def read(self):
        own = self.any_held()
        if own and self.random.random() < 0.5:
            self.must_be(own, self._ask((200,), "/" + own).body, self.held[own])
            return
        name = self.random.choice(sorted(self.files))
        self.must_be(name, self._ask((200,), "/" + name).body, self.files[name])

    def range(self):
        name = f"site/{SIZES.index(200_000)}.bin"
        at = self.random.randrange(199_000)
        got = self._ask((206,), "/" + name, fields=[("Range", f"bytes={at}-{at + 900}")])
        self.must_be(name, got.body, self.files[name][at:at + 901])

    def unchanged(self):
        name = self.random.choice(sorted(self.files))
        tag = self._ask((200,), "/" + name, method="HEAD").field("ETag")
        self._ask((304,) if not tag.startswith("W/") else (200, 304), "/" + name,
                  fields=[("If-None-Match", tag)])

    def nothing(self):
        self._ask((404,), f"/{self.folder}/nothing")

    def listing(self):
        got = self._ask((200,), f"/{self.folder}/?format=json").body
        for name, content in self.held.items():
            base = name.rsplit("/", 1)[1]
            if (b'"%s"' % base.encode() in got) != (content is not None):
                raise Failure(f"listing of {self.folder}: {base} is {'not ' * (content is not None)}there")

    def _stored(self, name, content, answer):
        self._judge((201, 204), name, answer)
        self.have(name, content)

    def put(self):
        name, content = self.new_name(), self.new_content()
        self._stored(name, content, self.connection.ask("/" + name, method="PUT", body=content, fields=[
            LOGIN, ("Content-Length", str(len(content)))]))

    def put_chunked(self):
        name, content = self.new_name(), self.new_content()
        pieces = [content[at:at + 50_000] for at in range(0, len(content), 50_000)]
        body = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in pieces) + b"0\r\n\r\n"
        self._stored(name, content, self.connection.ask("/" + name, method="PUT", body=body, fields=[
            LOGIN, ("Transfer-Encoding", "chunked")]))

    def delete(self):
        if name := self.any_held():
            self._ask((204,), "/" + name, method="DELETE", fields=[LOGIN])
            self.have(name, None)

    def put_resumed(self):
        """The draft of resumable uploads: a first part, then the rest at the address that 104 told."""
        name, content = self.new_name(), self.random.randbytes(60_000)
        first = self.random.randrange(1, 59_000)
        self.connection.send(request("/" + quote(name), "PUT", body=content[:first], fields=[
            LOGIN, DRAFT, ("Upload-Complete", "?0"), ("Content-Length", str(first))]))
        told = self._judge((104,), name, self._read("PUT"))
        self._judge((201, 204), name, self._read("PUT"))
        answer = self.connection.ask(told.field("Location"), method="PATCH", body=content[first:], fields=[
            LOGIN, DRAFT, ("Upload-Offset", str(first)), ("Upload-Complete", "?1"),
            ("Content-Type", "application/partial-upload"), ("Content-Length", str(len(content) - first))])
        self._stored(name, content, answer)

    def _read(self, method):
        answer = self.connection.read_response(method)
        if answer is None:
            raise Failure(f"{method}: the connection ended without an answer")
        return answer

    def cut_upload(self):
        """A PUT whose client vanishes leaves the name as it was."""
        self.connection.send(request(f"/{self.new_name()}", "PUT", body=b"x" * 30_000,
                                     fields=[LOGIN, ("Content-Length", "400000")]))
        self._vanish()

    def cut_download(self):
        self.connection.send(request(f"/site/{SIZES.index(900_000)}.bin"))
        self.connection.socket.recv(1000)
        self._vanish()

    def _vanish(self):
        reset(self.connection.socket)
        raise Cut

    def read_victim(self):
        """A file that may be truncated meanwhile: what comes is its beginning, and may end early."""
        whole = victim()
        self.connection.send(request("/" + VICTIM, fields=[("Connection", "close")]))
        head, _, got = self.connection.read_all().partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise Failure(f"{VICTIM}: {head[:200]!r}")
        self.must_be(VICTIM, got, whole[:len(got)])
        raise Cut


class SecureWebClient(WebClient):
    protocol = "https"

    def __init__(self, number, server, books, stopped, pause):
        super().__init__(number, Secure(server), books, stopped, pause)

    def cut_upload(self):
        self._vanish()

    def cut_download(self):
        self._vanish()


class FtpClient(Client):
    """Every TYPE, STRU and MODE; data connections by EPSV, and by PORT and EPRT."""

    protocol = "ftp"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.cut_names = set()

    def connect(self):
        self.control = Control(self.server).login("ann", "secret")

    def disconnect(self):
        try:
            self.control.send("QUIT\r\n")
        except OSError:
            pass  # It was cut.
        self.control.close()

    def operations(self):
        return [("retrieve", 5, self.retrieve), ("store", 4, self.store), ("append", 1, self.append),
                ("form", 4, self.form), ("active", 2, self.active), ("list", 1, self.list),
                ("rename", 1, self.rename), ("remove", 1, self.remove), ("digest", 1, self.digest),
                ("cut and resumed", 1, self.resume), ("abort", 1, self.abort),
                ("session cut", 1, self.cut)]

    def _command(self, line, *codes):
        """As `Control.ask`, and a full disk is NoRoom."""
        return self._judge(line, self.control.ask(line), codes)

    @staticmethod
    def _judge(line, got, codes):
        if got.code in NO_ROOM_CODES:
            raise NoRoom(f"{line}: {got}")
        if got.code not in codes:
            raise Failure(f"{line}: got {got}, wanted {codes}")
        return got

    def _send(self, line, octets):
        """The data of a command. A server that refuses in the middle closes what it is sent to."""
        data = self.control.passive()
        self._command(line, 150, 125)
        try:
            data.sendall(octets)
        except (BrokenPipeError, ConnectionResetError):
            pass  # The reply says why.
        data.close()
        self._judge(line, self.control.expect(line), (226, 250))

    def retrieve(self):
        own = self.any_held()
        name = own if own and self.random.random() < 0.5 else self.random.choice(sorted(self.files))
        self.must_be(name, self.control.retrieve(f"RETR {name}"), self.held.get(name, self.files.get(name)))

    def store(self):
        name, content = self.new_name(), self.new_content()
        self._store(name, content, content)

    def _store(self, name, octets, content):
        """A replacement that was cut off is not gone on with, until there is a whole one."""
        self.cut_names.add(name)
        self._send(f"STOR {name}", octets)
        self.cut_names.discard(name)
        self.have(name, content)

    def append(self):
        name = self.any_held()
        if name and name not in self.cut_names:
            more = self.random.randbytes(5000)
            self._send(f"APPE {name}", more)
            self.have(name, self.held[name] + more)

    def form(self):
        """A text there and back in some form."""
        form = self.random.choice([each for each in FORMS if each.control == "N"])
        name, content = f"{self.folder}/text{self._count % 3}", self.new_text()
        for line in form.commands():
            self._command(line, 200)
        self._store(name, form.encode(content), content)
        if not form.marks_ends:  # Such data connections stay: a conversation of its own (tests/e2e).
            got, _, _ = form.decode(self.control.retrieve(f"RETR {name}"))
            self.must_be(f"{name} as {form.id}", got, content)
        for line in ("MODE S", "STRU F", "TYPE I"):
            self._command(line, 200)

    def active(self):
        name = self.random.choice(sorted(self.files))
        listener = self.control.active(extended=self.random.random() < 0.5)
        self._command(f"RETR {name}", 150)
        data, _ = listener.accept()
        with data, listener:
            got = read_all(data)
        self._judge(name, self.control.expect(name), (226,))
        self.must_be(name, got, self.files[name])

    def list(self):
        lines = self.control.lines_of(f"{self.random.choice(('MLSD', 'LIST', 'NLST'))} {self.folder}")
        for name, content in self.held.items():
            base = name.rsplit("/", 1)[1].encode()
            if any(line.endswith((b" " + base, b"/" + base)) or line == base
                   for line in lines) != (content is not None):
                raise Failure(f"listing of {self.folder}: {base} is {'not ' * (content is not None)}there")

    def rename(self):
        if name := self.any_held():
            to = f"{self.folder}/renamed{self._count % 4}"
            self._command(f"RNFR {name}", 350)
            self._command(f"RNTO {to}", 250)
            self.cut_names -= {name, to}
            content = self.held[name]
            self.have(name, None)
            self.have(to, content)

    def remove(self):
        if name := self.any_held():
            self._command(f"DELE {name}", 250)
            self.cut_names.discard(name)
            self.have(name, None)

    def digest(self):
        name = self.random.choice(sorted(self.files))
        self._command(f"HASH {name}", 213)

    def resume(self):
        """An upload that is cut off goes on where SIZE says, in another session."""
        self._count += 1
        name, content = f"{self.folder}/resumed{self._count}", self.random.randbytes(150_000)
        data = self.control.passive()
        self._command(f"STOR {name}", 150)
        data.sendall(content[:70_000])
        reset(data)
        self._judge(name, self.control.expect(name), (426,))
        size = self._command(f"SIZE {name}", 213, 550)
        at = int(size.text.split()[1]) if size.code == 213 else 0
        if at > 70_000:
            raise Failure(f"SIZE of {name} is {at}")
        self._command(f"REST {at}", 350)
        self._send(f"STOR {name}", content[at:])
        self.have(name, content)
        self.must_be(name, self.control.retrieve(f"RETR {name}"), content)
        self._command(f"DELE {name}", 250)
        self.have(name, None)

    def abort(self):
        """ABOR in the middle of a download that nobody reads."""
        data = self.control.passive(receive_buffer_bytes=4096, segment_bytes=1400)
        self._command(f"RETR {VICTIM}", 150)
        self.control.send("ABOR\r\n")
        first = self._judge("ABOR", self.control.expect("ABOR"), (426, 226))
        if first.code == 426:
            self._judge("ABOR", self.control.expect("ABOR"), (226,))
        else:
            self.control.expect("ABOR", 225, 226)
        data.close()

    def cut(self):
        """A session that vanishes in the middle of an upload."""
        data = self.control.passive()
        self._command(f"STOR {self.folder}/vanishes", 150)
        data.sendall(b"x" * 20_000)
        reset(data)
        reset(self.control.socket)
        raise Cut


FORMS = list(every_form())


class ResumingFtps(ftplib.FTP_TLS):
    """ftplib, with data connections that resume the session of the control connection."""

    def ntransfercmd(self, cmd, rest=None):
        connection, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        return self.context.wrap_socket(connection, server_hostname=self.host, session=self.sock.session,
                                        suppress_ragged_eofs=False), size


class FtpsClient(Client):
    protocol = "ftps"

    def connect(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.session = ResumingFtps(context=context, timeout=15)
        self.session.connect("127.0.0.1", self.server.ftp_port)
        self.session.login("ann", "secret")
        self.session.prot_p()

    def disconnect(self):
        self.session.close()

    def operations(self):
        return [("retrieve", 3, self.retrieve), ("store", 2, self.store), ("cut", 1, self.cut)]

    def retrieve(self):
        name = self.any_held() or self.random.choice(sorted(self.files))
        got = []
        self.session.retrbinary(f"RETR {name}", got.append)
        self.must_be(name, b"".join(got), self.held.get(name, self.files.get(name)))

    def store(self):
        name, content = self.new_name(), self.new_content()
        try:
            self.session.storbinary(f"STOR {name}", io.BytesIO(content))
        except ftplib.Error as refused:
            if str(refused)[:3].isdigit() and int(str(refused)[:3]) in NO_ROOM_CODES:
                raise NoRoom(str(refused)) from None
            raise
        except OSError as broken:  # ftplib reads no reply where its data connection breaks.
            raise NoRoom(f"{name}: {broken}") from None
        self.have(name, content)

    def cut(self):
        self.session.sock.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER: a RST.
        self.session.close()
        raise Cut


KINDS = ((WebClient, 3), (SecureWebClient, 2), (FtpClient, 4), (FtpsClient, 1))


def make(server, books, stopped, rate):
    """All clients, which together do some `rate` exchanges a second at most."""
    count = sum(n for _, n in KINDS)
    return [kind(i, server, books, stopped, count / rate) for kind, n in KINDS for i in range(n)]
