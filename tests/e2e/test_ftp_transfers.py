"""Data connections of every kind, and what happens while a transfer runs (threats.md, F1 to F6)."""

import contextlib
import re
import select
import socket
import time

from support import check, trees
from support.case import Failure, limit
from support.ftp_wire import Control, port_command, read_all, reset
from support.usage import cpu_seconds, must_settle

SITE = trees.site()
LARGE = trees.octets(11, 64 << 20)  # More than any socket buffers hold.


def make_server(maker):
    root = trees.fill(maker.tmp(), SITE)
    trees.write(root, "large.bin", LARGE)
    return maker.ferry(root, "--user", "ann:secret", "--write", "--ftp-data-connect-timeout", "1s",
                       "--drain-timeout", "5s")


def session(t, server=None):
    control = t.closing(Control(server or t.shared(make_server))).login("ann", "secret")
    return control


def test_every_way_to_connect(t):
    control = session(t)
    for name in ("size-3m.bin", "hello.txt", "empty.txt", "size-8192.bin", "size-8193.bin"):
        wanted = SITE[name.encode()]
        check.same_bytes(control.retrieve(f"RETR {name}"), wanted, f"EPSV, {name}")
        where = control.pasv()
        check.equal(where[0], "127.0.0.1", "the address of PASV")
        with socket.create_connection(where, timeout=10) as data:
            control.ask(f"RETR {name}", 150, 125)
            check.same_bytes(read_all(data), wanted, f"PASV, {name}")
        control.expect("the end", 226)
        for extended in (False, True):
            listener = control.active(extended)
            control.send(f"RETR {name}\r\n")
            data, peer = listener.accept()
            check.equal(peer[0], "127.0.0.1", "where an active connection comes from")
            control.expect("RETR", 150, 125)
            check.same_bytes(read_all(data), wanted, f"PORT or EPRT, {name}")
            data.close()
            control.expect("the end", 226)


def test_every_way_to_store(t):
    control = session(t)
    root = t.shared(make_server).root
    for name in (b"size-3m.bin", b"empty.txt", b"hello.txt"):
        control.store("STOR stored", SITE[name])
        check.same_bytes(trees.read(root, "stored"), SITE[name], f"passive, {name}")
        listener = control.active()
        control.send(b"STOR stored\r\n")
        data, _ = listener.accept()
        control.expect("STOR", 150, 125)
        data.sendall(SITE[name] + b"!")
        data.close()
        control.expect("the end", 226)
        check.same_bytes(trees.read(root, "stored"), SITE[name] + b"!", f"active, {name}")


def test_command_before_connection(t):
    """A client may send RETR first and connect then, or the other way round."""
    control = session(t)
    where = control.epsv()
    control.send(b"RETR hello.txt\r\n")
    time.sleep(0.2)
    with socket.create_connection(where, timeout=10) as data:
        control.expect("RETR", 150, 125)
        check.equal(read_all(data), b"hello, world\n", "connected late")
    control.expect("the end", 226)


def test_transfers_without_a_data_connection(t):
    """425 when neither PASV nor PORT came before; and each address serves one transfer."""
    control = session(t)
    control.ask("RETR hello.txt", 425, 503)
    control.ask("LIST", 425, 503)
    check.equal(control.retrieve("RETR hello.txt"), b"hello, world\n", "RETR")
    control.ask("RETR hello.txt", 425, 503)


def test_restart(t):
    """RFC 3659 section 5: RETR from an offset, STOR at an offset with the tail kept, APPE."""
    control = session(t)
    root = t.shared(make_server).root
    wanted = SITE[b"size-3m.bin"]
    for offset in (0, 1, 8192, 1000000, len(wanted) - 1, len(wanted)):
        control.ask(f"REST {offset}", 350)
        check.same_bytes(control.retrieve("RETR size-3m.bin"), wanted[offset:], f"REST {offset}")
    check.same_bytes(control.retrieve("RETR hello.txt"), b"hello, world\n", "REST is forgotten")
    control.ask("REST 5", 350)
    control.ask("NOOP", 200)
    control.ask("REST 5", 350)
    control.ask("REST abc", 501)  # Keeps no offset.
    check.same_bytes(control.retrieve("RETR hello.txt"), b"hello, world\n", "after REST abc")
    control.ask("REST 14", 350)
    control.passive()
    control.ask("RETR hello.txt", 550, 551, 554, 501)
    control.store("STOR up", b"0123456789")
    control.ask("REST 3", 350)
    control.store("STOR up", b"abc")
    check.equal(trees.read(root, "up"), b"012abc6789", "STOR behind REST 3: the tail is kept")
    control.ask("REST 10", 350)
    control.store("STOR up", b"more")
    check.equal(trees.read(root, "up"), b"012abc6789more", "STOR behind REST 10")
    control.store("APPE up", b"+")
    check.equal(trees.read(root, "up"), b"012abc6789more+", "APPE")
    control.store("APPE fresh", b"fresh")
    check.equal(trees.read(root, "fresh"), b"fresh", "APPE to a new file")
    control.store("STOR up", b"x")
    check.equal(trees.read(root, "up"), b"x", "STOR replaces")
    control.ask("REST 100", 350)
    data = control.passive()
    reply = control.ask("STOR up")
    if reply.code // 100 == 1:
        data.close()
        reply = control.expect("STOR behind the end")
    check.one_of(reply.code, (501, 550, 551, 553, 554), "STOR behind REST 100 of a file of 1 octet")
    check.equal(trees.read(root, "up"), b"x", "the file afterwards")


def test_ascii(t):
    """TYPE A: CR LF on the way, LF on the disk, across any buffer's edges, CR never doubled."""
    control = session(t)
    root = t.shared(make_server).root
    control.ask("TYPE A", 200)
    line = b"a line of text, forty-one octets with LF\n"
    text = line * 200_000
    trees.write(root, "text", text)
    check.same_bytes(control.retrieve("RETR text"), text.replace(b"\n", b"\r\n"), "RETR")
    control.store("STOR text2", text.replace(b"\n", b"\r\n"))
    check.same_bytes(trees.read(root, "text2"), text, "STOR")
    trees.write(root, "dos", b"a\r\nb\r\n\r\nc")
    check.equal(control.retrieve("RETR dos"), b"a\r\nb\r\n\r\nc", "a file with CR LF")
    for sent, kept in ((b"a\r\nb", b"a\nb"), (b"\r\n", b"\n"), (b"a\rb", b"a\rb"),
                       (b"a\r\r\nb", b"a\r\nb"), (b"a\nb", b"a\nb"), (b"x\r", b"x\r"), (b"", b"")):
        control.store("STOR text3", sent)
        check.equal(trees.read(root, "text3"), kept, f"STOR of {sent!r}")
    # CR and LF in different segments.
    data = control.passive()
    control.ask("STOR text4", 150, 125)
    for piece in (b"one\r", b"\ntwo\r", b"\n\r", b"\n\r\n", b"three"):
        data.sendall(piece)
        time.sleep(0.05)
    data.close()
    control.expect("the end", 226)
    check.equal(trees.read(root, "text4"), b"one\ntwo\n\n\nthree", "STOR in pieces")
    control.ask("TYPE I", 200)


def begin_unread(control, name="large.bin"):
    """Begins a RETR whose data the client does not read."""
    data = control.passive(receive_buffer_bytes=4096)
    control.ask(f"RETR {name}", 150, 125)
    time.sleep(0.2)  # Until all buffers are full.
    return data


def expect_abort(control, what):
    """426 and then 226, soon: the client does not read, so nothing else can end the transfer."""
    began = time.monotonic()
    control.expect(what, 426, seconds=8)
    control.expect(what, 226, seconds=8)
    check.holds(time.monotonic() - began < 8, f"{what}: too late")


def test_abort(t):
    """threats.md, F5: ABOR in a download that nobody reads, in every form clients send it."""
    control = session(t)
    for what, form in (("ABOR", b"ABOR\r\n"), ("IP ABOR", b"\xff\xf4\xff\xf2ABOR\r\n")):
        data = begin_unread(control)
        control.send(form)
        expect_abort(control, what)
        data.close()
    # As RFC 959 section 4.1.3 has it: IP, then the Synch, whose mark is urgent data.
    data = begin_unread(control)
    control.send(b"\xff\xf4")
    control.socket.send(b"\xff\xf2", socket.MSG_OOB)
    control.send(b"ABOR\r\n")
    expect_abort(control, "IP, Synch, ABOR")
    data.close()
    # As curl and others: IP and IAC as urgent data, DM behind.
    data = begin_unread(control)
    control.socket.send(b"\xff\xf4\xff", socket.MSG_OOB)
    control.send(b"\xf2ABOR\r\n")
    expect_abort(control, "IP IAC urgent, DM, ABOR")
    data.close()
    # As Python's ftplib: the whole line as urgent data.
    data = begin_unread(control)
    control.socket.send(b"ABOR\r\n", socket.MSG_OOB)
    expect_abort(control, "ABOR urgent")
    data.close()
    check.equal(control.retrieve("RETR hello.txt"), b"hello, world\n", "the session goes on")
    control.ask("ABOR", 225, 226)


def test_abort_of_an_upload(t):
    control = session(t)
    root = t.shared(make_server).root
    trees.write(root, "kept", b"old")
    before = trees.names_in(root)
    data = control.passive()
    control.ask("STOR kept", 150, 125)
    data.sendall(b"new" * 100000)
    control.send(b"ABOR\r\n")
    expect_abort(control, "ABOR of STOR")
    data.close()
    check.equal(trees.read(root, "kept"), b"old", "the file")
    check.equal(trees.names_in(root), before, "the names in the directory")


def test_abort_of_a_listing(t):
    """And before the data connection is there."""
    control = session(t)
    control.epsv()
    control.send(b"LIST\r\n")
    time.sleep(0.1)
    control.send(b"ABOR\r\n")
    codes = []
    while not codes or codes[-1] not in (226, 225):
        codes.append(control.expect("ABOR of LIST", 150, 125, 425, 426, 226, 225).code)
    check.equal(control.retrieve("RETR hello.txt"), b"hello, world\n", "the session goes on")


def test_status_during_a_transfer(t):
    """RFC 959 section 4.1.3: STAT between the replies of a transfer tells how far it is."""
    control = session(t)
    data = begin_unread(control)
    reply = control.ask("STAT", 211, 212, 213)
    check.holds(re.search(r"\d{4,}", reply.text), f"no count of octets in {reply}")
    control.send(b"NOOP\r\n")  # Not among those RFC 959 wants answered at once.
    check.same_bytes(read_all(data, seconds=30), LARGE, "the rest")
    check.equal(sorted(control.expect("the end").code for _ in range(2)), [200, 226], "codes")


def test_quit_during_a_transfer(t):
    """RFC 959 section 4.1.1: the transfer is finished first."""
    control = session(t)
    data = begin_unread(control)
    control.send(b"QUIT\r\n")
    check.same_bytes(read_all(data, seconds=30), LARGE, "the rest")
    control.expect("the end of the transfer", 226)
    control.expect("QUIT", 221)
    control.must_end("after QUIT")


def test_data_connection_reset(t):
    """threats.md, F6: 426, and the session is usable."""
    control = session(t)
    data = begin_unread(control)
    reset(data)
    control.expect("a reset download", 426)
    check.equal(control.retrieve("RETR hello.txt"), b"hello, world\n", "the session goes on")
    root = t.shared(make_server).root
    before = trees.names_in(root)
    data = control.passive()
    control.ask("STOR never", 150, 125)
    data.sendall(b"half" * 1000)
    time.sleep(0.2)
    reset(data)
    control.expect("a reset upload", 426, 451)
    part = b".ferry-part-3-ann-never"  # For its owner to go on with.
    check.equal([name for name in trees.names_in(root) if name != part], before,
                "the names in the directory")
    check.equal(control.retrieve("RETR hello.txt"), b"hello, world\n", "the session goes on")
    data = begin_unread(control)
    data.close()  # With unread data: another reset, as clients do to stop a download.
    control.expect("a closed download", 426, 226)
    control.ask("NOOP", 200)


def test_nobody_connects(t):
    """threats.md, F4: 425 at --ftp-data-connect-timeout (here 1 s)."""
    control = session(t)
    control.epsv()
    control.send(b"RETR hello.txt\r\n")
    reply = control.expect("RETR")
    if reply.code // 100 == 1:
        reply = control.expect("RETR")
    check.equal(reply.code, 425, "nobody connects")
    check.equal(control.retrieve("RETR hello.txt"), b"hello, world\n", "the session goes on")


def test_nobody_listens(t):
    """Active mode to a port that is closed: 425."""
    control = session(t)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    control.ask(port_command("127.0.0.1", port), 200)
    reply = control.ask("RETR hello.txt")
    if reply.code // 100 == 1:
        reply = control.expect("RETR")
    check.equal(reply.code, 425, "nobody listens")
    check.equal(control.retrieve("RETR hello.txt"), b"hello, world\n", "the session goes on")


def test_stalled_transfers(t):
    """threats.md, F12: a transfer that moves nothing for --ftp-transfer-stall-timeout ends: 426."""
    root = trees.fill(t.tmp(), SITE)
    trees.write(root, "large.bin", LARGE)
    server = t.ferry(root, "--user", "ann:secret", "--write", "--ftp-transfer-stall-timeout", "1s")
    control = session(t, server)
    data = begin_unread(control)
    control.expect("a download nobody reads", 426, seconds=15)
    data.close()
    data = control.passive()
    control.ask("STOR never", 150, 125)
    data.sendall(b"half")
    control.expect("an upload that stands still", 426, 425, seconds=15)
    check.lacks(trees.names_in(root), b"never", "the names in the directory")
    check.equal(control.retrieve("RETR hello.txt"), b"hello, world\n", "the session goes on")


def test_slow_transfers(t):
    """threats.md, F12: a transfer slower than --ftp-transfer-rate-min ends, however it drips."""
    root = trees.fill(t.tmp(), SITE)
    trees.write(root, "large.bin", LARGE)
    server = t.ferry(root, "--user", "ann:secret", "--write", "--ftp-transfer-rate-min", "2k",
                     "--rate-window", "500ms")
    control = session(t, server)
    with control.passive() as data:
        control.ask("STOR never", 150, 125)
        ended = drip(lambda: data.send(b"x"), control)
        check.equal(ended.code, 426, "an upload that drips")
    check.lacks(trees.names_in(root), b"never", "the names in the directory")
    with control.passive(receive_buffer_bytes=4096) as data:
        control.ask("RETR large.bin", 150, 125)
        ended = drip(lambda: data.recv(10), control)
        check.equal(ended.code, 426, "a download that drips")
    check.equal(control.retrieve("RETR hello.txt"), b"hello, world\n", "the session goes on")


def drip(move, control):
    """Moves a little, time and again, until there is a reply; gives it."""
    while not select.select([control.socket], [], [], 0.02)[0]:
        with contextlib.suppress(ConnectionError):
            move()
    return control.reply()


def test_idle_session(t):
    """--ftp-idle-timeout: 421 and the end; a transfer is not idleness."""
    root = trees.fill(t.tmp(), SITE)
    trees.write(root, "large.bin", LARGE)
    server = t.ferry(root, "--user", "ann:secret", "--ftp-idle-timeout", "1200ms")
    control = session(t, server)
    control.expect("idling", 421)
    control.must_end("after 421")
    with Control(server) as fresh:  # Nor may anybody stay without logging in.
        fresh.expect("idling before the login", 421)
        fresh.must_end("after 421")
    with Control(server) as half:
        half.send(b"NOO")
        half.expect("half a command", 421)
    busy = session(t, server)
    data = busy.passive(receive_buffer_bytes=65536)
    busy.ask("RETR large.bin", 150, 125)
    got, began = 0, time.monotonic()
    while time.monotonic() - began < 3:
        got += len(data.recv(65536))
        time.sleep(0.02)
    check.holds(got > 0, "nothing came")
    rest = read_all(data)
    check.equal(got + len(rest), len(LARGE), "octets of a transfer of more than the idle time")
    busy.expect("the end", 226)


def test_data_theft(t):
    """threats.md, F2: a connection from another address is closed, and the owner still served."""
    control = session(t)
    for command in ("RETR size-3m.bin", "LIST"):
        where = control.epsv()
        thief = socket.socket()
        thief.bind(("127.0.0.2", 0))
        thief.settimeout(5)
        thief.connect(where)
        control.send(command.encode() + b"\r\n")
        time.sleep(0.2)
        with socket.create_connection(where, timeout=5) as data:
            control.expect(command, 150, 125)
            got = read_all(data)
        control.expect("the end", 226)
        if command != "LIST":
            check.same_bytes(got, SITE[b"size-3m.bin"], "what the owner got")
        else:
            check.contains(got, b"hello.txt", "what the owner got")
        try:
            stolen = thief.recv(65536)
        except ConnectionResetError:
            stolen = b""
        check.equal(stolen, b"", "what the thief got")
        thief.close()
    # The other way: what a stranger sends is not what gets stored.
    where = control.epsv()
    thief = socket.socket()
    thief.bind(("127.0.0.2", 0))
    thief.connect(where)
    with contextlib.suppress(OSError):
        thief.sendall(b"from the thief")
        thief.close()
    control.send(b"STOR owned\r\n")
    time.sleep(0.2)
    with socket.create_connection(where, timeout=5) as data:
        control.expect("STOR", 150, 125)
        data.sendall(b"from the owner")
    control.expect("the end", 226)
    check.equal(trees.read(t.shared(make_server).root, "owned"), b"from the owner", "the file")


def test_two_hundred_passive_sockets(t):
    """threats.md, F3: one session holds one listening socket at most."""
    server = t.shared(make_server)
    control = session(t)
    control.epsv()
    base = len(server.descriptors())
    ports = set()
    for i in range(200):
        ports.add(control.pasv()[1] if i % 2 else control.epsv()[1])
    now = len(server.descriptors())
    check.holds(now <= base + 1, f"{now} descriptors after 200 PASVs, {base} after the first")
    check.holds(len(ports) > 100, f"{len(ports)} different ports of 200")
    control.ask(port_command("127.0.0.1", 40000), 200)
    control.ask("QUIT", 221)
    must_settle(server, base - 1, "after QUIT")


def test_passive_ports_are_random_and_bounded(t):
    """--passive-ports: all of the range, nothing else, unpredictable; 425 when it is used up."""
    root = trees.fill(t.tmp(), SITE)
    with eight_free_ports() as first:
        server = t.ferry(root, "--passive-ports", f"{first}-{first + 7}")
        use_up_ports(t, server, first)


def use_up_ports(t, server, first):
    control = session_of_guest(t, server)
    ports = [control.epsv()[1] for _ in range(100)]
    check.holds(set(ports) <= set(range(first, first + 8)), f"{sorted(set(ports))}")
    check.holds(len(set(ports)) > 3, f"ports {ports}")
    steps = {b - a for a, b in zip(ports, ports[1:])}
    check.holds(len(steps) > 2, f"the ports are predictable: {ports}")
    others = [session_of_guest(t, server) for _ in range(7)]
    for other in others:
        other.epsv()
    last = session_of_guest(t, server)
    last.ask("EPSV", 425, 421)
    others[0].ask("QUIT", 221)
    deadline = time.monotonic() + 5
    while last.ask("EPSV", 229, 425).code != 229:
        check.holds(time.monotonic() < deadline, "the port of a session that left stays taken")
        time.sleep(0.1)


@contextlib.contextmanager
def eight_free_ports():
    """The first of eight ports that nobody uses, none of which the kernel hands out by itself; kept
    from the other runs of these tests on this machine for as long as they are needed."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        lowest = int(file.read().split()[0])
    for first in range(lowest - 8, 1024, -8):
        with contextlib.ExitStack() as kept:
            with contextlib.ExitStack() as tried:
                try:
                    mark = kept.enter_context(socket.socket(socket.AF_UNIX))
                    mark.bind(f"\0ferry-e2e-ports-{first}")
                    for port in range(first, first + 8):
                        tried.enter_context(socket.create_server(("127.0.0.1", port)))
                except OSError:
                    continue
            yield first
            return
    raise Failure("no eight free ports below the range of the kernel's own")


def session_of_guest(t, server):
    control = t.closing(Control(server)).login()
    return control


def test_public_address(t):
    server = t.ferry(trees.fill(t.tmp(), SITE), "--public-address", "127.0.0.2=auto,192.0.2.7")
    control = session_of_guest(t, server)
    check.equal(control.pasv()[0], "192.0.2.7", "the address of PASV")
    check.equal(control.retrieve("RETR hello.txt"), b"hello, world\n", "EPSV needs no address")


def test_many_sessions(t):
    """--ftp-sessions-max: 421 for those above it, on whatever core, until somebody leaves."""
    server = t.ferry(trees.fill(t.tmp(), SITE), "--ftp-sessions-max", "3")
    crowd = [t.closing(Control(server, greeting=False)) for _ in range(16)]
    welcome = []
    for control in crowd:
        code = control.expect("the greeting", 220, 421).code
        if code == 220:
            welcome.append(control)
        else:
            control.must_end("after 421")
    check.equal(len(welcome), 3, "sessions that were let in")
    for leaving in welcome:
        leaving.ask("QUIT", 221)
        leaving.must_end("after QUIT")
        leaving.close()
    deadline = time.monotonic() + 5
    while True:
        with Control(server, greeting=False) as again:
            if again.expect("the greeting", 220, 421).code == 220:
                break
        check.holds(time.monotonic() < deadline, "no place is free after all have left")
        time.sleep(0.1)


def test_wrong_passwords(t):
    """threats.md, F10: three tries, the same text for unknown users, other addresses not held up."""
    server = t.shared(make_server)
    texts = []
    for name, source in (("ann", "127.0.0.1"), ("nobody", "127.0.0.3")):
        with Control(server, source=source) as control:
            for i in range(3):
                control.ask(f"USER {name}", 331)
                control.send(f"PASS wrong{i}\r\n")
                if i == 0:  # While this one is made to wait, somebody else is not.
                    with Control(server, source="127.0.0.2") as honest:
                        honest.login("ann", "secret")
                reply = control.expect("a wrong password", 530, 421, seconds=20)
                texts.append((i, reply.text))
                if reply.code == 421:
                    break
            if reply.code == 530:
                last = control.reply(seconds=20)
                check.holds(last is None or last.code == 421, f"after three tries: {last}")
            control.must_end("after three tries", seconds=20)
    half = len(texts) // 2
    check.equal(texts[:half], texts[half:], "the replies, for a user there is and one there is not")


def test_five_uploads_and_downloads_at_once(t):
    """Many sessions in mid-transfer on both cores, each with its own octets."""
    controls = [session(t) for _ in range(10)]
    datas = []
    for number, control in enumerate(controls):
        data = control.passive()
        control.ask(f"STOR p{number}" if number % 2 else "RETR size-3m.bin", 150, 125)
        datas.append(data)
    for number, data in enumerate(datas):
        if number % 2:
            data.sendall(trees.octets(number, 500000))
            data.close()
        else:
            check.same_bytes(read_all(data), SITE[b"size-3m.bin"], f"session {number}")
    for control in controls:
        control.expect("the end", 226)
    root = t.shared(make_server).root
    for number in range(1, 10, 2):
        check.same_bytes(trees.read(root, f"p{number}"), trees.octets(number, 500000), f"p{number}")


@limit(60)
def test_descriptors_return_to_base(t):
    """threats.md, H4: sessions that leave, are cut or reset, in transfers or not, leave nothing."""
    server = t.ferry(trees.fill(t.tmp(), SITE), "--user", "ann:secret", "--write",
                     "--upload-part-keep", "0", "--file-cache-entries", "off")
    with Control(server) as control:
        control.login("ann", "secret")
        control.retrieve("RETR size-3m.bin")
        control.retrieve("LIST")
        control.store("STOR x", b"x")
    time.sleep(0.3)
    base = len(server.descriptors())
    for round_ in range(3):
        sessions = []
        for number in range(60):
            control = Control(server)
            sessions.append(control)
            if number % 6 == 0:
                continue
            control.login("ann", "secret")
            if number % 6 == 2:
                control.epsv()
            elif number % 6 == 3:
                control.passive(receive_buffer_bytes=4096)
                control.ask("RETR size-3m.bin", 150, 125)
            elif number % 6 == 4:
                data = control.passive()
                control.ask(f"STOR cut{number}", 150, 125)
                data.sendall(b"half")
            elif number % 6 == 5:
                control.active()
        for number, control in enumerate(sessions):
            if number % 2:
                reset(control.socket)
            control.close()
        must_settle(server, base, f"descriptors after round {round_}")
        check.holds(not [n for n in trees.names_in(server.root) if n.startswith(b".ferry")],
                    f"temporary files: {trees.names_in(server.root)}")


def test_idle_sessions_sleep(t):
    server = t.ferry(trees.fill(t.tmp(), SITE))
    sessions = [session_of_guest(t, server) for _ in range(30)]
    for control in sessions:
        control.epsv()
    before = cpu_seconds(server)
    time.sleep(3)
    spent = cpu_seconds(server) - before
    check.holds(spent < 0.3, f"{spent:.2f} s of CPU in 3 s of idling")


def test_glob_bombs(t):
    """threats.md, F11: whatever it means by it, a LIST with stars is answered soon."""
    root = t.tmp()
    for i in range(50):
        trees.write(root, f"{'a' * 60}{i}/b/c/d", b"")
    control = session_of_guest(t, t.ferry(root))
    for argument in ("*" * 200, "*/../" * 50 + "*", "{a,b}" * 30, "*a" * 60 + "z",
                     "[a-z]*" * 40, "-R " + "*/" * 60, "/*/*/*/../../../*/*/*/../../../*/*/*"):
        for verb in ("LIST", "NLST", "STAT"):
            if verb != "STAT":
                data = control.passive()
            reply = control.ask(f"{verb} {argument}")
            if reply.code // 100 == 1:
                read_all(data)
                control.expect(verb, 2, 4, 5)
    control.ask("NOOP", 200)


def test_the_wrong_protocol(t):
    """HTTP to the FTP port is answered by 500s; FTP to the HTTP port by 400."""
    server = t.shared(make_server)
    with Control(server) as control:
        control.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for _ in range(3):
            reply = control.reply()
            if reply is None:
                break
            check.one_of(reply.code, (500, 501, 502, 530, 421), "HTTP to the FTP port")
    with server.connect("http") as connection:
        connection.sendall(b"USER anonymous\r\n\r\n")
        got = connection.recv(1000)
        check.holds(got == b"" or got[:10] in (b"HTTP/1.1 4", b"HTTP/1.1 5"), f"FTP to HTTP: {got}")
