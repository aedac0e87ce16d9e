"""--admin: how the process fares, for Prometheus, for who starts processes, and for people."""

import ctypes
import json
import os
import pty
import re
import signal
import socket
import subprocess
import threading
import time

from support import browser, check, metrics, succession, tls, trees
from support.case import Failure, limit, needs_root
from support.ferry import CORES
from support.ftp_wire import Control
from support.http_wire import Connection, ask, fetch, request
from test_local_sockets import Local

LARGE = trees.octets(3, 8 << 20)
SITE = {b"one.txt": b"1\n", b"large.bin": LARGE, b"a b<i>.bin": LARGE}
ADMIN = re.compile(r"^telling how it fares on http://127\.0\.0\.1:(\d+)/$", re.MULTILINE)
STATUS_MAX = 10.0


class Admin:
    """Stands for a server, for clients that ask it to connect them: the admin address of one."""

    def __init__(self, server):
        limit_at = time.monotonic() + STATUS_MAX
        while not ADMIN.search(server.output()):
            check.holds(time.monotonic() < limit_at, f"no admin address: {server.output()}")
            time.sleep(0.01)
        self.port = int(ADMIN.search(server.output())[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def connect(self, _scheme="http", **_options):
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def metrics(self):
        return metrics.parse(fetch(self, "/metrics").decode())

    def status(self):
        return json.loads(fetch(self, "/status.json"))


def serve(t, *flags, **options):
    server = t.ferry(trees.fill(t.tmp(), SITE), "--admin", "127.0.0.1:0", *flags, **options)
    return server, Admin(server)


def wait_for(what, ready, seconds=STATUS_MAX):
    """What `ready()` gives once it is true."""
    end = time.monotonic() + seconds
    while True:
        got = ready()
        if got:
            return got
        check.holds(time.monotonic() < end, f"still not: {what}")
        time.sleep(0.02)


def value(values, name, **labels):
    """The sum of those that have these labels."""
    found = [number for (key, has), number in values.items()
             if key == name and set(labels.items()) <= set(has)]
    check.holds(found, f"no {name} with {labels}")
    return sum(found)


def test_metrics_tell_what_was_done(t):
    server, admin = serve(t, "--user", "ann:secret", "--write")
    before = admin.metrics()
    for _ in range(5):
        fetch(server, "/one.txt")
    check.equal(ask(server, "/none").status, 404, "what is not there")
    check.equal(len(fetch(server, "/large.bin")), len(LARGE), "a large one")
    with Control(server) as session:
        session.ask("USER ann", 331)
        session.ask("PASS wrong", 530)
        session.login("ann", "secret")
        session.store("STOR up.bin", b"x" * 1000)
        check.same_bytes(session.retrieve("RETR large.bin"), LARGE, "what RETR gives")
        session.lines_of("LIST")
        after = admin.metrics()
    wanted = [
        ("ferry_http_requests_total", {"method": "GET", "code": "2xx"}, 6),
        ("ferry_http_requests_total", {"method": "GET", "code": "4xx"}, 1),
        ("ferry_http_request_duration_seconds_count", {}, 7),
        ("ferry_connections_accepted_total", {"protocol": "http"}, 7),
        ("ferry_connections_accepted_total", {"protocol": "ftp"}, 1),
        ("ferry_connections", {"protocol": "ftp"}, 1),
        ("ferry_logins_failed_total", {"protocol": "ftp"}, 1),
        ("ferry_ftp_logins_total", {}, 1),
        ("ferry_ftp_transfers_total", {"kind": "download", "result": "complete"}, 1),
        ("ferry_ftp_transfers_total", {"kind": "upload", "result": "complete"}, 1),
        ("ferry_ftp_transfers_total", {"kind": "listing", "result": "complete"}, 1),
    ]
    for name, labels, grown in wanted:
        got = value(after, name, **labels) - (value(before, name, **labels)
                                              if labels != {"method": "GET", "code": "4xx"} else 0)
        check.equal(got, grown, f"{name} {labels}")
    for protocol, sent, received in (("http", len(LARGE), 7 * 20), ("ftp", len(LARGE), 1000)):
        for name, least in (("sent", sent), ("received", received)):
            got = value(after, f"ferry_{name}_bytes_total", protocol=protocol)
            check.holds(least <= got < least + 20_000, f"{protocol} {name}: {got}")
    check.equal(value(after, "ferry_core_up"), CORES, "cores that answer")
    check.holds(value(after, "process_resident_memory_bytes") > 1 << 20, "memory")
    check.equal(value(after, "process_max_fds"), resource_limit(server), "limit of descriptors")
    check.holds(abs(value(after, "process_start_time_seconds") - time.time()) < 600, "the start")
    check.equal(value(after, "ferry_reactor_completion_overflows_total"), 0, "overflows (R1)")


def resource_limit(server):
    with open(f"/proc/{server.pid}/limits", encoding="ascii") as file:
        line = next(each for each in file if each.startswith("Max open files"))
    return int(line.split()[3])


def test_openmetrics_for_who_asks(t):
    _, admin = serve(t)
    answer = ask(admin, "/metrics",
                 fields=[("Accept", "application/openmetrics-text;version=1.0.0,*/*;q=0.1")])
    check.equal(answer.field("content-type"),
                "application/openmetrics-text; version=1.0.0; charset=utf-8", "its type")
    values = metrics.parse(answer.body.decode(), openmetrics=True)
    check.equal(value(values, "ferry_cores"), CORES, "cores")
    usual = ask(admin, "/metrics")
    check.equal(usual.field("content-type"), "text/plain; version=0.0.4; charset=utf-8", "usually")


def test_only_what_is_there_and_only_read(t):
    """Nothing of the tree; methods that read; no store; keep-alive."""
    _, admin = serve(t)
    with Connection(admin) as connection:
        for target, status in (("/metrics", 200), ("/one.txt", 404), ("/large.bin", 404),
                               ("/metrics/", 404), ("/../one.txt", 404), ("/metrics?x", 200)):
            check.equal(connection.ask(target, host="localhost").status, status, target)
        head = connection.ask("/metrics", method="HEAD")
        check.equal((head.status, head.body), (200, b""), "HEAD")
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"):
            answer = connection.ask("/metrics", method=method)
            check.equal((answer.status, answer.field("allow")), (405, "GET, HEAD"), method)
        page = connection.ask("/")
        check.contains(page.field("content-security-policy"), "default-src 'none'", "its policy")
        check.equal((page.field("cache-control"), page.field("x-content-type-options")),
                    ("no-store", "nosniff"), "its fields")
    with Connection(admin) as connection:
        connection.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n")
        check.equal(connection.read_response().status, 400, "a request that is none")


def test_deadlines_are_those_of_http(t):
    _, admin = serve(t, "--header-timeout", "200ms")
    with Connection(admin) as connection:
        connection.send(b"GET /metrics HTT")
        check.equal(connection.read_response().status, 408, "a head that does not come")


def test_many_clients_cost_few_descriptors(t):
    """Beyond 32 connections the next is closed; those before are answered, and others after."""
    _, admin = serve(t)
    crowd = [t.closing(Connection(admin)) for _ in range(40)]
    crowd[0].ask("/healthz")
    turned_away = 0
    for each in crowd[-5:]:
        try:
            each.send(request("/healthz"))
            turned_away += each.read_response() is None
        except OSError:
            turned_away += 1
    check.equal(turned_away, 5, "the last of the crowd")
    for each in crowd:
        each.close()
    wait_for("an answer", lambda: _answers(admin))


def _answers(admin):
    with Connection(admin) as connection:
        try:
            connection.send(request("/healthz"))
            answer = connection.read_response()
        except OSError:
            return False
        return answer is not None and answer.status == 200


def test_ready_until_it_is_told_to_stop(t):
    """Who is told to stop is alive and not ready, until the last transfer is over."""
    server, admin = serve(t, "--drain-timeout", "30s")
    check.equal(fetch(admin, "/readyz"), b"ready\n", "at first")
    with Connection(server, receive_buffer_bytes=8192) as download:
        download.send(request("/large.bin"))
        download.fill(time.monotonic() + 5)
        server.signal(signal.SIGTERM)
        wait_for("not ready", lambda: ask(admin, "/readyz").status == 503)
        check.equal(fetch(admin, "/healthz"), b"alive\n", "while it drains")
        check.equal(admin.status()["draining"], True, "what the status says")
        check.equal(value(admin.metrics(), "ferry_draining"), 1, "what the metric says")
        check.same_bytes(download.read_response(seconds=20).body, LARGE, "what was under way")
    check.equal(server.wait(), 0, "its status")


def stop_thread(thread):
    """Stops one thread of another process, and returns what lets it go on; None: that is not
    allowed here."""
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    attach, detach, all_threads = 16, 17, 0x40000000
    if ptrace(attach, thread, None, None) != 0:
        return None
    os.waitpid(thread, all_threads)
    return lambda: ptrace(detach, thread, None, None)


def threads_of(server):
    """Those that ferry has made, the oldest first: the last is the admin server's, those before
    are its cores."""
    folder = f"/proc/{server.pid}/task"
    found = []
    for name in os.listdir(folder):
        with open(os.path.join(folder, name, "comm"), encoding="ascii") as file:
            if not file.read().startswith("iou-"):  # The kernel's own.
                found.append(int(name))
    return sorted(found)


def test_a_core_that_is_stuck(t):
    """threats.md, R11: it is told of, by who is not stuck, and once it goes on all is well."""
    server, admin = serve(t)
    check.equal(fetch(admin, "/healthz"), b"alive\n", "at first")
    let_go = stop_thread(threads_of(server)[-2])
    if let_go is None:
        t.tell("a thread cannot be stopped here: no core was stuck")
        return
    try:
        def stuck():
            answer = ask(admin, "/healthz")
            return answer if answer.status == 503 else None
        check.equal(wait_for("stuck", stuck).body,
                    f"core {CORES - 1} does not answer\n".encode(), "while it is stuck")
        values = admin.metrics()
        check.equal(value(values, "ferry_core_up", core=str(CORES - 1)), 0, "that core")
        if CORES > 1:
            check.equal(value(values, "ferry_core_up", core="0"), 1, "another")
    finally:
        let_go()
    wait_for("alive again", lambda: ask(admin, "/healthz").status == 200)


def test_transfers_under_way(t):
    """With how much is done, over both protocols and both ways; gone when they are over."""
    server, admin = serve(t, "--user", "ann:secret", "--write")
    with Connection(server, receive_buffer_bytes=8192) as download, Control(server) as session:
        download.send(request("/a%20b%3Ci%3E.bin"))
        download.fill(time.monotonic() + 5)
        session.login("ann", "secret")
        data = session.passive()
        session.ask("STOR up.bin", 150, 125)
        data.sendall(b"x" * 5000)

        def seen():
            found = {each["protocol"]: each for each in admin.status()["transfers"]}
            is_there = len(found) == 2 and found["ftp"]["moved"] == 5000
            return found if is_there else None
        shown = wait_for("both transfers", seen)
        check.equal([shown["http"][key] for key in ("name", "upload", "user", "peer")],
                    ["/a b<i>.bin", False, "", "127.0.0.1"], "the download")
        check.holds(0 < shown["http"]["moved"] < shown["http"]["whole"], f"{shown['http']}")
        check.equal([shown["ftp"][key] for key in ("name", "upload", "user", "whole")],
                    ["/up.bin", True, "ann", 0], "the upload")
        values = admin.metrics()
        check.equal(value(values, "ferry_transfers", protocol="ftp", direction="up"), 1, "up")
        check.equal(value(values, "ferry_transfers", protocol="http", direction="down"), 1, "down")
        data.close()
        session.expect("the upload", 226, 250)
        check.same_bytes(download.read_response(seconds=20).body, LARGE, "the download")
    wait_for("none", lambda: not admin.status()["transfers"])


def test_uploads_and_logins_over_http(t):
    server, admin = serve(t, "--user", "ann:secret", "--write", "--upload-part-keep", "0")
    login = ("Authorization", "Basic YW5uOnNlY3JldA==")
    check.equal(ask(server, "/new.txt", method="PUT", body=b"abc",
                    fields=[login, ("Content-Length", "3")]).status, 201, "an upload")
    check.equal(ask(server, "/one.txt", fields=[("Authorization", "Basic YW5uOng=")]).status, 401,
                "a wrong password")
    with Connection(server) as connection:
        connection.send(request("/cut.txt", method="PUT", fields=[login, ("Content-Length", "9")]) +
                        b"abc")
        connection.socket.shutdown(socket.SHUT_WR)
        connection.read_all()

    def counted():
        values = admin.metrics()
        return value(values, "ferry_http_uploads_total", result="incomplete") == 1 and values
    values = wait_for("the upload that was cut off", counted)
    check.equal(value(values, "ferry_http_uploads_total", result="stored"), 1, "stored")
    check.equal(value(values, "ferry_logins_failed_total", protocol="http"), 1, "failed logins")


def test_handshakes(t):
    folder = t.tmp()
    certificate, key = tls.certificate(folder, "localhost")
    server, admin = serve(t, "--https", "127.0.0.1:0", "--tls-cert", certificate, "--tls-key", key)
    subprocess.run(["curl", "-sS", "--cacert", certificate, "-o", os.devnull,
                    f"{server.https_url}/one.txt"], check=True)
    with server.connect("https") as connection:
        connection.sendall(b"no TLS at all, but words\r\n\r\n")
        connection.recv(1000)

    def counted():
        values = admin.metrics()
        return value(values, "ferry_tls_handshakes_total", result="failed") == 1 and values
    values = wait_for("what failed", counted)
    check.equal(value(values, "ferry_tls_handshakes_total", protocol="http", result="full"), 1,
                "handshakes")


def test_a_socket_of_the_file_system(t):
    path = os.path.join(t.tmp(), "admin.sock")
    server = t.ferry(trees.fill(t.tmp(), SITE), "--admin", f"unix:{path}:mode=0600")
    check.equal(fetch(Local(path), "/readyz"), b"ready\n", "by the socket")
    check.equal(os.stat(path).st_mode & 0o777, 0o600, "its mode")
    shown = [subprocess.Popen([t.binary, "top", address], stdout=subprocess.PIPE, text=True)
             for address in (f"unix:{path}", f"unix:{path}:mode=0600")]
    for each in shown:
        text, _ = each.communicate()
        check.equal(each.returncode, 0, "the status of ferry top")
        check.contains(text, "serving", "ferry top")
    server.stop()
    check.holds(not os.path.exists(path), "the socket is gone with its server")


class At(Admin):
    """The same, of a port that is known."""

    def __init__(self, port):
        self.port = port


class Asking(threading.Thread):
    """Asks at `door` all the time, on new connections, until `close`, which fails when an answer
    was no good."""

    def __init__(self, door):
        super().__init__(daemon=True)
        self.door, self.over, self.answers, self.wrong = door, threading.Event(), 0, []

    def run(self):
        while not self.over.is_set() and not self.wrong:
            try:
                check.equal(fetch(self.door, "/readyz"), b"ready\n", "the answer")
                self.answers += 1
            except (Failure, OSError) as error:
                self.wrong.append(f"after {self.answers} answers: {type(error).__name__}: {error}")

    def close(self):
        self.over.set()
        self.join()
        check.equal(self.wrong, [], "what went wrong")


def test_another_process_takes_over(t):
    """SIGUSR2: at the same addresses the new process tells of itself; the old one tells no more, and
    nobody who asks in that moment goes without an answer."""
    path = os.path.join(t.tmp(), "admin.sock")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = t.ferry(trees.fill(t.tmp(), SITE), "--admin", f"unix:{path}", "--admin",
                     f"127.0.0.1:{port}")
    line = t.closing(succession.Line(server))
    before = At(port).status()["started"]
    asking = [Asking(door) for door in (At(port), At(port), At(port), Local(path))]
    for each in asking:
        each.start()
    kept = t.closing(Connection(At(port)))
    kept.ask("/readyz", host="localhost")
    line.upgrade()
    kept.must_end("an idle connection")
    for each in asking:
        wait_for("more answers", lambda since=each.answers + 20: each.answers > since or each.wrong)
        each.close()

    def is_new(door):
        return json.loads(fetch(door, "/status.json"))["started"] > before
    wait_for("the new process", lambda: all(is_new(At(port)) for _ in range(10)))
    wait_for("the same by the socket", lambda: is_new(Local(path)))
    check.equal(server.wait(), 0, "status of the old process")


def test_names_of_the_network_lead_nowhere(t):
    """A page of elsewhere whose name leads to this machine asks by that name."""
    _, admin = serve(t)
    for host, status in (("localhost", 200), (f"127.0.0.1:{admin.port}", 200), ("[::1]", 200),
                         ("evil.example", 421), ("evil.example:80", 421), ("127.0.0.1.example", 421)):
        with Connection(admin) as connection:
            connection.send(request("/status.json", host=host))
            check.equal(connection.read_response().status, status, host)
    path = os.path.join(t.tmp(), "admin.sock")
    t.ferry(trees.fill(t.tmp(), SITE), "--admin", f"unix:{path}")
    with Connection(Local(path)) as connection:
        connection.send(request("/status.json", host="files.example"))
        check.equal(connection.read_response().status, 200, "by the socket, as from a proxy")


def test_who_says_nothing_is_let_go(t):
    """All the connections there may be, silent: who asks is served again soon."""
    server, admin = serve(t, "--header-timeout", "1h", "--idle-timeout", "1h")
    silent = [t.closing(admin.connect()) for _ in range(32)]
    for each in silent:
        each.sendall(b"GET /")

    def is_told():
        try:
            return ask(admin, "/healthz").status == 200
        except (Failure, OSError):
            return False
    wait_for("an answer", is_told)
    check.equal(server.process.poll(), None, "the server")


def test_check_looks_where_its_socket_would_be(t):
    run = subprocess.run([t.binary, "--admin", f"unix:{t.tmp()}/none/socket", "--check", t.tmp()],
                         capture_output=True, text=True, timeout=20)
    check.equal(run.returncode, 1, "its status")
    check.contains(run.stderr, "No such file or directory", "why")


@needs_root
def test_without_root(t):
    """As another user it knows of itself what it knew before."""
    server, admin = serve(t, "--run-as", "nobody")
    values = admin.metrics()
    check.holds(value(values, "process_resident_memory_bytes") > 1 << 20, "memory")
    check.equal(server.errors().count("--admin"), 0, "warnings")


def test_an_open_address_is_a_warning(t):
    server = t.ferry(trees.fill(t.tmp(), SITE), "--admin", "0.0.0.0:0")
    check.contains(server.errors(), "no password protects it", "what it says")
    refused = t.ferry(server.root, "--admin", f"127.0.0.1:{server.http_port}", starts=False).spawn()
    check.equal(refused.wait(), 1, "the status of one whose port is taken")
    check.contains(refused.errors(), "--admin: cannot listen", "why")


def test_top_once(t):
    server, admin = serve(t)
    fetch(server, "/one.txt")
    known = {**os.environ, "FERRY_ADMIN": f"127.0.0.1:{admin.port},off"}
    by_address, by_variable = (  # Side by side, for each takes a second.
        subprocess.Popen([t.binary, "top", *asked], stdout=subprocess.PIPE, text=True, env=known)
        for asked in ([f"http://127.0.0.1:{admin.port}/"], ["--once"]))
    shown, again = by_address.communicate()[0], by_variable.communicate()[0]
    check.equal((by_address.returncode, by_variable.returncode), (0, 0), "status")
    for part in ("serving", "core 0", "no transfers under way"):
        check.contains(shown, part, "what it shows")
    for part in ("requests  0/s HTTP", "half within -,"):
        check.contains(shown, part, "of a second in which nobody asked")
    check.lacks(shown, "\x1b", "no escapes where there is no terminal")
    check.contains(again, "serving", "by FERRY_ADMIN")
    for wrong, status, said in ((["--x"], 2, "usage"), (["127.0.0.1:1"], 1, "Connection refused"),
                                ([f"127.0.0.1:{server.http_port}"], 1, "no admin server")):
        done = subprocess.run([t.binary, "top", *wrong], capture_output=True, check=False)
        check.equal(done.returncode, status, f"status of {wrong}")
        check.contains(done.stderr.decode(), said, f"of {wrong}")


def test_top_in_a_terminal(t):
    """It draws on another screen, and q leaves that as it was."""
    _, admin = serve(t)
    child, terminal = pty.fork()
    if child == 0:
        os.execv(t.binary, [t.binary, "top", f"127.0.0.1:{admin.port}"])
    shown = b""
    try:
        end = time.monotonic() + STATUS_MAX
        while shown.count(b"\x1b[H") < 2:  # Drawn, and a second later drawn anew.
            check.holds(time.monotonic() < end, f"drawn {shown!r}")
            shown += os.read(terminal, 65_536)
        os.write(terminal, b"q")
        while True:
            try:
                piece = os.read(terminal, 65_536)
            except OSError:  # The terminal is gone with the program.
                break
            if not piece:
                break
            shown += piece
    finally:
        os.close(terminal)
        status = os.waitpid(child, 0)[1]
    check.equal(status, 0, "its status")
    check.holds(shown.startswith(b"\x1b[?1049h") and shown.endswith(b"\x1b[?1049l"), f"{shown!r}")
    check.contains(shown, b"serving", "what it shows")


CHARTS = "[...document.querySelectorAll('.plot .a')].filter(p => p.getAttribute('d').length > 9).length"


def check_page(page, width):
    """At that width: charts that move, nothing wider than the screen, nobody else asked."""
    page.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1,
              mobile=width < 500)
    wait_for("charts", lambda: page.value(CHARTS) >= 3)
    check.holds(page.value("document.documentElement.scrollWidth") <= width, "wider than the screen")
    check.equal(page.said("Log.entryAdded"), [], "complaints, the policy's among them")
    check.equal(page.said("Runtime.exceptionThrown"), [], "exceptions")


@limit(60)
def test_status_page(t):
    """In a browser, where one is installed, while a download is under way."""
    server, admin = serve(t)
    if not browser.program():
        t.tell("chromium is not installed: the page was not looked at")
        return
    page = t.closing(browser.Browser(t.tmp()))
    over = threading.Event()

    def load():
        with Connection(server) as connection:
            while not over.is_set():
                connection.ask("/one.txt")
    loading = threading.Thread(target=load)
    loading.start()
    try:
        with Connection(server, receive_buffer_bytes=8192) as download:
            download.send(request("/a%20b%3Ci%3E.bin"))
            download.fill(time.monotonic() + 5)
            page.open(admin.url + "/")
            check_page(page, 360)
            check_page(page, 1280)
            wait_for("the download", lambda: page.value(
                "document.querySelector('#transfers .name')?.textContent") == "↓\u00a0/a b<i>.bin")
            check.holds(int(page.value(
                "document.querySelector('[role=progressbar]').getAttribute('aria-valuenow')")) < 100,
                "how far it is")
            check.equal(page.value("document.getElementById('state').textContent"), "serving",
                        "the state")
            check.holds(page.value("document.getElementById('t-requests').textContent") != "0/s",
                        "requests")
            asked = {each["request"]["url"] for each in page.said("Network.requestWillBeSent")}
            check.equal(asked - {admin.url + "/", admin.url + "/status.json", "data:,"}, set(),
                        "others that were asked")
            for scheme in ("dark", "light"):
                page.call("Emulation.setEmulatedMedia",
                          features=[{"name": "prefers-color-scheme", "value": scheme}])
                back = page.value("getComputedStyle(document.body).backgroundColor")
                check.equal(back, {"dark": "rgb(15, 20, 25)", "light": "rgb(246, 248, 250)"}[scheme],
                            scheme)
    finally:
        over.set()
        loading.join()
