"""A directory as one file, ?format=zip and ?format=tar, as Python's own libraries, tar and unzip read it."""

import dataclasses
import io
import os
import shutil
import tarfile
import zipfile

from support import check, trees
from support.case import limit, rows
from support.clients import run
from support.http_wire import Connection, ask, fetch, quote, request

LONG_AGO = 1_600_000_000
HOSTILE = trees.PLAIN_HOSTILE_NAMES + trees.CONTROL_NAMES + trees.LINE_END_NAMES


def make_server(maker):
    root = trees.fill(maker.tmp(), trees.site())
    for number, name in enumerate(HOSTILE):
        trees.write(root, b"hostile/" + name, b"file %d" % number)
        os.makedirs(os.path.join(os.fsencode(root), b"folders", name[:250] + b".d"))
        trees.write(root, b"folders/" + name[:250] + b".d/in", name)
    trees.write(root, "run.sh", b"#!/bin/sh\n", mode=0o755)
    trees.write(root, ".hidden", trees.SECRET)
    os.symlink("..", os.path.join(root, "plain", "circle"))
    os.symlink("a.txt", os.path.join(root, "plain", "same.txt"))
    os.symlink("/etc/passwd", os.path.join(root, "plain", "outside"))
    for folder, _, names in os.walk(root):
        for name in names:
            os.utime(os.path.join(folder, name), (LONG_AGO, LONG_AGO), follow_symlinks=False)
    server = maker.ferry(root)
    server.contents = trees.contents(root)
    return server


def read_zip(octets):
    """{name as octets: content} of the files, and the names of the directories."""
    files, folders = {}, set()
    with zipfile.ZipFile(io.BytesIO(octets)) as archive:
        check.equal(archive.testzip(), None, "the first file whose sum is wrong")
        for info in archive.infolist():
            # Without bit 11 Python takes names for code page 437.
            name = (info.filename.encode() if info.flag_bits & 0x800
                    else info.filename.encode("cp437"))
            if info.is_dir():
                folders.add(name)
            else:
                files[name] = archive.read(info)
                check.equal(info.external_attr >> 16 & 0o777,
                            0o755 if name.endswith(b"run.sh") else 0o644, f"the mode of {name}")
                check.equal(info.date_time, (2020, 9, 13, 12, 26, 40), f"the time of {name}")
    return files, folders


def read_tar(octets):
    files, folders = {}, set()
    with tarfile.open(fileobj=io.BytesIO(octets)) as archive:
        for member in archive:
            name = os.fsencode(member.name)
            if member.isdir():
                folders.add(name + b"/")
            else:
                check.holds(member.isreg(), f"{name} is a {member.type}")
                files[name] = archive.extractfile(member).read()
                check.equal(member.mode, 0o755 if name.endswith(b"run.sh") else 0o644,
                            f"the mode of {name}")
                check.equal(member.mtime, LONG_AGO, f"the time of {name}")
    return files, folders


@dataclasses.dataclass(frozen=True)
class Format:
    id: str
    read: object
    media: str


FORMATS = [Format("zip", read_zip, "application/zip"), Format("tar", read_tar, "application/x-tar")]


def wanted(server, below=b"", top=b"files/"):
    """What the archive of a directory must hold: what its listing and those below would lead to."""
    return {top + name[len(below):]: content for name, content in server.contents.items()
            if name.startswith(below) and not any(part.startswith(b".") for part in name.split(b"/"))
            and name != b"plain/outside" and not name.startswith(b"plain/circle")}


def check_files(found, expected):
    check.equal(set(found), set(expected), "the names")
    for name, content in expected.items():
        check.same_bytes(found[name], content, f"{name}")


@rows(FORMATS)
def test_all_of_a_tree(t, row):
    server = t.shared(make_server)
    response = ask(server, f"/?format={row.id}")
    check.equal((response.status, response.field("Content-Type")), (200, row.media), "the answer")
    check.equal(response.field("Content-Disposition"), f'attachment; filename="files.{row.id}"',
                "Content-Disposition")
    check.equal(response.field("Accept-Ranges"), None, "Accept-Ranges")
    files, folders = row.read(response.body)
    check_files(files, wanted(server))
    check.holds({b"files/", b"files/plain/deep/er/"} <= folders, f"the directories: {folders}")
    check.lacks(response.body, trees.SECRET, "what nobody may see")


@rows(FORMATS)
def test_part_of_a_tree(t, row):
    server = t.shared(make_server)
    with Connection(server) as connection:
        response = connection.ask(f"/plain/?format={row.id}")
        check_files(row.read(response.body)[0], wanted(server, b"plain/", b"plain/"))
        # The connection goes on; HEAD says the same.
        head = connection.ask(f"/plain/?format={row.id}", method="HEAD")
        check.equal([f for f in head.fields if f[0] != "date"],
                    [f for f in response.fields if f[0] != "date"], "the fields")
        check.equal(connection.ask("/one.txt").body, b"1\n", "the next answer")
        # Without its slash, below a name that no field may hold, and what is none.
        check.equal(connection.ask(f"/plain?format={row.id}").field("Location"),
                    f"/plain/?format={row.id}", "Location")
        for name in HOSTILE:
            if name.startswith(b"."):
                continue
            folder = name[:250] + b".d"
            response = connection.ask(f"/folders/{quote(folder)}/?format={row.id}")
            check_files(row.read(response.body)[0], {folder + b"/in": name})
        check.equal(connection.ask(f"/one.txt?format={row.id}").body, b"1\n", "a file's")
        check.equal(connection.ask(f"/nope/?format={row.id}").status, 404, "what is not there")


@rows(FORMATS)
def test_http_1_0(t, row):
    server = t.shared(make_server)
    response = ask(server, f"/plain/?format={row.id}", version="HTTP/1.0")
    check.holds(response.closes and response.says_close, "the end is the end of the connection")
    check_files(row.read(response.body)[0], wanted(server, b"plain/", b"plain/"))


def test_tar_unpacks(t):
    server, folder = t.shared(make_server), t.tmp()
    trees.write(folder, "got.tar", fetch(server, "/?format=tar"))
    run(["tar", "xf", "got.tar"], folder)
    check_files({b"files/" + name: content for name, content
                 in trees.contents(os.path.join(folder, "files")).items()}, wanted(server))


def test_unzip_reads_it(t):
    if not shutil.which("unzip"):
        t.tell("unzip is not installed: Python's zipfile alone has read them")
        return
    server, folder = t.shared(make_server), t.tmp()
    trees.write(folder, "got.zip", fetch(server, "/?format=zip"))
    said = run(["unzip", "-tq", "got.zip"], folder).output
    check.contains(said, b"No errors detected", "unzip -t")


def test_who_may_not_gets_nothing(t):
    root = trees.fill(t.tmp(), {b"a.txt": b"a", b"private/b.txt": trees.SECRET,
                                b"in/c.txt": b"c", b"in/deep/d.txt": trees.SECRET,
                                b"drop/e.txt": trees.SECRET})
    server = t.ferry(root, "--anonymous", "read-only,/private=none,/in/deep=none,/drop=create")
    for row in FORMATS:
        octets = fetch(server, f"/?format={row.id}")
        with (zipfile.ZipFile(io.BytesIO(octets)) if row.id == "zip"
              else tarfile.open(fileobj=io.BytesIO(octets))) as archive:
            names = archive.namelist() if row.id == "zip" else archive.getnames()
        check.equal([name.rstrip("/") for name in names],
                    ["files", "files/a.txt", "files/in", "files/in/c.txt"], "the names")
        check.equal(ask(server, f"/private/?format={row.id}").status, 403, "a private directory")


def test_none_are_made(t):
    root = trees.fill(t.tmp(), {b"a.txt": b"a"})
    server = t.ferry(root, "--http-archives-max", "off")
    check.equal(ask(server, "/?format=zip").status, 403, "?format=zip")
    check.lacks(fetch(server, "/"), b"\"zip\"", "the page")
    check.contains(fetch(t.shared(make_server), "/"), b"\"zip\"", "a page that offers some")


def start_reading(server, target, count):
    """A connection with some of an archive, that then stops reading."""
    connection = Connection(server)
    connection.send(request(target))
    connection.read_exactly(count)
    return connection


@rows(FORMATS)
def test_a_file_becomes_shorter(t, row):
    """Never an archive that looks whole: chunks without their end (RFC 9112 section 8)."""
    root = t.tmp()
    path = trees.write(root, "big", b"")
    os.truncate(path, 64 * 1024 * 1024)
    server = t.ferry(root)
    with start_reading(server, f"/?format={row.id}", 10_000) as connection:
        os.truncate(path, 1024 * 1024)
        rest = connection.read_all()
        check.holds(not rest.endswith(b"0\r\n\r\n"), "the last chunk came")
        check.holds(len(rest) < 64 * 1024 * 1024, "more than there was came")
    check.equal(ask(server, "/").status, 200, "the next answer")
    server.stop()
    check.contains(server.log(), "broken off: the file became shorter", "the log")


def test_so_many_at_once(t):
    """Who does not read keeps its turn until the send timeout; others have their pages and files."""
    root = trees.fill(t.tmp(), {b"a.txt": b"a"})
    os.truncate(trees.write(root, "big", b""), 64 * 1024 * 1024)
    server = t.ferry(root, "--cores", "1", "--http-archives-max", "2", "--list-wait-timeout", "0")
    slow = [t.closing(start_reading(server, f"/?format={row.id}", 1000)) for row in FORMATS]
    refused = ask(server, "/?format=tar")
    check.equal((refused.status, refused.field("Retry-After")), (503, "5"), "the third")
    check.equal(fetch(server, "/a.txt"), b"a", "a file")
    check.equal(ask(server, "/").status, 200, "a listing")
    slow[0].close()
    with Connection(server) as connection:
        for _ in range(1000):  # Until the server has heard of it.
            response = connection.ask("/?format=tar", method="HEAD")
            if response.status == 200:
                return
    check.equal(response.status, 200, "after one has left")


@limit(10)
def test_beyond_32_bits(t):
    """More than 65,535 files, and with --long more than 4 GiB: ZIP64."""
    if not t.is_long:
        t.tell("the unit tests of zip_format alone; run.py --long makes the archive")
        return
    root = t.tmp()
    os.mkdir(os.path.join(root, "many"))
    for i in range(70_000):
        os.close(os.open(os.path.join(root, "many", f"{i}"), os.O_CREAT | os.O_WRONLY))
    os.truncate(trees.write(root, "a-large", b""), 4 * 1024 ** 3 + 5)
    os.truncate(trees.write(root, "b-behind-it", b""), 200_000)
    server, folder = t.ferry(root), t.tmp()
    for name in ("zip", "tar"):
        run(["curl", "-sSf", "-o", f"got.{name}", f"{server.http_url}/?format={name}"], folder,
            seconds=100)
    with zipfile.ZipFile(os.path.join(folder, "got.zip")) as archive:
        check.equal(archive.testzip(), None, "the first file whose sum is wrong")
        check.equal(len(archive.infolist()), 70_004, "entries")
        check.equal(archive.getinfo("files/a-large").file_size, 4 * 1024 ** 3 + 5, "the large one")
    with tarfile.open(os.path.join(folder, "got.tar")) as archive:
        check.equal(len(archive.getnames()), 70_004, "entries")
