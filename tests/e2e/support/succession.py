"""Processes of ferry that follow each other (SIGUSR2), and clients that must not notice."""

import ftplib
import hashlib
import io
import os
import re
import signal
import socket
import threading
import time

from support.case import Failure
from support.http_wire import Connection, request

SECONDS_MAX = 20.0
TOOK_OVER = re.compile(r"process (\d+) serves from now on")


class Line:
    """The processes that follow a server: `newest` is the one that takes connections."""

    def __init__(self, server):
        self.server = server
        self.newest = server.pid
        self.upgrades = 0

    def upgrade(self):
        """Has another process take over, and waits until it has."""
        self.upgrades += 1
        os.kill(self.newest, signal.SIGUSR2)
        self.wait_for(lambda: len(TOOK_OVER.findall(self.server.errors())) == self.upgrades,
                      "the new process serves")
        self.newest = int(TOOK_OVER.findall(self.server.errors())[-1])

    def wait_for(self, holds, what):
        limit = time.monotonic() + SECONDS_MAX
        while not holds():
            if time.monotonic() > limit:
                raise Failure(f"never: {what}\n{self.server.log()}")
            time.sleep(0.005)

    def close(self):
        """Ends the newest, if the server is not that itself."""
        if self.newest != self.server.pid:
            try:
                os.kill(self.newest, signal.SIGTERM)
            except ProcessLookupError:
                raise Failure(f"process {self.newest} is gone\n{self.server.log()}") from None
            self.wait_for(lambda: not is_running(self.newest), "the newest process has ended")


def is_running(process):
    try:
        with open(f"/proc/{process}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def children_of(process):
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as file:
                if int(file.read().rsplit(")", 1)[1].split()[1]) == process:
                    found.append(int(name))
        except OSError:
            pass  # Gone since.
    return found


class Sessions(ftplib.FTP):
    """A session whose data connections go where its control connection does."""

    trust_server_pasv_ipv4_address = True


class Load:
    """Clients that ask and ask until they are told to stop; what any of them finds wrong is kept.

    `server` has `http_port` and `ftp_port`; files: small and large, octets; account ann:secret may
    write."""

    def __init__(self, server, small, large):
        self.server = server
        self.small, self.large = small, large
        self.digest = hashlib.sha256(large).digest()
        self.over = threading.Event()
        self.wrong = []
        self.done = {}
        kinds = [self.new_connections, self.new_connections, self.kept_connection,
                 self.kept_connection, self.downloads, self.uploads, self.short_sessions,
                 self.long_session, self.long_session]
        self.threads = [threading.Thread(target=self._run, args=(kind, number), daemon=True)
                        for number, kind in enumerate(kinds)]

    def start(self):
        for each in self.threads:
            each.start()
        return self

    def finish(self):
        """Ends all of them, each at the end of what it does. Returns what was done, by kind."""
        self.over.set()
        for each in self.threads:
            each.join(SECONDS_MAX)
            if each.is_alive():
                self.wrong.append(f"{each} does not end")
        if self.wrong:
            raise Failure(f"{len(self.wrong)} went wrong: " + "\n".join(self.wrong[:5]))
        return self.done

    def _run(self, kind, number):
        try:
            while not self.over.is_set():
                kind(number)
        except Exception as error:  # Whatever it is: it is told.
            self.wrong.append(f"{kind.__name__}: {type(error).__name__}: {error}")

    def _count(self, kind):
        self.done[kind] = self.done.get(kind, 0) + 1

    def _same(self, got, wanted, what):
        if got != wanted:
            raise Failure(f"{what}: {len(got)} octets of {len(wanted)}")

    def new_connections(self, _number):
        with Connection(self.server) as connection:
            self._same(connection.ask("/small", fields=[("Connection", "close")]).body, self.small,
                       "a small file")
        self._count("new connections")

    def kept_connection(self, _number):
        """Asks until it is told that an answer was the last, and never finds the connection gone."""
        with Connection(self.server) as connection:
            while not self.over.is_set():
                response = connection.ask("/small")
                self._same(response.body, self.small, "a small file, connection kept")
                self._count("requests of kept connections")
                if response.says_close:
                    return
                time.sleep(0.001)

    def downloads(self, _number):
        with Connection(self.server, receive_buffer_bytes=65536) as connection:
            connection.send(request("/large"))
            got = connection.read_response(seconds=SECONDS_MAX).body
        self._same(hashlib.sha256(got).digest(), self.digest, "a large file")
        self._count("downloads")

    def uploads(self, number):
        """Over HTTP: what was said to be stored is there, whoever is asked."""
        content = os.urandom(300_000)
        login = [("Authorization", "Basic YW5uOnNlY3JldA=="), ("Connection", "close")]
        with Connection(self.server) as connection:
            response = connection.ask(f"/up-{number}", method="PUT", body=content, fields=[
                *login, ("Content-Length", str(len(content)))])
            if response.status not in (201, 204):
                raise Failure(f"PUT: {response}")
        with Connection(self.server) as connection:
            self._same(connection.ask(f"/up-{number}", fields=login).body, content, "what was PUT")
        self._count("uploads over HTTP")

    def _session(self):
        made = Sessions()
        made.connect("127.0.0.1", self.server.ftp_port, timeout=SECONDS_MAX)
        made.login("ann", "secret")
        return made

    def _exchange(self, session, name):
        content = os.urandom(200_000)
        session.storbinary(f"STOR {name}", io.BytesIO(content))
        got = io.BytesIO()
        session.retrbinary(f"RETR {name}", got.write)
        self._same(got.getvalue(), content, "what was stored over FTP")
        if name not in session.nlst():
            raise Failure(f"{name} is not listed")
        self._count("exchanges over FTP")

    def short_sessions(self, number):
        session = self._session()
        self._exchange(session, f"short-{number}")
        session.quit()

    def long_session(self, number):
        """Stays through whatever happens to the processes."""
        session = self._session()
        while not self.over.is_set():
            self._exchange(session, f"long-{number}")
        got = io.BytesIO()
        session.retrbinary("RETR large", got.write)
        self._same(hashlib.sha256(got.getvalue()).digest(), self.digest, "a large file over FTP")
        session.quit()


def run(server, line, small, large, upgrades, reloads):
    """Upgrades and reloads under load, spread evenly. Returns what was done beside them, by kind.
    The server has a users file or rules to read anew."""
    load = Load(server, small, large).start()
    try:
        steps = max(upgrades, reloads)
        done = {"upgrades": 0, "reloads": 0}
        for step in range(1, steps + 1):
            while done["reloads"] * steps < reloads * step:
                before = server.errors().count("from now on")
                os.kill(line.newest, signal.SIGHUP)
                line.wait_for(lambda: server.errors().count("from now on") > before, "a reload")
                done["reloads"] += 1
            while done["upgrades"] * steps < upgrades * step:
                line.upgrade()
                done["upgrades"] += 1
            if load.wrong:
                break
    finally:
        load.over.set()
    return {**load.finish(), **done}


def connect_local(path):
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(10)
    made.connect(path)
    return made
