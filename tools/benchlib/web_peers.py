"""The HTTP servers that tools/bench http measures: how each is started, on one core or several."""

import os
import re
import shutil

from benchlib import unpacked
from benchlib.surroundings import PEERS, RELEASE, Server, output_of

OTHERS = ("nginx", "h2o", "lighttpd", "caddy")
# epoll is ferry on its other backend; floor answers a constant (bench/floor).
SERVERS = ("ferry", "epoll", *OTHERS, "floor")
DEFAULT = tuple(name for name in SERVERS if name != "epoll")
NOT_PEERS = ("ferry", "epoll", "floor")
FIRST_PORT = 8100
CONFIGURATIONS = {"nginx": "nginx.conf", "h2o": "h2o-http.conf", "lighttpd": "lighttpd-http.conf",
                  "caddy": "Caddyfile"}
LOG_FORMAT = {"nginx": "{0}", "h2o": "access-log: {0}",
              "lighttpd": 'accesslog.filename = "{0}"', "caddy": "log {{\n\t\toutput file {0}\n\t}}"}


class Maker:
    """Starts servers, each on a port of its own, and keeps them to stop them."""

    def __init__(self, options, folder, files):
        self._options, self._folder, self._files = options, folder, files
        self._ports = FIRST_PORT
        self.started = []

    def start(self, name, cpus, cores=1, log=False, files=None, constant=None):
        """A server that is up. `cpus`: where it may run. `constant`: what a floor answers with, a
        file and how many octets of it (0: all).
        `log`: it writes an access log."""
        server = self.launch(name, cpus, cores, log, files, constant)
        server.wait_until_up()
        return server

    def launch(self, name, cpus, cores=1, log=False, files=None, constant=None):
        """The same, without waiting until it is up."""
        self._ports += 1
        port = self._ports
        label = f"{name}-{port}"
        environment = {}
        if name in OTHERS:
            environment = unpacked.environment(name)
            environment["GOMAXPROCS"] = str(cores)
            environment["XDG_DATA_HOME"] = environment["XDG_CONFIG_HOME"] = self._folder
            os.makedirs(os.path.join(self._folder, f"deflated-{label}"))
        command = self._command(name, label, port, cpus, cores, log, files or self._files, constant)
        server = Server(name, command, ("127.0.0.1", port), cpus, self._folder, environment,
                        label=label)
        self.started.append(server)
        return server

    def stop(self, server):
        server.stop()
        self.started.remove(server)

    def stop_all(self):
        for server in list(self.started):
            self.stop(server)

    def _command(self, name, label, port, cpus, cores, log, files, constant):
        if name in ("ferry", "epoll"):
            return [self._options.ferry, "--http", f"127.0.0.1:{port}", "--ftp", "off", "--cores",
                    str(cores), "--pin", str(cpus[0]) if cores == 1 else "off",
                    "--io", "uring" if name == "ferry" else "epoll", "--tcp-congestion", "cubic",
                    "--log-level", "warning", "--http-precompressed", "--address-connections-max",
                    "off", "--access-log", self._log_file(label) if log else "off", files]
        if name == "floor":
            path, octets = constant
            return [self._options.floor, "127.0.0.1", str(port), path, *([str(octets)] * bool(octets))]
        path = self._configured(name, label, port, cores, log, files)
        if name == "nginx":
            return [unpacked.program("nginx"), "-p", self._folder, "-c", path,
                    *(["-g", "user root;"] if os.geteuid() == 0 else [])]
        if name == "h2o":
            return [unpacked.program("h2o", "bin"), "-c", path]
        if name == "lighttpd":
            return [unpacked.program("lighttpd"), "-D", "-f", path, "-m",
                    os.path.join(unpacked.UNPACKED, "lighttpd", "usr", "lib", "lighttpd")]
        return [unpacked.program("caddy", "bin"), "run", "--adapter", "caddyfile", "--config", path]

    def _log_file(self, label):
        return os.path.join(self._folder, label + "-access.log")

    def _configured(self, name, label, port, cores, log, files):
        with open(os.path.join(PEERS, CONFIGURATIONS[name]), encoding="utf-8") as file:
            text = file.read()
        logs = LOG_FORMAT[name].format(self._log_file(label)) if log else ""
        modules = ['"mod_deflate"'] * packs(name) + ['"mod_dirlisting"'] + ['"mod_accesslog"'] * log
        words = {"NAME": label, "PORT": port, "CORES": cores, "FOLDER": self._folder, "FILES": files,
                 "NGINX_LOG": f"{logs} combined buffer=256k flush=1s" if log else "off",
                 "NGINX_LISTEN": "reuseport" if cores > 1 else "", "H2O_LOG": logs,
                 "LIGHTTPD_MODULES": ", ".join(modules), "LIGHTTPD_LOG": logs,
                 # One worker is the process itself.
                 "LIGHTTPD_WORKERS": cores if cores > 1 else 0, "CADDY_LOG": logs}
        text = re.sub(r"@([A-Z0-9_]+)@", lambda found: str(words[found[1]]), text)
        path = os.path.join(self._folder, f"{label}.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path


def floor_program():
    return os.path.join(RELEASE, "bench", "floor", "ferry-bench-floor")


def versions(names, ferry):
    """What each server is, in a few words."""
    found = {}
    for name in names:
        if name == "ferry":
            found[name] = output_of([ferry, "--version"])
        elif name in OTHERS:
            found[name] = unpacked.version(name)
    return found


def packs(name):
    """Whether a server can pack what it sends: for lighttpd that is a package of its own."""
    return name != "lighttpd" or unpacked.has_file(name, "usr/lib/lighttpd/mod_deflate.so")


def has_wrk():
    return shutil.which("wrk") is not None
