"""Directories are kept between listings, and no listing is older than its request (decision 0031)."""

import json
import os
import time

from support import check, trees
from support.ftp_wire import Control, facts_of
from support.http_wire import Connection

MANY = 300  # More than one batch of names.


def stamp(seconds):
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(seconds))


def truth(root):
    """What the file system says of each name in /d, as MLSD tells it."""
    told = {}
    for entry in os.scandir(os.path.join(root, "d")):
        status = entry.stat()
        facts = {"type": "dir" if entry.is_dir() else "file", "modify": stamp(status.st_mtime),
                 "unix.mode": f"{status.st_mode & 0o7777:04o}"}
        if not entry.is_dir():
            facts["size"] = str(status.st_size)
        told[entry.name] = facts
    return told


def by_mlsd(control):
    told = {}
    for line in control.lines_of("MLSD d"):
        facts, name = facts_of(line)
        if facts["type"] in ("cdir", "pdir"):
            continue
        told[name.decode()] = {key: value for key, value in facts.items()
                      if key in ("type", "modify", "size", "unix.mode")}
    return told


def by_json(connection):
    told = {}
    for entry in json.loads(connection.ask("/d/?format=json").body):
        told[entry["name"]] = (entry["type"], entry.get("size"), entry["modified"])
    return told


def same(got, wanted, what):
    """Shows no more than the names that are told of otherwise."""
    names = {name for name in {*got, *wanted} if got.get(name) != wanted.get(name)}
    check.equal({name: got.get(name) for name in names},
                {name: wanted.get(name) for name in names}, what)


def as_json_tells(facts):
    """The same as `truth`, as the JSON tells it."""
    return {name: ("directory" if each["type"] == "dir" else "file",
                   int(each["size"]) if "size" in each else None,
                   time.strftime("%Y-%m-%dT%H:%M:%SZ",
                                 time.strptime(each["modify"], "%Y%m%d%H%M%S")))
            for name, each in facts.items()}


def changes(root):
    """What may happen to /d from outside."""
    def at(*names):
        return os.path.join(root, *names)

    def write():
        with open(at("d", "f"), "r+b") as file:
            file.write(b"in place")

    def append():
        with open(at("d", "f"), "ab") as file:
            file.write(b"more")

    def truncate():
        os.truncate(at("d", "f"), 3)

    def change_mode():
        os.chmod(at("d", "f"), 0o600)

    def set_time():
        os.utime(at("d", "f"), (1e9, 1e9))

    def make_and_rename_out():
        trees.write(root, "d/new", b"new")
        os.rename(at("d", "new"), at("out"))

    def rename_in():
        os.rename(at("out"), at("d", "in"))

    def rename_over():
        os.rename(at("d", "in"), at("d", "f"))

    def remove():
        os.remove(at("d", "7"))

    def make_directory():
        os.mkdir(at("d", "made"))

    def change_in_subdirectory():
        trees.write(root, "d/made/x", b"x")
        os.utime(at("d", "made"), (1e9, 1e9))

    def remove_directory():
        os.remove(at("d", "made", "x"))
        os.rmdir(at("d", "made"))

    def hard_link():
        os.link(at("twin"), at("d", "third"))

    def through_the_other_name():
        with open(at("twin"), "ab") as file:
            file.write(b"through the other name")

    def open_for_long():
        os.pwrite(held, b"by a descriptor from before", 0)

    held = os.open(at("d", "9"), os.O_RDWR)
    return [write, append, truncate, change_mode, set_time, make_and_rename_out, rename_in,
            rename_over, remove, make_directory, change_in_subdirectory, remove_directory,
            hard_link, through_the_other_name, open_for_long], held


def make_site(t):
    root = t.tmp()
    for number in range(MANY):
        trees.write(root, f"d/{number}", b"x" * number)
    trees.write(root, "d/f", b"first")
    trees.write(root, "d/sub/inside", b"x")
    trees.write(root, "twin", b"a file with two names")
    os.link(os.path.join(root, "twin"), os.path.join(root, "d", "twin"))
    return root


def test_no_listing_is_older_than_its_request(t):
    """After each change the very next listing has it, over either protocol and on either core."""
    root = make_site(t)
    every, held = changes(root)
    server = t.ferry(root, "--cores", "2")
    controls = [t.closing(Control(server)).login() for _ in range(2)]
    connections = [t.closing(Connection(server)) for _ in range(2)]
    for change in every:
        for _ in range(2):  # On any core, and kept by both.
            for control in controls:
                by_mlsd(control)
            for connection in connections:
                by_json(connection)
        change()
        now = truth(root)
        for control in controls:
            same(by_mlsd(control), now, f"MLSD after {change.__name__}")
        for connection in connections:
            same(by_json(connection), as_json_tells(now), f"JSON after {change.__name__}")
    os.close(held)


def test_what_ferry_changes_is_in_the_next_listing(t):
    """By whichever protocol and core, and whichever is asked then."""
    root = make_site(t)
    server = t.ferry(root, "--cores", "2", "--user", "ann:secret", "--write")
    controls = [t.closing(Control(server)).login("ann", "secret") for _ in range(2)]
    connection = t.closing(Connection(server))
    ours = (("Authorization", "Basic YW5uOnNlY3JldA=="),)

    def ask(line, *codes):
        return lambda: controls[0].ask(line, *codes)

    def put():
        fields = (*ours, ("Content-Length", "7"))
        check.equal(connection.ask("/d/put", "PUT", fields=fields, body=b"by HTTP").status, 201,
                    "PUT")

    def delete():
        check.equal(connection.ask("/d/put", "DELETE", fields=ours).status, 204, "DELETE")

    def rename():
        controls[0].ask("RNFR d/up", 350)
        controls[0].ask("RNTO d/gone-on", 250)

    for what in (lambda: controls[0].store("STOR d/up", b"by FTP"),
                 lambda: controls[0].store("APPE d/up", b"and more"),
                 put, delete, ask("MKD d/made", 257), ask("RMD d/made", 250),
                 ask("MFMT 20200202020202 d/up", 213), ask("SITE CHMOD 600 d/up", 200),
                 rename, ask("DELE d/gone-on", 250)):
        for control in controls * 2:
            by_mlsd(control)
        what()
        now = truth(root)
        for control in controls:
            same(by_mlsd(control), now, "MLSD")


def test_listings_are_the_same_kept_or_not(t):
    """Sorted by name, the third as the first, LIST and NLST too."""
    root = make_site(t)
    controls = [t.closing(Control(t.ferry(root, "--cores", "1", "--listing-cache-bytes", octets)))
                .login() for octets in ("8MiB", "0")]
    for command in ("MLSD d", "LIST d", "NLST d", "LIST -r d"):
        first, *others = [control.lines_of(command) for control in controls for _ in range(3)]
        check.holds(len(first) > MANY, command)
        for other in others:
            check.equal(other, first, command)
