"""Accounts of a users file: hashed passwords, rights that depend on the path, in every protocol."""

import os
import pty
import signal
import subprocess
import time

from support import check, trees
from support.accounts import passwd, session, users_file
from support.clients import run
from support.ftp_wire import Control, read_all
from support.http_wire import ask

TREE = {"pub.txt": b"public\n", "in/old": b"old\n", "in/box/x": b"x\n", "private/secret": b"s\n",
        "private/open/y": b"y\n", "home/ann/a": b"a\n"}


def tree(t):
    root = t.tmp()
    for name, content in TREE.items():
        trees.write(root, name, content)
    return root


def may_log_in(server, name, password):
    with Control(server) as control:
        control.ask(f"USER {name}", 331)
        return control.ask(f"PASS {password}", 230, 530, seconds=30).code == 230


def test_passwd(t):
    """`ferry passwd` makes the file, adds users, changes passwords, and nothing else of a line."""
    file = os.path.join(t.tmp(), "users")
    check.contains(passwd(t, file, "ann", "one").text, "added ann", "what is said")
    check.equal(os.stat(file).st_mode & 0o777, 0o600, "the mode of a new file")
    os.chmod(file, 0o640)
    passwd(t, file, "bob", "two", "--method", "bcrypt")
    with open(file, encoding="utf-8") as opened:
        text = opened.read()
    check.contains(text, "ann:$y$", "the file")
    check.contains(text, "bob:$2b$", "the file")
    with open(file, "w", encoding="utf-8") as opened:
        opened.write("# us\n" + text.replace(":/:read-only:", "::all"))
    done = passwd(t, file, "ann", "three\r", "--method", "sha512crypt")  # As a file from Windows has it.
    check.contains(done.text, "changed the password of ann", "what is said")
    with open(file, encoding="utf-8") as opened:
        lines = opened.read().splitlines()
    check.equal(lines[0], "# us", "a comment")
    check.holds(lines[1].startswith("ann:$6$") and lines[1].endswith("::all"), lines[1])
    check.equal(os.stat(file).st_mode & 0o777, 0o640, "the mode of an old file")
    check.equal(os.listdir(os.path.dirname(file)), ["users"], "what lies beside it")

    server = t.ferry(tree(t), "--users-file", file)
    check.holds(may_log_in(server, "ann", "three"), "the new password")
    check.holds(may_log_in(server, "bob", "two"), "the other user's")
    check.holds(not may_log_in(server, "ann", "one"), "the old password is good no more")
    check.holds(not may_log_in(server, "eve", "one"), "nobody")


def test_passwd_follows_links(t):
    """A link stays one, also one that leads to nothing yet."""
    folder = t.tmp()
    file, there = os.path.join(folder, "users"), os.path.join(folder, "kept", "there")
    os.mkdir(os.path.dirname(there))
    os.symlink("kept/there", file)
    for name in ("ann", "bob"):
        passwd(t, file, name, "word", "--method", "sha512crypt")
        check.equal(os.readlink(file), "kept/there", "the link")
    check.equal(os.listdir(os.path.dirname(there)), ["there"], "what is beside the file")
    with open(there, encoding="utf-8") as opened:
        check.equal([each.split(":")[0] for each in opened], ["ann", "bob"], "whose accounts")


def test_passwd_refuses(t):
    """What is wrong is said, and the file stays as it was."""
    file = os.path.join(t.tmp(), "users")
    check.contains(passwd(t, file, "ftp", "x", status=2).errors.decode(), "anonymous", "the name")
    passwd(t, file, "a:b", "x", status=2)
    passwd(t, file, "ann", "", status=1)
    passwd(t, file, "ann", "x" * 600, status=1)
    done = passwd(t, file, "ann", "x", "--method", "md5", status=2)
    check.equal(done.text, 'ferry passwd: --method: "md5" is none of yescrypt, sha512crypt and bcrypt\n',
                "a method there is not")
    run([t.binary, "passwd", file], status=2)
    check.holds(not os.path.exists(file), "a file was made")
    trees.write(os.path.dirname(file), "users", b"broken\n")
    check.contains(passwd(t, file, "ann", "x", status=1).errors.decode(), "line 1", "a broken file")
    with open(file, "rb") as opened:
        check.equal(opened.read(), b"broken\n", "the broken file")
    passwd(t, os.path.join(t.tmp(), "no", "users"), "ann", "x", status=1)


def test_names_that_are_not_there(t):
    """Homes and permissions for paths that nobody has are told at the start, with --check and at SIGHUP:
    they are mistakes in typing, or yet to be made."""
    root, music = tree(t), t.tmp()
    os.makedirs(os.path.join(root, "there/below"))
    os.mkdir(os.path.join(music, "in"))
    file = users_file(t, ann=":/there:all", bob=":/their:read-only,/there/below=all,/music/in=list,/pub=list",
                      eve="::none,/music/out=list,/pub/music=all")
    said = run([t.binary, "--check", "--users-file", file, "--anonymous", "read-only,/hidden=none",
                "--mount", f"/music={music}", "--mount", f"/pub/music={music}", root])
    warnings = [line.split(" ferry: ")[1] for line in said.errors.decode().splitlines() if " warning " in line]
    check.equal(warnings, ['the home of "bob": "/their" is not there',
                           'a permission of "eve": "/music/out" is not there',
                           'a permission of --anonymous: "/hidden" is not there'], "the warnings")
    server = t.ferry(root, "--users-file", file)  # Without the mounts.
    for path in ("/their", "/music/in", "/music/out", "/pub", "/pub/music"):
        check.contains(server.errors(), f'"{path}" is not there', "at the start")
    os.mkdir(os.path.join(root, "their"))
    check.equal(server.errors().count('"/pub" is not there'), 1, "told once")
    server.signal(signal.SIGHUP)
    until = time.monotonic() + 10
    while server.errors().count('"/pub" is not there') < 2 and time.monotonic() < until:
        time.sleep(0.02)
    check.equal(server.errors().count('"/pub" is not there'), 2, "behind SIGHUP")
    check.equal(server.errors().count('"/their" is not there'), 1, "what is there now")


def test_passwd_on_a_terminal(t):
    """It asks twice and shows nothing of what is typed."""
    file = os.path.join(t.tmp(), "users")
    for again, status in (("other", 1), ("hush-hush", 0)):
        primary, secondary = pty.openpty()
        child = subprocess.Popen([t.binary, "passwd", file, "ann"], stdin=secondary,
                                 stdout=secondary, stderr=secondary, start_new_session=True)
        os.close(secondary)
        shown = b""
        for prompt, word in ((b"Password of ann: ", "hush-hush"), (b"The same again: ", again)):
            while prompt not in shown:
                shown += os.read(primary, 4096)
            time.sleep(0.2)  # The echo goes off right behind the prompt.
            os.write(primary, word.encode() + b"\n")
        try:
            while piece := os.read(primary, 4096):
                shown += piece
        except OSError:
            pass  # The terminal has nobody any more.
        check.equal(child.wait(), status, f"the status; it said {shown!r}")
        check.lacks(shown, b"hush", "what the terminal showed")
        check.equal(os.path.exists(file), status == 0, "the file")
        os.close(primary)


def test_rights_of_paths(t):
    """The longest path decides, for every command."""
    users = users_file(
        t, bob="::read-only,/in=list+create,/in/box=all,/private=none,/private/open=read-only",
        ann=":/home/ann:all:")
    server = t.ferry(tree(t), "--users-file", users)
    bob = session(t, server, "bob")
    for line, code in (
            ("SIZE pub.txt", 213), ("MDTM pub.txt", 213), ("DELE pub.txt", 550), ("MKD d", 550),
            ("RNFR pub.txt", 550), ("MFMT 20200101000000 pub.txt", 550),
            ("CWD private", 550), ("SIZE private/secret", 550), ("MDTM private/secret", 550),
            ("MLST private/secret", 550), ("STAT private", 550), ("CWD /private/open", 250),
            ("SIZE y", 213), ("CWD /in", 250), ("SIZE old", 213), ("DELE old", 550),
            ("MKD d", 550), ("CWD box", 250), ("MKD d", 257), ("RNFR x", 350), ("RNTO z", 250),
            ("RNFR z", 350), ("RNTO ../z", 550), ("RNFR z", 350), ("RNTO /z", 550),
            ("DELE z", 250), ("RMD d", 250), ("CWD /", 250), ("RNFR in", 550)):
        bob.ask(line, code)
    bob.ask("OPTS MLST perm;", 200)
    for name, perm in (("/pub.txt", "r"), ("/in", "cel"), ("/in/box", "cdeflmp"),
                       ("/private/open", "el")):
        check.contains(bob.ask(f"MLST {name}", 250).text, f"perm={perm}; {name}", "its facts")

    ann = session(t, server, "ann")
    for line, code in (("SIZE a", 213), ("MKD d", 257), ("RMD d", 250), ("SIZE /pub.txt", 550),
                       ("CWD ..", 250), ("DELE a", 250)):
        ann.ask(line, code)


def test_uploads_and_listings(t):
    """STOR, APPE and LIST by path, with curl."""
    users = users_file(t, bob="::read-only,/in=list+create,/private=none")
    server = t.ferry(tree(t), "--users-file", users)
    url = server.ftp_url
    source = os.path.join(t.tmp(), "new")
    trees.write(os.path.dirname(source), "new", b"new\n")
    curl = ["curl", "-sS", "--user", "bob:pw-bob"]
    run([*curl, "-T", source, f"{url}/in/new"])
    check.equal(run([*curl, f"{url}/pub.txt"]).output, TREE["pub.txt"], "a public file")
    run([*curl, "-T", source, f"{url}/in/old"], status=25)        # Taken, and no right to replace.
    run([*curl, "-T", source, f"{url}/new"], status=25)
    run([*curl, f"{url}/in/old"], status=78)                      # No right to read.
    run([*curl, f"{url}/private/"], status=9)
    check.contains(run([*curl, f"{url}/in/"]).text, "new", "the listing of /in")
    check.contains(run([*curl, f"{url}/"]).text, "private", "names are of who lists the parent")


def test_visitors(t):
    """--anonymous with paths holds over FTP and HTTP alike."""
    server = t.ferry(tree(t), "--anonymous", "read-only,/in=read,/private=none,/private/open=list")
    anonymous = t.closing(Control(server)).login()
    for target, status, line, code in (
            ("/pub.txt", 200, "SIZE /pub.txt", 213),
            ("/in/old", 200, "SIZE /in/old", 213),
            ("/in/", 403, "STAT /in", 550),
            ("/private/", 403, "STAT /private", 550),
            ("/private", 403, "CWD /private", 550),
            ("/private/secret", 403, "SIZE /private/secret", 550),
            ("/private/nothing", 403, "SIZE /private/nothing", 550),
            ("/private/open/", 200, "STAT /private/open", 212),
            ("/private/open/y", 403, "MDTM /private/open/y", 213)):
        check.equal(ask(server, target).status, status, f"GET {target}")
        anonymous.ask(line, code)
    off = t.ferry(tree(t), "--anonymous", "off")
    check.equal(ask(off, "/private/secret").status, 200, "HTTP has visitors all the same")


def test_read_anew(t):
    """SIGHUP: new passwords and users at the next login, sessions go on, mistakes change nothing."""
    users = users_file(t, ann="::all")
    root = tree(t)
    server = t.ferry(root, "--users-file", users, "--cores", "2")
    ann = session(t, server, "ann")

    def hangup(word):
        before = server.errors().count(word)
        server.signal(signal.SIGHUP)
        limit = time.monotonic() + 10
        while server.errors().count(word) == before:
            check.holds(time.monotonic() < limit, f"no {word!r} in {server.errors()}")
            time.sleep(0.02)
        time.sleep(0.2)  # Each core takes them in its next turn.

    passwd(t, users, "bob", "pw-bob")
    passwd(t, users, "ann", "changed")
    check.holds(not may_log_in(server, "bob", "pw-bob"), "before the signal")
    hangup("2 accounts from now on")
    for _ in range(4):  # Whichever core it is.
        check.holds(may_log_in(server, "bob", "pw-bob"), "a new user")
        check.holds(may_log_in(server, "ann", "changed"), "a changed password")
    ann.ask("DELE pub.txt", 250)
    with open(users, "a", encoding="utf-8") as opened:
        opened.write("eve:no hash\n")
    hangup("the accounts stay as they were")
    check.contains(server.errors(), "line 3", "which line it is")
    check.holds(may_log_in(server, "bob", "pw-bob"), "the old accounts")
    os.unlink(users)
    hangup("the accounts stay as they were")
    check.holds(may_log_in(server, "bob", "pw-bob"), "the old accounts")


def test_start_refuses(t):
    """A users file that cannot be used keeps ferry from starting, with one line that says why."""
    root = tree(t)
    folder = t.tmp()
    trees.write(folder, "users", b"ann:plain\n")
    for flags, words in (
            (["--users-file", os.path.join(folder, "none")], "No such file"),
            (["--users-file", os.path.join(folder, "users")], "line 1"),
            (["--users-file", users_file(t, ann="::all"), "--user", "ann:x"], "--user too")):
        done = run([t.binary, "--http", "127.0.0.1:0", "--ftp", "127.0.0.1:0", *flags, root],
                   status=1)
        check.contains(done.errors.decode(), words, "what it says")
        check.equal(done.errors.count(b"\n"), 1, "lines of it")


def test_sessions(t):
    """As many sessions at once as the line says; a place is free again when one has left."""
    users = users_file(t, ann="::all:sessions=2", bob="::all:per-address=1")
    server = t.ferry(tree(t), "--users-file", users, "--cores", "2")

    def refused(name):
        with Control(server) as control:
            control.ask(f"USER {name}", 331)
            answer = control.ask(f"PASS pw-{name}", 230, 530)
            return answer.code == 530 and "Too many sessions" in answer.text

    first, second = session(t, server, "ann"), session(t, server, "ann")
    check.holds(refused("ann"), "a third session")
    third = session(t, server, "bob")
    check.holds(refused("bob"), "a second session from one address")
    first.ask("REIN", 220)
    check.holds(not refused("ann"), "after REIN")
    second.close()
    third.ask("QUIT", 221)
    limit = time.monotonic() + 10
    while refused("bob") or refused("ann"):
        check.holds(time.monotonic() < limit, "the place is never free again")
        time.sleep(0.05)


def timed(work):
    began = time.monotonic()
    result = work()
    return time.monotonic() - began, result


def test_rates(t):
    """What an account or a visitor moves takes as long as its rate wants: lower bounds alone."""
    root = tree(t)
    content = trees.octets(1, 256 * 1024)
    trees.write(root, "big", content)
    users = users_file(t, ann="::all:session-download=128k,upload=192k")
    server = t.ferry(root, "--users-file", users, "--anonymous-limits", "session-rate=128KiB")
    # Less the eighth of a second that a rate saves, and the last sixteenth, which nobody waits for.
    seconds_min = 2 - 0.19

    ann = session(t, server, "ann")
    for mode in ("TYPE I", "TYPE A"):
        ann.ask(mode, 200)
        took, got = timed(lambda: ann.retrieve("RETR big"))
        check.holds(took >= seconds_min - (0 if mode == "TYPE I" else 0.1), f"{mode}: {took}")
        if mode == "TYPE I":
            check.same_bytes(got, content, "the file")
    ann.ask("TYPE I", 200)
    both = [session(t, server, "ann") for _ in range(2)]
    began = time.monotonic()
    datas = []
    for number, control in enumerate(both):
        control.ask("TYPE I", 200)
        data = control.passive()
        control.ask(f"STOR up{number}", 150)
        datas.append(data)
    for data in datas:
        data.sendall(content[:192 * 1024])
        data.close()
    for control in both:
        control.expect("the end of an upload", 226)
    took = time.monotonic() - began
    check.holds(took >= seconds_min, f"two uploads that share a rate: {took}")
    check.same_bytes(trees.read(root, "up1"), content[:192 * 1024], "the upload")

    took, answer = timed(lambda: ask(server, "/big"))
    check.same_bytes(answer.body, content, "over HTTP")
    check.holds(took >= seconds_min, f"over HTTP: {took}")
    with Control(server) as visitor:
        visitor.login()
        visitor.ask("TYPE I", 200)
        took, got = timed(lambda: visitor.retrieve("RETR big"))
        check.same_bytes(got, content, "for a visitor")
        check.holds(took >= seconds_min, f"for a visitor: {took}")


def test_rate_of_all_visitors(t):
    """One rate for HTTP and FTP together; who is on neither core nor protocol of theirs waits."""
    root = tree(t)
    content = trees.octets(2, 128 * 1024)
    trees.write(root, "big", content)
    server = t.ferry(root, "--anonymous-limits", "download=128k,sessions=1", "--cores", "2")
    with Control(server) as visitor, Control(server) as other:
        visitor.login()
        visitor.ask("TYPE I", 200)
        other.ask("USER ftp", 331)
        other.ask("PASS x", 530)
        began = time.monotonic()
        data = visitor.passive()
        visitor.ask("RETR big", 150)
        check.same_bytes(ask(server, "/big").body, content, "over HTTP")
        check.same_bytes(read_all(data), content, "over FTP")
        visitor.expect("its end", 226)
        took = time.monotonic() - began
        check.holds(took >= 2 - 0.25, f"both: {took}")


def test_limits_refused(t):
    """A limit that is none keeps ferry from starting."""
    for words, why in (("rate=1", "octets a second are wanted"), ("speed=1k", "is no limit"),
                       ("rate=1k,rate=2k", "comes twice")):
        done = run([t.binary, "--anonymous-limits", words, tree(t)], status=2)
        check.contains(done.errors.decode(), why, words)
