"""What the benchmarks of tools/bench share: the surroundings, servers as processes, arithmetic."""

import ctypes
import fcntl
import os
import platform
import re
import resource
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
RELEASE = os.path.join(ROOT, "build", "release")
PEERS = os.path.join(ROOT, "bench", "peers")
TICK = os.sysconf("SC_CLK_TCK")
START_SECONDS_MAX = 10
SPREAD_MAX = 0.10  # More between the rounds of one server: the run is noisy.
PRIORITY = -10  # Of servers and clients.
FOREIGN_MAX = 0.05  # More of the machine's CPU for others: the run is noisy.
CLONE_NEWNET, CLONE_NEWUSER, CLONE_NEWNS = 0x40000000, 0x10000000, 0x00020000


class Trouble(Exception):
    """Why there is nothing to report, in words for the user."""


def tell(text):
    print(text, flush=True)


def progress(text):
    if sys.stdout.isatty():
        print(f"\r\033[K{text}", end="", flush=True)
    elif text:
        print(text, flush=True)


# -------------------------------------------------------------------------------- the surroundings


def enter_namespace(with_mounts=False):
    """Moves this process into a new network namespace with lo up and cubic as the default.

    Returns the name of the congestion control in effect. Only names that the machine allows to
    everybody can be a namespace's default, so cubic is put on that list for a moment.
    """
    allowed = None
    flags = CLONE_NEWNET | (CLONE_NEWNS if with_mounts else 0)
    if os.geteuid() == 0:
        with open("/proc/sys/net/ipv4/tcp_available_congestion_control", encoding="ascii") as file:
            if "cubic" in file.read().split():
                # Opened here, it keeps to the machine's own namespace.
                allowed = open("/proc/sys/net/ipv4/tcp_allowed_congestion_control", "r+",
                               encoding="ascii")
    else:
        flags |= CLONE_NEWUSER
    identity = (os.geteuid(), os.getegid())
    before = allowed.read().strip() if allowed else ""
    try:
        if allowed and "cubic" not in before.split():
            rewrite(allowed, before + " cubic")
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(flags) != 0:
            reason = os.strerror(ctypes.get_errno())
            raise Trouble(f"no network namespace: {reason}; run it as root")
        if flags & CLONE_NEWUSER:
            for name, text in (("setgroups", "deny"), ("uid_map", f"0 {identity[0]} 1"),
                               ("gid_map", f"0 {identity[1]} 1")):
                with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                    file.write(text)
        bring_up_loopback()
        path = "/proc/sys/net/ipv4/tcp_congestion_control"
        try:
            with open(path, "w", encoding="ascii") as file:
                file.write("cubic")
        except OSError:
            pass  # Told below, by the name that is in effect.
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    finally:
        if allowed:
            if "cubic" not in before.split():
                rewrite(allowed, before)
            allowed.close()


def rewrite(file, text):
    file.seek(0)
    file.write(text)
    file.flush()


def bring_up_loopback():
    siocgifflags, siocsifflags, iff_up = 0x8913, 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, siocgifflags, request))[1]
        fcntl.ioctl(any_socket, siocsifflags, struct.pack("16sh14x", b"lo", flags | iff_up))


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        found = re.search(r"^model name\s*: (.+)$", file.read(), re.MULTILINE)
    return {"cpu": found[1] if found else platform.machine(), "cpus": os.cpu_count(),
            "kernel": platform.release()}


def output_of(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().split("\n")[0]


def two_cpus():
    """One for the server, one for the client."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise Trouble("one CPU only: client and server would take it from each other")
    return cpus[:2]


def build(*targets):
    if targets:
        subprocess.run([os.path.join(ROOT, "tools", "build"), "release", *targets], check=True)


class CpuGroup:
    """A control group that counts the CPU time of all that ever ran in it, to the microsecond."""

    def __init__(self, name):
        self.path = None
        with open("/proc/mounts", encoding="utf-8") as file:
            found = re.search(r"^\S+ (\S+) cgroup2 ", file.read(), re.MULTILINE)
        if not found:
            return
        path = os.path.join(found[1], f"ferry-bench-{os.getpid()}-{name}")
        try:
            os.mkdir(path)
            with open(os.path.join(path, "cpu.stat"), encoding="ascii"):
                self.path = path
        except OSError:
            pass  # No right to, or a kernel without: /proc has to do.

    def join(self):
        """In a child, before it becomes the server."""
        if self.path:
            with open(os.path.join(self.path, "cgroup.procs"), "w", encoding="ascii") as file:
                file.write(str(os.getpid()))

    def seconds(self):
        with open(os.path.join(self.path, "cpu.stat"), encoding="ascii") as file:
            return int(re.search(r"usage_usec (\d+)", file.read())[1]) / 1e6

    def members(self):
        with open(os.path.join(self.path, "cgroup.procs"), encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]

    def close(self):
        """Ends what is left in it, which are children of a server that has ended."""
        if not self.path:
            return
        limit = time.monotonic() + START_SECONDS_MAX
        while (left := self.members()) and time.monotonic() < limit:
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.02)
        try:
            os.rmdir(self.path)
        except OSError:
            pass  # It stays, empty, until the next boot.


def before_running(*cpus):
    """What a child does before it becomes a server or a client: it keeps to its CPUs, and goes before
    what else the machine has to do, where that is allowed."""
    os.sched_setaffinity(0, cpus)
    os.setsid()  # For the kernel shares out time between sessions first, where it groups by them.
    try:
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
        with open("/proc/self/autogroup", "w", encoding="ascii") as file:
            file.write(str(PRIORITY))
    except OSError:
        pass
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Server:
    """One process (with its children) on its CPUs: one, or several."""

    def __init__(self, name, command, url, cpus, folder, environment=None, label=None):
        self.name = name
        self.url = url
        label = label or name
        self._log = os.path.join(folder, label + ".log")
        self._group = CpuGroup(label)

        def prepare():
            before_running(*([cpus] if isinstance(cpus, int) else cpus))
            self._group.join()

        with open(self._log, "wb") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **(environment or {})}, preexec_fn=prepare)

    def log(self):
        with open(self._log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait_until_up(self, seconds_max=START_SECONDS_MAX):
        host, port = self.url
        limit = time.monotonic() + seconds_max
        while True:
            try:
                socket.create_connection((host, port), timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > limit:
                    raise Trouble(f"{self.name} does not serve:\n{self.log()}") from None
                time.sleep(0.02)

    def processes(self):
        if self._group.path:
            return self._group.members()
        found, queue = [], [self.process.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                    queue += map(int, file.read().split())
        return found

    def cpu_seconds(self):
        """User and system time so far, of all its processes and their threads, also of those that
        have ended and been waited for."""
        if self._group.path:
            return self._group.seconds()
        ticks = 0
        for pid in self.processes():
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                parts = file.read().rsplit(") ", 1)[1].split()
            ticks += sum(map(int, parts[11:15]))
        return ticks / TICK

    def memory(self):
        """User memory in octets, what processes share counted once (Pss)."""
        total = 0
        for pid in self.processes():
            try:
                with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                    total += sum(int(line.split()[1]) * 1024 for line in file
                                 if line.startswith("Pss:"))
            except (FileNotFoundError, ProcessLookupError):
                pass  # It has just ended.
        return total

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._group.close()


def busy_seconds():
    """CPU time the whole machine has spent on anything but idling."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICK


def children_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def middle(rounds, key):
    """Median and spread, from the lowest to the highest as a part of the median."""
    values = [r[key] for r in rounds]
    median = statistics.median(values)
    return median, (max(values) - min(values)) / median if median else 0.0
