"""Clients of tools/bench http: what one run of each costs the server, and what the client saw."""

import json
import os
import re
import shutil
import signal
import subprocess
import time

from benchlib.surroundings import (PEERS, RELEASE, Trouble, before_running, busy_seconds,
                                   children_seconds)

TRACEPOINT = "raw_syscalls:sys_enter"
PERF_SECONDS_MAX = 5


def load_tool():
    return os.path.join(RELEASE, "ferry-http-load")


class Meter:
    """What a server and the machine spend between its making and `read`."""

    def __init__(self, server):
        self._server = server
        self._before = self._now()

    def _now(self):
        return (self._server.cpu_seconds(), busy_seconds(), children_seconds(), time.monotonic())

    def read(self, requests):
        cpu, busy, client, elapsed = (b - a for a, b in zip(self._before, self._now()))
        foreign = max(0.0, busy - cpu - client) / (elapsed * os.cpu_count())
        return {"cpu_microseconds": cpu * 1e6 / requests, "server_busy": cpu / elapsed,
                "client_busy": client / elapsed, "foreign": foreign}


def arguments_of(workload, server, seconds, report, requests=0):
    host, port = server.url
    requests = requests or workload.requests
    status = workload.status
    if server.name == "floor":
        status = 200  # It answers whatever it was given.
    rest = list(workload.arguments)
    if server.name == "floor" and "--range" in rest:
        rest = []
    fields = [part for line in workload.fields for part in ("-H", line)]
    return [load_tool(), "-t", "1", "-c", str(workload.connections), "--status", str(status),
            *(("-n", str(requests)) if requests else ("-d", f"{round(seconds * 1000)}ms")),
            "--json", report, *rest, *fields, f"http://{host}:{port}/{workload.path}"]


def run_tool(workload, server, seconds, folder, cpus, requests=0, threads=1):
    """One run of ferry-http-load; returns what it says. Anything that went wrong is trouble."""
    report = os.path.join(folder, "report.json")
    command = arguments_of(workload, server, seconds, report, requests)
    command[command.index("-t") + 1] = str(threads)
    if workload.status == 304 and server.name != "floor":
        command[-1:-1] = ["-H", f"If-None-Match: {server.etag}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          preexec_fn=lambda: before_running(*cpus))
    if done.returncode not in (0, 1) or not os.path.exists(report):
        raise Trouble(f"ferry-http-load against {server.name} ended with {done.returncode}:\n"
                      f"{done.stdout}{done.stderr}")
    with open(report, encoding="utf-8") as file:
        said = json.load(file)
    os.unlink(report)
    if not said["failed"] and not said["done"]:
        raise Trouble(f"{server.name}, {workload.about}: nothing was answered in time: the machine has too "
                      "much else to do, or --seconds is too little")
    if said["failed"]:
        raise Trouble(f"{server.name}, {workload.about}: {said['failed']} requests failed: " +
                      ", ".join(f"{n} x {what}" for what, n in said["errors"].items()) +
                      f"\n{server.log()[-2000:]}")
    return said


def load(workload, server, seconds, folder, cpus, threads=1):
    """One round: its numbers, and those of the server meanwhile."""
    meter = Meter(server)
    said = run_tool(workload, server, seconds, folder, cpus, threads=threads)
    numbers = meter.read(said["done"])
    latency = said["latency_ns"]
    return {**numbers, "requests_per_second": said["per_second"],
            "p50_microseconds": latency["p50"] / 1e3, "p99_microseconds": latency["p99"] / 1e3,
            "memory_mib": server.memory() / (1 << 20)}


def load_by_wrk(workload, server, seconds, cpus, scheme="http"):
    """The same by wrk: somebody else's client, as a check of ours."""
    host, port = server.url
    meter = Meter(server)
    done = subprocess.run(
        ["wrk", "-t", "1", "-c", str(workload.connections), "-d", str(max(1, round(seconds))),
         "--timeout", "10", "-s", os.path.join(PEERS, "wrk_report.lua"),
         f"{scheme}://{host}:{port}/{workload.path}"],
        capture_output=True, text=True, check=False, preexec_fn=lambda: before_running(*cpus))
    found = re.search(r"^REPORT (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)$", done.stdout, re.MULTILINE)
    if done.returncode != 0 or not found:
        raise Trouble(f"wrk against {server.name} ended with {done.returncode}:\n"
                      f"{done.stdout}{done.stderr}")
    requests, octets, microseconds, errors, p50, p99 = map(int, found.groups())
    if errors or requests == 0:
        raise Trouble(f"{server.name}, {workload.about}: {requests} requests, {octets} octets, "
                      f"{errors} errors:\n{done.stdout}")
    return {**meter.read(requests), "requests_per_second": requests / (microseconds / 1e6),
            "octets_per_request": octets / requests, "p50_microseconds": p50,
            "p99_microseconds": p99, "memory_mib": server.memory() / (1 << 20)}


def can_count_calls():
    """Whether the kernel's tracepoint of system calls is there for us."""
    if not shutil.which("perf"):
        return False
    done = subprocess.run(["perf", "stat", "-x,", "-e", TRACEPOINT, "true"], capture_output=True,
                          text=True, check=False)
    return done.returncode == 0 and re.search(r"^\d+,", done.stderr, re.MULTILINE) is not None


def count_calls(workload, server, folder, cpus, requests):
    """System calls of the server a request, in a run of its own: counting takes time. None where
    perf says nothing of it."""
    said = os.path.join(folder, "perf.txt")
    perf = subprocess.Popen(
        ["perf", "stat", "-x,", "-o", said, "-e", TRACEPOINT, "-p",
         ",".join(map(str, server.processes()))],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        limit = time.monotonic() + PERF_SECONDS_MAX
        while not os.path.exists(said) and perf.poll() is None and time.monotonic() < limit:
            time.sleep(0.01)
        time.sleep(0.1)  # The file is there a little before the counter is.
        done = run_tool(workload, server, 0, folder, cpus, requests=requests)["done"]
    finally:
        perf.send_signal(signal.SIGINT)
        perf.wait()
    with open(said, encoding="utf-8") as file:
        found = re.search(r"^(\d+),", file.read(), re.MULTILINE)
    os.unlink(said)
    return int(found[1]) / done if found else None
