"""Reverse proxies in front of a server: processes that end with the test, on ports that the kernel
picked."""

import os
import shutil
import signal
import socket
import subprocess

from support.case import Failure

SECONDS_MAX = 10


def listen():
    """A listening socket for a proxy to inherit."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", 0))
    made.listen(128)
    return made


class Proxy:
    """A proxy as a process. `doors`: its listening sockets; whoever connects before it is up
    waits."""

    def __init__(self, command, folder, doors, environment=None):
        self.doors = doors
        self.ports = [each.getsockname()[1] for each in doors]
        # Its words are for who looks with -k: nobody reads a pipe meanwhile.
        with open(os.path.join(folder, "words"), "wb") as words:
            self.process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=words,
                stderr=subprocess.STDOUT, pass_fds=[each.fileno() for each in doors],
                env={**os.environ, **(environment or {})})
        self.words = os.path.join(folder, "words")

    def check_alive(self):
        if self.process.poll() is not None:
            with open(self.words, encoding="utf-8", errors="replace") as file:
                raise Failure(f"the proxy ended with {self.process.returncode}: {file.read()}")

    def connect(self, door=0, source=None):
        """A socket through it."""
        self.check_alive()
        made = socket.create_connection(("127.0.0.1", self.ports[door]), SECONDS_MAX,
                                        (source, 0) if source else None)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for each in self.doors:
            each.close()


class Through:
    """Stands for a server behind a proxy, for clients that ask a server to connect them."""

    def __init__(self, proxy, door=0):
        self.proxy = proxy
        self.door = door

    def connect(self, _scheme="http", source=None, **_options):
        return self.proxy.connect(self.door, source)


def find(program):
    """Where it is; None where it is not installed."""
    return shutil.which(program, path="/usr/sbin:" + os.environ.get("PATH", "/usr/bin:/bin"))


def nginx(folder, locations):
    """nginx with these lines in its only `server`."""
    door = listen()
    user = "user root;" if os.geteuid() == 0 else ""  # Else its worker may not use the folder.
    configuration = f"""
daemon off;
worker_processes 1;
{user}
pid {folder}/pid;
error_log stderr warn;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{door.getsockname()[1]};
        {locations}
    }}
}}
"""
    with open(os.path.join(folder, "nginx.conf"), "w", encoding="ascii") as file:
        file.write(configuration)
    path = find("nginx")
    if path is None:
        raise Failure("nginx is not installed: run tools/setup --tests")
    return Proxy([path, "-p", folder, "-c", os.path.join(folder, "nginx.conf"), "-e", "stderr"],
                 folder, [door], {"NGINX": f"{door.fileno()};"})


def haproxy(folder, backends):
    """HAProxy with a frontend for each of `backends`: (mode, lines of its backend)."""
    doors = [listen() for _ in backends]
    lines = ["global", "    maxconn 64", "    nbthread 1", "defaults", "    timeout connect 5s",
             "    timeout client 20s", "    timeout server 20s"]
    for i, ((mode, own), door) in enumerate(zip(backends, doors)):
        lines += [f"frontend f{i}", f"    mode {mode}", f"    bind fd@{door.fileno()}",
                  f"    default_backend b{i}", f"backend b{i}", f"    mode {mode}"]
        lines += [f"    {each}" for each in own]
    with open(os.path.join(folder, "haproxy.cfg"), "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")
    return Proxy([find("haproxy"), "-db", "-q", "-f", os.path.join(folder, "haproxy.cfg")], folder,
                 doors)
