"""An upload is there whole or not at all, whatever happens (threats.md, V12); who may make one."""

import base64
import dataclasses
import os
import signal
import subprocess
import threading
import time

from support import check, trees
from support.case import Failure, limit, rows
from support.clients import run
from support.ftp_wire import Control, reset
from support.http_wire import Connection, ask

OLD = b"old content\n" * 5000
ANN = "Basic " + base64.b64encode(b"ann:secret").decode()
NEW = trees.octets(21, 3 << 20)


def writer(t, server):
    control = t.closing(Control(server)).login("ann", "secret")
    return control


@dataclasses.dataclass(frozen=True)
class Way:
    id: str
    old: bool  # Whether the file is there already.
    durability: str = "data"


@rows([Way("new", False), Way("replacing", True), Way("new-none", False, "none"),
       Way("replacing-full", True, "full")])
def test_readers_see_old_or_new(t, row):
    """A reader over HTTP polls during a slow STOR: the whole old, then the whole new file."""
    root = t.tmp()
    if row.old:
        trees.write(root, "file", OLD)
    server = t.ferry(root, "--user", "ann:secret", "--write", "--durability", row.durability)
    control = writer(t, server)
    seen, trouble, stop = [], [], threading.Event()

    def poll():
        with Connection(server) as connection:
            while not stop.is_set():
                response = connection.ask("/file")
                if response.status == 200 and response.body == NEW:
                    state = "new"
                elif row.old and response.status == 200 and response.body == OLD:
                    state = "old"
                elif not row.old and response.status == 404:
                    state = "old"
                else:
                    trouble.append(f"{response}")
                    return
                if not seen or seen[-1] != state:
                    seen.append(state)

    reader = threading.Thread(target=poll, daemon=True)
    reader.start()
    data = control.passive()
    control.ask("STOR file", 150, 125)
    for begin in range(0, len(NEW), 256 << 10):
        data.sendall(NEW[begin:begin + (256 << 10)])
        time.sleep(0.04)
    check.holds("new" not in seen, "the new file is there before its end has been sent")
    data.close()
    control.expect("the end", 226)
    # Once the server has said so, it is there.
    check.same_bytes(ask(server, "/file").body, NEW, "behind 226")
    time.sleep(0.2)
    stop.set()
    reader.join(10)
    check.equal(trouble, [], "what the reader saw")
    check.equal(seen, ["old", "new"], "what the reader saw")
    check.equal(trees.names_in(root), [b"file"], "the names in the directory")


@dataclasses.dataclass(frozen=True)
class Cut:
    id: str
    verb: str = "STOR"


@rows([Cut("data-reset"), Cut("control-closed"), Cut("control-reset"), Cut("abort"),
       Cut("kill"), Cut("terminate-twice"), Cut("data-reset-appe", "APPE"),
       Cut("kill-appe", "APPE"), Cut("kill-rest", "REST")])
def test_a_cut_upload_leaves_the_old_file(t, row):
    """Data, control or the server itself ends in mid-upload: the old files stand, nothing else."""
    root = trees.fill(t.tmp(), {"kept": OLD, "d/other": b"other"})
    server = t.ferry(root, "--user", "ann:secret", "--write", "--drain-timeout", "60s",
                     "--upload-part-keep", "0")
    controls = [writer(t, server), writer(t, server)]
    datas = []
    for control, name in zip(controls, ("kept", "d/fresh")):
        data = control.passive()
        if row.verb == "REST" and name == "kept":
            control.ask("REST 100", 350)
        control.ask(f"{row.verb.replace('REST', 'STOR')} {name}", 150, 125)
        data.sendall(NEW[:1 << 20])
        datas.append(data)
    time.sleep(0.3)
    how = row.id.split("-")
    if how[0] == "kill":
        server.signal(signal.SIGKILL)
        server.wait()
        check_untouched(root, "with the server gone")
        # Nothing comes up, and nothing is left over, when it runs again.
        server = t.ferry(root, "--user", "ann:secret", "--write")
        check.same_bytes(ask(server, "/kept").body, OLD, "after the restart")
        check.equal(ask(server, "/d/fresh").status, 404, "after the restart")
    elif how[0] == "terminate":
        server.signal(signal.SIGTERM)
        time.sleep(0.3)
        server.signal(signal.SIGTERM)
        server.wait()
    else:
        for control, data in zip(controls, datas):
            if how[0] == "data":
                reset(data)
                control.expect("a reset upload", 426, 451)
                control.ask("NOOP", 200)
            elif how == ["control", "closed"]:
                control.socket.close()
            elif how == ["control", "reset"]:
                reset(control.socket)
            else:
                control.send(b"ABOR\r\n")
                control.expect("ABOR", 426)
                control.expect("ABOR", 226)
        deadline = time.monotonic() + 5
        while len(trees.contents(root)) != 2 and time.monotonic() < deadline:
            time.sleep(0.05)
    check_untouched(root, "at the end")


def test_a_killed_client_leaves_the_old_file(t):
    """The kernel of a killed client ends both its connections in order, the data first."""
    root = trees.fill(t.tmp(), {"kept": OLD})
    log = os.path.join(t.tmp(), "log")
    server = t.ferry(root, "--user", "ann:secret", "--write", "--access-log", log)
    whole = os.path.join(t.tmp(), "whole")
    with open(whole, "wb") as file:
        file.truncate(8 << 20)
    for tries in range(1, 6):
        client = subprocess.Popen(
            ["curl", "-sS", "--limit-rate", "2M", "-T", whole,
             f"ftp://ann:secret@127.0.0.1:{server.ftp_port}/kept"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.6)
        check.equal(client.poll(), None, "curl's status in mid-upload")
        client.kill()
        client.wait()
        deadline = time.monotonic() + 10
        said = b""
        while said.count(b"STOR") < tries and time.monotonic() < deadline:
            time.sleep(0.05)
            with open(log, "rb") as file:
                said = file.read()
        check.equal(said.count(b"STOR"), tries, "uploads in the log")
        check.equal(trees.contents(root), {b"kept": OLD}, "the files after the kill")


def check_untouched(root, when):
    check.equal(trees.contents(root), {b"kept": OLD, b"d/other": b"other"}, f"the files {when}")


def test_a_replaced_file_keeps_its_mode(t):
    root = t.tmp()
    trees.write(root, "script", OLD, mode=0o755)
    trees.write(root, "private", OLD, mode=0o600)
    server = t.ferry(root, "--user", "ann:secret", "--write")
    control = writer(t, server)
    for name, mode in (("script", 0o755), ("private", 0o600)):
        control.store(f"STOR {name}", b"new")
        check.equal(oct(os.stat(os.path.join(root, name)).st_mode & 0o7777), oct(mode), name)
    control.store("STOR fresh", b"new")
    check.equal(oct(os.stat(os.path.join(root, "fresh")).st_mode & 0o7777), oct(0o644), "fresh")
    os.chmod(os.path.join(root, "script"), 0o4755)
    control.store("STOR script", b"newer")
    check.equal(os.stat(os.path.join(root, "script")).st_mode & 0o6000, 0, "setuid and setgid bits")


def test_two_writers_on_one_name(t):
    """threats.md, F13: one of them wins whole."""
    root = t.tmp()
    server = t.ferry(root, "--user", "ann:secret", "--write")
    controls = [writer(t, server), writer(t, server)]
    contents = [trees.octets(31, 1 << 20), trees.octets(32, 1 << 20)]
    datas = []
    for control in controls:
        datas.append(control.passive())
        control.ask("STOR same", 150, 125)
    for begin in range(0, 1 << 20, 1 << 16):
        for data, content in zip(datas, contents):
            data.sendall(content[begin:begin + (1 << 16)])
    for data in datas:
        data.close()
    for control in controls:
        control.expect("the end", 226)
    check.contains(contents, trees.read(root, "same"), "the file")


def test_storing_into_a_directory_that_goes(t):
    """Its directory is removed in mid-upload: refused, and the session goes on."""
    root = t.tmp()
    os.mkdir(os.path.join(root, "d"))
    server = t.ferry(root, "--user", "ann:secret", "--write")
    control = writer(t, server)
    data = control.passive()
    control.ask("STOR d/f", 150, 125)
    data.sendall(NEW[:100000])
    time.sleep(0.2)
    for name in os.listdir(os.path.join(root, "d")):
        os.unlink(os.path.join(root, "d", name))
    os.rmdir(os.path.join(root, "d"))
    data.close()
    control.expect("the end", 4, 5)
    control.ask("NOOP", 200)
    check.equal(trees.names_in(root), [], "the names")


@dataclasses.dataclass(frozen=True)
class Account:
    """What a login may do with: a new name, an existing one, names and directories."""
    id: str
    flags: tuple
    login: tuple = ("anonymous", "x@")
    logs_in: bool = True
    reads: bool = True
    creates: bool = False
    changes: bool = False


@rows([
    Account("anonymous-default", ()),
    Account("anonymous-read", ("--anonymous", "read")),
    Account("anonymous-upload", ("--anonymous", "upload"), creates=True),
    Account("anonymous-off", ("--anonymous", "off"), logs_in=False),
    Account("anonymous-read-write", ("--anonymous", "read", "--write")),
    Account("user", ("--user", "ann:secret"), ("ann", "secret")),
    Account("user-write", ("--user", "ann:secret", "--write"), ("ann", "secret"), creates=True,
            changes=True),
    Account("user-wrong-password", ("--user", "ann:secret"), ("ann", "Secret"), logs_in=False),
    Account("user-empty-password", ("--user", "ann:secret"), ("ann", ""), logs_in=False),
    Account("user-other-case", ("--user", "ann:secret"), ("Ann", "secret"), logs_in=False),
    Account("user-prefix", ("--user", "ann:secret"), ("an", "secret"), logs_in=False),
    Account("user-unknown", ("--user", "ann:secret"), ("bob", "secret"), logs_in=False),
    Account("user-long-password", ("--user", "ann:" + "p" * 128), ("ann", "p" * 128)),
    Account("user-spaces", ("--user", "ann lee:pass word"), ("ann lee", "pass word")),
    Account("second-user", ("--user", "ann:secret", "--user", "bob:other", "--write"),
            ("bob", "other"), creates=True, changes=True),
])
def test_rights(t, row):
    root = trees.fill(t.tmp(), {"file": OLD, "d/x": b"x"})
    server = t.ferry(root, *row.flags)
    control = t.closing(Control(server))
    control.ask(f"USER {row.login[0]}", 331, 230, 530)
    reply = control.ask(f"PASS {row.login[1]}", seconds=20)
    check.equal(reply.code == 230, row.logs_in, f"logged in by {reply}")
    if not row.logs_in:
        check.equal(reply.code, 530, "the refusal")
        control.ask("RETR file", 530)
        return
    control.ask("TYPE I", 200)
    check.same_bytes(control.retrieve("RETR file"), OLD, "RETR")
    may(control, row.creates, "STOR new1", b"new")
    may(control, row.creates, "APPE new2", b"new")
    may(control, row.changes, "STOR file", b"new")
    may(control, row.changes, "APPE file", b"new")
    for command in ("MKD made", "DELE d/x", "RMD d", "RNFR file", "RNFR new1"):
        if row.changes or command != "RNFR new1":
            reply = control.ask(command)
            check.equal(reply.code // 100 in (2, 3), row.changes, f"{command}: {reply}")
    if not row.changes:
        control.ask("RNTO stolen", 503, 550)
        wanted = {b"file": OLD, b"d/x": b"x"}
        if row.creates:
            wanted |= {b"new1": b"new", b"new2": b"new"}
        check.equal(trees.contents(root), wanted, "the files")
    # What perm says is what is true (RFC 3659 section 7.5.5).
    perm = control.ask("MLST file", 250, 550).text
    check.equal("w" in perm.partition("perm=")[2].partition(";")[0] if "perm=" in perm else False,
                row.changes, f"perm in {perm}")


def may(control, allowed, command, octets):
    data = control.passive()
    reply = control.ask(command)
    if reply.code // 100 == 1:
        data.sendall(octets)
        data.close()
        reply = control.expect(command)
    data.close()
    check.equal(reply.code // 100 == 2, allowed, f"{command}: {reply}")


def begin_and_break(control, line, octets, how="reset"):
    """Stores `octets` and breaks the transfer, once they have come."""
    data = control.passive()
    control.ask(line, 150, 125)
    data.sendall(octets)
    time.sleep(0.3)  # A reset loses what has not been read.
    if how == "abort":
        control.send(b"ABOR\r\n")
        control.expect("ABOR", 426)
        control.expect("ABOR", 226)
    elif how == "killed":  # Both connections end in order, and the file is not whole.
        data.close()
        control.close()
    else:
        reset(data)
        control.expect("a broken upload", 426)


def parts_in(root):
    return [name for name in trees.names_in(root) if name.startswith(b".ferry-part-")]


@limit(90)
def test_a_cut_upload_goes_on(t):
    """threats.md, V12 and RFC 3659 section 5.3: SIZE tells the owner what there is, REST and STOR or
    APPE go on, everybody else sees nothing until the end. By hand and by clients."""
    root, source = t.tmp(), t.tmp()
    trees.write(source, "file", NEW)
    server = t.ferry(root, "--user", "ann:secret", "--user", "bob:secret", "--write")
    control = writer(t, server)
    control.ask("TYPE I", 200)
    half = len(NEW) // 2
    bob = t.closing(Control(server)).login("bob", "secret")
    bob.ask("TYPE I", 200)

    def cut(how="reset"):
        nonlocal control
        if os.path.exists(os.path.join(root, "file")):
            os.remove(os.path.join(root, "file"))
        begin_and_break(control, "STOR file", NEW[:half], how)
        if how == "killed":
            control = writer(t, server)
            control.ask("TYPE I", 200)
            until = time.monotonic() + 5
            while not parts_in(root) and time.monotonic() < until:
                time.sleep(0.02)
        check.equal(len(parts_in(root)), 1, "the hidden part")
        check.equal(control.ask("SIZE file", 213).text, f"213 {half}", "SIZE for its owner")
        bob.ask("SIZE file", 550)
        control.ask("RETR file", 425, 550)
        check.equal(control.lines_of("NLST"), [], "NLST")
        check.equal(ask(server, "/file").status, 404, "over HTTP")

    def is_whole(what):
        check.same_bytes(trees.read(root, "file"), NEW, what)
        check.equal(parts_in(root), [], f"parts, {what}")

    cut()
    control.ask(f"REST {half}", 350)
    control.store("STOR file", NEW[half:])
    is_whole("REST and STOR")
    cut("abort")
    control.store("APPE file", NEW[half:])
    is_whole("APPE")
    cut("killed")
    bob.store("STOR file", b"bob's")
    check.equal(control.ask("SIZE file", 213).text, "213 5", "SIZE once somebody has the name")
    control.store("STOR file", NEW)
    os.remove(os.path.join(root, "file"))
    for name in parts_in(root):
        os.remove(os.path.join(os.fsencode(root), name))
    cut()
    run(["curl", "-sS", "-C", "-", "-u", "ann:secret", "-T", f"{source}/file",
         f"{server.ftp_url}/file"])
    is_whole("curl -C -")
    cut()
    run(["lftp", "-c", "set net:max-retries 1; set cmd:fail-exit yes; "
         f"open -u ann,secret {server.ftp_url}; put -c {source}/file"])
    is_whole("lftp put -c")
    # ncftpput -z 3.2.6 is of no use here: behind the right REST it sends all of the file, of a file
    # that is there as well.
    cut()
    server.kill()  # What was kept before is whole.
    server = t.ferry(root, "--user", "ann:secret", "--write")
    control = writer(t, server)
    control.ask("TYPE I", 200)
    check.equal(control.ask("SIZE file", 213).text, f"213 {half}", "SIZE after kill -9")
    for left in reversed(range(20)):
        try:  # The sweep at the start may be looking at the part: 450.
            control.store("APPE file", NEW[half:])
            break
        except Failure:
            if left == 0:
                raise
            time.sleep(0.1)
    is_whole("after kill -9")


@limit(60)
def test_a_cut_replacement_is_not_gone_on_with(t):
    """threats.md, V12: SIZE and REST of the old file would join its beginning to the new rest. curl and
    lftp send the whole file, ncftp says why not; who retrieves has the old file meanwhile."""
    root, source = t.tmp(), t.tmp()
    trees.write(source, "file", NEW)
    server = t.ferry(root, "--user", "ann:secret", "--write", "--cores", "2")
    control = writer(t, server)
    control.ask("TYPE I", 200)
    url = f"{server.ftp_url}/file"

    def cut():
        trees.write(root, "file", OLD)
        begin_and_break(control, "STOR file", NEW[:1 << 20])
        for other in (control, writer(t, server)):  # Whichever core has it.
            other.ask("TYPE I", 200)
            other.ask("SIZE file", 504)
            other.passive()
            other.ask(f"REST {len(OLD)}", 350)
            other.ask("STOR file", 550)
            other.passive()
            other.ask("APPE file", 550)
        # However long the new one is to be: of a longer file 416 would tell the size of the old one.
        for size in (2, len(OLD) + 1):
            refused = ask(server, "/file", method="PUT", body=b"x", fields=[
                ("Authorization", ANN), ("Content-Length", "1"),
                ("Content-Range", f"bytes {size - 1}-{size - 1}/{size}")])
            check.equal(refused.status, 409, f"PUT of the end of {size} octets")
            check.contains(refused.body.decode(), "send the whole file", "why")
        check.same_bytes(trees.read(root, "file"), OLD, "the old file")

    cut()
    for client in (["curl", "-sS", "-u", "ann:secret", "-o", "got", url],
                   ["wget", "-q", "-O", "got", url.replace("//", "//ann:secret@")],
                   ["lftp", "-c", f"open -u ann,secret {server.ftp_url}; get file -o got"]):
        run(client, source)
        check.same_bytes(trees.read(source, "got"), OLD, f"{client[0]}'s copy")
        os.remove(os.path.join(source, "got"))
    done = run(["ncftpput", "-z", "-u", "ann", "-p", "secret", "-P", str(server.ftp_port), "127.0.0.1",
                "/", f"{source}/file"], status=None)
    check.contains(done.text, "cut off", "ncftpput -z")
    check.same_bytes(trees.read(root, "file"), OLD, "behind ncftpput -z")
    for client in (["curl", "-sS", "-C", "-", "-u", "ann:secret", "-T", f"{source}/file", url],
                   ["lftp", "-c", "set net:max-retries 1; set cmd:fail-exit yes; "
                    f"open -u ann,secret {server.ftp_url}; put -c {source}/file"]):
        cut()
        run(client)
        check.same_bytes(trees.read(root, "file"), NEW, f"{client[0]} going on")
        check.equal(control.ask("SIZE file", 213).text, f"213 {len(NEW)}", "SIZE of a whole one")


def test_parts_of_cut_uploads_do_not_stay_for_ever(t):
    """--upload-part-keep: swept while running and at the start, with --leftovers keep, too; 0 keeps
    none."""
    root = t.tmp()
    os.mkdir(os.path.join(root, "d"))
    server = t.ferry(root, "--user", "ann:secret", "--write", "--upload-part-keep", "1s",
                     "--leftovers", "keep")
    control = writer(t, server)
    begin_and_break(control, "STOR d/file", b"some")
    limit_at = time.monotonic() + 15
    while trees.names_in(root, b"d") and time.monotonic() < limit_at:
        time.sleep(0.1)
    check.equal(trees.contents(root), {}, "the files, some seconds later")
    server.stop()
    server = t.ferry(root, "--user", "ann:secret", "--write")
    control = writer(t, server)
    begin_and_break(control, "STOR d/file", b"some")
    check.equal(len(trees.contents(root)), 1, "what is kept for a day")
    server.stop()
    server = t.ferry(root, "--user", "ann:secret", "--write", "--upload-part-keep", "0")
    limit_at = time.monotonic() + 15
    while trees.names_in(root, b"d") and time.monotonic() < limit_at:
        time.sleep(0.1)
    check.equal(trees.contents(root), {}, "the files after a start that keeps none")
    control = writer(t, server)
    begin_and_break(control, "STOR d/file", b"some")
    check.equal(trees.contents(root), {}, "the files where none are kept")
