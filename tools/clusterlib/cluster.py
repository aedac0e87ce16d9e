"""HAProxy in front of nodes that serve one directory."""

import os
import shutil
import signal
import socket
import subprocess
import time

from benchlib.surroundings import START_SECONDS_MAX, Trouble
from clusterlib.network import die_with_parent

PROXY_ADDRESS = "10.9.0.10"
NODES = 3
ADMIN_PORT = 9180
CHECK_INTERVAL = "200ms"
STOP_SECONDS_MAX = 20

# Of HAProxy 2.6, Debian 12's. A node is asked how it is over HTTP; FTP and HTTPS go by the answer.
CONFIGURATION = """global
    maxconn 1000
    nbthread 1
    log stdout format raw local0
defaults
    log global
    timeout connect 2s
    timeout client 5m
    timeout server 5m
    balance roundrobin
    retries 3
    option redispatch 1
    log-format "%cp %Ts.%ms %s"

frontend http
    mode http
    bind {address}:80
    default_backend http
backend http
    mode http
    {check}
    # What a node has not begun to answer is asked of another, where asking twice does no harm.
    retry-on conn-failure empty-response
    http-request disable-l7-retry unless {{ method GET HEAD OPTIONS PUT DELETE }}
    http-after-response set-header X-Node %s
    default-server check inter {interval} fall 2 rise 2 {check_options} send-proxy-v2
{http}
frontend https
    mode tcp
    bind {address}:443
    default_backend https
backend https
    mode tcp
{https}
frontend ftp
    mode tcp
    bind {address}:21
    default_backend ftp
backend ftp
    mode tcp
    balance leastconn
{ftp}
"""


def configuration(nodes, has_admin):
    """`has_admin`: ferry tells how it is on a port of its own."""
    if has_admin:
        check, options = "option httpchk GET /readyz", f"port {ADMIN_PORT}"
    else:
        check = 'option httpchk\n    http-check send meth OPTIONS uri "*" ver HTTP/1.1 hdr Host node'
        options = "check-send-proxy"

    def servers(port, rest):
        return "".join(f"    server {node.name} {node.host.address}:{port} {rest.format(node.name)}\n"
                       for node in nodes)
    return CONFIGURATION.format(
        address=PROXY_ADDRESS, check=check, check_options=options, interval=CHECK_INTERVAL,
        http=servers(80, ""), https=servers(443, "track http/{} send-proxy-v2"),
        ftp=servers(21, "track http/{} send-proxy-v2"))


class SharedDirectory:
    """What all nodes serve. `kind` "plain": a directory of this machine, as it is. "fuse": each node
    sees it through a mount of its own, as with a file system of a network: what others change is told
    to nobody, and there is none of what only local ones have."""

    def __init__(self, kind, folder, count):
        self.root = os.path.join(folder, "tree")
        os.mkdir(self.root)
        self._mounts = []
        self.seen_at = [self.root] * count
        if kind == "fuse":
            self.seen_at = [os.path.join(folder, f"mount-{i + 1}") for i in range(count)]
            for place in self.seen_at:
                os.mkdir(place)
                self._mounts.append(subprocess.Popen(
                    ["bindfs", "-f", "-o", "entry_timeout=0,attr_timeout=0,negative_timeout=0",
                     self.root, place], preexec_fn=die_with_parent))
            for place in self.seen_at:
                wait_until(lambda place=place: os.path.ismount(place), f"bindfs at {place}")

    def close(self):
        for place, mount in zip(self.seen_at, self._mounts):
            subprocess.run(["umount", "--lazy", place], check=False)
            mount.terminate()
            mount.wait()
        self._mounts = []


def wait_until(holds, what):
    limit = time.monotonic() + START_SECONDS_MAX
    while not holds():
        if time.monotonic() > limit:
            raise Trouble(f"{what}: not within {START_SECONDS_MAX} s")
        time.sleep(0.02)


class Node:
    def __init__(self, name, host, command, log):
        self.name, self.host = name, host
        self._command, self._log = command, log
        self.process = None

    def start(self):
        said = os.path.getsize(self._log) if os.path.exists(self._log) else 0
        self.process = self.host.start(self._command, self._log)

        def is_listening():
            if self.process.poll() is not None:
                raise Trouble(f"{self.name} does not serve:\n{self.words()}")
            return "listening on ftp://" in self.words()[said:]
        wait_until(is_listening, self.name)

    def words(self):
        with open(self._log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def kill(self):
        """As when the power fails: nobody is told."""
        self.process.kill()
        self.process.wait()

    def begin_drain(self):
        self.process.send_signal(signal.SIGTERM)

    def has_ended(self):
        return self.process.poll() is not None

    def stop(self):
        """Its status."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.returncode


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Trouble(f"{' '.join(command)}: {done.stdout}{done.stderr}")


class Cluster:
    """Nodes `node1` and so on, and the proxy; they run from `start` to `close`."""

    def __init__(self, network, binary, folder, kind):
        self._folder = folder
        self.shared = SharedDirectory(kind, folder, NODES)
        settings = os.path.join(folder, "settings")  # What all nodes have alike.
        os.mkdir(settings)
        self.certificate = os.path.join(settings, "site.pem")
        self._make_settings(binary, settings)
        help_text = subprocess.run([binary, "--help"], capture_output=True, text=True,
                                   check=True).stdout
        self.has_admin = "--admin" in help_text
        self.nodes = []
        for i in range(NODES):
            host = network.host(f"10.9.0.{11 + i}")
            command = [binary, "--http", f"{host.address}:80", "--https", f"{host.address}:443",
                       "--ftp", f"{host.address}:21", "--proxy-protocol", PROXY_ADDRESS,
                       "--public-address", host.address, "--users-file",
                       os.path.join(settings, "users"), "--http-anonymous", "read",
                       "--tls-cert", self.certificate,
                       "--tls-key", os.path.join(settings, "site.key"), "--tls-ticket-keys",
                       os.path.join(settings, "tickets"), "--cores", "1", "--pin", "off",
                       "--access-log", os.path.join(folder, f"node{i + 1}.access"),
                       *(["--admin", f"{host.address}:{ADMIN_PORT}"] if self.has_admin else []),
                       self.shared.seen_at[i]]
            self.nodes.append(Node(f"node{i + 1}", host, command,
                                   os.path.join(folder, f"node{i + 1}.log")))
        self._proxy_host = network.host(PROXY_ADDRESS)
        self._proxy_log = os.path.join(folder, "proxy.log")
        self._proxy = None

    def _make_settings(self, binary, settings):
        run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", os.path.join(settings, "site.key"), "-out", self.certificate,
             "-days", "30", "-subj", "/CN=cluster", "-addext", "subjectAltName=DNS:cluster"])
        with open(os.path.join(settings, "tickets"), "wb") as file:
            file.write(os.urandom(80))
        users = os.path.join(settings, "users")
        done = subprocess.run([binary, "passwd", "--method", "sha512crypt", users, "ann"],
                              input="secret\n", capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Trouble(f"ferry passwd: {done.stderr}")
        with open(users, encoding="utf-8") as file:
            name, hashed, *_ = file.read().strip().split(":")
        with open(users, "w", encoding="utf-8") as file:
            file.write(f"{name}:{hashed}::all:\n")

    def start(self):
        for node in self.nodes:
            node.start()
        path = os.path.join(self._folder, "haproxy.cfg")
        with open(path, "w", encoding="ascii") as file:
            file.write(configuration(self.nodes, self.has_admin))
        program = shutil.which("haproxy", path="/usr/sbin:" + os.environ.get("PATH", "/usr/bin"))
        if program is None:
            raise Trouble("HAProxy is not installed: run tools/setup --tests")
        self._proxy = self._proxy_host.start([program, "-db", "-f", path], self._proxy_log)

    @staticmethod
    def is_up():
        """True when the proxy takes connections."""
        try:
            socket.create_connection((PROXY_ADDRESS, 80), START_SECONDS_MAX).close()
        except OSError:
            return False
        return True

    def check(self):
        """Trouble where the proxy has ended."""
        if self._proxy.poll() is not None:
            raise Trouble("HAProxy has ended:\n" + "\n".join(self.proxy_lines()[-20:]))

    def proxy_lines(self):
        with open(self._proxy_log, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()

    def close(self):
        if self._proxy is not None and self._proxy.poll() is None:
            self._proxy.terminate()
            self._proxy.wait()
        for node in self.nodes:
            node.stop()
        self.shared.close()
