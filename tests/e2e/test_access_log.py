"""The access log: one line a request or transfer, whatever the client sends (threats.md, H7)."""

import json
import os
import re
import signal
import threading
import time

from support import check, trees
from support.ftp_wire import Control
from support.http_wire import Connection, ask

SITE = trees.site()
QUOTED = r'"((?:[^"\\]|\\.)*)"'
LINE = re.compile(r"(\S+) - (\S+) \[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000)\] "
                  + QUOTED + r" (\d{3}|-) (\d+) " + QUOTED + " " + QUOTED + r" (\d+)")


def lines_of(text):
    found = []
    for line in text.splitlines():
        match = LINE.fullmatch(line)
        check.holds(match, f"not a line of an access log: {line!r}")
        check.holds(line.isprintable(), f"a control octet in {line!r}")
        found.append(match.groups())
    return found


def log_of(path, count, seconds=5):
    """The log's lines, once there are `count`."""
    deadline = time.monotonic() + seconds
    while True:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            text = file.read()
        if text.count("\n") >= count or time.monotonic() > deadline:
            lines = lines_of(text)
            check.equal(len(lines), count, f"lines in\n{text}")
            return lines
        time.sleep(0.05)


def objects_of(path, count, seconds=5):
    """The lines of a log in JSON, once there are `count`."""
    deadline = time.monotonic() + seconds
    while True:
        with open(path, "rb") as file:
            lines = file.read().splitlines(keepends=True)
        if len(lines) >= count or time.monotonic() > deadline:
            check.equal(len(lines), count, f"lines in {lines}")
            return [object_of(line) for line in lines]
        time.sleep(0.05)


JSON_KEYS = {"time": str, "remote": str, "remote_port": int, "connection": int, "user": str,
             "protocol": str, "tls": str, "method": str, "target": str, "host": str, "status": int,
             "bytes": int, "bytes_received": int, "bytes_sent": int, "complete": bool,
             "duration_us": int, "referer": str, "user_agent": str}


def object_of(line):
    check.holds(line.endswith(b"\n") and not re.search(rb"[\x00-\x1f\x7f]", line[:-1]),
                f"one whole line: {line!r}")
    made = json.loads(line.decode("utf-8"))  # Strict: octets that are no UTF-8 would fail here.
    check.equal({key: type(value) for key, value in made.items()}, JSON_KEYS, "the keys")
    check.holds(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", made["time"]), made["time"])
    return made


def restored(text):
    """The octets behind a text of the log in JSON, as README.md says."""
    octets = text.encode("utf-8")
    check.holds(re.fullmatch(rb"(?:[^\\]|\\x[0-9a-f]{2})*", octets, re.DOTALL), f"{octets!r}")
    return re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes([int(found[1], 16)]), octets)


def test_http(t):
    root, folder = trees.fill(t.tmp(), SITE), t.tmp()
    path = f"{folder}/access.log"
    server = t.ferry(root, "--access-log", path)
    with Connection(server) as connection:
        connection.ask("/hello.txt", fields=[("User-Agent", "tester/1.0"),
                                             ("Referer", "http://x/y")])
        connection.ask("/nope?q=1")
        connection.ask("/size-3m.bin", method="HEAD")
        connection.ask("/size-100k.bin", fields=[("Range", "bytes=0-999")])
        connection.ask("/dir")
        connection.ask("/hello.txt", method="FOO")
    got = log_of(path, 6)
    requests = [(line[0], line[1], line[3], line[4], line[5]) for line in got]
    check.equal(requests[:4], [
        ("127.0.0.1", "-", "GET /hello.txt HTTP/1.1", "200", "13"),
        ("127.0.0.1", "-", "GET /nope?q=1 HTTP/1.1", "404", requests[1][4]),
        ("127.0.0.1", "-", "HEAD /size-3m.bin HTTP/1.1", "200", "0"),
        ("127.0.0.1", "-", "GET /size-100k.bin HTTP/1.1", "206", "1000")], "the lines")
    check.equal(got[0][6:8], ("http://x/y", "tester/1.0"), "Referer and User-Agent")
    check.one_of(requests[5][3], ("405", "501"), "the unknown method")


def test_injection(t):
    """No octet a client sends makes a second line or leaves its field."""
    root, folder = trees.fill(t.tmp(), SITE), t.tmp()
    path = f"{folder}/access.log"
    server = t.ferry(root, "--access-log", path)
    ask(server, '/a"b\\c', fields=[("User-Agent", 'x" 200 0 "-" "-" 1\\'), ("Referer", '"')])
    ask(server, b"/\xc3\xbc%0a%0d%1b", fields=[("User-Agent", b"\xff\xfe\x80")])
    ask(server, "/" + "%22" * 100)
    got = log_of(path, 3)
    for line in got:
        check.one_of(line[4], ("404", "400"), "status")
    # What is no request at all has a line too, or none; never a torn one.
    for octets in (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET /\x1b[31m HTTP/1.1\r\n\r\n",
                   b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: a\x01b\r\n\r\n",
                   b"\n\n\n\"\"\"\r\n\r\n"):
        with Connection(server) as connection:
            connection.send(octets)
            connection.socket.shutdown(1)
            connection.read_all()
    time.sleep(0.5)
    with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        lines_of(file.read())


def test_ftp(t):
    root, folder = trees.fill(t.tmp(), SITE), t.tmp()
    path = f"{folder}/access.log"
    server = t.ferry(root, "--access-log", path, "--user", "ann lee:secret", "--write")
    with Control(server) as control:
        control.login("ann lee", "secret")
        control.retrieve("RETR size-100k.bin")
        control.store("STOR dir/new name.txt", b"12345")
        control.ask("QUIT", 221)
    deadline = time.monotonic() + 5
    while True:
        with open(path, encoding="utf-8") as file:
            lines = lines_of(file.read())
        transfers = [line for line in lines if re.match(r"(RETR|STOR) ", line[3])]
        if len(transfers) >= 2 or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    check.equal([(line[0], line[1], line[3], line[4], line[5]) for line in transfers], [
        ("127.0.0.1", r"ann\x20lee", "RETR /size-100k.bin FTP", "226", str(100 * 1024)),
        ("127.0.0.1", r"ann\x20lee", "STOR /dir/new name.txt FTP", "226", "5")], "the lines")


def test_ftp_changes_and_logins(t):
    root, folder = trees.fill(t.tmp(), SITE), t.tmp()
    path = f"{folder}/access.log"
    server = t.ferry(root, "--access-log", path, "--user", "ann:secret", "--write")
    with Control(server) as control:
        control.ask("DELE hello.txt", 530)
        control.ask("USER ann", 331)
        control.ask("PASS secrat", 530)
        control.ask("USER ann", 331)
        control.ask("PASS secret", 230)
        control.ask("MKD a\tb", 257)
        control.ask("RNFR hello.txt", 350)
        control.ask("RNTO a\tb/c", 250)
        control.ask("DELE a\tb/none", 550)
        control.ask("QUIT", 221)
    server.stop()
    check.equal([(line[1], line[3], line[4]) for line in log_of(path, 7)], [
        ("-", "DELE /hello.txt FTP", "530"), ("ann", "PASS FTP", "530"), ("ann", "PASS FTP", "230"),
        ("ann", r"MKD /a\x09b FTP", "257"), ("ann", "RNFR /hello.txt FTP", "350"),
        ("ann", r"RNTO /a\x09b/c FTP", "250"), ("ann", r"DELE /a\x09b/none FTP", "550")], "the lines")
    with open(path, encoding="ascii") as file:
        check.holds("secr" not in file.read(), "no password")


def test_ftp_over_the_limit(t):
    """A session over the limit has a line, without a command."""
    root, folder = trees.fill(t.tmp(), SITE), t.tmp()
    path = f"{folder}/access.log"
    server = t.ferry(root, "--access-log", path, "--ftp-sessions-max", "1")
    with Control(server):
        with Control(server, greeting=False) as beyond:
            beyond.expect("the greeting", 421)
    server.stop()
    check.equal([(line[0], line[1], line[3], line[4]) for line in log_of(path, 1)],
                [("127.0.0.1", "-", "FTP", "421")], "the lines")


def test_json(t):
    """Hostile octets over HTTP and FTP: each line is an object, and nothing is lost."""
    root, folder = trees.fill(t.tmp(), SITE), t.tmp()
    path = f"{folder}/access.log"
    server = t.ferry(root, "--access-log", path, "--access-log-format", "json", "--write",
                     "--user", 'ann"\\\xfc:secret')
    agent = b'x","status":1,\\"\xff\xc3\xbc\xed\xa0\x80\xc2\x9b'
    with Connection(server) as connection:
        sent = b"/%22?$%5c'"
        octets = (b"GET " + sent + b" HTTP/1.1\r\nHost: A:1\r\nUser-Agent: " + agent +
                  b"\r\nReferer: \\\r\n\r\n")
        connection.send(octets)
        answer = connection.read_response()
        port = connection.socket.getsockname()[1]
    name = b'a"b\\\xff\x1b[1m{}'
    with Control(server) as control:
        control.login('ann"\\\xfc', "secret")
        data = control.passive()
        control.send(b"STOR " + name + b"\r\n")
        control.expect("the announcement", 150)
        data.sendall(b"12345")
        data.close()
        control.expect("the end", 226)
    first, login, second = sorted(objects_of(path, 3), key=lambda each: each["time"])
    check.equal(restored(first["user_agent"]), agent, "User-Agent")
    check.equal(restored(first["target"]), sent, "target")
    check.equal(first["status"], answer.status, "status")
    check.equal((first["host"], restored(first["referer"])), ("A:1", b"\\"), "Host and Referer")
    check.equal((first["bytes"], first["bytes_received"], first["remote_port"], first["complete"]),
                (len(answer.body), len(octets), port, True), "numbers")
    check.equal((second["method"], restored(second["target"]), restored(second["user"])),
                ("STOR", b"/" + name, 'ann"\\\xfc'.encode()), "the upload")
    check.equal((second["bytes"], second["bytes_received"], second["bytes_sent"], second["status"]),
                (5, 5, 0, 226), "its numbers")
    check.holds(first["connection"] != second["connection"], "two connections")
    check.equal((login["method"], login["target"], login["status"], login["user"]),
                ("PASS", "", 230, second["user"]), "the login")
    check.equal((login["connection"], login["remote_port"]),
                (second["connection"], second["remote_port"]), "one session")


def test_template(t):
    root, folder = trees.fill(t.tmp(), SITE), t.tmp()
    path = f"{folder}/access.log"
    server = t.ferry(root, "--access-log", path, "--access-log-format",
                     '$remote_addr "$request" $status $body_bytes_sent $http_x_forwarded_for '
                     '"$http_x_forwarded_for" $host')
    ask(server, "/hello.txt", fields=[("X-Forwarded-For", '10.0.0.1, "'), ("Host", "WWW.x:80")],
        host=None)
    server.stop()
    with open(path, encoding="ascii") as file:
        check.equal(file.read(), '127.0.0.1 "GET /hello.txt HTTP/1.1" 200 13 '
                                 r'10.0.0.1,\x20\x22 "10.0.0.1, \x22" www.x' + "\n", "the line")


def test_what_is_no_request(t):
    """Refused heads, heads that do not come, connections over the limit, answers broken off."""
    root, folder = trees.fill(t.tmp(), SITE), t.tmp()
    path = f"{folder}/access.log"
    with open(f"{root}/large", "wb") as file:
        file.truncate(256 * 1024 * 1024)  # More than sockets hold.
    server = t.ferry(root, "--access-log", path, "--access-log-format", "json", "--ftp", "off",
                     "--connections-max", "3", "--header-timeout", "200ms")
    with Connection(server) as wrong, Connection(server) as slow, Connection(server) as leaver:
        for each in (wrong, slow, leaver):
            each.ask("/one.txt")
        with Connection(server) as beyond:
            overload = beyond.read_response()
        wrong.send(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n")
        refused = wrong.read_response()
        slow.send(b"GET / HTTP/1.1\r\n")
        late = slow.read_response()
        leaver.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        leaver.socket.recv(100)  # Closing over the rest is a reset.
    got = [each for each in objects_of(path, 7) if each["target"] != "/one.txt"]
    by_status = {each["status"]: each for each in got}
    check.equal(sorted(by_status), [200, 400, 408, 503], "the statuses")
    for status, answer in ((400, refused), (408, late), (503, overload)):
        check.equal(answer.status, status, "the answer")
        line = by_status[status]
        check.equal((line["method"], line["target"], line["complete"], line["bytes"],
                     line["remote"]), ("", "", True, len(answer.body), "127.0.0.1"), "the line")
    broken = by_status[200]
    check.equal((broken["complete"], broken["target"]), (False, "/large"), "broken off")
    check.holds(0 <= broken["bytes"] < 256 * 1024 * 1024, f"octets that moved: {broken['bytes']}")


def test_standard_output(t):
    server = t.ferry(trees.fill(t.tmp(), SITE), "--access-log", "-")
    ask(server, "/hello.txt")
    server.stop()
    lines = [line for line in server.output().splitlines() if not line.startswith("listening on ")]
    requests = [line[3] for line in lines_of("\n".join(lines))]
    check.equal(requests, ["GET /hello.txt HTTP/1.1"], "the lines")


def until(condition, what, seconds=5):
    deadline = time.monotonic() + seconds
    while not condition():
        check.holds(time.monotonic() < deadline, what)
        time.sleep(0.01)


def test_rotation_under_load(t):
    """SIGUSR1: every request has one line, whole, in one of the files."""
    root, folder = trees.fill(t.tmp(), SITE), t.tmp()
    path = f"{folder}/access.log"
    server = t.ferry(root, "--access-log", path)
    counts, ended = [0, 0], threading.Event()

    def load(who):
        with Connection(server) as connection:
            while not ended.is_set():
                connection.ask(f"/{who}-{counts[who]}")
                counts[who] += 1

    clients = [threading.Thread(target=load, args=(who,)) for who in range(len(counts))]
    for each in clients:
        each.start()
    try:
        for number in range(1, 6):
            before = sum(counts)
            os.rename(path, f"{path}.{number}")
            server.signal(signal.SIGUSR1)
            until(lambda: os.path.exists(path), "a new file")
            until(lambda: sum(counts) > before + 100, "requests go on")
    finally:
        ended.set()
        for each in clients:
            each.join()
    server.stop()
    targets = []
    for name in os.listdir(folder):
        with open(f"{folder}/{name}", encoding="ascii", newline="\n") as file:
            text = file.read()
        check.holds(not text or text.endswith("\n"), f"{name} ends in mid-line")
        targets += [line[3].split(" ")[1] for line in lines_of(text)]
    asked = [f"/{who}-{i}" for who, count in enumerate(counts) for i in range(count)]
    check.equal(sorted(targets), sorted(asked), "the lines of all files")
    check.equal(len(os.listdir(folder)), 6, "files")


def test_rotation_that_fails(t):
    """What cannot be opened anew, or is no file, leaves the file in use; the log says so."""
    root, folder = trees.fill(t.tmp(), SITE), t.tmp()
    path = f"{folder}/access.log"

    def read_fifo():
        os.mkfifo(path)
        t.closing(open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb"))

    server = t.ferry(root, "--access-log", path)
    os.rename(path, f"{path}.1")
    for spoil, unspoil, words in (
            (lambda: os.mkdir(path), lambda: os.rmdir(path), "Is a directory"),
            (lambda: os.mkfifo(path), lambda: os.unlink(path), "No such device"),
            (lambda: os.symlink("/dev/null", path), lambda: os.unlink(path), "Permission denied"),
            (read_fifo, lambda: os.unlink(path), "no regular file")):
        spoil()
        server.signal(signal.SIGUSR1)
        until(lambda: words in server.errors(), f"{words!r} in the log")
        ask(server, "/one.txt")
        unspoil()
    log_of(f"{path}.1", 4)
    server.signal(signal.SIGUSR1)
    until(lambda: os.path.exists(path), "a new file")
    ask(server, "/one.txt")
    server.stop()
    log_of(f"{path}.1", 4)
    log_of(path, 1)


def test_rotation_without_a_file(t):
    server = t.ferry(trees.fill(t.tmp(), SITE), "--access-log", "-")
    server.signal(signal.SIGUSR1)
    until(lambda: "no file that could be opened anew" in server.errors(), "the log says so")
    check.equal(ask(server, "/one.txt").status, 200, "it goes on")


def test_nothing_is_lost_at_the_end(t):
    """What was answered before SIGTERM is in the log when the process has ended."""
    root, folder = trees.fill(t.tmp(), SITE), t.tmp()
    path = f"{folder}/access.log"
    server = t.ferry(root, "--access-log", path)
    with Connection(server) as connection:
        for _ in range(1000):
            connection.ask("/one.txt")
        server.signal(signal.SIGTERM)
        check.equal(server.wait(), 0, "status")
    check.equal(len(log_of(path, 1000)), 1000, "lines")


def test_the_log_is_appended_to(t):
    root, folder = trees.fill(t.tmp(), SITE), t.tmp()
    path = f"{folder}/access.log"
    for count in (1, 2):
        server = t.ferry(root, "--access-log", path)
        ask(server, "/one.txt")
        server.stop()
        log_of(path, count)


def test_off_is_the_default(t):
    server = t.ferry(trees.fill(t.tmp(), SITE))
    ask(server, "/one.txt")
    server.stop()
    lines = [line for line in server.output().splitlines() if not line.startswith("listening on ")]
    check.equal(lines, [], "standard output")


def test_a_log_that_is_full(t):
    """threats.md, R15: a log nobody can write holds nobody up."""
    server = t.ferry(trees.fill(t.tmp(), SITE), "--access-log", "/dev/full")
    with Connection(server) as connection:
        for _ in range(3000):
            check.equal(connection.ask("/one.txt").body, b"1\n", "an answer")
