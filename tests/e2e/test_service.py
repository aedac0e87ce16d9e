"""What a service manager and an administrator count on: the rights that ferry gives up, and what it
tells of itself (sd_notify(3))."""

import ctypes
import dataclasses
import os
import select
import signal
import socket
import time

from support import check, trees
from support.case import Failure, needs_root, rows
from support.ftp_wire import Control, read_all
from support.http_wire import Connection, ask, fetch, request
from test_start import refused, say

NOBODY = 65534
BIND_LOW_PORTS = 1 << 10  # CAP_NET_BIND_SERVICE of capabilities(7).
SECONDS_MAX = 20


def status_of(server):
    with open(f"/proc/{server.pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def rights_of(server):
    status = status_of(server)
    return {name: int(status[name], 16) for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")}


@needs_root
def test_run_as(t):
    """--run-as: the ports were root's to open, the files are the user's to read (threats.md, R16)."""
    root = trees.fill(t.tmp(), {"open.txt": b"open\n"})
    trees.write(root, "closed.txt", trees.SECRET, mode=0o600)
    server = t.ferry(root, "--run-as", "nobody:nogroup", "--ftp", "127.0.0.1:0")
    status = status_of(server)
    check.equal(status["Uid"].split(), [str(NOBODY)] * 4, "the user")
    check.equal(status["Gid"].split(), [str(NOBODY)] * 4, "the group")
    check.equal(status["Groups"].split(), [str(NOBODY)], "all groups")
    check.equal(status["NoNewPrivs"], "1", "no new privileges")
    check.equal(rights_of(server), {"CapPrm": BIND_LOW_PORTS, "CapEff": BIND_LOW_PORTS,
                                    "CapInh": 0, "CapAmb": 0}, "capabilities")
    check.equal(fetch(server, "/open.txt"), b"open\n", "an open file")
    check.equal(ask(server, "/closed.txt").status, 403, "a file of root's")
    for thread in os.listdir(f"/proc/{server.pid}/task"):
        with open(f"/proc/{server.pid}/task/{thread}/status", encoding="ascii") as file:
            check.contains(file.read(), f"Uid:\t{NOBODY}\t{NOBODY}", f"thread {thread}")


@needs_root
def test_run_as_sends_from_port_20(t):
    """Active data connections come from port 20 (RFC 959 section 5.2) after root is gone."""
    server = t.ferry(trees.fill(t.tmp(), {"x": b"data"}), "--run-as", "nobody")
    control = t.closing(Control(server)).login()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS_MAX)
        port = listener.getsockname()[1]
        control.ask(f"PORT 127,0,0,1,{port >> 8},{port & 255}", 200)
        control.ask("RETR x", 150)
        data, peer = listener.accept()
        check.equal(peer[1], 20, "the port it comes from")
        check.equal(read_all(data), b"data", "the file")
        control.expect("the end", 226)


@needs_root
def test_run_as_without_ftp_keeps_nothing(t):
    server = t.ferry(trees.fill(t.tmp(), {"x": b"x"}), "--run-as", f"{NOBODY}:{NOBODY}", "--ftp", "off")
    check.equal(set(rights_of(server).values()), {0}, "capabilities")
    check.equal(fetch(server, "/x"), b"x", "a file")


@needs_root
def test_run_as_gets_the_log_and_the_socket(t):
    """What root has made and the user is to open anew and to remove."""
    logs, place = t.tmp(), t.tmp()
    os.chmod(place, 0o777)
    log, door = os.path.join(logs, "log"), os.path.join(place, "door")
    server = t.ferry(trees.fill(t.tmp(), {"x": b"x"}), "--run-as", "nobody", "--access-log", log,
                     "--http", "127.0.0.1:0", "--http", f"unix:{door}", "--ftp", "off", endpoints=1)
    check.equal([os.stat(each).st_uid for each in (log, door)], [NOBODY, NOBODY], "whose they are")
    check.contains(server.errors(), "cannot be opened anew at SIGUSR1", "a warning")
    server.stop()
    check.holds(not os.path.exists(door), "the socket is removed")


@needs_root
def test_run_as_leaves_other_groups(t):
    """Also who is that user already, with groups of another."""
    root = trees.fill(t.tmp(), {"x": b"x"})
    with_more = ("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--groups", "4,42", "--")
    refused(say(t, "--http", "127.0.0.1:0", "--ftp", "off", "--run-as", "nobody", root,
                wrapper=with_more), 1, "cannot take the groups of")


@needs_root
def test_run_as_tells_what_it_cannot_read_anew(t):
    users = os.fsdecode(trees.write(t.tmp(), "users", b"", mode=0o600))
    server = t.ferry(trees.fill(t.tmp(), {"x": b"x"}), "--run-as", "nobody", "--users-file", users)
    check.contains(server.errors(), f'--run-as nobody: "{users}" stays as it is now', "a warning")


@dataclasses.dataclass(frozen=True)
class Refused:
    id: str
    who: str
    why: str


@needs_root
@rows([Refused("no-user", "no-such-user", 'there is no user "no-such-user"'),
       Refused("no-group", "nobody:no-such-group", 'there is no group "no-such-group"'),
       Refused("number-without-group", "54321", "write 54321:GROUP"),
       Refused("malformed", "nobody:", "is not off, or USER or USER:GROUP")])
def test_run_as_refused(t, row):
    said = say(t, "--http", "127.0.0.1:0", "--ftp", "off", "--run-as", row.who, t.tmp())
    check.contains(said.err, row.why, "what it says")
    check.one_of(said.status, (1, 2), "status")


@needs_root
def test_run_as_a_directory_it_cannot_read(t):
    root = t.tmp()
    os.chmod(root, 0o700)
    refused(say(t, "--http", "127.0.0.1:0", "--ftp", "off", "--run-as", "nobody", root), 1,
            "--run-as nobody: cannot serve", "Permission denied")


@needs_root
def test_run_as_needs_root(t):
    root = trees.fill(t.tmp(), {"x": b"x"})
    ordinary = ("setpriv", "--reuid", "1", "--regid", "1", "--clear-groups", "--")
    refused(say(t, "--http", "127.0.0.1:0", "--ftp", "off", "--run-as", "nobody", root,
                wrapper=ordinary), 1, "must be started by root")
    server = t.ferry(root, "--run-as", "1:1", "--ftp", "off", wrapper=ordinary)
    check.equal(fetch(server, "/x"), b"x", "who is that user already")


def test_is_confined(t):
    """By default, and not where it is told so (threats.md, R16; unit/server/confinement_test)."""
    root = trees.fill(t.tmp(), {"x": b"x"})
    free = t.ferry(root, "--confine", "off")
    check.equal(status_of(free)["NoNewPrivs"], "1", "no new privileges")
    filters = [int(status_of(each)["Seccomp_filters"]) for each in (free, t.ferry(root))]
    check.equal(filters[1] - filters[0], 1, "filters of system calls of its own")
    server = t.ferry(trees.fill(t.tmp(), {"x.svg": b"x"}))
    check.equal(len(server.errors().splitlines()), 1, f"lines of {server.errors()!r}")
    check.equal(fetch(free, "/x"), b"x", "it serves")


def test_links_that_lead_anywhere_have_no_bounds(t):
    outside = trees.fill(t.tmp(), {"x": b"outside"})
    root = t.tmp()
    os.symlink(outside, os.path.join(root, "link"))
    flags = ("--mount", f"/={root}:links=trusted")
    server = t.ferry(None, *flags)
    check.contains(server.errors(), "files are not bounded: links=trusted", "a line of the log")
    check.equal(fetch(server, "/link/x"), b"outside", "a file outside")
    refused(say(t, "--http", "127.0.0.1:0", "--ftp", "off", "--confine", "require", *flags), 1,
            "--confine require: files are not bounded")


def test_what_is_read_anew_may_lie_behind_links(t):
    """As certificates do that certbot renews. Where nothing led at the start nothing is read."""
    place = trees.fill(t.tmp(), {"live/note": b"", "archive/one": b"", "archive/two": b"ann:!x::all:\n",
                                 "elsewhere/three": b"bob:!x::all:\n"})
    users = os.path.join(place, "live", "users")
    os.symlink("../archive/one", users)
    server = t.ferry(trees.fill(t.tmp(), {"x": b"x"}), "--users-file", users)

    def lead_to(where, words):
        os.symlink(where, users + ".new")
        os.replace(users + ".new", users)
        os.kill(server.pid, signal.SIGHUP)
        limit = time.monotonic() + SECONDS_MAX
        while words not in server.errors():
            check.holds(time.monotonic() < limit, f"{words!r} in {server.errors()}")
            time.sleep(0.01)

    lead_to("../archive/two", "1 accounts from now on")
    lead_to("../elsewhere/three", "Permission denied")
    check.equal(fetch(server, "/x"), b"x", "it serves")


class Manager:
    """The socket that a service manager listens at."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        if not path.startswith("\0"):
            os.chmod(path, 0o777)
        self.close = self.socket.close

    def next(self, seconds=SECONDS_MAX):
        """The lines of the next message, or none where there is none in time."""
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(4096).decode().split("\n")
        except TimeoutError:
            return None

    def until(self, wanted):
        limit = time.monotonic() + SECONDS_MAX
        while time.monotonic() < limit:
            said = self.next()
            if said and wanted in said:
                return said
        raise Failure(f"never said {wanted}")


@dataclasses.dataclass(frozen=True)
class Address:
    id: str


@rows([Address("file"), Address("abstract")])
def test_says_when_it_serves_reloads_and_stops(t, row):
    """sd_notify(3): READY=1 once connections are taken, RELOADING=1 and READY=1, STOPPING=1."""
    path = f"\0ferry-{os.getpid()}" if row.id == "abstract" else os.path.join(t.tmp(), "notify")
    manager = t.closing(Manager(path))
    server = t.ferry(trees.fill(t.tmp(), {"x": b"x"}),
                     environment={"NOTIFY_SOCKET": path.replace("\0", "@")})
    said = manager.next()
    check.equal(said[0], "READY=1", "at first")
    check.contains(said[1], "STATUS=Serving", "its status")
    check.equal(fetch(server, "/x"), b"x", "it serves")
    os.kill(server.pid, signal.SIGHUP)
    check.equal([manager.next()[0], manager.next()[0]], ["RELOADING=1", "READY=1"], "SIGHUP")
    os.kill(server.pid, signal.SIGTERM)
    check.equal(manager.next()[0], "STOPPING=1", "SIGTERM")
    server.wait()


def test_a_manager_that_is_not_there(t):
    server = t.ferry(trees.fill(t.tmp(), {"x": b"x"}),
                     environment={"NOTIFY_SOCKET": os.path.join(t.tmp(), "nobody"),
                                  "WATCHDOG_USEC": "100000"})
    check.equal(fetch(server, "/x"), b"x", "it serves all the same")


SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17  # Of ptrace(2).


def trace(request, thread):
    ctypes.set_errno(0)
    if ctypes.CDLL(None, use_errno=True).ptrace(request, thread, None, None) != 0:
        raise Failure(f"ptrace {request:#x} of thread {thread}: {os.strerror(ctypes.get_errno())}")


@needs_root
def test_watchdog(t):
    """WATCHDOG=1 is said while every core lives: not when one is stuck, and again when it is not."""
    path = os.path.join(t.tmp(), "notify")
    manager = t.closing(Manager(path))
    server = t.ferry(trees.fill(t.tmp(), {"x": b"x"}),
                     environment={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "400000"})
    manager.until("WATCHDOG=1")
    manager.until("WATCHDOG=1")
    stuck = [int(each) for each in os.listdir(f"/proc/{server.pid}/task")
             if int(each) != server.pid]
    for thread in stuck:
        trace(SEIZE, thread)
        trace(INTERRUPT, thread)
        os.waitpid(thread, 0x40000000)  # __WALL: a thread that is traced is waited for like a child.
    while manager.next(seconds=1) is not None:
        pass  # What was under way. The main thread alone would go on for ever.
    for thread in stuck:
        trace(DETACH, thread)
    manager.until("WATCHDOG=1")
    check.equal(fetch(server, "/x"), b"x", "it serves again")
    limit = time.monotonic() + SECONDS_MAX  # Who writes the log stood still, too.
    while "every core answers again" not in server.errors():
        check.holds(time.monotonic() < limit, f"the log: {server.errors()}")
        time.sleep(0.01)
    check.contains(server.errors(), "a core gives no sign of life", "the log")


@needs_root
def test_one_core_is_stuck(t):
    """threats.md, R11: who is connected to the others is served. Whichever thread stands still."""
    server = t.ferry(trees.fill(t.tmp(), {"x": b"x"}), "--cores", "2")
    connections = [t.closing(Connection(server)) for _ in range(24)]
    for each in connections:
        each.ask("/x")
    stuck_cores = 0
    for name in os.listdir(f"/proc/{server.pid}/task"):
        thread = int(name)
        if thread == server.pid:
            continue
        trace(SEIZE, thread)
        trace(INTERRUPT, thread)
        os.waitpid(thread, 0x40000000)
        for each in connections:
            each.send(request("/x"))
        limit = time.monotonic() + 1.5
        answered = []
        while len(answered) < len(connections) and time.monotonic() < limit:
            time.sleep(0.02)
            answered = select.select([each.socket for each in connections], [], [], 0)[0]
        check.holds(answered, f"nobody is served while thread {thread} stands still")
        stuck_cores += len(answered) < len(connections)
        trace(DETACH, thread)
        for each in connections:
            check.equal(each.read_response().body, b"x", "once it goes on")
    check.equal(stuck_cores, 2, "threads of which each serves some")
