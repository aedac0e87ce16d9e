"""Every TYPE, STRU and MODE against a second implementation, both ways (RFC 959 section 3)."""

import os
import random

from support import check, trees
from support.case import Failure, rows
from support.ftp_forms import Form, block_encode, block_marker, every_form
from support.ftp_wire import Control, read_all


def text_files():
    """Files that mean something to one form or another; no CR LF, which TYPE A joins."""
    source = random.Random(11)
    yield b""
    yield b"\n"
    yield b"one line without an end"
    yield b"two\nlines\n"
    yield b"\n\n  spaces    and\n\n\x0cpages\x0c\nstruck\rover\n+1\n0\n"
    yield bytes(range(256)).replace(b"\r", b"") * 3
    yield b"".join(bytes((source.choice(b"ab \n\n\xff\0"),)) * source.choice((1, 1, 2, 70, 200))
                   for _ in range(300))


FILES = list(text_files())


def make_server(maker):
    root = maker.tmp()
    for number, content in enumerate(FILES):
        trees.write(root, f"file{number}", content)
    return maker.ferry(root, "--user", "ann:secret", "--write")


def session(t, form):
    control = t.closing(Control(t.shared(make_server))).login("ann", "secret")
    for line in form.commands():
        control.ask(line, 200)
    return control


class FileReader:
    """Files from a connection that stays open: cut in pieces of 1 octet and more."""

    def __init__(self, form, data):
        self.form, self.data, self.waiting = form, data, b""

    def next(self):
        size = 1
        while True:
            try:
                stored, markers, self.waiting = self.form.decode(self.waiting)
                return stored, markers
            except Failure:  # Not all of it has come.
                piece = self.data.recv(size)
                size = min(size * 2, 65536)
                if not piece:
                    raise Failure("the connection ended in a file") from None
                self.waiting += piece


def send_in_pieces(data, octets, piece_bytes):
    for at in range(0, len(octets), piece_bytes):
        data.sendall(octets[at:at + piece_bytes])


@rows(every_form())
def test_downloads_and_uploads(t, form):
    control = session(t, form)
    root = t.shared(make_server).root
    files = [each for each in FILES if form.structure != "P" or len(each) < 60_000]
    if form.marks_ends:
        data = control.passive()
        reader = FileReader(form, data)
        for number, content in enumerate(files):
            control.ask(f"RETR file{number}", 125 if number else 150)
            check.same_bytes(reader.next()[0], content, f"file{number}")
            control.expect("the end", 250)
        for number, content in enumerate(files):
            control.ask("STOR up", 125)
            send_in_pieces(data, form.encode(content), 1 + number * 7)
            control.expect("the end", 250)
            check.same_bytes(trees.read(root, "up"), content, f"file{number}")
        return
    for number, content in enumerate(files):
        got = control.retrieve(f"RETR file{number}")
        check.same_bytes(form.decode(got)[0], content, f"file{number}")
        if form.mode == "S":
            check.equal(control.ask(f"SIZE file{number}", 213).text, f"213 {len(got)}", "SIZE")
        data = control.passive()
        control.ask("STOR up", 150)
        send_in_pieces(data, form.encode(content), 1 + number * 7)
        data.close()
        control.expect("the end", 226)
        check.same_bytes(trees.read(root, "up"), content, f"file{number}")


@rows(form for form in every_form() if form.structure == "F" and form.mode in "SZ")
def test_restart_of_downloads(t, form):
    control = session(t, form)
    content = FILES[4]
    whole = Form(form.kind, form.control).encode(content)
    for offset in range(0, len(whole), 9):
        control.ask(f"REST {offset}", 350)
        got = control.retrieve("RETR file4")
        if form.mode == "Z":
            got = Form("I", mode="Z").decode(got)[0]
        check.same_bytes(got, whole[offset:], f"from {offset}")


def test_restart_markers(t):
    """An upload in block mode breaks off and goes on behind its last marker (section 3.5)."""
    form = Form("I", mode="B")
    control = session(t, form)
    root = t.shared(make_server).root
    content = trees.octets(3, 300_000)
    blocks = [block_encode([(content[at:at + 50_000], False)])[:-3]
              for at in range(0, len(content), 50_000)]
    data = control.passive()
    control.ask("STOR cut", 150)
    confirmed = {}
    for number, each in enumerate(blocks[:4]):
        data.sendall(each + block_marker(b"M%d" % number))
        words = control.expect("a marker", 110).text.split()
        check.equal(words[1:2] + words[3:4], ["MARK", "="], "the form of 110")
        confirmed[words[2]] = words[4]
    data.close()
    control.expect("the end", 426)
    check.equal(os.path.exists(os.path.join(root, "cut")), False, "half a file")
    data = control.passive()
    control.ask(f"REST {confirmed['M2']}", 350)
    control.ask("STOR cut", 150)
    data.sendall(b"".join(blocks[3:]) + b"\x40\0\0")
    control.expect("the end", 250)
    check.same_bytes(trees.read(root, "cut"), content, "the whole")


def test_listings_in_forms(t):
    for form in (Form("E"), Form("A", structure="R"), Form("I", mode="Z"), Form("I", mode="C")):
        control = session(t, form)
        text = Form("E" if form.kind == "E" else "A", structure=form.structure, mode=form.mode)
        data = control.passive()
        control.ask("NLST", 150)
        got = FileReader(text, data).next()[0] if form.marks_ends \
            else text.decode(read_all(data))[0]
        control.expect("the end", 226, 250)
        names = [name for name in got.split(b"\n")[:-1] if name.startswith(b"file")]
        check.equal(sorted(names), [b"file%d" % number for number in range(len(FILES))], form.id)


@rows([Form("E", page="IBM037"), Form("E", page="IBM1047", mode="B")])
def test_code_pages(t, form):
    control = session(t, form)
    control.ask(f"SITE EBCDIC {form.page[3:]}", 200)
    root = t.shared(make_server).root
    trees.write(root, "brackets", b"[a^b]\xac\xa8\xdd\n")
    data = control.passive()
    control.ask("RETR brackets", 150)
    got = FileReader(form, data).next()[0] if form.marks_ends else form.decode(read_all(data))[0]
    check.same_bytes(got, b"[a^b]\xac\xa8\xdd\n", form.id)
    control.expect("the end", 226, 250)
