"""SIGUSR2: another process takes over, and nobody who is connected, connects or transfers notices.
threats.md, H8; decision 0041."""

import os
import shutil
import signal
import socket
import time

from support import accounts, check, succession, trees
from support.case import limit
from support.ftp_wire import Control, read_all
from support.http_wire import Connection, request
from support.succession import Line

SMALL = b"small\n" * 100
LARGE = trees.octets(77, 24 << 20)


def tree(t):
    return trees.fill(t.tmp(), {b"small": SMALL, b"large": LARGE})


def serve(t, *flags, root=None, **options):
    """A server and the line of processes that begins with it."""
    server = t.ferry(root or tree(t), "--user", "ann:secret", "--write", *flags, **options)
    return server, t.closing(Line(server))


def config_file(t, text):
    path = os.path.join(t.tmp(), "ferry.toml")
    trees.write(os.path.dirname(path), "ferry.toml", text.encode())
    return path


def rewrite(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def ask_small(connection):
    response = connection.ask("/small")
    check.equal(response.body, SMALL, "a small file")
    return response


def says_close(server):
    """Whether a new connection may ask but once: the old process has it, in its last moment."""
    with Connection(server) as fresh:
        return ask_small(fresh).says_close


def test_what_is_under_way_goes_on(t):
    """Downloads, uploads, sessions: each to its own end; the next request is told to go elsewhere."""
    server, line = serve(t, "--drain-timeout", "1s")
    kept = t.closing(Connection(server))
    kept.ask("/small")
    download = t.closing(Connection(server, receive_buffer_bytes=8192))
    download.send(request("/large"))
    download.fill(time.monotonic() + 5)
    session = t.closing(Control(server)).login("ann", "secret")
    storing = t.closing(Control(server)).login("ann", "secret")
    stored = storing.passive()
    storing.ask("STOR up.bin", 150, 125)
    stored.sendall(b"first half, ")

    line.upgrade()
    check.holds(line.newest != server.pid, "another process")
    line.wait_for(lambda: not says_close(server), "new connections are the new process's")
    line.wait_for(lambda: ask_small(kept).says_close, "an answer that is the last of a connection")
    kept.must_end("behind its last answer")
    check.same_bytes(download.read_response(seconds=20).body, LARGE, "the download")
    download.close()  # Its answer began before: the connection might ask once more.
    stored.sendall(b"second half")
    stored.close()
    storing.expect("the end of STOR", 226)
    data = session.passive()
    session.ask("RETR up.bin", 150, 125)
    check.equal(read_all(data), b"first half, second half", "a transfer that began afterwards")
    session.expect("the end of RETR", 226)
    check.equal(server.process.poll(), None, "it is there while anybody is")
    for each in (session, storing):
        each.ask("QUIT", 221)
    check.equal(server.wait(), 0, "status of the old process")
    line.wait_for(lambda: "the process that served before has ended" in server.errors(), "it is told")
    with Connection(server) as later:
        check.equal(later.ask("/up.bin").body, b"first half, second half", "what was stored")


def test_who_stays_too_long_is_drained(t):
    server, line = serve(t, "--upgrade-drain-timeout", "1s", "--drain-timeout", "1s")
    session = t.closing(Control(server)).login("ann", "secret")
    line.upgrade()
    session.expect("the end of a session", 421)
    check.equal(server.wait(), 0, "status of the old process")


def test_sigterm_ends_one_that_was_replaced(t):
    server, line = serve(t)
    session = t.closing(Control(server)).login("ann", "secret")
    line.upgrade()
    server.signal(signal.SIGTERM)
    session.expect("the end of a session", 421)
    check.equal(server.wait(), 0, "status of the old process")
    with Connection(server) as connection:
        check.equal(connection.ask("/small").body, SMALL, "the new one serves")


def told(server, line, words):
    line.wait_for(lambda: words in server.errors(), words)


def test_one_that_cannot_start_changes_nothing(t):
    """A mistake in the configuration, a program that is not there: told, and the old one serves on."""
    folder = t.tmp()
    program = os.path.join(folder, "ferry")
    shutil.copy(t.binary, program)
    config = config_file(t, "ftp-idle-timeout = '60s'\n")
    server = t.ferry(tree(t), "--config", config, "--users-file",
                     accounts.users_file(t, ann="::all"), program=program)
    line = t.closing(Line(server))

    rewrite(config, "no-such-option = 1\n")
    server.signal(signal.SIGUSR2)
    told(server, line, "the new process has ended before it served")
    check.contains(server.errors(), "no-such-option", "why")
    rewrite(config, "ftp-idle-timeout = '60s'\n")
    os.rename(program, program + ".old")
    server.signal(signal.SIGUSR2)
    told(server, line, "cannot be started: No such file or directory")
    with Connection(server) as connection:
        check.equal(connection.ask("/small").body, SMALL, "the old one serves")
    os.rename(program + ".old", program)
    line.upgrade()
    check.equal(server.wait(), 0, "status of the old process")


def test_the_names_of_one_that_fails_stay(t):
    """It had taken the sockets over, and one more is in use: their names are still the old one's, as
    is what was no socket of its own; then one that starts has them."""
    folder = t.tmp()
    http, admin, mine = (os.path.join(folder, name) for name in ("http", "admin", "mine"))
    trees.write(folder, "mine", b"mine")
    usual = f"http = ['127.0.0.1:0', 'unix:{http}']\nadmin = ['unix:{admin}']\n"
    config = config_file(t, usual)
    server = t.ferry(tree(t), "--config", config, "--ftp", "off", "--drain-timeout", "3s",
                     defaults=False, endpoints=1)
    line = t.closing(Line(server))
    identities = [os.stat(each).st_ino for each in (http, admin)]

    def serves_by(path, target):
        with succession.connect_local(path) as client:
            client.sendall(request(target, fields=[("Connection", "close")]))
            check.holds(client.recv(100).startswith(b"HTTP/1.1 200"), target)

    rewrite(config, usual[:-2] + f", 'unix:{mine}']\n")
    server.signal(signal.SIGUSR2)
    told(server, line, "the new process has ended before it served")
    check.contains(server.errors(), "there is a file of that name that is no socket", "why")
    with open(mine, "rb") as file:
        check.equal(file.read(), b"mine", "the file")
    serves_by(http, "/small")
    serves_by(admin, "/readyz")
    rewrite(config, usual)
    line.upgrade()
    check.equal(server.wait(), 0, "status of the old process")
    serves_by(http, "/small")
    serves_by(admin, "/readyz")
    check.equal([os.stat(each).st_ino for each in (http, admin)], identities, "the same sockets")


def test_it_is_no_child_of_the_starter(t):
    """Its parent is whoever waits for orphans: a service manager sees its end."""
    server, line = serve(t)
    beside = succession.children_of(server.pid)
    line.upgrade()
    with open(f"/proc/{line.newest}/stat", encoding="ascii") as file:
        parent = int(file.read().rsplit(")", 1)[1].split()[1])
    check.holds(parent not in (server.pid, *beside), f"its parent: {parent}")
    check.equal(sum((succession.children_of(each) for each in beside), []), [], "children")
    check.equal(server.wait(), 0, "status of the old process")


def test_off(t):
    server, line = serve(t, "--upgrade-drain-timeout", "0")
    server.signal(signal.SIGUSR2)
    told(server, line, "no new process can be started: --upgrade-drain-timeout is 0")
    check.equal(succession.children_of(server.pid), [], "processes beside it")
    check.equal(len(succession.children_of(serve(t)[0].pid)), 1, "those of one that may")


def asks(server, times):
    for _ in range(times):
        with Connection(server) as connection:
            check.equal(connection.ask("/small").body, SMALL, "a small file")


def test_other_numbers_of_cores(t):
    """Fewer cores serve all sockets that were handed over; more open their own besides."""
    config = config_file(t, "cores = 4\n")
    server, line = serve(t, "--config", config, "--http", "127.0.0.1:0", "--ftp", "127.0.0.1:0",
                         defaults=False, endpoints=2, root=tree(t))
    for cores in (1, 3, 2):
        rewrite(config, f"cores = {cores}\n")
        line.upgrade()
        asks(server, 40)  # Of 4 sockets each gets some.
    check.equal(server.wait(), 0, "status of the first process")


def test_a_socket_of_the_file_system(t):
    """Its name stays while any process wants it, and goes with the one that does not."""
    path = os.path.join(t.tmp(), "ferry.sock")
    config = config_file(t, f"http = ['127.0.0.1:0', 'unix:{path}']\n")
    server = t.ferry(tree(t), "--config", config, "--ftp", "off", "--drain-timeout", "3s",
                     defaults=False, endpoints=1)
    line = t.closing(Line(server))
    waiting = t.closing(succession.connect_local(path))
    line.upgrade()
    waiting.sendall(request("/small", fields=[("Connection", "close")]))
    check.holds(waiting.recv(100).startswith(b"HTTP/1.1 200"), "who had connected before")
    waiting.close()
    check.equal(server.wait(), 0, "status of the old process")
    with succession.connect_local(path) as later:
        later.sendall(request("/small"))
        check.holds(later.recv(100).startswith(b"HTTP/1.1 200"), "who comes later")
    rewrite(config, "http = ['127.0.0.1:0']\n")
    line.upgrade()
    line.wait_for(lambda: not os.path.exists(path), "the name is gone")
    asks(server, 3)


def test_the_manager_is_told_whom_to_watch(t):
    """sd_notify(3): MAINPID= by the old process, then READY=1 by the new one."""
    path = os.path.join(t.tmp(), "notify")
    manager = t.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    manager.bind(path)
    os.chmod(path, 0o777)
    manager.settimeout(10)
    server, line = serve(t, environment={"NOTIFY_SOCKET": path})
    check.contains(manager.recv(4096), b"READY=1", "at first")
    line.upgrade()
    check.equal(manager.recv(4096), b"MAINPID=%d" % line.newest, "of the old process")
    check.contains(manager.recv(4096), b"READY=1", "of the new one")
    check.equal(server.wait(), 0, "status of the old process")


def test_sockets_of_a_manager(t):
    """sd_listen_fds(3): those that systemd opened are served in place of those of the options, and
    go on from process to process."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ports = [each.getsockname()[1] for each in listeners]
    waits = socket.create_connection(("127.0.0.1", ports[0]))  # Before there is a server.

    def place_sockets():
        copies = [os.dup(each.fileno()) for each in listeners]
        for i, each in enumerate(copies):
            os.dup2(each, 3 + i)

    with_own_number = ("sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh")
    server = t.ferry(tree(t), "--user", "ann:secret", "--http", "off", "--ftp", "off",
                     "--drain-timeout", "3s", defaults=False, wrapper=with_own_number, endpoints=2,
                     preexec=place_sockets, pass_fds=(3, 4),
                     environment={"LISTEN_FDS": "2", "LISTEN_FDNAMES": "http:ftp"})
    line = t.closing(Line(server))
    check.equal((server.http_port, server.ftp_port), tuple(ports), "where it listens")
    waits.sendall(request("/small", fields=[("Connection", "close")]))
    check.holds(waits.recv(100).startswith(b"HTTP/1.1 200"), "who came before the server")
    waits.close()
    t.closing(Control(server)).login("ann", "secret").ask("QUIT", 221)
    line.upgrade()
    check.equal(server.wait(), 0, "status of the old process")
    asks(server, 5)
    t.closing(Control(server)).login("ann", "secret").ask("QUIT", 221)
    for each in listeners:
        each.close()


@limit(60)
def test_under_load(t):
    """The short form of tools/upgrades."""
    users = accounts.users_file(t, bob="::read-only")
    server, line = serve(t, "--users-file", users)
    done = succession.run(server, line, SMALL, LARGE, upgrades=3, reloads=10)
    t.tell(", ".join(f"{number} {what}" for what, number in sorted(done.items())))
    server.wait()
