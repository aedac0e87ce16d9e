"""No spelling, no link and no special file leads out of the tree or holds up the server."""

import dataclasses
import os
import socket
import threading

from support import check, trees
from support.case import Failure, limit, rows
from support.ftp_wire import Control, read_all
from support.http_wire import Connection, ask, fetch

UP = [
    "../", "%2e%2e/", "%2E%2E/", "%2e./", ".%2e/", "%2e%2e%2f", "..%2f", "..%2F", "..\\", "..%5c",
    "%2e%2e%5c", "..%c0%af", "%c0%ae%c0%ae/", "..%c1%9c", "..%e0%80%af", "%e0%80%ae%e0%80%ae/",
    "%252e%252e/", "%252e%252e%252f", "..%252f", "..%255c", "..%25c0%25af", "..%00/", "%00../",
    "..;/", "..;a=b/", "....//", ".../", "..%09/", "..%20/", "%20../", "..%0d/", "..%0a/",
    "..%0d%0a/", "..%3f/", "..%23/", "%u002e%u002e/", "%uff0e%uff0e/", "%ef%bc%8e%ef%bc%8e/",
    "..//", ".//../",
    "../././", "%2e%2e//", "..%01/", "..~/", "\u2025/", "..%ff/",
]
PREFIXES = ["/", "/dir/", "//", "/dir/../", "/plain/deep/er/"]
ENDS = ["secret.txt", "etc/passwd"]
WHOLE = [
    "http://localhost/../secret.txt", "http://localhost/../../../../../../etc/passwd",
    "http://localhost/%2e%2e/secret.txt", "http://localhost../secret.txt",
    "http://localhost\\..\\secret.txt", "file:///etc/passwd", "/file:///etc/passwd",
    "//etc/passwd", "/etc/passwd", "//../secret.txt", "/..", "/../", "/.", "/dir/..", "/dir/../..",
    "/..%2froot-like/secret.txt", "/../root-like/secret.txt", "/-like/secret.txt",
    "/../root/../secret.txt", "/proc/self/root/etc/passwd", "/dir;/../../secret.txt",
    "/hello.txt/../../secret.txt", "/dir/index.html/../../../secret.txt", "/?/../../secret.txt",
    "/" + "../" * 1000 + "etc/passwd", "/" + "%2e%2e/" * 500 + "etc/passwd",
    "/" + "x/" * 300 + "../" * 310 + "secret.txt", "../secret.txt", "..\\secret.txt",
    "*/../secret.txt", "/./../secret.txt", "/%2e", "/%2e%2e", "/~root/secret.txt", "/~/secret.txt",
    "/.%252e/secret.txt", "/secret.txt", "/$HOME/secret.txt", "/C:/secret.txt",
]


def targets():
    """Many more than 59 forms: every way up behind every prefix, one to eight levels."""
    for up in UP:
        for prefix in PREFIXES:
            for end in ENDS:
                yield prefix + up * (1 if end == "secret.txt" else 8) + end
            yield prefix + up * 4 + "secret.txt"
    yield from WHOLE


def must_not_leak(octets, what):
    for secret in (trees.SECRET, trees.OUTSIDE_NAME, b"root:x:0:0", b"root:*:0:0", b"daemon:x:1:1"):
        check.lacks(octets, secret, what)


@limit(120)
def test_http_traversal(t):
    """threats.md, V1: not an octet from outside, no 5xx but what the version deserves."""
    server = t.ferry(trees.with_secret_beside(t.tmp()))
    count = 0
    connection = Connection(server)
    for target in targets():
        if connection.ended:
            connection.close()
            connection = Connection(server)
        response = connection.ask(target.encode())
        must_not_leak(response.body + repr(response.fields).encode(), target)
        check.holds(response.status < 500, f"{target}: status {response.status}")
        count += 1
        if response.says_close:
            connection.must_end(target)
    connection.close()
    check.holds(count > 59, f"{count} forms")
    check.same_bytes(fetch(server, "/hello.txt"), b"hello, world\n", "an honest request")


FTP_UP = ["../", "..\\", "%2e%2e/", "..%2f", "....//", ".../", "..//", "./../", "../././", "..;/",
          "\xc0\xae\xc0\xae/", "..\xc0\xaf", "~/../", "/../", "//../", "..\x00/", "..\x01/",
          "..\xff/", "*/../", "{..}/", "plain/../../"]
FTP_WHOLE = ["/etc/passwd", "//etc/passwd", "~root/.profile", "~", "/..", "..", "../", "/../..",
             "dir/../..", "../root-like/secret.txt", "../root-like", "/proc/self/environ",
             "../" * 1000 + "etc/passwd", "-la ../", "-la /etc", "-R ..", "../*", "../secret*",
             "*/../../secret.txt", "../secret-dir", "/./../secret-dir/", "\\..\\secret.txt"]


def ftp_names():
    for up in FTP_UP:
        yield up + "secret.txt"
        yield up * 8 + "etc/passwd"
        yield "dir/" + up * 3 + "secret.txt"
        yield up * 2
    yield from FTP_WHOLE


@limit(120)
def test_ftp_traversal(t):
    """threats.md, V1: the same over FTP, for reading, listing, asking and changing."""
    folder = t.tmp()
    root = trees.with_secret_beside(folder)
    server = t.ferry(root, "--user", "ann:secret", "--write")
    before = outside(folder)
    control = t.closing(Control(server)).login("ann", "secret")
    for name in ftp_names():
        octets = name.encode("latin-1").replace(b"\xff", b"\xff\xff")
        for verb in (b"SIZE", b"MDTM", b"MLST", b"STAT", b"RNFR", b"CWD", b"PWD"):
            reply = control.ask(verb + (b" " + octets if verb != b"PWD" else b""))
            must_not_leak(b"\n".join(reply.lines), f"{verb} {name!r}")
        control.ask("CWD /", 250)
        for verb in (b"RETR", b"LIST", b"NLST", b"MLSD"):
            must_not_leak(transfer(control, verb + b" " + octets), f"{verb} {name!r}")
        for verb in (b"DELE", b"RMD", b"MKD"):
            control.ask(verb + b" " + octets)
        transfer(control, b"STOR " + octets, b"written by STOR")
        transfer(control, b"APPE " + octets, b"written by APPE")
        control.ask("RNFR one.txt", 350)
        control.ask(b"RNTO " + octets)
        if not os.path.exists(os.path.join(root, "one.txt")):
            trees.write(root, "one.txt", b"1\n")
    check.equal(outside(folder), before, "what is outside the root")


def outside(folder):
    """The files outside the root and their contents; empty directories count too."""
    names = [name for name in trees.names_in(folder) if name != b"root"]
    return names, {name: content for name, content in trees.contents(folder).items()
                   if not name.startswith(b"root/")}


def transfer(control, command, octets=None):
    """Runs a transfer that may be refused; returns what was received."""
    data = control.passive()
    got = b""
    reply = control.ask(command)
    if reply.code // 100 == 1:
        if octets is None:
            got = read_all(data)
        else:
            data.sendall(octets)
        data.close()
        control.expect(command, 2, 4, 5)
    data.close()
    return got


def test_ftp_user_with_a_directory_stays_there(t):
    """--user NAME:PASSWORD:DIR: what is beside DIR in the tree is as far as what is outside."""
    root = t.tmp()
    trees.fill(root, {"homes/ann/mine.txt": b"mine", "homes/bob/his.txt": trees.SECRET,
                      "top.txt": trees.SECRET})
    server = t.ferry(root, "--user", "ann:secret:/homes/ann", "--write")
    control = t.closing(Control(server)).login("ann", "secret")
    check.contains(control.ask("PWD", 257).text, '"/"', "PWD")
    check.equal(control.lines_of("NLST"), [b"mine.txt"], "NLST")
    check.equal(control.retrieve("RETR /mine.txt"), b"mine", "her own file")
    for name in ("../bob/his.txt", "/homes/bob/his.txt", "/../bob/his.txt", "/../../top.txt",
                 "../../top.txt", "/top.txt", "/homes/ann/../bob/his.txt"):
        check.equal(transfer(control, b"RETR " + name.encode()), b"", name)
        control.ask("SIZE " + name, 550)
    control.ask("CWD ..", 2, 5)
    control.ask("CDUP", 2, 5)
    check.equal(control.lines_of("NLST"), [b"mine.txt"], "NLST above the root")
    control.ask("RNFR mine.txt", 350)
    control.ask("RNTO ../bob/stolen.txt", 2, 5)
    check.equal(trees.names_in(root, b"homes/bob"), [b"his.txt"], "bob's directory")


@dataclasses.dataclass(frozen=True)
class Link:
    id: str
    target: str  # Relative to the root, or absolute; ROOT and OUT stand for the directories.
    path: str = "link"
    leads_inside: bool = False


LINKS = [
    Link("absolute", "OUT/secret.txt"),
    Link("relative", "../secret.txt"),
    Link("etc", "/etc/passwd"),
    Link("chain", "first"),
    Link("directory", "../secret-dir", "link/secret.txt"),
    Link("directory-absolute", "OUT/secret-dir", "link/secret.txt"),
    Link("directory-up", "dir/../../secret-dir", "link/secret.txt"),
    Link("proc-root", "/proc/self/root", "link/etc/passwd"),
    Link("proc-cwd", "/proc/self/cwd", "link/secret.txt"),
    Link("proc-fd", "/proc/self/fd", "link/0"),
    Link("inside", "hello.txt", leads_inside=True),
    Link("inside-through-directory", "dir/../hello.txt", leads_inside=True),
    Link("inside-directory", "plain", "link/a.txt", leads_inside=True),
]


@rows(LINKS)
def test_links(t, row):
    """threats.md, V2: links within the tree are followed, links out of it are not."""
    folder = t.tmp()
    root = trees.with_secret_beside(folder)
    os.symlink("../secret.txt", os.path.join(root, "first"))
    os.symlink(row.target.replace("OUT", folder), os.path.join(root, "link"))
    before = outside(folder)
    server = t.ferry(root, "--user", "ann:secret", "--write")
    response = ask(server, "/" + row.path)
    must_not_leak(response.body, "HTTP")
    control = t.closing(Control(server)).login("ann", "secret")
    got = transfer(control, b"RETR " + row.path.encode())
    must_not_leak(got, "RETR")
    if row.leads_inside:
        check.equal((response.status, response.body), (200, trees.read(root, row.path)), "HTTP")
        check.equal(got, trees.read(root, row.path), "RETR")
        return
    check.one_of(response.status, (403, 404), "HTTP")
    control.ask("SIZE " + row.path, 550)
    control.ask("CWD " + row.path.split("/")[0], 550)
    # Nor is anything written through it.
    transfer(control, b"APPE " + row.path.encode(), b"appended")
    transfer(control, b"STOR " + row.path.encode(), b"stored")
    check.equal(outside(folder), before, "what is outside the root")


@limit(60)
def test_link_swapped_while_fetched(t):
    """threats.md, V3: a name that turns from file to link and back, thousands of times."""
    folder = t.tmp()
    root = trees.with_secret_beside(folder)
    server = t.ferry(root)
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            trees.write(root, "new-file", b"honest")
            os.rename(os.path.join(root, "new-file"), os.path.join(root, "swapped"))
            os.symlink("../secret.txt", os.path.join(root, "new-link"))
            os.rename(os.path.join(root, "new-link"), os.path.join(root, "swapped"))
            os.symlink("../secret-dir", os.path.join(root, "new-link"))
            os.rename(os.path.join(root, "new-link"), os.path.join(root, "swapped"))

    swapper = threading.Thread(target=swap, daemon=True)
    swapper.start()
    statuses = {}
    try:
        with Connection(server) as connection:
            for i in range(4000):
                response = connection.ask("/swapped" if i % 2 else "/swapped/secret.txt")
                must_not_leak(response.body, "a swapped link")
                statuses[response.status] = statuses.get(response.status, 0) + 1
                check.one_of(response.status, (200, 403, 404, 503), "status")
    finally:
        stop.set()
        swapper.join()
    print(statuses)


def make_special(root):
    os.mkfifo(os.path.join(root, "fifo"))
    listener = socket.socket(socket.AF_UNIX)
    folder = os.open(root, os.O_PATH)
    listener.bind(f"/proc/self/fd/{folder}/socket")  # A socket's whole name has 107 octets at most.
    os.close(folder)
    listener.close()
    made = ["fifo", "socket"]
    if os.geteuid() == 0:
        os.mknod(os.path.join(root, "null"), 0o020666, os.makedev(1, 3))
        os.mknod(os.path.join(root, "zero"), 0o020666, os.makedev(1, 5))
        os.mknod(os.path.join(root, "block"), 0o060666, os.makedev(7, 250))
        made += ["null", "zero", "block"]
    return made


def test_special_files_over_http(t):
    """threats.md, V4: a FIFO, a socket and devices are refused at once, on every core, for ever."""
    root = trees.fill(t.tmp(), trees.site())
    made = make_special(root)
    server = t.ferry(root)
    for _ in range(5):  # More than there are cores: none of them hangs.
        for name in made:
            for method in ("GET", "HEAD"):
                response = ask(server, "/" + name, method=method)
                check.one_of(response.status, (403, 404), f"{method} {name}")
    check.same_bytes(fetch(server, "/hello.txt"), b"hello, world\n", "an honest request")


def test_special_files_over_ftp(t):
    root = trees.fill(t.tmp(), trees.site())
    made = make_special(root)
    server = t.ferry(root, "--user", "ann:secret", "--write")
    control = t.closing(Control(server)).login("ann", "secret")
    for name in made:
        control.passive()
        control.ask(f"RETR {name}", 550)
        control.ask(f"SIZE {name}", 550)
        for verb in ("STOR", "APPE"):
            data = control.passive()
            reply = control.ask(f"{verb} {name}")
            if reply.code // 100 == 1:
                data.close()
                reply = control.expect(f"{verb} {name}")
            if verb == "APPE":
                check.equal(reply.code // 100, 5, f"APPE {name}")
    listed = control.lines_of("NLST")
    for name in made:
        if os.path.exists(os.path.join(root, name)) and not os.path.isfile(
                os.path.join(root, name)):
            check.lacks(listed, name.encode(), "NLST")
    check.equal(control.retrieve("RETR hello.txt"), b"hello, world\n", "an honest transfer")


def test_a_fifo_with_a_writer_gives_nothing(t):
    """Also when opening it would not wait."""
    root = trees.fill(t.tmp(), trees.site())
    os.mkfifo(os.path.join(root, "fifo"))
    descriptor = os.open(os.path.join(root, "fifo"), os.O_RDWR)
    os.write(descriptor, trees.SECRET)
    try:
        server = t.ferry(root)
        response = ask(server, "/fifo")
        check.one_of(response.status, (403, 404), "status")
        must_not_leak(response.body, "a FIFO")
    finally:
        os.close(descriptor)


def test_ferrys_own_names_are_out_of_reach(t):
    """Names that begin with .ferry- are temporary: no listing shows them, no path finds them."""
    root = trees.fill(t.tmp(), {".ferry-upload-1": trees.SECRET, "d/.ferry-x/f": trees.SECRET,
                                "shown": b"s"})
    server = t.ferry(root, "--user", "ann:secret", "--write")
    for target in ("/.ferry-upload-1", "/d/.ferry-x/f", "/d/.ferry-x/"):
        check.one_of(ask(server, target).status, (403, 404), target)
    check.lacks(fetch(server, "/"), b".ferry-", "the listing")
    control = t.closing(Control(server)).login("ann", "secret")
    for command in ("NLST", "NLST -a", "LIST -la", "MLSD"):
        check.lacks(control.retrieve(command), b".ferry-", command)
    for verb in ("RETR", "SIZE", "DELE", "RNFR", "MLST"):
        if verb == "RETR":
            control.passive()
        control.ask(f"{verb} .ferry-upload-1", 5)
    check.equal(trees.read(root, ".ferry-upload-1"), trees.SECRET, "the file")


LIES = "/sys/kernel/mm"  # Each file there says that it has 4096 octets (sysfs).


def test_a_file_system_that_lies_about_sizes(t):
    """Nothing is promised that does not come, or the connection ends (threats.md, V5)."""
    folder, name = next(((folder, name) for folder, _, names in os.walk(LIES) for name in names
                         if can_lie(os.path.join(folder, name))), (None, None))
    if folder is None:
        t.tell("no file system that lies is mounted here")
        return
    server = t.ferry(folder)
    check.equal(ask(server, f"/{name}").status, 500, "a body that is shorter than its size")
    check.equal(ask(server, f"/{name}", method="HEAD").status, 200, "HEAD, which reads nothing")
    control = t.closing(Control(server)).login()
    data = control.passive()
    control.ask(f"RETR {name}", 150)
    try:
        read_all(data)
        raise Failure("the data connection ended as if the file were complete")
    except Failure as ended:
        check.contains(str(ended), "reset", "the data connection")
    check.one_of(control.expect("RETR").code, (426, 451), "what ends before its size")
    control.ask("NOOP", 200)


def can_lie(path):
    try:
        with open(path, "rb") as file:
            return os.stat(path).st_size > len(file.read()) > 0
    except OSError:
        return False
