"""Clients of a cluster: each makes one exchange after the other and notes what became of it."""

import base64
import dataclasses
import ftplib
import http.client
import io
import random
import socket
import ssl
import threading
import time

from clusterlib.cluster import PROXY_ADDRESS

SECONDS_MAX = 15  # For any answer.
PAUSE_SECONDS = 0.015  # Between exchanges of a client: the cluster is shown, not measured.
RECONNECT_PAUSE_SECONDS = 0.1
EXCHANGES_OF_A_CONNECTION = 10
SIZES = (0, 1, 1000, 9000, 70_000, 300_000)
SITE_FILES = 12
LOGIN = {"Authorization": "Basic " + base64.b64encode(b"ann:secret").decode()}


def octets(name, size):
    """What a file of that name holds."""
    return random.Random(name).randbytes(size)


def site_files():
    """{name: content}: what is there from the start and never changes."""
    return {f"site/file{i}": octets(f"site/file{i}", SIZES[i % len(SIZES)])
            for i in range(SITE_FILES)}


class Refused(Exception):
    """An answer that is not the one wanted."""


class ToldToLeave(Exception):
    """The server parts in order (FTP's 421), before anything has begun."""


@dataclasses.dataclass
class Outcome:
    protocol: str
    operation: str
    began: float  # Of the monotonic clock, as all times here.
    ended: float = 0.0
    node: str = ""  # That answered; empty: not known.
    port: int = 0  # Of the client: what the proxy's log calls it, ...
    taken: float = 0.0  # ... and when the proxy took the connection, or of HTTP the request.
    failure: str = ""
    is_told: bool = False  # `ToldToLeave`.
    is_repeated: bool = False  # Over a new connection, and it was answered there.


@dataclasses.dataclass
class Ledger:
    """What all clients have done. Appending to a list is one step for all threads."""

    outcomes: list = dataclasses.field(default_factory=list)
    stored: dict = dataclasses.field(default_factory=dict)  # {name: what its last receipt is for}
    # {name: what was sent and never acknowledged}; the name may hold it, or what was there before.
    unsure: dict = dataclasses.field(default_factory=dict)
    receipts: int = 0  # All uploads that were acknowledged.
    replaced_reads: int = 0  # Of a name right behind the receipt of its replacement.
    stale_reads: list = dataclasses.field(default_factory=list)
    handshakes: int = 0
    resumed: int = 0


class Client(threading.Thread):
    """Until told to stop. How to connect and what an exchange is, is the protocol's."""

    protocol = ""

    def __init__(self, number, ledger, stopped):
        super().__init__(daemon=True)
        self.ledger = ledger
        self.random = random.Random(number)
        self.files = site_files()
        self.own = f"up/{self.protocol}-{number}"
        self._stopped = stopped
        self._count = 0
        self.port, self.taken = 0, 0.0  # The clock of the day, as in the proxy's log.
        self.node, self.is_repeated = "", False
        self.trouble = None  # What the program did not expect.

    def connect(self):
        raise NotImplementedError

    def disconnect(self):
        raise NotImplementedError

    def read(self, name):
        raise NotImplementedError

    def store(self, name, content):
        raise NotImplementedError

    def run(self):
        try:
            while not self._stopped.is_set():
                self._use_one_connection()
        except Exception as error:  # Shown by whoever waits for this thread.
            self.trouble = f"{self.name} of {self.protocol}: {error!r}"

    def _use_one_connection(self):
        if not self._note("connect", self.connect):
            self.disconnect()
            self._stopped.wait(RECONNECT_PAUSE_SECONDS)
            return
        for _ in range(EXCHANGES_OF_A_CONNECTION):
            draw = self.random.random()
            if draw < 0.5:
                well = self._note("read", self._read_site)
            elif draw < 0.8:
                well = self._note("store", self._store_new)
            else:
                well = self._note("replace", self._replace)
            if not well or self._stopped.wait(PAUSE_SECONDS):
                break
        self.disconnect()

    def _note(self, operation, work):
        """Does it and notes what became of it: whether the connection is still of use."""
        noted = Outcome(self.protocol, operation, time.monotonic())
        self.node, self.is_repeated = "", False
        try:
            work()
        except ToldToLeave:
            noted.is_told = True
        except (OSError, EOFError, Refused, ftplib.Error, http.client.HTTPException) as error:
            noted.failure = f"{type(error).__name__}: {error}"
        noted.ended, noted.node = time.monotonic(), self.node
        noted.port, noted.taken = self.port, self.taken
        noted.is_repeated = self.is_repeated
        self.ledger.outcomes.append(noted)
        return not noted.failure and not noted.is_told

    def _read_site(self):
        name = self.random.choice(sorted(self.files))
        if self.read(name) != self.files[name]:
            raise Refused(f"{name} is not what was stored")

    def _send(self, name, content):
        """Stores it and keeps the books."""
        self.ledger.unsure.setdefault(name, []).append(content)
        self.store(name, content)
        self.ledger.stored[name] = content
        self.ledger.unsure.pop(name)
        self.ledger.receipts += 1

    def _store_new(self):
        self._count += 1
        name = f"{self.own}-{self._count}"
        self._send(name, octets(name, self.random.choice(SIZES)))

    def _replace(self):
        """Replaces a name of its own, and reads it: whatever node answers, it must be the new one."""
        name = f"{self.own}-again"
        before = self.ledger.stored.get(name)
        for _ in range(2):  # So that nodes which keep what they have served do so.
            if before is not None and name not in self.ledger.unsure:
                self.read(name)
        self._count += 1
        content = octets(f"{name}{self._count}", self.random.choice(SIZES[1:]))
        self._send(name, content)
        for _ in range(3):
            got = self.read(name)
            self.ledger.replaced_reads += 1
            if got != content:
                self.ledger.stale_reads.append(f"{name} from {self.node or 'a node'}: "
                                               f"{'the old one' if got == before else 'torn'}")


class WebClient(Client):
    protocol = "http"

    def __init__(self, number, ledger, stopped, context=None):
        super().__init__(number, ledger, stopped)
        self.connection = None
        self.is_kept = False  # The connection has had an answer before.

    def connect(self):
        self.is_kept = False
        self.connection = http.client.HTTPConnection(PROXY_ADDRESS, 80, timeout=SECONDS_MAX)
        self.connection.connect()
        self.port = self.connection.sock.getsockname()[1]

    def disconnect(self):
        if self.connection is not None:
            self.connection.close()

    def _begin_request(self):
        self.taken = time.time()

    def _answer(self, method, name, **options):
        """The answer; asked for once more over a new connection where a kept one ends without a word,
        as every client does (RFC 9112 section 9.3.1): PUT and GET may be done twice."""
        for is_last in (False, True):
            try:
                self._begin_request()
                self.connection.request(method, "/" + name, **options)
                return self.connection.getresponse()
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                if is_last or not self.is_kept:
                    raise
                self.connection.close()
                self.connect()
                self.is_kept, self.is_repeated = False, True

    def _ask(self, method, name, wanted, **options):
        answer = self._answer(method, name, **options)
        self.is_kept = True
        body = answer.read()
        self.node = answer.getheader("X-Node", "")
        if answer.status not in wanted:
            raise Refused(f"{method} {answer.status}")
        if self.connection.sock is None:  # "Connection: close": the next request connects.
            self.connect()
        return body

    def read(self, name):
        return self._ask("GET", name, (200,))

    def store(self, name, content):
        self._ask("PUT", name, (201, 204), body=content, headers=LOGIN)


class SecureWebClient(WebClient):
    """Each connection resumes the session of the one before, which another node may have begun."""

    protocol = "https"

    def __init__(self, number, ledger, stopped, context):
        super().__init__(number, ledger, stopped)
        self._context, self._session = context, None

    def connect(self):
        self.is_kept = False
        self.taken = time.time()
        plain = socket.create_connection((PROXY_ADDRESS, 443), SECONDS_MAX)
        self.port = plain.getsockname()[1]
        self.connection = http.client.HTTPConnection(PROXY_ADDRESS, timeout=SECONDS_MAX)
        self.connection.sock = plain  # So that it is closed, whatever happens.
        had_session = self._session is not None
        secure = self._context.wrap_socket(plain, server_hostname="cluster", session=self._session)
        self.connection.sock = secure
        self.ledger.handshakes += had_session
        self.ledger.resumed += had_session and secure.session_reused

    def _begin_request(self):
        """The proxy does not see it."""

    def disconnect(self):
        if self.connection is not None and isinstance(self.connection.sock, ssl.SSLSocket):
            self._session = self.connection.sock.session
        super().disconnect()


class FtpClient(Client):
    protocol = "ftp"

    def __init__(self, number, ledger, stopped, context=None):
        super().__init__(number, ledger, stopped)
        self.session = None

    def connect(self):
        self.session = ftplib.FTP(timeout=SECONDS_MAX)
        # The node's own address is in the reply to PASV; the proxy's would lead nowhere.
        self.session.trust_server_pasv_ipv4_address = True
        self.taken = time.time()
        self._talk(lambda: self.session.connect(PROXY_ADDRESS, 21))
        self.port = self.session.sock.getsockname()[1]
        self._talk(lambda: self.session.login("ann", "secret"))

    def disconnect(self):
        if self.session is None:
            return
        try:
            self.session.quit()
        except (OSError, EOFError, ftplib.Error, AttributeError):
            self.session.close()  # It is gone, or never was.

    @staticmethod
    def _talk(work):
        try:
            return work()
        except ftplib.error_temp as refused:
            if str(refused).startswith("421"):
                raise ToldToLeave from refused
            raise

    def read(self, name):
        parts = []
        self._talk(lambda: self.session.retrbinary(f"RETR {name}", parts.append))
        return b"".join(parts)

    def store(self, name, content):
        self._talk(lambda: self.session.storbinary(f"STOR {name}", io.BytesIO(content)))


KINDS = ((WebClient, 3), (SecureWebClient, 2), (FtpClient, 4))


class Crowd:
    """All clients, from `start` to `stop`."""

    def __init__(self, certificate):
        self.ledger = Ledger()
        self._stopped = threading.Event()
        context = ssl.create_default_context(cafile=certificate)
        # A ticket of TLS 1.2 is there with the handshake, so it can be told what was resumed.
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.clients = [kind(100 * row + i, self.ledger, self._stopped, context)
                        for row, (kind, count) in enumerate(KINDS) for i in range(count)]

    def start(self):
        for client in self.clients:
            client.start()

    def stop(self):
        """What clients met that they should not have."""
        self._stopped.set()
        for client in self.clients:
            client.join(2 * SECONDS_MAX)
        return [client.trouble or f"{client.name} of {client.protocol} waits for ever"
                for client in self.clients if client.trouble or client.is_alive()]
