"""A server that is killed while clients upload, over FTP and over HTTP, and what must be true of its
tree (threats.md, V12).

A name is written by one client at a time, so that after every kill it is known what it may hold: what
it held before, and what was being sent. kill -9 takes the process and nothing else: what it has given
to the kernel stays, so what was confirmed is there whatever --durability says. What a loss of power
leaves is another matter, shown in simulated worlds (tests/sim).
"""

import base64
import dataclasses
import os
import random
import re
import signal
import subprocess
import threading
import time

from support import trees
from support.case import Failure
from support.ferry import Ferry, ServerTrouble
from support.ftp_wire import Control
from support.http_wire import Connection, quote, request

CLIENTS = 6
NAMES_PER_CLIENT = 3
SIZES = (0, 1, 4096, 8193, 100_000, 300_000, 1_000_000, 2_500_000)
APPENDED_BYTES_MAX = 4_000_000  # A file that is larger is replaced, not appended to.
PIECE_BYTES = 64 << 10
LONGEST_BEFORE_KILL = 0.6
SWEPT_SECONDS_MAX = 20
HIDDEN = re.compile(r"\.ferry-upload-[0-9a-f]{16}")
DURABILITIES = ("none", "data", "full")
# /proc is not to be seen: an unnamed file cannot be given a name, so uploads have hidden ones.
WITHOUT_PROC = ("unshare", "--mount", "--map-root-user", "sh", "-c",
                'mount -t tmpfs tmpfs /proc && exec "$@"', "ferry")


@dataclasses.dataclass
class Count:
    kills: int = 0
    confirmed: int = 0  # 226, 201 or 204 came before the kill.
    unknown: int = 0  # All octets were sent and no reply came: old or new.
    unknown_new: int = 0  # Of those, how many were there.
    cut: int = 0  # Its octets were not all sent: the old file stands.
    idle: int = 0  # Clients between two uploads.
    left: int = 0  # Hidden names that a kill left.

    def line(self):
        return (f"{self.kills} kills; uploads: {self.confirmed} confirmed, all there; "
                f"{self.unknown} sent and not confirmed, {self.unknown_new} of them new; "
                f"{self.cut} cut short, all old; {self.left} hidden names left, all removed")


class Gone(Exception):
    """The server is not there any more."""


class Client(threading.Thread):
    """Uploads to names of its own until the server is gone. `may_be` is what each may hold.

    Its protocol is in `begin`, which gives a connection, and `upload`, which makes one upload.
    """

    def __init__(self, server, held, seed):
        super().__init__(daemon=True)
        self.server = server
        self.random = random.Random(seed)
        self.may_be = {name: [content] for name, content in held.items()}
        self.current = None  # The name of the upload under way.
        self.is_sent = False  # All of its octets, and the end of them.
        self.confirmed = 0
        self.trouble = None

    def run(self):
        try:
            talk = self.begin()
            while True:
                self.upload(talk)
        except (OSError, Gone):
            pass
        except Failure as failure:
            # Replies are cut off where the kill cuts them; anything else is wrong.
            if self.server.process.poll() is None and not self.is_killed_soon():
                self.trouble = f"{self.current}: {failure}"
        except Exception as error:  # Shown by the thread that waits for this one.
            self.trouble = f"{self.current}: {error!r}"

    def is_killed_soon(self):
        """True when the server, which was there just now, is dead a moment later."""
        try:
            self.server.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            return False
        return True

    def begin_upload(self, name, new):
        """Notes what is about to be sent."""
        self.is_sent, self.current = False, name
        self.may_be[name] = [self.may_be[name][0], new]

    def confirm(self):
        """The server says that it has the content."""
        self.may_be[self.current] = self.may_be[self.current][1:]
        self.confirmed += 1


class FtpClient(Client):
    def begin(self):
        control = Control(self.server, greeting=False)
        self.expect(control, 220)
        control.login("ann", "secret")
        return control

    def expect(self, control, code):
        reply = control.reply()
        if reply is None:
            raise Gone
        if reply.code != code:
            raise Failure(f"got {reply}, wanted {code}")

    def draw(self, old):
        """The commands of an upload, its octets and what the file then holds."""
        octets = self.random.randbytes(self.random.choice(SIZES))
        way = self.random.choice(("STOR", "STOR", "APPE", "REST"))
        if old is None or len(old) > APPENDED_BYTES_MAX:
            way = "STOR"
        if way == "APPE":
            return ("APPE",), octets, old + octets
        if way == "REST" and old:
            at = self.random.randrange(1, len(old) + 1)
            return (f"REST {at}", "STOR"), octets, old[:at] + octets + old[at + len(octets):]
        return ("STOR",), octets, octets

    def upload(self, control):
        self.current = None
        name = self.random.choice(sorted(self.may_be))
        old = self.may_be[name][0]
        commands, octets, new = self.draw(old)
        self.begin_upload(name, new)
        data = control.passive()
        try:
            for command in commands[:-1]:
                control.send(command + "\r\n")
                self.expect(control, 350)
            control.send(f"{commands[-1]} {name}\r\n")
            self.expect(control, 150)
            for begin in range(0, len(octets), PIECE_BYTES):
                data.sendall(octets[begin:begin + PIECE_BYTES])
            self.is_sent = True
        finally:
            data.close()
        self.expect(control, 226)
        self.confirm()


class HttpClient(Client):
    LOGIN = ("Authorization", "Basic " + base64.b64encode(b"ann:secret").decode())

    def begin(self):
        return Connection(self.server)

    def draw(self, old):
        """The fields of an upload, its octets and what the file then holds."""
        octets = self.random.randbytes(self.random.choice(SIZES))
        is_part = bool(old) and len(old) <= APPENDED_BYTES_MAX and octets != b""
        if not is_part or self.random.random() < 0.5:
            must = [("If-Match", "*")] if old is not None and self.random.random() < 0.3 else []
            return must, octets, octets
        at = self.random.choice((len(old), self.random.randrange(len(old) + 1)))
        part = ("Content-Range", f"bytes {at}-{at + len(octets) - 1}/*")
        return [part], octets, old[:at] + octets + old[at + len(octets):]

    def upload(self, connection):
        self.current = None
        name = self.random.choice(sorted(self.may_be))
        old = self.may_be[name][0]
        fields, octets, new = self.draw(old)
        is_chunked = self.random.random() < 0.3
        length = (("Transfer-Encoding", "chunked") if is_chunked
                  else ("Content-Length", str(len(octets))))
        self.begin_upload(name, new)
        pieces = [octets[begin:begin + PIECE_BYTES]
                  for begin in range(0, len(octets), PIECE_BYTES)]
        if is_chunked:
            pieces = [b"%x\r\n%b\r\n" % (len(each), each) for each in pieces] + [b"0\r\n\r\n"]
        pieces.insert(0, request("/" + quote(name), method="PUT",
                                 fields=[self.LOGIN, length, *fields]))
        for piece in pieces[:-1]:
            connection.send(piece)
        self.is_sent = True  # Perhaps: what is not taken any more was not waited for.
        connection.send(pieces[-1])
        response = connection.read_response("PUT")
        if response is None:
            raise Gone
        wanted = 201 if old is None else 204
        if response.status != wanted:
            raise Failure(f"got {response}, wanted {wanted}")
        self.confirm()


def hidden_names(root):
    """What there is of names that no client may give, beneath `root`."""
    return {name for _, folders, files in os.walk(root) for name in folders + files
            if name.startswith(".ferry-")}


def read_tree(root):
    """{name: content}, of what is not hidden. Nobody may change it meanwhile."""
    return {name.decode(): content for name, content in trees.contents(root).items()
            if not os.path.basename(name).startswith(b".ferry-")}


class Storm:
    """Kills over one tree. `held` is what each name holds, None: nothing."""

    def __init__(self, binary, folder, seed, io="auto"):
        self.binary, self.folder, self.io = binary, folder, io
        self.random = random.Random(seed)
        self.root = os.path.join(folder, "tree")
        os.makedirs(os.path.join(self.root, "d", "deep"))
        self.owned = [[f"{place}c{client}-{i}" for i, place in enumerate(("", "d/", "d/deep/"))]
                      for client in range(CLIENTS)]
        self.held = {name: None for names in self.owned for name in names}
        self.count = Count()
        self.server = None
        self.can_hide_proc = subprocess.run([*WITHOUT_PROC, "true"], stdin=subprocess.DEVNULL,
                                            capture_output=True, check=False).returncode == 0

    def start(self):
        hides = self.can_hide_proc and self.count.kills % 2 == 1
        durability = DURABILITIES[self.count.kills // 2 % len(DURABILITIES)]
        self.server = Ferry(self.binary, self.root,
                            ("--user", "ann:secret", "--write", "--durability", durability),
                            log_folder=self.folder, io=self.io,
                            wrapper=WITHOUT_PROC if hides else ())
        self.server.start()

    def must_be_swept(self):
        limit = time.monotonic() + SWEPT_SECONDS_MAX
        while hidden := hidden_names(self.root):
            if time.monotonic() > limit:
                raise Failure(f"still there {SWEPT_SECONDS_MAX} s after the start: {hidden}")
            time.sleep(0.01)

    def must_serve_what_is_there(self):
        with Connection(self.server) as connection:
            for name, content in self.held.items():
                response = connection.ask("/" + quote(name))
                wanted = (404, None) if content is None else (200, content)
                got = (response.status, response.body if response.status == 200 else None)
                if got != wanted:
                    raise Failure(f"{name}: {response} is not what the disk holds")

    def kill_once(self):
        """Starts the server, checks what the last kill has left, kills it in mid-upload, checks."""
        self.start()
        clients = [(FtpClient, HttpClient)[number % 2](
            self.server, {name: self.held[name] for name in names}, self.random.random())
                   for number, names in enumerate(self.owned)]
        # A start is looked at in every other turn; else it is killed in the middle of its sweep.
        if self.count.kills % 3 != 2:
            self.must_be_swept()
            self.must_serve_what_is_there()
        for client in clients:
            client.start()
        time.sleep(self.random.uniform(0, LONGEST_BEFORE_KILL) ** 1.5)
        self.server.signal(signal.SIGKILL)
        self.server.wait()
        self.count.kills += 1
        for client in clients:
            client.join(30)
            if client.is_alive():
                raise Failure("a client waits for a server that is dead")
            if client.trouble:
                raise Failure(f"before the kill: {client.trouble}\n{self.server.log()}")
        self.check(clients)

    def check(self, clients):
        found, hidden = read_tree(self.root), hidden_names(self.root)
        self.count.left += len(hidden)
        for name in hidden:
            if not HIDDEN.fullmatch(name):
                raise Failure(f"{name}: no upload is called so")
        if unknown := found.keys() - self.held.keys():
            raise Failure(f"names that nobody has stored: {unknown}")
        for client in clients:
            self.count.confirmed += client.confirmed
            for name, may_be in client.may_be.items():
                content = found.get(name)
                if name == client.current and not client.is_sent:
                    may_be = may_be[:1]
                if content not in may_be:
                    raise Failure(self.describe(client, name, content, may_be))
                self.held[name] = content
            if client.current is None:
                self.count.idle += 1
            elif len(client.may_be[client.current]) == 1:
                self.count.idle += 1  # It was confirmed, and the next one had not begun.
            elif client.is_sent:
                self.count.unknown += 1
                self.count.unknown_new += self.held[client.current] == client.may_be[
                    client.current][1]
            else:
                self.count.cut += 1

    def describe(self, client, name, content, may_be):
        def told(octets):
            return "nothing" if octets is None else f"{len(octets)} octets"
        upload = "no upload"
        if name == client.current:
            upload = "an upload that was " + ("sent" if client.is_sent else "cut short")
        torn = ""
        if content:
            for each in may_be:
                if each and each.startswith(content):
                    torn = ", which is the beginning of what it may hold"
        return (f"{name}: {told(content)}{torn}; possible: {', '.join(map(told, may_be))}; "
                f"{upload}\n{self.server.log()}")

    def end(self):
        """One start more: it must sweep and serve, and stop as asked."""
        self.start()
        self.must_be_swept()
        self.must_serve_what_is_there()
        self.server.stop()


def run(binary, folder, kills, seed, io="auto", tell=lambda text: None):
    """Kills the server `kills` times. Returns the counts; Failure says what was wrong."""
    storm = Storm(binary, folder, seed, io)
    try:
        for _ in range(kills):
            storm.kill_once()
            tell(storm.count.line())
        storm.end()
    except ServerTrouble as trouble:
        raise Failure(f"after {storm.count.kills} kills: {trouble}") from None
    finally:
        if storm.server is not None:
            storm.server.kill()
    return storm.count
