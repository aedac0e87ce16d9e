"""The server under test as a process."""

import os
import re
import signal
import socket
import subprocess
import time

START_SECONDS_MAX = 20
STOP_SECONDS_MAX = 20
LISTENING = re.compile(r"^listening on (https?|ftps?)://(.+):(\d+)/$", re.MULTILINE)
CORES = min(2, len(os.sched_getaffinity(0)))
DEFAULTS = {
    "--http": "127.0.0.1:0",
    "--ftp": "127.0.0.1:0",
    "--cores": str(CORES),
    "--drain-timeout": "3s",
}


class ServerTrouble(Exception):
    """The server did not do as a process what it should."""


# What a server must say of itself when it starts, by `io`.
NOTICES = {
    "auto": "using ",
    "uring": "using io_uring",
    "epoll": "using epoll, as --io says",
    "denied": "io_uring is not available: refused by a seccomp filter, as in the default profile of "
              "container engines; using epoll",
}


def flag_names(flags):
    return {flag.split("=", 1)[0] for flag in flags if flag.startswith("--")}


class Ferry:
    """`ferry FLAGS ROOT`, with DEFAULTS for the flags not given.

    `wrapper` is put before the command (setpriv ...), `preexec` runs in the child before it;
    `io` is a key of NOTICES: how it moves octets, which is `--io` if the flags do not say it;
    `shown_on`: what its standard output and error are instead of files: `descriptor` is given to it
    and `text()` is what was read from it; `endpoints` is how many lines "listening on" there will
    be, where the flags do not tell; `program`: what is run instead of `binary`; `pass_fds`:
    descriptors that it inherits. After `start`, `http` and `ftp` are lists of (address, port) in
    the order of those lines.
    """

    count = 0

    def __init__(self, binary, root, flags, log_folder, wrapper=(), preexec=None, environment=None,
                 defaults=True, endpoints=None, io="auto", shown_on=None, program=None, pass_fds=()):
        Ferry.count += 1
        given = flag_names(flags)
        usual = {**DEFAULTS, **({"--io": io} if io in ("uring", "epoll") else {})}
        added = [part for name, value in usual.items() if defaults and name not in given
                 for part in (name, value)]
        says_it = defaults and not {"--io", "--log-level"} & given
        self._notice = NOTICES[io] if says_it else ""
        self._pass_fds = pass_fds
        self.command = [*wrapper, program or binary, *added, *flags, *([root] if root is not None else [])]
        self._preexec = preexec
        self._environment = {**os.environ, **(environment or {})}
        stem = os.path.join(log_folder, f"ferry-{os.getpid()}-{Ferry.count}")
        self.stdout_file, self.stderr_file = stem + ".out", stem + ".err"
        self._shown_on = shown_on
        self.root = root
        self.process = None
        self._end_expected = False
        self.http, self.ftp, self.https, self.ftps = [], [], [], []
        self._expected = endpoints or sum(self._endpoints(name) for name in
                                          ("--http", "--https", "--ftp", "--ftps"))

    def _endpoints(self, name):
        values = [self.command[i + 1] for i, part in enumerate(self.command) if part == name]
        return len([v for v in values if v != "off"])

    def start(self):
        """Starts it and waits until it has told where it listens."""
        return self.spawn().wait_until_listening()

    def wait_until_listening(self):
        limit = time.monotonic() + START_SECONDS_MAX
        while True:
            told = LISTENING.findall(self.output())
            if len(told) >= self._expected:
                break
            if self.process.poll() is not None:
                raise ServerTrouble(f"ferry ended with status {self.process.returncode} instead of "
                                 f"serving\n{self.log()}")
            if time.monotonic() > limit:
                self.kill()
                raise ServerTrouble(f"{len(told)} of {self._expected} lines 'listening on' after "
                                 f"{START_SECONDS_MAX} s\n{self.log()}")
            time.sleep(0.005)
        if self._notice not in self.errors():
            self.kill()
            raise ServerTrouble(f"it does not say {self._notice!r}\n{self.log()}")
        for scheme, address, port in told:
            getattr(self, scheme).append((address.strip("[]"), int(port)))
        return self

    def spawn(self):
        """Starts it and waits for nothing."""
        with open(self.stdout_file, "wb") as out, open(self.stderr_file, "wb") as err:
            if self._shown_on is not None:
                out = err = self._shown_on.descriptor
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=err, env=self._environment,
                                            preexec_fn=self._preexec,
                                            pass_fds=self._pass_fds)
        return self

    @property
    def pid(self):
        return self.process.pid

    @property
    def http_port(self):
        return self.http[0][1]

    @property
    def ftp_port(self):
        return self.ftp[0][1]

    @property
    def http_url(self):
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def https_port(self):
        return self.https[0][1]

    @property
    def https_url(self):
        return f"https://localhost:{self.https_port}"

    @property
    def ftp_url(self):
        return f"ftp://127.0.0.1:{self.ftp_port}"

    def output(self):
        if self._shown_on is not None:
            return self._shown_on.text()
        with open(self.stdout_file, encoding="utf-8", errors="backslashreplace") as file:
            return file.read()

    def errors(self):
        if self._shown_on is not None:
            return self._shown_on.text()
        with open(self.stderr_file, encoding="utf-8", errors="backslashreplace") as file:
            return file.read()

    def log(self):
        """What it said, for a failure's text."""
        if self.process is None:
            return ""
        status = self.process.poll()
        state = "running" if status is None else f"status {status}"
        lines = (self.output() + self.errors()).strip().split("\n")
        return "\n".join([f"$ {' '.join(map(str, self.command))}   ({state})", *lines[-40:]])

    def check_alive(self):
        if self.process.poll() is not None:
            raise ServerTrouble(f"the server has died with status {self.process.returncode}\n"
                             f"{self.log()}")

    def connect(self, scheme="http", source=None, receive_buffer_bytes=None, segment_bytes=None,
                timeout=10):
        """A plain socket to its first endpoint."""
        address, port = getattr(self, scheme)[0]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer_bytes:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        if segment_bytes:
            # Over loopback the server's buffer would grow by 64 KiB segments to megabytes.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment_bytes)
        if source:
            connection.bind((source, 0))
        connection.settimeout(timeout)
        connection.connect((address, port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def descriptors(self):
        """What its descriptors are: {number: target}."""
        folder = f"/proc/{self.pid}/fd"
        found = {}
        for name in os.listdir(folder):
            try:
                found[int(name)] = os.readlink(os.path.join(folder, name))
            except FileNotFoundError:
                pass  # Closed since.
        return found

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=STOP_SECONDS_MAX):
        """Its status, once it has ended, which the test means it to."""
        try:
            status = self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise ServerTrouble(f"the server has not ended within {seconds} s\n"
                                f"{self.log()}") from None
        self._end_expected = True
        return status

    def stop(self):
        """SIGTERM, unless the test has seen it end; it must end with status 0."""
        if self.process is None or self._end_expected:
            return
        self.check_alive()
        self.signal(signal.SIGTERM)
        status = self.wait()
        if status != 0:
            raise ServerTrouble(f"SIGTERM: the server ended with status {status}, not 0")

    def kill(self):
        """Ends it if it runs. For servers that failed, and for tests that pull the plug."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._end_expected = True
