"""Has a server do what servers mostly do, so that a compiler learns which of its code is run often:
the middle part of `tools/build --pgo`.

    python3 tools/training.py --build FOLDER --profile FILE
    python3 tools/training.py --build FOLDER --try

FOLDER is a build whose binaries count (clang's -fprofile-generate): its ferry serves files of many kinds
over HTTP and FTP, in clear and over TLS, on io_uring, where there is any, and on epoll, under load of its
own load tools and of Python's clients. What was counted is put together in FILE, of llvm-profdata.
--try: a little of it, by a build that counts nothing.
"""

import argparse
import ftplib
import glob
import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 60  # The server writes down what it counted.
LOAD_SECONDS_MAX = 120
FILES = 500
NAMES = 200
TEXT = b"a line of text that packs well, as most of what is served by the web does\n"
BROWSER = ("User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0",
           "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
           "Accept-Encoding: gzip, deflate, br, zstd", "Accept-Language: en-US,en;q=0.9,de;q=0.8",
           "Cache-Control: max-age=0", "Sec-Fetch-Site: none", "Upgrade-Insecure-Requests: 1")
# What the load tools ask for: path, requests, arguments.
OVER_HTTP = (("1k.bin", 20_000, ()),
             ("1k.bin", 10_000, tuple(word for line in BROWSER for word in ("-H", line))),
             ("1k.bin", 20_000, ("-p", "16")),
             ("page.html", 5_000, ("-H", "Accept-Encoding: gzip")),
             ("many/{}.bin", 20_000, ("-f", str(FILES))),
             ("100k.bin", 2_000, ()),
             ("10m.bin", 50, ()),
             ("10m.bin", 3_000, ("--range", "64k", "--range-of", "10m")),
             ("1k.bin", 5_000, ("--status", "304", "-H", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT")),
             ("1k.bin", 3_000, ("-X", "HEAD")),
             ("is-not-there.bin", 3_000, ("--status", "404")),
             ("1k.bin", 3_000, ("--close",)),
             ("names/", 500, ()))
OVER_FTP = (("1k.bin", 3_000, ("-w", "retr")),
            ("1k.bin", 1_000, ("-w", "retr", "-m", "port")),
            ("10m.bin", 20, ("-w", "retr")),
            ("page.html", 500, ("-w", "retr", "-a")),
            ("in/{}.bin", 2_000, ("-w", "stor", "-f", "50")),
            ("in/{}.bin", 20, ("-w", "stor", "-f", "4", "-s", "10m")),
            ("in/{}.txt", 200, ("-w", "stor", "-f", "4", "-s", "100k", "-a")),
            ("names/", 500, ("-w", "list=2,mlsd=2,nlst=1")),
            ("", 1_000, ("-w", "login")))
TLS_CONNECTIONS = 300
REQUESTS_EACH = 10
TRIED = 100  # So much less of everything is done to try it.


class Trouble(Exception):
    """What stands in the way, for a person."""


def fill(folder):
    for name in ("many", "names", "in"):
        os.mkdir(os.path.join(folder, name))
    sizes = {"1k.bin": 1 << 10, "100k.bin": 100 << 10, "10m.bin": 10 << 20}
    sizes |= {f"many/{number}.bin": 1 << 10 for number in range(FILES)}
    sizes |= {f"names/name-{number}.txt": number for number in range(NAMES)}
    for name, size in sizes.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(bytes(size))
        os.utime(os.path.join(folder, name), (1_000_000_000, 1_000_000_000))
    with open(os.path.join(folder, "page.html"), "wb") as file:
        file.write(TEXT * 140)


class Server:
    """ferry, serving a folder until the end of the block; its ports by their schemes."""

    def __init__(self, ferry, folder, counted, backend):
        self._log = open(os.path.join(folder, f"{backend}.log"), "w+")
        self._process = subprocess.Popen(
            [ferry, "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--ftp", "127.0.0.1:0",
             "--tls-self-signed", "--tls-cert", os.path.join(folder, "own.pem"), "--tls-key",
             os.path.join(folder, "own.key"), "--anonymous", "all", "--http-precompressed", "--io", backend,
             "--access-log", os.path.join(folder, "access.log"), "--address-connections-max", "off",
             "--durability", "none", "--ftp-tls-reuse", "off",  # Which ftplib cannot.
             # What was counted is written at the end, where a confined process may write nothing.
             "--confine", "off", os.path.join(folder, "files")],
            stdout=subprocess.PIPE, stderr=self._log, text=True,
            env={**os.environ, "LLVM_PROFILE_FILE": counted})
        self.ports = {}

    def __enter__(self):
        limit = time.monotonic() + START_SECONDS_MAX
        while len(self.ports) < 3:
            line = self._process.stdout.readline()
            if found := re.search(r"listening on (\w+)://[^:]+:(\d+)/", line):
                self.ports[found[1]] = int(found[2])
            if not line or time.monotonic() > limit:
                self._process.kill()
                raise Trouble(f"ferry has not started:\n{self.said()}")
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        if status != 0:
            raise Trouble(f"ferry ended with status {status}:\n{self.said()}")

    def said(self):
        self._log.seek(0)
        return self._log.read()[-2000:]


def load(tool, url, requests, arguments):
    done = subprocess.run([tool, "-c", "16", "-t", "1", "-n", str(requests), "--timeout", "60s", *arguments, url],
                          capture_output=True, text=True, check=False, timeout=LOAD_SECONDS_MAX,
                          env={**os.environ, "LLVM_PROFILE_FILE": os.devnull})
    if done.returncode != 0 or "Errors" in done.stdout:
        raise Trouble(f"{os.path.basename(tool)} {' '.join(arguments)} {url}:\n{done.stdout}{done.stderr}")


def unchecked():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def get(connection, path, method="GET", body=None, statuses=(200,)):
    connection.request(method, path, body=body)
    answer = connection.getresponse()
    answer.read()
    if answer.status not in statuses:
        raise Trouble(f"{method} {path}: {answer.status} {answer.reason}")


def ask_over_tls(port, connections):
    context = unchecked()
    session = None
    for number in range(connections):  # Every other one resumes a session.
        connection = http.client.HTTPSConnection("127.0.0.1", port)
        connection.sock = context.wrap_socket(socket.create_connection(("127.0.0.1", port), 30),
                                              session=session if number % 2 else None)
        for path in ("/1k.bin",) * REQUESTS_EACH + ("/100k.bin",):
            get(connection, path)
        session = connection.sock.session
        connection.close()
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)
    for number in range(connections):
        body = bytes(1 << 10 if number % 10 else 1 << 20)
        get(connection, f"/in/put-{number % 20}.bin", "PUT", body, (201, 204))
        get(connection, "/10m.bin" if number % 30 == 0 else "/many/1.bin")
    connection.close()


def transfer_over_tls(port):
    client = ftplib.FTP_TLS(context=unchecked())
    client.connect("127.0.0.1", port, timeout=30)
    client.login()
    client.prot_p()
    with tempfile.TemporaryFile() as file:
        file.write(bytes(10 << 20))
        for number in range(10):
            file.seek(0)
            client.storbinary(f"STOR in/over-tls-{number}.bin", file)
            client.retrbinary("RETR 10m.bin", len)
    client.quit()


def train(build, folder, backend, part=1):
    """Has the server do all of it, or one of so many parts, on one backend."""
    tools = {name: os.path.join(build, f"ferry-{name}-load") for name in ("http", "ftp")}
    with Server(os.path.join(build, "ferry"), folder, os.path.join(folder, f"{backend}.profraw"), backend) as server:
        for path, requests, arguments in OVER_HTTP:
            url = f"http://127.0.0.1:{server.ports['http']}/{path}"
            load(tools["http"], url, -(-requests // part), arguments)
        for path, requests, arguments in OVER_FTP:
            url = f"ftp://127.0.0.1:{server.ports['ftp']}/{path}"
            load(tools["ftp"], url, -(-requests // part), arguments)
            load(tools["ftp"], url, -(-requests // 4 // part), ("--tls", *arguments))
        ask_over_tls(server.ports["https"], -(-TLS_CONNECTIONS // part))
        transfer_over_tls(server.ports["ftp"])


def has_io_uring(ferry, folder):
    """Whether ferry may use it here."""
    done = subprocess.run([ferry, "--check", "--io", "uring", "--http", "127.0.0.1:0", "--ftp", "off", folder],
                          capture_output=True, check=False, env={**os.environ, "LLVM_PROFILE_FILE": os.devnull})
    return done.returncode == 0


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--build", required=True, help="the folder of a build that counts")
    what = options.add_mutually_exclusive_group(required=True)
    what.add_argument("--profile", help="where to put what was counted")
    what.add_argument("--try", action="store_true", dest="is_tried", help="a little of it, uncounted")
    options.add_argument("--profdata", default="llvm-profdata-19", help="the program that puts it together")
    options = options.parse_args()
    build = os.path.abspath(options.build)
    with tempfile.TemporaryDirectory(prefix="ferry-training-") as folder:
        files = os.path.join(folder, "files")
        os.mkdir(files)
        fill(files)
        backends = ["uring"] * has_io_uring(os.path.join(build, "ferry"), files) + ["epoll"]
        for backend in backends:
            began = time.monotonic()
            train(build, folder, backend, TRIED if options.is_tried else 1)
            print(f"training: {backend}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        if options.is_tried:
            print(f"{len(backends)} passed, 0 failed")
            return
        counted = glob.glob(os.path.join(folder, "*.profraw"))
        if len(counted) != len(backends):
            raise Trouble(f"{len(counted)} profiles were written where there should be {len(backends)}")
        subprocess.run([options.profdata, "merge", "-o", options.profile, *counted], check=True)


if __name__ == "__main__":
    try:
        main()
    except (Trouble, OSError, subprocess.SubprocessError) as trouble:
        sys.exit(f"training: {trouble}")
