"""HTTP over TLS: what clients make of it, which certificate they are shown, what becomes of a bad one."""

import base64
import json
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import time

from support import check, trees
from support.browser import Browser, program
from support.clients import run
from support.http_wire import Connection, ask, request
from support.tls import Secure, certificate

SITE = {b"hello.txt": b"hello, world\n", b"large.bin": trees.octets(7, 5 << 20),
        b"page.html": b"<!DOCTYPE html><title>over TLS</title><p>yes"}


def serve(t, *flags):
    """A server whose certificate for localhost clients can check; gives both."""
    folder = t.tmp()
    server = t.ferry(trees.fill(t.tmp(), SITE), "--https", "127.0.0.1:0", "--tls-self-signed",
                     "--tls-cert", f"{folder}/own.pem", "--tls-key", f"{folder}/own.key", *flags)
    return server, f"{folder}/own.pem"


def hangup(server, word):
    before = server.errors().count(word)
    server.signal(signal.SIGHUP)
    limit = time.monotonic() + 10
    while server.errors().count(word) == before:
        check.holds(time.monotonic() < limit, f"no {word!r} in {server.errors()}")
        time.sleep(0.01)
    time.sleep(0.1)  # Each core takes them in its next turn.


def test_clients(t):
    """curl, wget, openssl and Python get what is there, by TLS 1.3 and 1.2, and check who serves it."""
    server, authority = serve(t, "--access-log", "-", "--access-log-format", "json")
    url = server.https_url
    got = run(["curl", "-sS", "--cacert", authority, "-w", "%{http_code} %{ssl_verify_result}",
               "-o", os.devnull, f"{url}/hello.txt"]).output
    check.equal(got, b"200 0", "what curl says of it")
    for version in ("1.2", "1.3"):
        got = run(["curl", "-sS", "--cacert", authority, f"--tlsv{version}", "--tls-max", version,
                   f"{url}/large.bin"]).output
        check.same_bytes(got, SITE[b"large.bin"], f"a large file by TLS {version}")
    got = run(["wget", "-q", "-O", "-", f"--ca-certificate={authority}", f"{url}/large.bin"]).output
    check.same_bytes(got, SITE[b"large.bin"], "what wget got")
    got = run(["curl", "-sS", "--cacert", authority, "-r", "100-199", f"{url}/large.bin"]).output
    check.same_bytes(got, SITE[b"large.bin"][100:200], "a range")
    said = run(["openssl", "s_client", "-connect", f"127.0.0.1:{server.https_port}", "-CAfile",
                authority, "-alpn", "h2,http/1.1", "-servername", "localhost"]).text
    check.contains(said, "Verify return code: 0 (ok)", "openssl")
    check.contains(said, "ALPN protocol: http/1.1", "openssl")
    refused = run(["openssl", "s_client", "-connect", f"127.0.0.1:{server.https_port}", "-tls1_1",
                   "-cipher", "ALL:@SECLEVEL=0"], status=None)
    check.holds(refused.status != 0, "TLS 1.1 (threats.md, T1)")
    secure = Secure(server, authority)
    with Connection(secure) as connection:
        for _ in range(3):
            check.equal(connection.ask("/hello.txt").body, b"hello, world\n", "a small file")
        connection.send(b"".join(request("/hello.txt") for _ in range(40)))
        for i in range(40):
            check.equal(connection.read_response().body, b"hello, world\n", f"pipelined {i}")
    check.equal(ask(server, "/hello.txt").body, b"hello, world\n", "in clear beside it")
    server.stop()
    lines = [json.loads(line) for line in server.output().splitlines() if line.startswith("{")]
    check.equal({line["tls"] for line in lines}, {"TLSv1.2", "TLSv1.3", ""}, "in the access log")


def test_an_answer_is_whole_or_not(t):
    """threats.md, T2: an answer that ends with its connection ends with close_notify."""
    server, authority = serve(t)
    connection = Secure(server, authority).wrap(server.connect("https"))
    connection.sendall(request("/hello.txt", version="HTTP/1.0"))
    got = b""
    while part := connection.recv(65536):  # A ragged end would be an exception.
        got += part
    check.contains(got, b"hello, world\n", "the answer")
    connection.close()


def test_sessions_go_on(t):
    """A client resumes its session on whatever core, and after a reload (RFC 8446 section 2.2)."""
    server, authority = serve(t, "--cores", "2")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        secure = Secure(server, authority, minimum_version=version, maximum_version=version)
        session = None
        for turn in range(6):
            if turn == 3:
                hangup(server, "from now on")
            connection = secure.wrap(server.connect("https"), session)
            check.equal(connection.session_reused, turn > 0, f"{version.name}, connection {turn}")
            connection.sendall(request("/hello.txt", fields=[("Connection", "close")]))
            while connection.recv(65536):
                pass  # The ticket comes with the answer.
            session = connection.session
            connection.close()


def test_requests_in_clear_are_sent_there(t):
    """--http-redirect-to-https and --http-hsts."""
    server, authority = serve(t, "--http-redirect-to-https", "--http-hsts", "24h")
    there = f"https://localhost:{server.https_port}"
    for target, location in (("/hello.txt", "/hello.txt"), ("/a%20b?c=d%26", "/a%20b?c=d%26"),
                             ("//evil.example/", "//evil.example/")):
        answer = ask(server, target)
        check.equal((answer.status, answer.field("Location")), (308, there + location), target)
        check.equal(answer.field("Strict-Transport-Security"), None, "in clear")
    with Connection(server) as connection:
        answer = connection.ask("/x", host="[::1]:80", method="POST", body=b"x")
        check.equal((answer.status, answer.field("Location")),
                    (308, f"https://[::1]:{server.https_port}/x"), "a POST")
    check.equal(ask(server, "/.well-known/acme-challenge/x").status, 404, "what ACME asks")
    answer = ask(Secure(server, authority), "/hello.txt")
    check.equal((answer.status, answer.field("Strict-Transport-Security")), (200, "max-age=86400"),
                "over TLS")
    got = run(["curl", "-sSL", "--cacert", authority,
               f"http://localhost:{server.http_port}/large.bin"]).output
    check.same_bytes(got, SITE[b"large.bin"], "what curl got in the end")


def test_passwords_in_clear(t):
    """--http-tls login: whoever listens reads none, for none is asked for and none is compared."""
    flags = ("--http-tls", "login", "--user", "ann:secret", "--http-anonymous", "off")
    server, authority = serve(t, *flags)
    fields = [("Authorization", "Basic " + base64.b64encode(b"ann:secret").decode())]
    wrong = [("Authorization", "Basic " + base64.b64encode(b"ann:guess").decode())]
    for what in ((), fields, wrong):
        for target in ("/hello.txt", "/", "/?login"):
            got = ask(server, target, fields=what)
            check.equal(got.status, 403, f"{target} in clear, with {what}")
            check.equal(got.field("WWW-Authenticate"), None, "and nobody is asked")
            check.contains(got.body, b"over TLS only", "what it says")
    with Connection(Secure(server, authority)) as connection:
        check.equal(connection.ask("/hello.txt").status, 401, "over TLS it asks")
        check.equal(connection.ask("/hello.txt", fields=fields).status, 200, "and takes it")
    proxied = t.ferry(server.root, *flags, "--trusted-proxy", "127.0.0.1")
    check.equal(ask(proxied, "/hello.txt").status, 401, "a proxy ends TLS itself")
    check.equal(ask(proxied, "/hello.txt", fields=fields).status, 200, "and passes a password on")


def test_certificates_by_name(t):
    """Of several the one for the name; SIGHUP reads them anew; a bad one changes nothing."""
    folder = t.tmp()
    first, second = certificate(folder, "first.example"), certificate(folder, "second.example")
    server = t.ferry(trees.fill(t.tmp(), SITE), "--https", "127.0.0.1:0", "--cores", "2",
                     "--tls-cert", first[0], "--tls-key", first[1],
                     "--tls-cert", second[0], "--tls-key", second[1])
    check.equal(Secure(server, name="first.example").common_name(), "first.example", "the first")
    check.equal(Secure(server, name="second.example").common_name(), "second.example", "the second")
    check.equal(Secure(server, name="other.example").common_name(), "first.example", "of no name")
    with Connection(Secure(server)) as old:
        check.equal(old.ask("/hello.txt").status, 200, "before")
        certificate(folder, "third.example", "second.example")
        hangup(server, "from now on")
        for _ in range(4):  # Whichever core it is.
            check.equal(Secure(server, name="third.example").common_name(), "third.example", "anew")
        with open(second[1], "w", encoding="utf-8") as file:
            file.write("no key")
        hangup(server, "the certificates stay as they were")
        check.contains(server.errors(), "second.example.key", "which file it is")
        check.equal(Secure(server, name="third.example").common_name(), "third.example", "kept")
        check.equal(old.ask("/hello.txt").status, 200, "a connection goes on")


def test_two_kinds_of_keys(t):
    """Of two certificates for a name a client is shown the one that it can check."""
    folder = t.tmp()
    flags = []
    for kind, how in (("rsa", ["rsa:2048"]), ("ec", ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"])):
        run(["openssl", "req", "-x509", "-newkey", *how, "-nodes", "-keyout", f"{folder}/{kind}.key",
             "-out", f"{folder}/{kind}.pem", "-subj", "/CN=localhost", "-days", "30"])
        flags += ["--tls-cert", f"{folder}/{kind}.pem", "--tls-key", f"{folder}/{kind}.key"]
    server = t.ferry(trees.fill(t.tmp(), SITE), "--https", "127.0.0.1:0", *flags)
    for signatures, kind in ((None, "ec"), ("ECDSA+SHA256", "ec"), ("RSA-PSS+SHA256:RSA+SHA256", "rsa")):
        wanted = ["-sigalgs", signatures] if signatures else []
        said = run(["openssl", "s_client", "-connect", f"127.0.0.1:{server.https_port}", "-CAfile",
                    f"{folder}/{kind}.pem", *wanted]).text
        check.contains(said, "Verify return code: 0 (ok)", f"{kind}, by {signatures}")


def test_a_certificate_of_its_own(t):
    """--tls-self-signed: in memory, or kept in files that nobody else reads."""
    server, authority = serve(t)
    key = authority.replace(".pem", ".key")
    check.equal(os.stat(key).st_mode & 0o777, 0o600, "who reads the key")
    shown = re.search(r"SHA-256 (\S+)", server.errors())[1]
    text = run(["openssl", "x509", "-in", authority, "-noout", "-fingerprint", "-sha256"]).text
    check.contains(text, shown, "the fingerprint that is told")
    again = t.ferry(server.root, "--https", "127.0.0.1:0", "--tls-self-signed", "--tls-cert",
                    authority, "--tls-key", key)
    check.contains(again.errors(), shown, "the one that is there")
    fresh = t.ferry(server.root, "--https", "127.0.0.1:0", "--tls-self-signed")
    check.lacks(fresh.errors(), shown, "in memory")
    check.equal(ask(Secure(fresh), "/hello.txt").status, 200, "in memory")


def test_what_is_no_tls(t):
    """threats.md, T1, T3: garbage, HTTP in clear, half a hello: each ends soon, others are served."""
    server, authority = serve(t, "--tls-handshake-timeout", "300ms")
    with server.connect("https") as connection:
        connection.sendall(request("/hello.txt"))
        check.contains(connection.recv(1000), b"400 Bad Request", "HTTP in clear")
    for octets in (b"\x80" + os.urandom(2000), b"\x16\x03\x01\x40\x01",
                   b"\x16\x03\x01\x00\x05\x01\x01\xff\xff\x03", b""):
        with server.connect("https") as connection:
            connection.sendall(octets)
            got = b""
            try:
                while part := connection.recv(1000):
                    got += part
            except ConnectionError:
                pass
            check.holds(len(got) < 64, f"{octets[:10]}: {got}")
    stalled = []
    for _ in range(200):
        connection = server.connect("https")
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        stalled.append(connection)
    check.equal(ask(Secure(server, authority), "/hello.txt").status, 200, "beside them")
    for connection in stalled:
        try:
            check.equal(connection.recv(100), b"", "the end of a handshake that stalls")
        except ConnectionError:
            pass
        connection.close()


def test_those_who_are_connected_are_served_in_a_flood(t):
    """threats.md, T4: a core serves them between two handshakes, however many wait.

    All hellos are there before the request is, for the server is stopped until then; the kernel's
    stamps say in which order the answers came, whenever this process gets to read them."""
    server, authority = serve(t, "--cores", "1")
    count = 64
    connected = Secure(server, authority).wrap(server.connect("https"))
    connected.sendall(request("/hello.txt"))
    check.contains(connected.recv(65536), b"hello, world", "before the flood")
    flood = [t.closing(server.connect("https")) for _ in range(count)]
    sockets = [t.closing(socket.socket(fileno=os.dup(connected.fileno()))), *flood]
    for each in sockets:
        each.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    hello = client_hello()
    server.signal(signal.SIGSTOP)
    try:
        for each in flood:
            each.sendall(hello)
        connected.sendall(request("/hello.txt"))
    finally:
        server.signal(signal.SIGCONT)
    answered, *of_flood = [arrival(each) for each in sockets]
    before = sum(each < answered for each in of_flood)
    check.holds(before <= count // 4, f"{before} of {count} handshakes went before the request")
    connected.close()


SO_TIMESTAMPNS = 35  # Of socket(7); Python has no name for it.


def arrival(connection):
    """When the first octets that wait on `connection` came, in nanoseconds of the kernel's clock."""
    connection.settimeout(10)
    octets, said, *_ = connection.recvmsg(65536, 64)
    check.holds(octets, "an answer")
    seconds, nanoseconds = struct.unpack("qq", said[0][2])
    return seconds * 1_000_000_000 + nanoseconds


def client_hello():
    """The first octets of a client; the server cannot tell that several send the same ones."""
    tls, to_send = ssl.create_default_context(), ssl.MemoryBIO()
    client = tls.wrap_bio(ssl.MemoryBIO(), to_send, server_hostname="localhost")
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return to_send.read()


IDLE_BYTES_MAX = 24 * 1024


def test_what_an_idle_connection_holds(t):
    """Of memory of the process, all in all, once it has had an answer: 24 KiB at most."""
    # Those of all are few, so that they have been used before anything is measured.
    server, authority = serve(t, "--cores", "1", "--ftps", "127.0.0.1:0", "--anonymous", "read",
                              "--address-connections-max", "off", "--receive-buffers", "16")
    first, more = 30, 60

    def connect(scheme, secure):
        connection = t.closing(secure.wrap(server.connect(scheme)))
        if scheme == "https":
            connection.sendall(request("/hello.txt"))
        else:
            for line in (b"USER anonymous\r\n", b"PASS x\r\n"):
                check.holds(connection.recv(65536), "a reply")
                connection.sendall(line)
        check.holds(connection.recv(65536), "an answer")

    def memory_bytes():
        with open(f"/proc/{server.pid}/smaps_rollup", encoding="utf-8") as file:
            return 1024 * int(re.search(r"^Anonymous: +(\d+)", file.read(), re.MULTILINE)[1])

    for scheme in ("https", "ftps"):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            secure = Secure(server, authority, minimum_version=version, maximum_version=version)
            for _ in range(first):
                connect(scheme, secure)
            before = memory_bytes()
            for _ in range(more):
                connect(scheme, secure)
            limit = time.monotonic() + 10
            # What was for their handshakes is given back in time.
            while (each := (memory_bytes() - before) / more) > IDLE_BYTES_MAX:
                check.holds(time.monotonic() < limit, f"{scheme}, {version.name}: {each} octets")
                time.sleep(0.05)


def test_clients_with_certificates(t):
    """--tls-client-certs required: nobody else is served."""
    folder = t.tmp()
    own, other = certificate(folder, "ann"), certificate(folder, "eve")
    server, authority = serve(t, "--tls-client-certs", "required", "--tls-client-ca", own[0])
    good = Secure(server, authority)
    good.context.load_cert_chain(*own)
    check.equal(ask(good, "/hello.txt").status, 200, "who has one")
    for chain in (None, other):
        bad = Secure(server, authority)
        if chain:
            bad.context.load_cert_chain(*chain)
        try:
            with bad.wrap(server.connect("https")) as connection:
                connection.sendall(request("/hello.txt"))
                got = connection.recv(100)
        except OSError:  # TLS 1.3 tells it behind the client's end of the handshake.
            continue
        check.equal(got, b"", f"with {chain}")


def test_who_vouches_for_clients_is_read_anew(t):
    """SIGHUP: whom they vouch for then is served, whom they do not is not; a bad file changes nothing."""
    folder = t.tmp()
    chains = {name: certificate(folder, name) for name in ("ann", "eve")}
    authorities = f"{folder}/clients.pem"

    def vouch_for(*names):
        with open(authorities, "wb") as file:
            for name in names:
                with open(chains[name][0], "rb") as one:
                    file.write(one.read())

    def is_served(who):
        client = Secure(server, authority)
        client.context.load_cert_chain(*chains[who])
        try:
            with client.wrap(server.connect("https")) as connection:
                connection.sendall(request("/hello.txt"))
                return connection.recv(100).startswith(b"HTTP/1.1 200")
        except OSError:
            return False

    vouch_for("ann")
    server, authority = serve(t, "--tls-client-certs", "required", "--tls-client-ca", authorities)
    check.equal((is_served("ann"), is_served("eve")), (True, False), "at first")
    known = Secure(server, authority)
    known.context.load_cert_chain(*chains["ann"])
    with Connection(known) as old:
        check.equal(old.ask("/hello.txt").status, 200, "before")
        vouch_for("eve")
        hangup(server, "from now on")
        check.equal((is_served("ann"), is_served("eve")), (False, True), "anew")
        vouch_for()
        hangup(server, "the certificates stay as they were")
        check.equal((is_served("ann"), is_served("eve")), (False, True), "kept")
        check.equal(old.ask("/hello.txt").status, 200, "a connection goes on")


def test_what_is_stapled_is_read_anew(t):
    """SIGHUP: --tls-ocsp, too; what is no response leaves the one before in place."""
    folder = t.tmp()
    own, key = certificate(folder, "localhost")
    number = run(["openssl", "x509", "-in", own, "-noout", "-serial"]).text.strip().split("=")[1]
    with open(f"{folder}/index", "w", encoding="utf-8") as file:
        file.write(f"V\t491231235959Z\t\t{number}\tunknown\t/CN=localhost\n")
    response = f"{folder}/response"

    def vouch(days):
        run(["openssl", "ocsp", "-index", f"{folder}/index", "-CA", own, "-rsigner", own, "-rkey",
             key, "-issuer", own, "-cert", own, "-ndays", str(days), "-respout", response])

    def stapled():
        said = run(["openssl", "s_client", "-connect", f"127.0.0.1:{server.https_port}",
                    "-status"]).text
        return re.findall(r"Next Update: (.*)", said)

    vouch(1)
    server = t.ferry(trees.fill(t.tmp(), SITE), "--https", "127.0.0.1:0", "--tls-cert", own,
                     "--tls-key", key, "--tls-ocsp", response)
    first = stapled()
    check.equal(len(first), 1, "what is stapled at first")
    vouch(20)
    hangup(server, "from now on")
    second = stapled()
    check.holds(len(second) == 1 and second != first, f"{second} behind {first}")
    with open(response, "wb") as file:
        file.write(b"nothing")
    hangup(server, "the certificates stay as they were")
    check.equal(stapled(), second, "kept")


def test_certificates_of_accounts(t):
    """--tls-client-accounts: the common name says who asks; a name and a password say more."""
    folder = t.tmp()
    chains = {name: certificate(folder, name) for name in ("ann", "bob", "eve", "anonymous")}
    with open(f"{folder}/all.pem", "wb") as together:
        for chain in chains.values():
            with open(chain[0], "rb") as one:
                together.write(one.read())
    server, authority = serve(t, "--tls-client-certs", "optional", "--tls-client-ca",
                              f"{folder}/all.pem", "--tls-client-accounts", "--user", "ann:secret",
                              "--user", "bob:hidden", "--http-anonymous", "none")

    def status(who, account=None):
        client = Secure(server, authority)
        if who:
            client.context.load_cert_chain(*chains[who])
        fields = ()
        if account:
            token = base64.b64encode(account.encode()).decode()
            fields = (("Authorization", f"Basic {token}"),)
        return ask(client, "/hello.txt", fields=fields).status

    check.equal(status("ann"), 200, "an account")
    check.equal(status("ann"), 200, "again")
    check.equal(status(None), 401, "no certificate")
    check.equal(status("eve"), 401, "no account of that name")
    check.equal(status("anonymous"), 401, "a name that nobody has")
    check.equal(status("ann", "ann:wrong"), 401, "a password is checked all the same")
    check.equal(status(None, "ann:"), 401, "what a certificate opens no password does")
    check.equal(status("eve", "bob:hidden"), 200, "a password, whatever the certificate")


def test_start_refuses(t):
    """One line that says what is wrong, and status 1."""
    folder = t.tmp()
    good, other = certificate(folder, "good"), certificate(folder, "other")
    root = trees.fill(t.tmp(), SITE)
    rows = ((("--tls-cert", good[0], "--tls-key", other[1]), "not the one of this certificate"),
            (("--tls-cert", f"{folder}/none.pem"), "No such file"),
            (("--tls-cert", good[1]), "no certificate"),
            (("--tls-cert", good[0]), "no key in it"),
            (("--tls-cert", good[0], "--tls-key", good[1], "--tls-ocsp", good[0]),
             "no response of OCSP"),
            (("--tls-cert", good[0], "--tls-key", good[1], "--tls-ocsp", "/dev/null"), "is empty"),
            (("--tls-self-signed", "--tls-ticket-keys", good[0]), "keys of 80"))
    for flags, said in rows:
        done = subprocess.run([t.binary, "--http", "127.0.0.1:0", "--ftp", "off", "--https",
                               "127.0.0.1:0", *flags, root], capture_output=True, timeout=10,
                              check=False)
        check.equal(done.returncode, 1, f"{flags}: {done.stderr}")
        check.contains(done.stderr.decode(), said, flags)


def test_browser(t):
    """Chromium shows a page over TLS, with the fingerprint of the key told to it."""
    if not program():
        return
    server, authority = serve(t)
    key = run(["openssl", "x509", "-in", authority, "-noout", "-pubkey"]).output
    der = run(["openssl", "pkey", "-pubin", "-outform", "DER"], stdin=key).output
    digest = run(["openssl", "dgst", "-sha256", "-binary"], stdin=der).output
    pinned = run(["openssl", "base64", "-A"], stdin=digest).output.decode()
    browser = t.closing(Browser(t.tmp(), f"--ignore-certificate-errors-spki-list={pinned}"))
    browser.open(f"{server.https_url}/page.html")
    check.equal(browser.value("document.title"), "over TLS", "the title")
    check.equal(browser.value("isSecureContext"), True, "a secure context")
