"""What a hostile reading of FTP and the VFS found, each as it was done to the server."""

import os
import time

from support import check, trees
from support.case import limit, needs_root
from support.ftp_wire import Control

NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")


def session(t, server, name="ann"):
    return t.closing(Control(server)).login(name, "secret")


def answers_during(seconds, control):
    """How many NOOPs another session has answered in that time."""
    answers, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        control.ask("NOOP", 200, seconds=60)
        answers += 1
    return answers


@limit(120)
def test_a_pattern_holds_nobody_up(t):
    """threats.md, F11: brackets that nothing closes, over names of brackets, took 29 s of the core in
    one piece."""
    root = t.tmp()
    for number in range(1500):
        trees.write(root, "[" * 244 + f"{number:05d}", b"")
    server = t.ferry(root, "--cores", "1", "--user", "ann:secret")
    control, other = session(t, server), session(t, server)
    data = control.passive()
    control.send("NLST *" + "[" * 120 + "x" + "[" * 120 + "\r\n")
    began = time.monotonic()
    other.ask("NOOP", 200, seconds=60)
    check.holds(time.monotonic() - began < 5, "another session waited for a pattern")
    control.expect("NLST", 150, seconds=60)
    check.equal(data.recv(65536), b"", "what matches")
    control.expect("the end", 226, seconds=60)


@limit(60)
def test_a_long_search_holds_nobody_up(t):
    """REST in TYPE A reads the file up to there, from the cache without ever waiting: a turn of a
    thousand pieces of it kept everybody else's octets unread, 0.5 to 1 s each time."""
    root = t.tmp()
    with open(os.path.join(root, "sparse"), "wb") as file:
        file.truncate(1 << 40)
    server = t.ferry(root, "--cores", "1", "--user", "ann:secret")
    control, other = session(t, server), session(t, server)
    control.ask("TYPE A", 200)
    control.passive()
    control.ask(f"REST {1 << 39}", 350)
    control.send("RETR sparse\r\n")
    answers = answers_during(3, other)
    check.holds(answers > 20, f"another session got {answers} answers in 3 s")
    control.send("ABOR\r\n")
    control.expect("ABOR", 426)
    control.expect("ABOR", 226)


def test_links_end_at_an_accounts_directory(t):
    """--user NAME:PASSWORD:DIR, where DIR is all it sees: also what a link leads to, and where it
    leads once the directory it lies in has been renamed."""
    root = t.tmp()
    trees.write(root, "secret/key", b"not for ann")
    trees.write(root, "home/secret/key", b"not for ann either")
    trees.write(root, "home/ann/a/b/mine", b"ann's")
    os.symlink("../../secret", os.path.join(root, "home/ann/out"))
    os.symlink("../../secret", os.path.join(root, "home/ann/a/b/moved"))
    server = t.ferry(root, "--user", "ann:secret:/home/ann", "--write")
    control = session(t, server)
    check.equal(control.retrieve("RETR a/b/mine"), b"ann's", "her own")
    control.ask("CWD out", 550)
    control.ask("RNFR a/b", 350)
    control.ask("RNTO b", 250)
    for line in ("RETR out/key", "RETR b/moved/key", "LIST out", "STOR out/new", "STOR b/moved/new",
                 "APPE out/key"):
        control.passive()
        control.ask(line, 550, 553)
    for line in ("DELE out/key", "DELE b/moved/key", "MKD b/moved/new", "SIZE out/key",
                 "MFMT 20200101000000 b/moved/key"):
        control.ask(line, 550, 553)
    check.equal(trees.read(root, "secret/key"), b"not for ann", "the file outside")
    check.equal(trees.names_in(root, "home/secret"), [b"key"], "the directory outside")


def test_two_who_append(t):
    """threats.md, F13: of two that append to one file at once, none is told 226 and loses it."""
    root = t.tmp()
    server = t.ferry(root, "--user", "ann:secret", "--write")
    for before in (None, b"before\n"):
        if before is not None:
            trees.write(root, "log", before)
        first, second = session(t, server), session(t, server)
        slow = first.passive()
        first.ask("APPE log", 150)
        slow.sendall(b"slow\n")
        second.store("APPE log", b"quick\n")
        slow.close()
        first.expect("the slow one", 551)
        check.equal(trees.read(root, "log"), (before or b"") + b"quick\n", "the file")
        first.store("APPE log", b"again\n")
        check.equal(trees.read(root, "log"), (before or b"") + b"quick\nagain\n", "tried again")


@needs_root
def test_a_directory_to_enter_and_not_to_list(t):
    """Permission to search is what CWD takes, as chdir(2): the drop boxes of old have mode 0733."""
    check.equal(os.geteuid(), 0, "user id (the test gives up root's rights)")
    root = t.tmp()
    for name, mode in (("incoming", 0o733), ("closed", 0o700), ("listed", 0o744)):
        trees.write(root, name + "/inside", b"12345", mode=0o600)
        os.chmod(os.path.join(root, name), mode)
    server = t.ferry(root, "--user", "ann:secret", "--write", wrapper=(*NOBODY, "--"))
    control = session(t, server)
    for line in ("CWD closed", "CWD listed", "CWD incoming/inside"):
        control.ask(line, 550)
    control.ask("CWD incoming", 250)
    control.store("STOR dropped", b"dropped")
    check.equal(trees.read(root, "incoming/dropped"), b"dropped", "STOR")
    check.equal(control.ask("SIZE inside", 213).text, "213 5", "of a file it may not read")
    control.ask("MDTM inside", 213)
    control.ask("MLST inside", 250)
    for line in ("RETR inside", "LIST"):
        control.passive()
        control.ask(line, 550)
    control.ask("RNFR inside", 350)
    control.ask("RNTO outside", 250)


def test_tries_of_passwords(t):
    """threats.md, F10: the anonymous login, which always succeeds, bought more of them."""
    server = t.ferry(t.tmp(), "--user", "ann:secret", "--ftp-login-tries-max", "2")
    control = t.closing(Control(server))
    control.ask("USER ann", 331)
    control.ask("PASS wrong", 530)
    control.login()
    control.ask("USER ann", 331)
    control.ask("PASS wrong", 421)
    control.must_end("after 421")
