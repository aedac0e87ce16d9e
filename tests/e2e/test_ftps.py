"""FTP over TLS: AUTH, data connections, what must resume what, what may not be said in clear."""

import ftplib
import io
import os
import signal
import socket
import ssl
import time

from support import check, trees
from support.clients import run
from support.http_wire import ask
from support.tls import Secure, certificate

SITE = {b"hello.txt": b"hello, world\n", b"large.bin": trees.octets(8, 3 << 20), b"up/.keep": b""}
USER = ("--user", "ann:secret", "--write", "--anonymous", "upload")


def serve(t, *flags):
    """A server whose certificate for localhost clients can check; gives both."""
    folder = t.tmp()
    root = trees.fill(t.tmp(), SITE)
    server = t.ferry(root, "--tls-self-signed", "--tls-cert", f"{folder}/own.pem", "--tls-key",
                     f"{folder}/own.key", *USER, *flags)
    return server, f"{folder}/own.pem"


def stored(server, name):
    with open(os.path.join(server.root, name), "rb") as file:
        return file.read()


class Resuming(ftplib.FTP_TLS):
    """ftplib, with data connections that resume the session of the control connection."""

    def ntransfercmd(self, cmd, rest=None):
        connection, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if self._prot_p:
            connection = self.context.wrap_socket(connection, server_hostname=self.host,
                                                  session=self.sock.session,
                                                  suppress_ragged_eofs=False)
        return connection, size


def log_in(server, authority, kind=Resuming, version=None, port=None):
    context = ssl.create_default_context(cafile=authority)
    if version:
        context.minimum_version = context.maximum_version = version
    client = kind(context=context, timeout=10)
    client.connect("localhost", port or server.ftp_port)
    client.login("ann", "secret")
    return client


def read(client, name):
    got = io.BytesIO()
    client.retrbinary(f"RETR {name}", got.write)
    return got.getvalue()


class Wire:
    """A control connection by hand."""

    def __init__(self, server, scheme="ftp"):
        self.socket = server.connect(scheme)
        self.lines = b""

    def ask(self, line, octets_behind=b""):
        self.socket.sendall(line.encode() + b"\r\n" + octets_behind)
        return self.reply()

    def reply(self):
        while True:
            while b"\n" not in self.lines:
                piece = self.socket.recv(4096)
                if not piece:
                    return 0, ""
                self.lines += piece
            line, self.lines = self.lines.split(b"\n", 1)
            if line[3:4] == b" " and line[:3].isdigit():
                return int(line[:3]), line.decode(errors="replace").strip()

    def begin_tls(self, authority):
        self.socket = Secure(None, authority).wrap(self.socket)

    def code(self, line, octets_behind=b""):
        return self.ask(line, octets_behind)[0]


def test_clients(t):
    """curl, lftp and Python's ftplib, explicit and implicit, by TLS 1.2 and 1.3, with reuse required."""
    server, authority = serve(t, "--ftps", "127.0.0.1:0", "--access-log", "-",
                              "--access-log-format", "$scheme $ssl_protocol $request_method $status")
    explicit, implicit = f"ftp://localhost:{server.ftp_port}", f"ftps://localhost:{server.ftps[0][1]}"
    for version in ("1.2", "1.3"):
        secure = ["--cacert", authority, "--ssl-reqd", f"--tlsv{version}", "--tls-max", version,
                  "-u", "ftp:x"]  # A password that is compared takes its time.
        for url in (explicit, implicit):
            got = run(["curl", "-sS", *secure, f"{url}/large.bin"]).output
            check.same_bytes(got, SITE[b"large.bin"], f"{url} by TLS {version}")
            name = f"up/{url[:4]}{version}"
            run(["curl", "-sS", *secure, "-T", "-", f"{url}/{name}"], stdin=b"from curl" * 9999)
            check.same_bytes(stored(server, name), b"from curl" * 9999, "what curl stored")
    got = run(["curl", "-sS", "--cacert", authority, "--ssl-reqd", "-u", "ftp:x",
               f"{explicit}/hello.txt", f"{explicit}/hello.txt", f"{explicit}/"]).output
    check.equal(got.count(b"hello, world\n"), 2, "one session, a ticket for each data connection")
    check.contains(got, b"large.bin", "a listing")
    for url in (explicit, implicit):
        got = run(["lftp", "-e", f"set ssl:ca-file {authority}; set ftp:ssl-force yes; "
                   "set ftp:ssl-protect-data yes; set net:max-retries 1; cat hello.txt; ls; quit",
                   "-u", "ftp,x", url]).output
        check.contains(got, b"hello, world\n", f"lftp {url}")
        check.contains(got, b"large.bin", f"lftp lists {url}")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        client = log_in(server, authority, version=version)
        client.prot_p()
        for _ in range(5):
            check.equal(read(client, "hello.txt"), b"hello, world\n", version.name)
        client.storbinary("STOR up/py", io.BytesIO(SITE[b"large.bin"]))
        check.same_bytes(stored(server, "up/py"), SITE[b"large.bin"], "what ftplib stored")
        check.contains(client.nlst(), "large.bin", "NLST")
        client.prot_c()
        check.equal(read(client, "hello.txt"), b"hello, world\n", "data in clear again")
        client.quit()
    server.stop()
    check.contains(server.output(), "ftps TLSv1.3 RETR 226", "the access log")


def test_reuse(t):
    """threats.md, T5: a data connection of somebody else's session is refused; a switch allows it."""
    server, authority = serve(t, "--ftp-tls-reuse", "require")
    client = log_in(server, authority, ftplib.FTP_TLS)
    client.prot_p()
    try:
        read(client, "hello.txt")
        check.holds(False, "without the session")
    except ftplib.error_perm as said:
        check.contains(str(said), "522", "the reply")
    other = log_in(server, authority)

    class Thief(Resuming):
        def ntransfercmd(self, cmd, rest=None):
            connection, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
            return self.context.wrap_socket(connection, server_hostname=self.host,
                                            session=other.sock.session), size

    thief = Thief(context=other.context, timeout=10)
    thief.connect("localhost", server.ftp_port)
    thief.login("ann", "secret")
    thief.prot_p()
    try:
        read(thief, "hello.txt")
        check.holds(False, "with the session of another one")
    except ftplib.error_perm as said:
        check.contains(str(said), "522", "the reply")
    # A session has a name where its client took no ticket, on whatever port; here it takes one.
    nameless = ssl.create_default_context(cafile=authority)
    nameless.maximum_version = ssl.TLSVersion.TLSv1_2
    nameless.options |= ssl.OP_NO_TICKET
    elsewhere = log_in(server, authority, kind=lambda **how: Thief(**how | {"context": nameless}))
    other = elsewhere
    nameless.options &= ~ssl.OP_NO_TICKET
    thief = Thief(context=nameless, timeout=10)
    thief.connect("localhost", server.ftp_port)
    thief.login("ann", "secret")
    thief.prot_p()
    try:
        read(thief, "hello.txt")
        check.holds(False, "by the name of another session")
    except ftplib.error_perm as said:
        check.contains(str(said), "522", "the reply")
    server, authority = serve(t, "--ftp-tls-reuse", "warn")
    client = log_in(server, authority, ftplib.FTP_TLS)
    client.prot_p()
    for _ in range(2):
        check.equal(read(client, "hello.txt"), b"hello, world\n", "with a warning")
    check.equal(server.errors().count("does not resume"), 1, "once a session")


def test_what_is_said_in_clear_behind_auth(t):
    """threats.md, T5: it is never carried out, wherever it is cut; what was said before is void."""
    server, authority = serve(t)
    for behind in (b"USER ann\r\n", b"USER ann\r\nPASS secret\r\nDELE hello.txt\r\n", b"DELE hel"):
        wire = Wire(server)
        check.equal(wire.reply()[0], 220, "greeting")
        check.equal(wire.code("USER ann"), 331, "USER")
        check.equal(wire.code("AUTH TLS", behind), 234, "AUTH")
        check.equal(wire.lines, b"", "nothing else is answered")
        wire.begin_tls(authority)
        check.equal(wire.code("PASS secret"), 503, "USER from before")
        check.equal(wire.code("USER ann"), 331, "USER")
        check.equal(wire.code("PASS secret"), 230, "PASS")
        check.equal(wire.code("AUTH TLS"), 503, "again")
        check.equal(wire.code("QUIT"), 221, "QUIT")
    check.equal(stored(server, "hello.txt"), b"hello, world\n", "the file")
    # Behind the 234 it is no TLS: the end.
    wire = Wire(server)
    wire.reply()
    check.equal(wire.code("AUTH TLS"), 234, "AUTH")
    wire.socket.sendall(b"USER ann\r\nPASS secret\r\n")
    try:
        octets = wire.socket.recv(1000)
        check.holds(not octets[:3].isdigit(), f"an answer in clear: {octets}")
    except ConnectionError:
        pass


def test_an_upload_that_is_cut(t):
    """threats.md, T2: without close_notify it is not complete: 426, and the old file stays."""
    server, authority = serve(t, "--ftp-tls-reuse", "off")
    for how in ("close", "reset"):
        # With TLS 1.2 the server has done its part of the handshake before the client sends.
        client = log_in(server, authority, version=ssl.TLSVersion.TLSv1_2)
        client.prot_p()
        data = client.transfercmd("STOR hello.txt")
        data.sendall(b"half of it")
        plain = socket.socket(fileno=data.detach())
        if how == "reset":
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        plain.close()  # TCP's end, without TLS's.
        try:
            client.voidresp()
            check.holds(False, "confirmed")
        except ftplib.error_temp as said:
            check.contains(str(said), "426", "the reply")
        check.equal(stored(server, "hello.txt"), b"hello, world\n", "the old file")
        client.quit()


def octets_behind_the_handshake(client, command, octets):
    """What a data connection of TLS 1.3 says besides its handshake, which sends `octets` and ends."""
    host, port = client.makepasv()
    arrived, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
    secure = client.context.wrap_bio(arrived, leaving, server_hostname=client.host,
                                     session=client.sock.session)
    with socket.create_connection((host, port), timeout=10) as plain:
        client.sendcmd(command)
        while True:
            try:
                secure.do_handshake()
                break
            except ssl.SSLWantReadError:
                plain.sendall(leaving.read())
                arrived.write(plain.recv(65536))
        behind = arrived.read()
        if octets:
            secure.write(octets)
        try:
            secure.unwrap()
        except ssl.SSLWantReadError:
            pass
        plain.sendall(leaving.read())
        plain.shutdown(socket.SHUT_WR)
        while piece := plain.recv(65536):
            behind += piece
    client.voidresp()
    return behind


def test_nothing_is_said_to_who_uploads(t):
    """Else TCP resets the connection of a client that closes without having read it, as curl's, and
    what was still on its way is lost (RFC 9293, 3.6.1). Who downloads reads: there is a ticket."""
    server, authority = serve(t)
    client = log_in(server, authority, version=ssl.TLSVersion.TLSv1_3)
    client.prot_p()
    close_notify_bytes = 5 + 3 + 16
    for command in ("STOR new.txt", "APPE new.txt", "STOU"):
        said = octets_behind_the_handshake(client, command, b"octets")
        check.equal(len(said), close_notify_bytes, command)
    check.equal(stored(server, "new.txt"), b"octetsoctets", "what was stored")
    said = octets_behind_the_handshake(client, "NLST up", b"")
    check.holds(len(said) > close_notify_bytes + 100, "a ticket for who downloads")
    client.quit()


def test_policies(t):
    """--ftp-tls login and require; PBSZ before PROT; P never falls back to C."""
    server, authority = serve(t, "--ftp-tls", "login")
    wire = Wire(server)
    wire.reply()
    for line, code in (("USER ann", 530), ("PASS secret", 503), ("PBSZ 0", 503), ("PROT P", 503),
                       ("CCC", 530), ("AUTH", 501), ("AUTH KERBEROS_V4", 504), ("USER ftp", 331),
                       ("PASS x", 230), ("CCC", 533)):
        check.equal(wire.code(line), code, line)
    server, authority = serve(t, "--ftp-tls", "require")
    wire = Wire(server)
    wire.reply()
    for line, code in (("USER ftp", 530), ("auth tls-c", 234)):
        check.equal(wire.code(line), code, line)
    wire.begin_tls(authority)
    for line, code in (("PROT P", 503), ("PBSZ x", 501), ("PBSZ 0", 200), ("PROT S", 536),
                       ("PROT E", 536), ("PROT X", 504), ("PROT C", 534), ("USER ann", 331),
                       ("PASS secret", 230), ("EPSV", 229), ("NLST", 521), ("PROT P", 200),
                       ("CCC", 534), ("REIN", 220), ("PROT P", 503), ("NOOP", 200)):
        check.equal(wire.code(line), code, line)
    check.equal(wire.socket.version(), "TLSv1.3", "REIN leaves TLS")
    # Who promises TLS and then speaks in clear gets nothing.
    for line in ("USER ann", "PASS secret", "PBSZ 0", "PROT P"):
        wire.code(line)
    port = int(wire.ask("EPSV")[1].split("|")[3])
    wire.socket.sendall(b"RETR hello.txt\r\n")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as data:
        check.equal(wire.reply()[0], 150, "it begins")
        data.sendall(b"no TLS at all, and long enough for that to show")
        got = data.recv(1000)
        check.holds(b"hello" not in got, got)
    check.equal(wire.reply()[0], 425, "no fall back")


def test_commands_in_clear_again(t):
    """CCC where it is allowed (RFC 4217 section 12.3); data connections stay protected."""
    server, authority = serve(t)
    client = log_in(server, authority)
    try:
        client.sendcmd("CCC")
        check.holds(False, "allowed")
    except ftplib.error_perm as said:
        check.contains(str(said), "534", "the reply")
    server, authority = serve(t, "--ftp-tls-ccc", "--ftp-tls-reuse", "off")
    client = log_in(server, authority)
    client.prot_p()
    client.ccc()
    check.equal(client.sendcmd("NOOP")[:3], "200", "NOOP")
    client.sendcmd("TYPE I")
    data = client.context.wrap_socket(ftplib.FTP.ntransfercmd(client, "RETR hello.txt")[0],
                                      server_hostname="localhost")
    check.equal(data.recv(100), b"hello, world\n", "data over TLS")
    data.unwrap()
    check.equal(client.voidresp()[:3], "226", "the end")
    client.quit()


def test_certificates_of_accounts(t):
    """--tls-client-accounts: USER of the certificate's common name is a login (RFC 2228 section 4)."""
    folder = t.tmp()
    own, other = certificate(folder, "ann"), certificate(folder, "eve")
    with open(f"{folder}/all.pem", "wb") as together:
        for chain in (own, other):
            with open(chain[0], "rb") as one:
                together.write(one.read())
    server, authority = serve(t, "--tls-client-certs", "optional", "--tls-client-ca",
                              f"{folder}/all.pem", "--tls-client-accounts", "--ftp-tls-ccc")

    def session(chain):
        context = ssl.create_default_context(cafile=authority)
        if chain:
            context.load_cert_chain(*chain)
        client = Resuming(context=context, timeout=10)
        client.connect("localhost", server.ftp_port)
        return client

    client = session(own)
    check.equal(client.sendcmd("USER ann")[:3], "331", "in clear nothing is certain")
    client.auth()
    check.equal(client.sendcmd("USER eve")[:3], "331", "the name of somebody else")
    check.equal(client.sendcmd("USER ann")[:3], "232", "the name of the certificate")
    client.prot_p()
    check.equal(read(client, "hello.txt"), SITE[b"hello.txt"], "logged in")
    check.equal(client.sendcmd("REIN")[:3], "220", "a new user may come")
    check.equal(client.sendcmd("USER ann")[:3], "232", "and again")
    client.ccc()
    check.equal(client.sendcmd("USER ann")[:3], "331", "behind CCC anybody may have said it")
    client.close()
    for chain in (None, other):
        client = session(chain)
        client.auth()
        check.equal(client.sendcmd("USER ann")[:3], "331", f"with {chain}")
        check.equal(client.sendcmd("PASS secret")[:3], "230", "a password does all the same")
        client.close()


def test_features(t):
    """FEAT and the verbs are there where there is a certificate, and not otherwise (RFC 4217, 6)."""
    server, authority = serve(t)
    client = log_in(server, authority)
    said = client.sendcmd("FEAT")
    for line in (" AUTH TLS", " PBSZ", " PROT"):
        check.contains(said, line, "FEAT")
    check.contains(client.sendcmd("STAT"), "Over TLSv1.3", "STAT")
    plain = Wire(t.ferry(server.root))
    plain.reply()
    check.equal(plain.code("AUTH TLS"), 502, "AUTH without a certificate")


def test_reload(t):
    """SIGHUP: sessions go on, also with new data connections."""
    server, authority = serve(t)
    client = log_in(server, authority)
    client.prot_p()
    check.equal(read(client, "hello.txt"), b"hello, world\n", "before")
    server.signal(signal.SIGHUP)
    limit = time.monotonic() + 10
    while "from now on" not in server.errors():
        check.holds(time.monotonic() < limit, server.errors())
        time.sleep(0.01)
    check.equal(read(client, "hello.txt"), b"hello, world\n", "behind it")
    check.equal(ask(server, "/hello.txt").status, 200, "HTTP beside it")


def test_host_chooses_site_and_certificate(t):
    """RFC 7151 section 3: HOST before AUTH picks the certificate for who sends no name in TLS; what
    was said in clear counts no more behind it, so HOST is said again, and then picks the site."""
    folder, root = t.tmp(), trees.fill(t.tmp(), {b"top.txt": b"", b"blog/post.txt": b"a post"})
    rules = os.path.join(folder, "rules.toml")
    with open(rules, "w", encoding="utf-8") as file:
        file.write('other-hosts = "refuse"\n[[host]]\nnames = "blog.example"\nroot = "/blog"\n'
                   '[[host]]\nnames = "www.example"\n')
    flags = [part for name in ("www.example", "blog.example")
             for part in zip(("--tls-cert", "--tls-key"), certificate(folder, name))]
    server = t.ferry(root, "--rules", rules, *[word for pair in flags for word in pair])
    client = ftplib.FTP(timeout=10)
    client.connect("127.0.0.1", server.ftp_port)
    for line, code in (("HOST elsewhere.example", "504"), ("HOST blog.example", "220"),
                       ("AUTH TLS", "234")):
        try:
            check.equal(client.sendcmd(line)[:3], code, line)
        except ftplib.error_perm as refused:
            check.equal(str(refused)[:3], code, line)
    context = ssl.create_default_context(cafile=os.path.join(folder, "blog.example.pem"))
    context.check_hostname = False  # No name is sent: it is HOST's certificate that is trusted.
    client.sock = context.wrap_socket(client.sock)
    client.file = client.sock.makefile("r", encoding="utf-8")
    client.login()
    check.equal(client.size("top.txt"), 0, "of the whole tree")
    client.sendcmd("REIN")
    client.sendcmd("HOST BLOG.example")
    client.login()
    check.equal(client.size("post.txt"), 6, "of the site")
    client.close()
