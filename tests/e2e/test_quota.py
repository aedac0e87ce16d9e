"""Quotas of accounts: what a home and all beneath it may have, whoever puts it there (threats.md, V13).

Numbers are those of the files' sizes, every name counts as a file, and what is hidden and under way
does not count.
"""

import concurrent.futures
import ftplib
import os
import re
import signal
import time

from support import check, trees
from support.accounts import session, users_file
from support.clients import run
from support.ftp_wire import Control, reset

KIB = 1024


def used(control):
    """Octets and files, once they are counted."""
    for _ in range(200):
        text = control.ask("SITE QUOTA", 211).text
        found = re.search(r"Used: (\d+)(?: of \d+)? octets, (\d+)(?: of \d+)? files", text)
        if found:
            return int(found[1]), int(found[2])
        check.contains(text, "not counted yet", "SITE QUOTA")
    return check.holds(False, "the home is never counted")


def held(root, name=""):
    """The same of a directory of the host."""
    octets = files = 0
    for folder, folders, names in os.walk(os.path.join(root, name)):
        octets += sum(os.lstat(os.path.join(folder, each)).st_size for each in names)
        files += len(folders) + len(names)
    return octets, files


def refused(control, line, octets, *codes):
    """Sends a file that must not be taken; the connection is as good as before."""
    data = control.passive()
    if control.ask(line, 150, *codes).code == 150:
        try:
            data.sendall(octets)
        except ConnectionError:
            pass  # The server has said enough.
        data.close()
        control.expect(f"the end of {line!r}", *codes)
    control.ask("NOOP", 200)


def home_of_ann(t, limits, **files):
    root = t.tmp()
    os.mkdir(os.path.join(root, "ann"))
    for name, size in files.items():
        trees.write(root, f"ann/{name}", bytes(size))
    return root, t.ferry(root, "--users-file", users_file(t, ann=f":/ann:all:{limits}"))


def test_octets(t):
    """To the last octet; early where the size is known, in mid-transfer where not; old files stay."""
    root, server = home_of_ann(t, "quota=1000k", old=400 * KIB)
    trees.write(root, "elsewhere", bytes(5000 * KIB))
    with session(t, server, "ann") as ann:
        ann.ask("TYPE I", 200)
        check.equal(used(ann), (400 * KIB, 1), "what was there")
        check.contains(ann.ask(f"ALLO {1000 * KIB + 1}", 552).text, "409600 of 1024000 octets",
                       "why not")
        ann.ask(f"ALLO {600 * KIB + 1}", 200)  # In the place of the old one there would be room.
        ann.ask("EPSV", 229)
        ann.ask("STOR new", 552)
        check.equal(ann.ask("AVBL", 213).text, f"213 {600 * KIB}", "what is left")
        ann.ask(f"ALLO {600 * KIB}", 200)
        ann.store("STOR new", bytes(600 * KIB))
        check.equal(used(ann), (1000 * KIB, 2), "full")
        ann.ask("EPSV", 229)
        ann.ask("STOR third", 552)  # Before an octet is taken.
        ann.ask("EPSV", 229)
        ann.ask("APPE new", 552)
        # A replacement that fits is allowed, although both are on the disk meanwhile.
        ann.store("STOR new", trees.octets(1, 600 * KIB))
        refused(ann, "STOR new", bytes(600 * KIB + 1), 552)
        refused(ann, "STOR new", bytes(2000 * KIB), 552)
        check.same_bytes(trees.read(root, "ann/new"), trees.octets(1, 600 * KIB), "the old file")
        ann.store("STOR new", b"small")
        check.equal(used(ann), (400 * KIB + 5, 2), "what a smaller one gives back")
        refused(ann, "STOR third", bytes(600 * KIB), 552)
        check.equal(used(ann), (400 * KIB + 5, 2), "what a refused one gives back")
        ann.ask("DELE old", 250)
        ann.store("STOR third", bytes(1000 * KIB - 5))
        check.equal(used(ann), held(root, "ann"), "the truth")
        check.equal(trees.names_in(os.path.join(root, "ann")), [b"new", b"third"], "nothing else")


def test_files(t):
    """Every name is a file: directories, too. Renames in the home are free."""
    root, server = home_of_ann(t, "files=4", one=1, two=2)
    with session(t, server, "ann") as ann:
        ann.ask("MKD d", 257)
        ann.store("STOR d/three", b"333")
        check.equal(used(ann), (6, 4), "full")
        check.contains(ann.ask("MKD e", 552).text, "4 of 4 files", "why not")
        ann.ask("EPSV", 229)
        ann.ask("STOR five", 552)
        ann.store("APPE one", b"more")
        ann.ask("RNFR one", 350)
        ann.ask("RNTO d/one", 250)
        ann.ask("RNFR two", 350)
        ann.ask("RNTO d/one", 250)  # It takes a place away.
        ann.store("STOR again", b"")
        ann.ask("DELE d/three", 250)
        ann.ask("DELE d/one", 250)
        ann.ask("RMD d", 250)
        check.equal(used(ann), (0, 1), "what is left")
        check.equal(held(root, "ann"), (0, 1), "the truth")


def test_nested_homes(t):
    """What lies in two homes counts in both, whoever puts it there; moving moves the sums."""
    root = t.tmp()
    trees.write(root, "bob/x", bytes(100))
    users = users_file(t, all="::all:quota=10k", bob=":/bob:all:quota=1k", eve="::all:",
                       bobs=":/bob:all:quota=100k")
    server = t.ferry(root, "--users-file", users, "--cores", "2")
    with session(t, server, "all") as whole, session(t, server, "bob") as bob, \
            session(t, server, "eve") as eve, session(t, server, "bobs") as bobs:
        check.equal((used(whole), used(bob), used(bobs)), ((100, 2), (100, 1), (100, 1)), "begun")
        check.contains(eve.ask("SITE QUOTA", 211).text, "No quota", "who has none")
        bob.store("STOR y", bytes(900))
        refused(bob, "STOR z", bytes(200), 552)
        bobs.store("STOR z", bytes(200))  # The limit is the account's.
        eve.store("STOR bob/z", bytes(300))
        eve.ask("MKD d", 257)
        eve.store("STOR d/e", bytes(50))
        eve.store("STOR e", bytes(60))
        check.equal((used(whole), used(bob)), ((1410, 7), (1300, 3)), "all together")
        eve.ask("RNFR d", 350)
        eve.ask("RNTO bob/d", 250)
        eve.ask("RNFR e", 350)
        eve.ask("RNTO bob/x", 250)  # In the place of 100.
        check.equal((used(whole), used(bob)), ((1310, 6), (1310, 5)), "moved into it")
        bob.ask("RNFR y", 350)
        bob.ask("RNTO d/y", 250)  # Over it, but no more than before.
        eve.ask("RNFR bob/d", 350)
        eve.ask("RNTO d", 250)
        check.equal((used(whole), used(bob)), ((1310, 6), (360, 2)), "moved out of it")
        check.equal((held(root), held(root, "bob")), ((1310, 6), (360, 2)), "the truth")


def test_in_parallel(t):
    """Sixteen uploads at once, on two cores: as many as fit, never more."""
    root = t.tmp()
    os.mkdir(os.path.join(root, "ann"))
    users = users_file(t, ann=":/ann:all:quota=1000k")
    server = t.ferry(root, "--users-file", users, "--cores", "2")
    content = bytes(150 * KIB)

    def store(number):
        client = ftplib.FTP(timeout=20)
        client.connect("127.0.0.1", server.ftp_port)
        client.login("ann", "pw-ann")
        try:
            with client.transfercmd(f"STOR f{number}") as data:
                try:
                    data.sendall(content)
                except ConnectionError:
                    pass  # The server has said enough.
            return client.voidresp()[:3]
        except ftplib.error_perm as why:
            return str(why)[:3]
        finally:
            client.close()

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(store, range(16)))
    stored = answers.count("226")
    check.holds(1 <= stored <= 6, f"{answers}")
    with session(t, server, "ann") as ann:
        check.equal(used(ann), (stored * 150 * KIB, stored), "SITE QUOTA")
        check.equal(held(root, "ann"), used(ann), "the truth")


def test_parts_count(t):
    """What came of an upload that was cut off takes room until somebody goes on with it."""
    root, server = home_of_ann(t, "quota=100k,files=1")
    with session(t, server, "ann") as ann, session(t, server, "ann") as other:
        data = ann.passive()
        ann.ask("STOR f", 150)
        data.sendall(bytes(60 * KIB))
        while used(other)[0] < 60 * KIB:
            pass  # What is under way counts.
        reset(data)
        ann.expect("the end", 426)
        check.equal(used(ann), (60 * KIB, 1), "the part")
        ann.ask("EPSV", 229)
        ann.ask("STOR g", 552)
        refused(ann, "APPE f", bytes(50 * KIB), 552)
        ann.store("STOR f", bytes(100 * KIB))
        check.equal(used(ann), (100 * KIB, 1), "whole")


def test_changed_while_running(t):
    """SIGHUP: another quota for who logs in afterwards."""
    root = t.tmp()
    users = users_file(t, ann="::all:quota=1k")
    server = t.ferry(root, "--users-file", users)
    with session(t, server, "ann") as old:
        with open(users, encoding="utf-8") as opened:
            text = opened.read()
        with open(users, "w", encoding="utf-8") as opened:
            opened.write(text.replace("quota=1k", "quota=2k"))
        server.signal(signal.SIGHUP)
        for _ in range(200):
            with session(t, server, "ann") as ann:
                if "of 2048 octets" in ann.ask("SITE QUOTA", 211).text:
                    ann.store("STOR f", bytes(2 * KIB))
                    break
        else:
            check.holds(False, "the quota never changes")
        check.contains(old.ask("SITE QUOTA", 211).text, "2048 of 1024 octets", "who was there")
        refused(old, "STOR g", b"x", 552)
        old.ask("DELE f", 250)
        old.store("STOR g", bytes(1 * KIB))


def test_room_made_by_others(t):
    """What another program removes is seen soon behind a refusal, or behind SIGHUP; and SITE QUOTA right
    after the login waits for the count."""
    root, server = home_of_ann(t, "quota=100k", big=100 * KIB)
    with session(t, server, "ann") as ann:
        check.contains(ann.ask("SITE QUOTA", 211).text, "102400 of 102400 octets", "at once")
        os.remove(os.path.join(root, "ann/big"))
        codes = []
        until = time.monotonic() + 15
        while 226 not in codes and time.monotonic() < until:
            ann.ask("TYPE I", 200)
            data = ann.passive()
            codes.append(ann.ask("STOR f", 150, 552).code)
            if codes[-1] == 150:
                data.close()
                codes.append(ann.expect("STOR f", 226).code)
            time.sleep(0.1)
        check.equal(codes[-1], 226, f"{codes}")
        check.equal(codes[0], 552, "by the old count")
        trees.write(root, "ann/new", bytes(50 * KIB))
        until = time.monotonic() + 15
        while used(ann) != (50 * KIB, 2) and time.monotonic() < until:
            server.signal(signal.SIGHUP)
            with session(t, server, "ann"):
                time.sleep(0.1)
        check.equal(used(ann), (50 * KIB, 2), "behind SIGHUP")


def test_clients(t):
    """curl and lftp are told, and take it for final."""
    _, server = home_of_ann(t, "quota=100k")
    folder = t.tmp()
    trees.write(folder, "big", bytes(300 * KIB))
    trees.write(folder, "small", bytes(100 * KIB))
    url = server.ftp_url + "/"
    done = run(["curl", "-sS", "--max-time", "10", "-u", "ann:pw-ann", "-T", "big", url], folder,
               status=None)
    check.holds(done.status != 0, "curl takes it for stored")
    script = f"set net:max-retries 2; open -u ann,pw-ann {url}; put big"
    done = run(["lftp", "-c", script], folder, status=None)
    check.holds(done.status != 0, "lftp takes it for stored")
    run(["curl", "-sS", "--max-time", "10", "-u", "ann:pw-ann", "-T", "small", url], folder)
    with session(t, server, "ann") as ann:
        check.equal(used(ann), (100 * KIB, 1), "what they stored")


def test_visitors(t):
    """--anonymous-limits: a quota of the whole tree."""
    root = t.tmp()
    trees.write(root, "there", bytes(600))
    server = t.ferry(root, "--anonymous", "upload", "--anonymous-limits", "quota=1k,files=2")
    with Control(server) as visitor:
        visitor.login()
        refused(visitor, "STOR a", bytes(500), 552)
        visitor.store("STOR a", bytes(424))
        visitor.ask("EPSV", 229)
        visitor.ask("STOR b", 552)
        check.equal(held(root), (1024, 2), "the truth")
