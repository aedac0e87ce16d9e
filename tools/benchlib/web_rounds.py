"""What tools/bench http measures otherwise than by one run of its client under load: one function for
each word of `Workload.how`, which gives the numbers of one round of one server."""

import dataclasses
import http.client
import os
import resource
import socket
import struct
import time

from benchlib import web_load
from benchlib.surroundings import Trouble
from benchlib.web_workloads import IDLE, START_FILES, WORKLOADS

START_SECONDS_MAX = 60
# Servers tell by a second or two of silence who is idle, and give memory back behind that.
IDLE_SETTLE_SECONDS = 3


def get(connection, path, fields=None):
    connection.request("GET", "/" + path, headers=fields or {})
    answer = connection.getresponse()
    return answer, answer.read()


def load(scene, name, workload):
    return web_load.load(workload, scene.server(name, workload), scene.seconds, scene.folder,
                         scene.client_cpus)


def wrk(scene, name, workload):
    return web_load.load_by_wrk(workload, scene.server(name, workload), scene.seconds,
                                scene.client_cpus)


def changed(scene, name, workload):
    """A name comes or goes before each request."""
    server = scene.server(name, workload)
    extra = os.path.join(scene.files, workload.path, "extra.txt")
    connection = http.client.HTTPConnection(*server.url, timeout=30)
    times = []
    meter = web_load.Meter(server)
    for turn in range(workload.requests):
        if turn % 2 == 0:
            with open(extra, "wb"):
                pass
        else:
            os.unlink(extra)
        began = time.perf_counter()
        answer, body = get(connection, workload.path)
        times.append(time.perf_counter() - began)
        if answer.status != 200 or (b"extra.txt" in body) != (turn % 2 == 0):
            raise Trouble(f"{name}: a listing that is not of now: {answer.status}, turn {turn}")
    numbers = meter.read(len(times))
    connection.close()
    times.sort()
    return {**numbers, "client_busy": 0.0, "requests_per_second": len(times) / sum(times),
            "p50_microseconds": times[len(times) // 2] * 1e6,
            "p99_microseconds": times[int(len(times) * 0.99)] * 1e6,
            "memory_mib": server.memory() / (1 << 20)}


def log(scene, name, workload):
    """The same load with an access log and without, one behind the other."""
    without = load(scene, name, workload)
    logging = scene.server_with_log(name)
    numbers = web_load.load(workload, logging, scene.seconds, scene.folder, scene.client_cpus)
    return {**numbers, "foreign": max(numbers["foreign"], without["foreign"]),
            "added_microseconds": numbers["cpu_microseconds"] - without["cpu_microseconds"]}


def idle_count():
    """As many connections as there may be where each end has so many descriptors, of which ferry
    takes half for files."""
    return min(IDLE, resource.getrlimit(resource.RLIMIT_NOFILE)[1] // 2 - 500)


def connect_idle(server, count):
    """Connections that have had one answer each, and will say no more."""
    made = []
    request = b"GET /1k.bin HTTP/1.1\r\nHost: h\r\n\r\n"
    try:
        for _ in range(count):
            each = socket.create_connection(server.url, timeout=30)
            made.append(each)
            # Closed by a reset in the end: thousands in TIME_WAIT would be part of what follows.
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            each.sendall(request)
            got = b""
            while b"\r\n\r\n" not in got or len(got) < got.index(b"\r\n\r\n") + 4 + 1024:
                piece = each.recv(65536)
                if not piece:
                    raise Trouble(f"{server.name} closes connection {len(made)} of {count}")
                got += piece
    except OSError as failed:
        raise Trouble(f"{server.name}, connection {len(made)} of {count}: {failed}") from None
    return made


def idle(scene, name, workload):
    """User memory of a connection that idles, of a server that has just begun, and what many of them
    do to the 99th percentile of one client that does not."""
    server = scene.maker.start(name, [scene.server_cpu], constant=(scene.path_of("1k.bin"), 0))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    connections = []
    active = dataclasses.replace(WORKLOADS["1k"], connections=1)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        # What a server has once for all is in use by then.
        connections += connect_idle(server, 200)
        web_load.load(dataclasses.replace(active, connections=16), server, 0.5, scene.folder,
                      scene.client_cpus)
        alone = web_load.load(active, server, scene.seconds, scene.folder, scene.client_cpus)
        time.sleep(IDLE_SETTLE_SECONDS)
        before = server.memory()
        count = idle_count()
        connections += connect_idle(server, count)
        time.sleep(IDLE_SETTLE_SECONDS)
        each = (server.memory() - before) / count
        among = web_load.load(active, server, scene.seconds, scene.folder, scene.client_cpus)
        return {**among, "idle_bytes": each, "p99_before_microseconds": alone["p99_microseconds"],
                "p99_ratio": among["p99_microseconds"] / alone["p99_microseconds"],
                "idle_connections": count}
    finally:
        for connection in connections:
            connection.close()
        scene.maker.stop(server)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def cores(scene, name, workload):
    """Requests a second of two cores, as a multiple of one. Only where both ends have a CPU for each
    thread is that what the server can do; what it costs a request can be compared anywhere."""
    cpus = sorted(os.sched_getaffinity(0) | {scene.server_cpu, *scene.client_cpus})
    roomy = len(cpus) >= 4
    client = cpus[2:4] if roomy else cpus
    rates = []
    for count in (1, 2):
        server = scene.maker.start(name, cpus[:count] if roomy else cpus, cores=count)
        try:
            rates.append(web_load.load(workload, server, scene.seconds, scene.folder, client,
                                       threads=2))
        finally:
            scene.maker.stop(server)
    one, two = rates
    return {**two, "foreign": 0.0 if not roomy else two["foreign"], "has_room": roomy,
            "cores_ratio": two["requests_per_second"] / one["requests_per_second"],
            "cpu_ratio": two["cpu_microseconds"] / one["cpu_microseconds"]}


def start(scene, name, workload):
    """From the start of the process to the end of its first answer, with a large tree."""
    server = scene.maker.launch(name, [scene.server_cpu], files=scene.large_tree)
    began = time.monotonic()  # It has become the server by now.
    try:
        while True:
            try:
                with socket.create_connection(server.url, timeout=1) as connection:
                    connection.sendall(b"GET /d0/f0 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
                    said = connection.recv(4096)
                    break
            except OSError:
                if server.process.poll() is not None or \
                        time.monotonic() > began + START_SECONDS_MAX:
                    raise Trouble(f"{name} does not start:\n{server.log()}") from None
                time.sleep(0.001)
        took = time.monotonic() - began
        if b" 200 " not in said.split(b"\r\n", maxsplit=1)[0]:
            raise Trouble(f"{name}: the first answer is {said[:80]!r}")
        return {"start_milliseconds": took * 1e3, "cpu_seconds": server.cpu_seconds(),
                "memory_mib": server.memory() / (1 << 20), "foreign": 0.0}
    finally:
        scene.maker.stop(server)


def make_large_tree(folder):
    """START_FILES files in a hundred directories."""
    for number in range(100):
        directory = os.path.join(folder, f"d{number}")
        os.makedirs(directory)
        for each in range(START_FILES // 100):
            os.close(os.open(os.path.join(directory, f"f{each}"), os.O_CREAT | os.O_WRONLY, 0o644))


ROUNDS = {"load": load, "wrk": wrk, "changed": changed, "log": log, "idle": idle, "cores": cores,
          "start": start}
