"""The command line: what ferry says when it starts, and when it cannot."""

import dataclasses
import errno
import os
import re
import resource
import socket
import subprocess
import time
import urllib.request

from support import check, denied, trees, usage
from support.case import needs_root, rows
from support.ferry import CORES
from support.ftp_wire import Control
from support.http_wire import ask, fetch

SITE = trees.site()
ANY_PORTS = ("--http", "127.0.0.1:0", "--ftp", "127.0.0.1:0")
NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")


def say(t, *arguments, environment=None, wrapper=(), preexec=None):
    """Runs ferry to its end; one that begins to serve is ended and told of by its status -15."""
    process = subprocess.Popen([*wrapper, t.binary, *arguments], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env={**os.environ, **(environment or {})}, preexec_fn=preexec)
    try:
        out, err = process.communicate(timeout=5)
    except subprocess.TimeoutExpired:
        process.terminate()
        out, err = process.communicate(timeout=10)
        return Said(-15, out, err)
    return Said(process.returncode, out, err)


class Said:
    def __init__(self, status, out, err):
        self.status = status
        self.out = out.decode()
        self.err = err.decode()

    def __repr__(self):
        return f"status {self.status}, stdout {self.out!r}, stderr {self.err!r}"


def refused(said, status, *parts):
    """It ended with `status` and one line on standard error that holds all of `parts`."""
    check.equal(said.status, status, f"the status of {said}")
    check.equal(said.out, "", "standard output")
    lines = said.err.splitlines()
    check.equal(len(lines), 1, f"lines of {said.err!r}")
    for part in parts:
        check.holds(re.search(part, said.err, re.IGNORECASE), f"{part!r} is not in {said.err!r}")


def test_help(t):
    said = say(t, "--help")
    check.equal((said.status, said.err), (0, ""), "status and standard error")
    flags = set(re.findall(r"^  --([a-z-]+)", said.out, re.MULTILINE))
    for name in ("http", "ftp", "io", "cores", "pin", "anonymous", "user", "write",
                 "passive-ports", "public-address", "access-log", "log-level", "tcp-congestion",
                 "config", "check", "version", "help", "drain-timeout"):
        check.contains(flags, name, "the flags of --help")
    for line in said.out.splitlines():
        check.holds(len(line) <= 80 and line == line.rstrip(), f"a line of --help: {line!r}")
    check.contains(said.out, "default", "--help")
    check.equal(say(t, "-h").out, said.out, "-h")
    check.equal(say(t, "--help", "/nonexistent", "--cores", "0").out, said.out, "--help and others")


def test_version(t):
    said = say(t, "--version")
    check.equal((said.status, said.err), (0, ""), "status and standard error")
    check.holds(re.fullmatch(r"ferry \d+\.\d+\.\d+\S*\n", said.out), f"{said.out!r}")


@dataclasses.dataclass(frozen=True)
class Bad:
    """A command line that is refused with status 2, in a line that holds `parts`."""
    id: str
    arguments: tuple
    parts: tuple


@rows([
    Bad("cores-0", ("--cores", "0"), ("--cores", '"0"', "1 to 1024")),
    Bad("cores-word", ("--cores", "many"), ("--cores", "many", "1 to 1024")),
    Bad("cores-negative", ("--cores", "-1"), ("--cores",)),
    Bad("cores-huge", ("--cores", "99999999999999999999"), ("--cores", "1024")),
    Bad("cores-empty", ("--cores=",), ("--cores",)),
    Bad("cores-missing", ("--cores",), ("--cores", "missing")),
    Bad("http-port", ("--http", "127.0.0.1:99999"), ("--http", "127.0.0.1:99999", "ADDR:PORT")),
    Bad("http-name", ("--http", "localhost:80"), ("--http", "localhost:80", "numeric")),
    Bad("http-no-port", ("--http", "127.0.0.1"), ("--http", "127.0.0.1", "ADDR:PORT")),
    Bad("http-twice", ("--http", "127.0.0.1:8080", "--http", "127.0.0.1:8080"),
        ("--http", "twice")),
    Bad("http-and-off", ("--http", "127.0.0.1:8080", "--http", "off"), ("--http", "off")),
    Bad("ftp-port", ("--ftp", "127.0.0.1:x"), ("--ftp", "127.0.0.1:x")),
    Bad("both-off", ("--http", "off", "--ftp", "off"), ("off", "nothing")),
    Bad("same-address", ("--http", "127.0.0.1:9000", "--ftp", "127.0.0.1:9000"), ("--ftp", "9000")),
    Bad("anonymous", ("--anonymous", "maybe"), ("--anonymous", "maybe", "off, read, upload")),
    Bad("passive-turned", ("--passive-ports", "50000-40000"), ("--passive-ports", "50000-40000")),
    Bad("passive-low", ("--passive-ports", "20-30"), ("--passive-ports", "20-30", "1024")),
    Bad("public", ("--public-address", "::1"), ("--public-address", "::1", "IPv4")),
    Bad("user", ("--user", "ann"), ("--user", "NAME:PASSWORD")),
    Bad("user-anonymous", ("--user", "anonymous:x"), ("--user", "anonymous")),
    Bad("user-directory", ("--user", "ann:secret:relative"), ("--user", "ann")),
    Bad("user-twice", ("--user", "ann:a", "--user", "ann:b"), ("--user", "ann", "twice")),
    Bad("log-level", ("--log-level", "loud"), ("--log-level", "loud", "info")),
    Bad("congestion", ("--tcp-congestion", "../../x"), ("--tcp-congestion",)),
    Bad("timeout", ("--header-timeout", "soon"), ("--header-timeout", "soon", "100ms")),
    Bad("timeout-small", ("--idle-timeout", "1ms"), ("--idle-timeout", "1ms", "100ms")),
    Bad("drain", ("--drain-timeout", "-5s"), ("--drain-timeout",)),
    Bad("size", ("--head-bytes-max", "5"), ("--head-bytes-max", '"5"', "1KiB")),
    Bad("power", ("--ring-entries", "1000"), ("--ring-entries", "1000", "power of two")),
    Bad("io", ("--io", "poll"), ("--io", "poll", "auto, uring, epoll")),
    Bad("pin", ("--pin", "0,0"), ("--pin", "0,0")),
    Bad("pin-cores", ("--pin", "0,1", "--cores", "1"), ("--pin", "--cores")),
    Bad("write-value", ("--write=maybe",), ("--write",)),
    Bad("unknown", ("--htp", "x"), ("--htp", "--http")),
    Bad("unknown-far", ("--nonsense",), ("--nonsense", "--help")),
    Bad("unknown-short", ("-x",), ("-x",)),
    Bad("two-directories", ("/tmp", "/usr"), ("/usr", "/tmp")),
    Bad("control-octets", ("--anonymous", "a\x1b[31m\nb"), ("--anonymous", r"\\x1b")),
])
def test_bad_value(t, row):
    folder = () if row.id == "two-directories" else (t.tmp(),)
    arguments = (row.arguments if row.id in ("cores-missing",) else (*row.arguments, *folder))
    said = say(t, *arguments)
    refused(said, 2, *row.parts)
    check.lacks(said.err.rstrip("\n"), "\x1b", "the message")


def test_a_password_is_never_shown(t):
    for value in ("ann:TOPSECRET:relative", ":TOPSECRET", "ann\x01:TOPSECRET", "TOPSECRET"):
        said = say(t, "--user", value, t.tmp())
        check.equal(said.status, 2, f"{said}")
        check.lacks(said.err + said.out, "TOPSECRET", value)
    said = say(t, "--check", "--user", "ann:TOPSECRET", t.tmp())
    check.equal(said.status, 0, f"{said}")
    check.lacks(said.err + said.out, "TOPSECRET", "--check")


def test_no_directory(t):
    refused(say(t), 2, "DIR")
    folder = t.tmp()
    refused(say(t, *ANY_PORTS, os.path.join(folder, "missing")), 1, "missing",
            "no such|not exist|missing")
    trees.write(folder, "file", b"x")
    refused(say(t, *ANY_PORTS, os.path.join(folder, "file")), 1, "file", "directory")


@needs_root
def test_no_permission(t):
    check.equal(os.geteuid(), 0, "user id (the test gives up root's rights)")
    folder = t.tmp()
    closed = os.path.join(folder, "closed")
    os.mkdir(closed)
    os.chmod(closed, 0o700)
    refused(say(t, *ANY_PORTS, closed, wrapper=NOBODY), 1, "closed",
            "permission|denied|may not")
    said = say(t, "--http", "127.0.0.1:80", "--ftp", "off", folder, wrapper=NOBODY)
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
        if int(file.read()) > 80:
            refused(said, 1, "127.0.0.1:80", "permission|privilege|root|1024")
    log = os.path.join(folder, "log")
    trees.write(folder, "log", b"", mode=0o600)
    refused(say(t, *ANY_PORTS, "--access-log", log, folder, wrapper=NOBODY), 1,
            "log", "permission|denied|may not")


@needs_root
def test_without_root(t):
    """An ordinary user can run it; what that user may not read is 403 and 550."""
    check.equal(os.geteuid(), 0, "user id (the test gives up root's rights)")
    root = trees.fill(t.tmp(), SITE)
    trees.write(root, "closed.txt", trees.SECRET, mode=0o600)
    trees.write(root, "closed/inside.txt", trees.SECRET)
    os.chmod(os.path.join(root, "closed"), 0o700)
    os.mkdir(os.path.join(root, "drop"))
    os.chmod(os.path.join(root, "drop"), 0o777)
    server = t.ferry(root, "--user", "ann:secret", "--write", wrapper=(*NOBODY, "--"))
    check.equal(fetch(server, "/hello.txt"), b"hello, world\n", "an open file")
    check.equal(ask(server, "/closed.txt").status, 403, "a closed file")
    check.one_of(ask(server, "/closed/").status, (403,), "a closed directory")
    check.one_of(ask(server, "/closed/inside.txt").status, (403, 404), "inside a closed directory")
    control = t.closing(Control(server)).login("ann", "secret")
    for command in ("RETR closed.txt", "RETR closed/inside.txt", "LIST closed", "STOR new.txt"):
        control.passive()
        reply = control.ask(command)
        if reply.code // 100 == 1:
            reply = control.expect(command)
        check.one_of(reply.code, (450, 550, 553), command)
    for command in ("DELE hello.txt", "MKD new", "RMD plain", "CWD closed"):
        control.ask(command, 550, 553)
    control.store("STOR drop/new.txt", b"dropped")
    check.equal(trees.read(root, "drop/new.txt"), b"dropped", "STOR where it may")
    check.equal(control.retrieve("RETR drop/new.txt"), b"dropped", "RETR")


def test_port_in_use(t):
    root = trees.fill(t.tmp(), SITE)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        refused(say(t, "--http", where, "--ftp", "off", root), 1, where, "in use|taken")
        refused(say(t, "--ftp", where, "--http", "127.0.0.1:0", root), 1, where, "in use|taken")
    # SO_REUSEPORT must not let a second ferry take half of the first one's clients.
    server = t.ferry(root)
    where = f"127.0.0.1:{server.http_port}"
    refused(say(t, "--http", where, "--ftp", "off", root), 1, where, "in use|taken")
    where = f"127.0.0.1:{server.ftp_port}"
    refused(say(t, "--ftp", where, "--http", "off", root), 1, where, "in use|taken")
    for _ in range(10):
        check.equal(fetch(server, "/one.txt"), b"1\n", "the first one goes on")


def address_of_nobody_else():
    """Of this machine: a port there that is free for a moment is not taken by another test, as a
    port of 127.0.0.1 may be, nor is it what a connection to it comes from."""
    pid = os.getpid()
    return f"127.{1 + (pid >> 16) % 200}.{pid >> 8 & 255}.{pid & 255}"


def test_the_port_is_free_again(t):
    """After a stop another ferry can have the port at once, connections of the first or not."""
    root = trees.fill(t.tmp(), SITE)
    where = f"{address_of_nobody_else()}:0"
    for _ in range(4):
        server = t.ferry(root, "--http", where)
        where = "{}:{}".format(*server.http[0])
        with urllib.request.urlopen(f"http://{where}/one.txt", timeout=10) as answer:
            check.equal(answer.read(), b"1\n", "while it runs")
        server.stop()


def test_address_that_is_not_here(t):
    refused(say(t, "--http", "192.0.2.1:0", "--ftp", "off", t.tmp()), 1, "192.0.2.1",
            "no such address|not.*address|cannot assign|interface")


def test_unknown_congestion_control(t):
    refused(say(t, *ANY_PORTS, "--tcp-congestion", "nosuch", t.tmp()), 1, "nosuch")


def test_congestion_control_is_taken(t):
    server = t.ferry(trees.fill(t.tmp(), SITE), "--tcp-congestion", "reno")
    check.equal(fetch(server, "/size-3m.bin"), SITE[b"size-3m.bin"], "with reno")


def test_cpu_that_is_not_here(t):
    refused(say(t, *ANY_PORTS, "--pin", "1023", t.tmp()), 1, "1023|cpu")


SECCOMP = "refused by a seccomp filter, as in the default profile of container engines"
MEMLOCK = "the locked-memory limit is too low for this many cores and buffers (ulimit -l)"


def with_locked_memory(octets, user=denied.USER):
    """As an ordinary user with so much: root may lock all it likes."""
    def prepare():
        denied.locked_memory(octets)
        denied.root(user)
    return prepare


def without(*numbers, refusal=errno.EPERM):
    return lambda: denied.calls(numbers, refusal)


@dataclasses.dataclass(frozen=True)
class Denial:
    id: str
    prepare: object  # For `preexec`.
    why: str


@needs_root  # To lose its right to lock memory.
@rows([
    Denial("seccomp", denied.io_uring, SECCOMP),
    Denial("seccomp-enosys", lambda: denied.io_uring(errno.ENOSYS), SECCOMP),
    # One call alone: what was made cannot be used.
    Denial("seccomp-setup", without(denied.SETUP), SECCOMP),
    Denial("seccomp-enter", without(denied.ENTER), SECCOMP),
    Denial("seccomp-enter-enosys", without(denied.ENTER, refusal=errno.ENOSYS), SECCOMP),
    Denial("seccomp-register", without(denied.REGISTER), SECCOMP),
    Denial("seccomp-register-enosys", without(denied.REGISTER, refusal=errno.ENOSYS), SECCOMP),
    Denial("seccomp-of-old", lambda: denied.io_uring(also=denied.NEW_CALLS), SECCOMP),
    Denial("memlock-0", with_locked_memory(0), MEMLOCK),
    # Enough for a small ring, not for those of two cores.
    Denial("memlock-512k", with_locked_memory(512 << 10), MEMLOCK),
])
def test_without_io_uring(t, row):
    """threats.md, R7 and R8: it serves all the same and says why; or not, if it was told so."""
    root = trees.fill(t.tmp(), SITE)
    why = SECCOMP if t.settings.io == "denied" else row.why
    line = f"io_uring is not available: {why}"
    server = t.ferry(root, "--io", "auto", "--cores", "2", "--log-level", "warning",
                     preexec=row.prepare)
    check.contains(server.errors(), f" warning ferry: {line}; using epoll\n", "the log")
    check.equal(fetch(server, "/size-3m.bin"), SITE[b"size-3m.bin"], "over epoll")
    used = usage.cpu_seconds(server)
    time.sleep(1)
    check.holds(usage.cpu_seconds(server) - used < 0.1, "it works while nobody asks for anything")
    server.stop()
    said = say(t, "--check", "--cores", "2", root, preexec=row.prepare)
    check.equal((said.status, said.err), (0, ""), f"{said}")
    check.contains(said.out, f"\n{line}; using epoll\n", "--check")
    refused(say(t, *ANY_PORTS, "--io", "uring", "--cores", "2", root, preexec=row.prepare), 1,
            re.escape(line), "--io auto")
    server = t.ferry(root, "--io", "epoll", preexec=row.prepare)
    check.contains(server.errors(), "using epoll, as --io says\n", "the log")
    check.equal(fetch(server, "/one.txt"), b"1\n", "by choice")


def test_no_file_is_registered(t):
    """threats.md, R9: a table of files in the ring would be bounded by RLIMIT_NOFILE; so few
    descriptors still serve."""
    def few_descriptors():
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))

    server = t.ferry(trees.fill(t.tmp(), {"one.txt": b"1\n"}), preexec=few_descriptors)
    check.equal(fetch(server, "/one.txt"), b"1\n", "a file")
    rings = [number for number, target in server.descriptors().items() if "io_uring" in target]
    for ring in rings:
        with open(f"/proc/{server.pid}/fdinfo/{ring}", encoding="ascii") as file:
            told = file.read()
        check.contains(told, "UserFiles:\t0\n", "files in a ring")
    by_ring = "using io_uring\n" in server.errors()
    check.equal(len(rings), CORES if by_ring else 0, "rings")


@needs_root  # To be two ferries of one ordinary user whom nobody else is.
def test_two_share_locked_memory(t):
    """threats.md, R8: it is counted by user. Who finds too little left serves by epoll, also when
    both take of it at the same time."""
    root = trees.fill(t.tmp(), SITE)
    # Enough for the rings of two cores and a small one, not for those of four.
    prepare = with_locked_memory(1100 << 10, 61_300 + os.getpid() % 1000)
    flags = ("--io", "auto", "--cores", "2")
    why = SECCOMP if t.settings.io == "denied" else MEMLOCK
    by_epoll = f"io_uring is not available: {why}; using epoll\n"
    first = t.ferry(root, *flags, preexec=prepare)
    check.contains(first.errors(), by_epoll if t.settings.io == "denied" else "using io_uring\n",
                   "the log of the first")
    second = t.ferry(root, *flags, preexec=prepare)
    check.contains(second.errors(), by_epoll, "the log of the second")
    for server in (first, second):
        check.equal(fetch(server, "/size-3m.bin"), SITE[b"size-3m.bin"], "served")
        server.stop()
    for _ in range(5):
        pair = [t.ferry(root, *flags, preexec=prepare, starts=False) for _ in range(2)]
        for server in pair:
            server.spawn()
        for server in pair:
            server.wait_until_listening()
            check.holds(by_epoll in server.errors() or "using io_uring\n" in server.errors(),
                        f"it says what it uses: {server.errors()!r}")
            check.equal(fetch(server, "/one.txt"), b"1\n", "served")
        for server in pair:
            server.stop()


@dataclasses.dataclass(frozen=True)
class Missing:
    id: str
    call: str
    prepare: object


@rows([
    Missing("openat2-eperm", "openat2", without(denied.OPENAT2)),
    Missing("openat2-enosys", "openat2", without(denied.OPENAT2, refusal=errno.ENOSYS)),
    Missing("statx-eperm", "statx", without(denied.STATX)),
])
def test_without_a_file_call(t, row):
    """What no request can be served without keeps it from starting, by ring or not."""
    root = trees.fill(t.tmp(), SITE)
    for arguments in (("--io", "auto"), ("--io", "epoll"), ("--check",)):
        refused(say(t, *ANY_PORTS, *arguments, root, preexec=row.prepare), 1, re.escape(root),
                f"system call {row.call} fails", "seccomp", "gVisor")


def test_check(t):
    """It reads everything and serves nothing."""
    root = t.tmp()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        said = say(t, "--check", "--http", where, "--cores", "2", "--user", "ann:secret", root)
    check.equal((said.status, said.err), (0, ""), f"{said}")
    for part in (root, where, "ann", "2"):
        check.contains(said.out, part, "--check")
    refused(say(t, "--check", "--cores", "0", root), 2, "--cores")
    refused(say(t, "--check"), 2, "DIR")
    refused(say(t, "--check", os.path.join(root, "missing")), 1, "missing")


@dataclasses.dataclass(frozen=True)
class Missed:
    id: str
    flags: tuple
    parts: tuple


@rows([Missed("log-directory", ("--access-log", "{root}/none/log"),
              ("cannot open the access log", "No such file")),
       Missed("socket-directory", ("--http", "unix:{root}/none/socket"),
              ("cannot listen on http://unix:", "No such file")),
       Missed("congestion", ("--tcp-congestion", "no-such"),
              ("--tcp-congestion", "not in this kernel")),
       Missed("links", ("--confine", "require", "--mount", "/m={root}:links=trusted"),
              ("--confine require: files are not bounded",))])
def test_check_finds_what_a_start_would(t, row):
    root = trees.fill(t.tmp(), {"x": b"x"})
    refused(say(t, "--check", *(each.replace("{root}", root) for each in row.flags), root), 1,
            *row.parts)


def test_check_warns_of_what_rules_name(t):
    root = trees.fill(t.tmp(), {"there/index.html": b"x", "page.html": b"x"})
    rules = os.fsdecode(trees.write(t.tmp(), "rules", b"""
[[host]]
names = "a.example"
root = "/m"
[[host]]
names = "b.example"
root = "/gone"
"""))
    said = say(t, "--check", "--rules", rules, "--mount", f"/m={root}/there", root)
    check.equal(said.status, 0, f"{said}")
    check.contains(said.err, '"/gone": No such file', "a warning")
    check.equal(len(said.err.splitlines()), 1, f"lines of {said.err!r}")


@needs_root
def test_check_as_whoever_serves(t):
    """What a start would say of the user of --run-as, nothing is changed by."""
    root = t.tmp()
    os.chmod(root, 0o700)
    flags = ("--run-as", "nobody", "--anonymous", "upload")
    refused(say(t, "--check", *flags, root), 1, "--run-as nobody: cannot serve", "Permission denied")
    os.chmod(root, 0o755)
    said = say(t, "--check", *flags, root)
    check.equal(said.status, 0, f"{said}")
    check.contains(said.err, f'accounts may upload, but ferry itself may not write in "{root}": Permission denied',
                   "a warning")
    said = say(t, "--check", "--http", "*:0", root)
    check.contains(said.err, "it serves as root: --run-as", "a warning")
    check.equal(os.stat(root).st_uid, 0, "whose the tree is")


def test_configuration_file(t):
    root, folder = trees.fill(t.tmp(), SITE), t.tmp()
    path = trees.write(folder, "ferry.toml", f'''# A file as people write it.
root = "{root}"
http = ["127.0.0.1:0", "[::1]:0"]
ftp = "127.0.0.1:0"
cores = 1
write = true
user = ["ann:secret", "bob:other:/plain"]
idle-timeout = "5s"
head-bytes-max = "8KiB"
'''.encode()).decode()
    server = t.ferry(None, "--config", path, "--http", "127.0.0.1:0", defaults=False,
                     endpoints=2)
    check.equal(len(server.http), 1, "the command line's --http takes the place of the file's")
    check.equal(fetch(server, "/one.txt"), b"1\n", "HTTP")
    with Control(server) as control:
        control.login("bob", "other")
        check.contains(control.lines_of("NLST"), b"a.txt", "bob's directory")
        control.store("STOR new", b"new")
    check.equal(trees.read(root, "plain/new"), b"new", "what bob has stored")
    said = say(t, "--check", "--config", path, environment={"FERRY_CORES": "2"})
    check.holds(re.search(r"^\* cores +2$", said.out, re.MULTILINE), f"{said}")
    said = say(t, "--check", "--config", path, "--cores", "1", environment={"FERRY_CORES": "2"})
    check.holds(re.search(r"^\* cores +1$", said.out, re.MULTILINE), f"{said}")
    said = say(t, "--check", environment={"FERRY_CONFIG": path})
    check.equal(said.status, 0, f"{said}")


@dataclasses.dataclass(frozen=True)
class BadFile:
    id: str
    text: str
    parts: tuple


@rows([
    BadFile("value", 'cores = 0\n', ("ferry.toml:1", "cores", "1024")),
    BadFile("second-line", 'cores = 1\nanonymous = "maybe"\n', ("ferry.toml:2", "anonymous")),
    BadFile("unknown", 'core = 1\n', ("ferry.toml:1", "core", "cores")),
    BadFile("syntax", 'cores = \n', ("ferry.toml",)),
    BadFile("array", 'cores = [1, 2]\n', ("ferry.toml:1", "cores")),
    BadFile("type", 'write = "perhaps"\n', ("ferry.toml:1", "write")),
    BadFile("config-in-config", 'config = "x"\n', ("ferry.toml:1", "config")),
])
def test_bad_configuration_file(t, row):
    folder = t.tmp()
    trees.write(folder, "ferry.toml", row.text.encode())
    refused(say(t, "--config", os.path.join(folder, "ferry.toml"), folder), 2, *row.parts)


def test_missing_configuration_file(t):
    folder = t.tmp()
    refused(say(t, "--config", os.path.join(folder, "nope.toml"), folder), 1, "nope.toml")
    refused(say(t, "--config", folder, folder), 1, re.escape(folder))


def test_a_listener_can_be_off(t):
    root = trees.fill(t.tmp(), SITE)
    server = t.ferry(root, "--ftp", "off")
    check.equal((len(server.http), len(server.ftp)), (1, 0), "endpoints")
    check.equal(fetch(server, "/one.txt"), b"1\n", "HTTP alone")
    server = t.ferry(root, "--http", "off")
    check.equal((len(server.http), len(server.ftp)), (0, 1), "endpoints")
    with Control(server) as control:
        control.login()
        check.equal(control.retrieve("RETR one.txt"), b"1\n", "FTP alone")


def test_threads_and_pinning(t):
    """--cores threads of the loop, each on the CPU that --pin names."""
    cpus = sorted(os.sched_getaffinity(0))[:2]
    server = t.ferry(trees.fill(t.tmp(), SITE), "--cores", str(len(cpus)), "--pin",
                     ",".join(map(str, cpus)))
    fetch(server, "/one.txt")
    pinned = set()
    for thread in os.listdir(f"/proc/{server.pid}/task"):
        affinity = os.sched_getaffinity(int(thread))
        if len(affinity) == 1:
            pinned |= affinity
    check.equal(pinned, set(cpus), "the CPUs that threads are pinned to")


def test_output_that_nobody_reads(t):
    """Standard output closed: it serves all the same."""
    root = trees.fill(t.tmp(), SITE)
    reader, writer = os.pipe()
    os.close(reader)
    address = address_of_nobody_else()
    with socket.create_server((address, 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([t.binary, "--http", f"{address}:{port}", "--ftp", "off", "--cores",
                                "1", root], stdout=writer, stderr=subprocess.DEVNULL)
    os.close(writer)
    try:
        deadline = time.monotonic() + 10
        while True:
            try:
                with socket.create_connection((address, port), timeout=5) as connection:
                    connection.sendall(b"GET /one.txt HTTP/1.0\r\n\r\n")
                    check.holds(connection.recv(100).startswith(b"HTTP/1.1 200"), "the answer")
                break
            except ConnectionRefusedError:
                check.holds(process.poll() is None, f"it ended with {process.returncode}")
                check.holds(time.monotonic() < deadline, "it does not listen")
                time.sleep(0.05)
    finally:
        process.terminate()
        status = process.wait(timeout=20)
    check.equal(status, 0, "status")


def test_check_tells_of_tls(t):
    """What of FTP goes over TLS, what would be made, and what does nothing."""
    root, name = t.tmp(), os.path.join(t.tmp(), "own.pem")
    said = say(t, "--check", "--tls-self-signed", "--tls-cert", name, "--ftp-tls", "login",
               "--http-hsts", "1h", root)
    check.equal(said.status, 0, "status")
    check.contains(said.out, "; TLS: needed by all logins but visitors'\n", "--check")
    check.contains(said.err, f'"{name}" is not there: --tls-self-signed makes it at the start', "--check")
    check.contains(said.err, "--http-hsts: there is no --https", "--check")
    check.holds(not os.path.exists(name), "a check has made a file")
