"""The FTP servers that tools/bench ftp measures: how each is started."""

import ctypes
import os
import subprocess

from benchlib import unpacked
from benchlib.surroundings import PEERS, Server, Trouble, output_of

OTHERS = ("vsftpd", "pure-ftpd", "proftpd", "pyftpdlib")
# The second is ferry without the sync of uploads that the others do not have either.
OURS = ("ferry", "ferry-nosync")
SERVERS = (*OURS, *OTHERS)
NOT_SECURE = ("ferry-nosync", "pyftpdlib")  # The TLS of the latter is Python's.
SECURE_SERVERS = tuple(name for name in SERVERS if name not in NOT_SECURE)
PORTS = {name: 2101 + number for number, name in enumerate(SERVERS)}
PYTHON = "/usr/bin/python3"  # Debian's: what its packages are made for.
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18


def make_user(files, folder):
    """Gives this mount namespace a user `ftp` at home in `files`, whom three of the servers want
    for anonymous sessions. Returns the number of the user."""
    libc = ctypes.CDLL(None, use_errno=True)

    def mount(source, target, flags):
        if libc.mount(source.encode(), target.encode(), None, flags, None) != 0:
            raise Trouble(f"cannot mount {source}: {os.strerror(ctypes.get_errno())}; run it as "
                          f"root")

    mount("none", "/", MS_REC | MS_PRIVATE)
    number, group = 64_321, 65_534
    with open("/etc/passwd", encoding="utf-8") as file:
        others = [line for line in file if not line.startswith("ftp:")]
    made = os.path.join(folder, "passwd")
    with open(made, "w", encoding="utf-8") as file:
        file.writelines(others)
        file.write(f"ftp:x:{number}:{group}::{files}:/usr/sbin/nologin\n")
    mount(made, "/etc/passwd", MS_BIND)
    return number


def configured(name, folder, files, secure):
    """Fills in bench/peers/NAME.conf; returns where the result is."""
    with open(os.path.join(PEERS, name + ("-tls.conf" if secure else ".conf")),
              encoding="utf-8") as file:
        text = file.read()
    for word, value in (("FOLDER", folder), ("FILES", files), ("PORT", str(PORTS[name])),
                        ("MODULES", os.path.join(unpacked.UNPACKED, name, "usr", "lib", "proftpd"))):
        text = text.replace(f"@{word}@", value)
    path = os.path.join(folder, name + ".conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def make_certificate(folder):
    """ECDSA P-256, as ferry's own: cert.pem and key.pem, and both.pem for who wants one file."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/CN=localhost", "-keyout", "key.pem", "-out", "cert.pem"],
                   cwd=folder, check=True, capture_output=True)
    with open(os.path.join(folder, "both.pem"), "w", encoding="ascii") as both:
        for name in ("cert.pem", "key.pem"):
            with open(os.path.join(folder, name), encoding="ascii") as file:
                both.write(file.read())


def command_of(name, ferry, folder, files, cpu, secure):
    port = str(PORTS[name])
    if name in OURS:
        return [ferry, "--http", "off", "--ftp", f"127.0.0.1:{port}", "--cores", "1", "--pin",
                str(cpu), "--tcp-congestion", "cubic", "--log-level", "warning",
                "--anonymous", "all",
                *(["--durability", "none"] if name == "ferry-nosync" else []),
                *(["--tls-cert", os.path.join(folder, "both.pem")] if secure else []), files]
    if name == "vsftpd":
        return [unpacked.program(name), configured(name, folder, files, secure)]
    if name == "pure-ftpd":
        # Anonymous only, may make directories, no limit on load or space, no names looked up,
        # no log, IPv4 alone.
        return [unpacked.program(name), "-4", "-S", f"127.0.0.1,{port}", "-e", "-M", "-c", "4096", "-C",
                "4096", "-H", "-f", "none", "-m", "1000", "-L", "100000:2", "-g",
                os.path.join(folder, "pure-ftpd.pid"),
                *(["-Y", "1", "-2", os.path.join(folder, "both.pem")] if secure
                  else ["-Y", "0"])]
    if name == "proftpd":
        return [unpacked.program(name), "-n", "-q", "-c", configured(name, folder, files, secure)]
    return [PYTHON, os.path.join(PEERS, "pyftpdlib_server.py"), files, port]


def start(names, ferry, folder, files, cpu, secure=False):
    """Returns the servers by name, all of which answer."""
    started = {}
    try:
        for name in names:
            environment = unpacked.environment(name) if name in OTHERS else None
            started[name] = Server(name, command_of(name, ferry, folder, files, cpu, secure),
                                   ("127.0.0.1", PORTS[name]), cpu, folder, environment)
        for server in started.values():
            server.wait_until_up()
    except BaseException:
        for server in started.values():
            server.stop()
        raise
    return started


def versions(names, ferry):
    """What each server is, in a few words."""
    found = {}
    for name in names:
        if name in OURS:
            found[name] = output_of([ferry, "--version"])
        else:
            found[name] = unpacked.version(name)
    return found
