"""Hosts in network namespaces of their own on one switch.

No namespace has a name: the kernel removes them, and the switch, with the last process in them, and
every process is killed with this one. So nothing is left behind, whatever ends the run.
"""

import ctypes
import os
import signal
import subprocess

from benchlib.surroundings import CLONE_NEWNET, Trouble, enter_namespace

CLIENT_ADDRESS = "10.9.0.1"
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


def must(result, what):
    if result != 0:
        raise Trouble(f"{what}: {os.strerror(ctypes.get_errno())}")


def ip(*words):
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Trouble(f"ip {' '.join(words)}: {done.stderr.strip()}")


def die_with_parent():
    """In a child: it is killed when the thread that made it ends, however that comes about."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Network:
    """Moves this process into a namespace of its own, where the clients are and the switch is. For
    root, from the main thread, before there are others."""

    def __init__(self):
        enter_namespace(with_mounts=True)
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        ip("link", "add", "switch", "type", "bridge")
        ip("address", "add", f"{CLIENT_ADDRESS}/24", "dev", "switch")
        ip("link", "set", "switch", "up")
        self._own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._count = 0

    def host(self, address):
        """A further host, with that address."""
        self._count += 1
        here, there = f"port{self._count}", f"host{self._count}"
        ip("link", "add", here, "type", "veth", "peer", "name", there)
        ip("link", "set", here, "master", "switch", "up")
        must(LIBC.unshare(CLONE_NEWNET), "a network namespace")
        try:
            made = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            must(LIBC.setns(self._own, CLONE_NEWNET), "back into the clients' namespace")
        ip("link", "set", there, "netns", f"/proc/{os.getpid()}/fd/{made}")
        host = Host(address, made)
        host.run("ip", "link", "set", "lo", "up")
        host.run("ip", "address", "add", f"{address}/24", "dev", there)
        host.run("ip", "link", "set", there, "up")
        return host


class Host:
    def __init__(self, address, namespace):
        self.address = address
        self._namespace = namespace

    def _enter(self):
        die_with_parent()
        must(LIBC.setns(self._namespace, CLONE_NEWNET), "into the host's namespace")

    def run(self, *command):
        subprocess.run(command, check=True, preexec_fn=self._enter)

    def start(self, command, log):
        """A process on this host, with what it says appended to the file `log`."""
        with open(log, "ab") as out:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                    preexec_fn=self._enter)
