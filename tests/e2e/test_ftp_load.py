"""tools/ferry-ftp-load against the server: every operation and data mode, what it checks, its end."""

import json
import os
import signal
import socket
import subprocess

from support import check
from support.case import Failure, rows
from support.clients import run
from support.scripted import Scripted

SMALL = b"0123456789abcde\n" * 64


def make_server(maker):
    root = maker.tmp()
    for name in ("0.bin", "1.bin"):
        with open(os.path.join(root, name), "wb") as file:
            file.write(SMALL)
    return maker.ferry(root, "--user", "ann:secret", "--write")


def make_secure_server(maker):
    folder = maker.tmp()
    root = maker.tmp()
    with open(os.path.join(root, "large.bin"), "wb") as file:
        file.write(SMALL * 1024)
    return maker.ferry(root, "--tls-self-signed", "--tls-cert", f"{folder}/own.pem", "--tls-key",
                       f"{folder}/own.key", "--ftps", "127.0.0.1:0", "--ftp-tls", "require",
                       "--ftp-tls-reuse", "require", "--user", "ann:secret", "--write")


def tool(t):
    """The copy that lies beside the copy of the server."""
    path = os.path.join(os.path.dirname(t.binary), "ferry-ftp-load")
    if not os.access(path, os.X_OK):
        raise Failure("not built: tools/build KIND tools/ftp_load/ferry-ftp-load")
    return path


def url(server, path="", login="ann:secret@"):
    return f"ftp://{login}127.0.0.1:{server.ftp_port}/{path}"


def load(t, *arguments, status=0):
    """Runs it, and returns what it says and what it writes as JSON."""
    file = os.path.join(t.tmp(), "report.json")
    io = ("--io", t.settings.io) if t.settings.io in ("uring", "epoll") else ()
    done = run([tool(t), *io, "--json", file, *arguments], status=status)
    with open(file, encoding="utf-8") as opened:
        return done.text, json.load(opened)


class Row:
    def __init__(self, id, path, octets, *flags):
        self.id, self.path, self.octets, self.flags = id, path, octets, flags


ASCII = len(SMALL) + 64
MODES = [Row(f"{what}-{mode}", path, octets, "-w", what, "-m", mode)
         for mode in ("epsv", "pasv", "eprt", "port")
         for what, path, octets in (("retr", "{}.bin", len(SMALL)), ("stor", "up-{}", 1024))]
OTHERS = [Row("login", "", 0, "-w", "login"), Row("list", "", None, "-w", "list"),
          Row("nlst", "", 14, "-w", "nlst"), Row("mlsd", "", None, "-w", "mlsd"),
          Row("retr-ascii", "{}.bin", ASCII, "-w", "retr", "-a"),
          Row("stor-ascii", "up-{}", 1024, "-w", "stor", "-a"),
          Row("stor-larger", "up-{}", 3 << 20, "-w", "stor", "-s", "3m")]


@rows(MODES + OTHERS)
def test_operation(t, row):
    server = t.shared(make_server) if row.flags[1] != "stor" and row.id != "nlst" \
        else make_server(t)
    what = row.flags[1]
    text, said = load(t, "-n", "6", "-c", "3", "-t", "2", "-f", "2", "--verify", "--latency",
                      *row.flags, url(server, row.path))
    check.equal(said["errors"], {}, "errors")
    check.equal(said["operations"][what]["done"], 6, "operations done")
    if row.octets is not None:
        check.equal(said["octets"], 6 * row.octets, "octets on data connections")
    check.contains(text, "Latency\n", "what it printed")
    latency = said["operations"][what]["latency_ns"]
    check.holds(0 < latency["p50"] <= latency["p99"] <= latency["max"], f"ranks: {latency}")


SECURE = [Row(f"{what}-{how}-{mode}", path, octets, "-w", what, "-m", mode)
          for how in ("command", "at-once")
          for what, path, octets, mode in (
              ("login", "", 0, "epsv"), ("retr", "large.bin", len(SMALL) << 10, "epsv"),
              ("stor", "up-{}", 300_000, "pasv"), ("mlsd", "", None, "port"))]


@rows(SECURE)
def test_over_tls(t, row):
    """Each data connection resumes the session of its control connection, or is refused here (RFC
    4217 section 10.4); an upload whose end is cut off would be 426."""
    server = t.shared(make_secure_server)
    where = url(server, row.path)
    if "at-once" in row.id:
        where = f"ftps://ann:secret@127.0.0.1:{server.ftps[0][1]}/{row.path}"
    text, said = load(t, "-n", "6", "-c", "3", "-t", "2", "-f", "2", "--verify", "-s", "300000",
                      *row.flags, *([] if "at-once" in row.id else ["--tls"]), where)
    check.equal((said["errors"], said["tls"]), ({}, True), "errors, and whether there is TLS")
    check.equal(said["operations"][row.flags[1]]["done"], 6, "operations done")
    if row.octets is not None:
        check.equal(said["octets"], 6 * row.octets, "octets on data connections")
    check.contains(text, " over TLS, ", "what it printed")


def test_no_tls_where_it_is_wanted(t):
    server = t.shared(make_server)
    text, said = load(t, "-n", "9", "-c", "1", "--tls", url(server, "0.bin"), status=1)
    check.equal(said["errors"], {"retr: AUTH TLS: reply 502": 1}, "errors")
    check.contains(text, "ferry-ftp-load: AUTH TLS: reply 502: Command not implemented",
                   "why it ended")


def test_mixed_workload_draws_each(t):
    server = make_server(t)
    _, said = load(t, "-n", "60", "-c", "2", "-w", "retr=4,mlsd=2,login=1", url(server, "0.bin"))
    check.equal((said["done"], said["failed"]), (60, 0), "done and failed")
    check.equal(sorted(said["operations"]), ["login", "mlsd", "retr"], "operations there were")


def test_duration_and_rate(t):
    """--rate: no more operations than were due (3 connections, each its first one at once)."""
    server = t.shared(make_server)
    text, said = load(t, "-d", "300ms", "-c", "3", "-t", "1", "-R", "50", "-l",
                      url(server, "0.bin"))
    check.holds(1 <= said["done"] <= 50 * said["seconds"] + 3, f"{said['done']} done")
    check.contains(text, "was due", "what latency is said to be")


def test_refusals_are_counted_by_their_reply(t):
    server = t.shared(make_server)
    text, said = load(t, "-n", "4", "-c", "2", url(server, "none"), status=1)
    check.equal(said["errors"], {"retr: reply 550": 4}, "errors")
    check.contains(text, "4 retr: reply 550: not found\n", "what it printed")
    check.equal(said["error_replies"], {"retr: reply 550": "not found"}, "replies")


def test_wrong_password_ends_it(t):
    """One tries before the many would, who would only hear that too many have failed."""
    server = t.shared(make_server)
    text, said = load(t, "-d", "1h", "-c", "10", url(server, "0.bin", "ann:wrong@"), status=1)
    check.equal(said["errors"], {"retr: login: reply 530": 1}, "errors")
    check.contains(text, "ferry-ftp-load: login: reply 530: ", "why it ended")


def test_nobody_listens(t):
    server = make_server(t)
    there = url(server, "0.bin")
    server.stop()
    text = run([tool(t), "-n", "2", "-c", "2", there], status=1).text
    check.equal(text, f"ferry-ftp-load: no connection: 127.0.0.1:{server.ftp_port}: Connection "
                "refused\n", "what it says")


class ScriptedSessions(Scripted):
    """Says in each session what it is told to: RETR's contents in turn, or instead of some verb's
    reply other octets (None: it falls silent)."""

    def __init__(self, contents=(b"abc",), size=None, **said):
        self.contents, self.size, self.said = list(contents), size, said
        super().__init__()

    @property
    def ftp_port(self):
        return self.port

    def talk(self, connection):
        with connection.makefile("rb") as lines:
            connection.sendall(self.said.get("greeting", b"220 x\r\n"))
            for line in lines:
                self.answer(connection, line.decode().split()[0])

    def answer(self, control, verb):
        ordinary = {"USER": b"331 x\r\n", "PASS": b"230 x\r\n", "TYPE": b"200 x\r\n",
                    "QUIT": b"221 x\r\n"}
        if verb in self.said:
            if self.said[verb] is not None:
                control.sendall(self.said[verb])
        elif verb == "SIZE":
            control.sendall(b"500 x\r\n" if self.size is None else b"213 %d\r\n" % self.size)
        elif verb == "EPSV":
            self.data_door = socket.create_server(("127.0.0.1", 0))
            control.sendall(b"229 x (|||%d|)\r\n" % self.data_door.getsockname()[1])
        elif verb == "RETR":
            data, _ = self.data_door.accept()
            self.data_door.close()
            control.sendall(b"150 x\r\n")
            data.sendall(self.contents.pop(0) if len(self.contents) > 1 else self.contents[0])
            data.close()
            control.sendall(self.said.get("end", b"226 x\r\n"))
        else:
            control.sendall(ordinary.get(verb, b"502 x\r\n"))


class Lie:
    def __init__(self, id, error, **said):
        self.id, self.error, self.said = id, error, said


LIES = [Lie("shorter-than-size", "retr: another length than SIZE said", size=4),
        Lie("second-is-shorter", "retr: another length than the first download",
            contents=(b"abc", b"ab")),
        Lie("second-differs", "retr: other content than the first download",
            contents=(b"abc", b"abd")),
        Lie("no-226", "retr: reply 426", end=b"426 x\r\n"),
        Lie("closing", "retr: reply 421", SIZE=b"421 x\r\n"),
        Lie("greeting", "retr: greeting 421", greeting=b"421 full\r\n"),
        Lie("no-reply-at-all", "retr: a reply that is none", greeting=b"SSH-2.0-x\r\n"),
        Lie("no-port", "retr: no port in reply 229", EPSV=b"229 x\r\n"),
        Lie("silent", "retr: control connection: timed out", SIZE=None)]


@rows(LIES)
def test_what_a_server_gets_wrong(t, row):
    server = t.closing(ScriptedSessions(**row.said))
    _, said = load(t, "-n", "2", "-c", "1", "--verify", "--timeout", "200ms", url(server, "x"),
                   status=None)
    check.holds(row.error in said["errors"], f"{row.error!r} is not in {said['errors']}")


def test_a_server_that_is_right(t):
    """So that what the lies are told by is not the scripted server's own."""
    server = t.closing(ScriptedSessions(size=3))
    _, said = load(t, "-n", "3", "-c", "1", "--verify", url(server, "x"))
    check.equal((said["done"], said["errors"], said["octets"]), (3, {}, 9), "what it found")


def test_interrupted_it_still_reports(t):
    server = t.shared(make_server)
    file = os.path.join(t.tmp(), "report.json")
    child = subprocess.Popen([tool(t), "-d", "1h", "-c", "2", "--json", file,
                              url(server, "0.bin")], stdout=subprocess.PIPE, text=True)
    try:
        check.contains(child.stdout.readline(), "Running 1h of retr", "its first line")
        child.send_signal(signal.SIGINT)
        rest, _ = child.communicate(timeout=20)
    finally:
        child.kill()
        child.wait()
    check.contains(rest, "; interrupted\n", "its report")
    with open(file, encoding="utf-8") as opened:
        check.equal(json.load(opened)["interrupted"], True, "interrupted")


MISUSE = [Row("no-url", "", "URL is required"), Row("http", "http://h/x", "not a URL of FTP"),
          Row("no-file", "ftp://h/d/", "need a file's name"),
          Row("workload", "ftp://h/x", "mldd is none of", "-w", "retr,mldd"),
          Row("size", "ftp://h/x", "no size", "-s", "1q"),
          Row("duration", "ftp://h/x", "no duration", "-d", "soon"),
          Row("connections", "ftp://h/x", "--connections", "-c", "0")]


@rows(MISUSE)
def test_misuse_is_refused(t, row):
    done = run([tool(t), *row.flags, *([row.path] if row.path else [])], status=2)
    check.contains(done.text, row.octets, "what it says")
