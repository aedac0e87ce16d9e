"""tools/bench http: ferry, nginx and a floor that answers a constant."""

import datetime
import http.client
import json
import os
import re
import shutil
import subprocess
import tempfile
import time

from benchlib.surroundings import (FOREIGN_MAX, PEERS, RELEASE, ROOT, SPREAD_MAX, Server, Trouble,
                                   build, busy_seconds, children_seconds, enter_namespace, machine,
                                   middle, output_of, progress, tell, two_cpus)

SIZES = {"1k": 1 << 10, "10k": 10 << 10, "100k": 100 << 10, "1m": 1 << 20}
SERVERS = ("ferry", "nginx", "floor")
WARM_SECONDS = 1


def start_servers(options, folder, cpu):
    """Returns {server: {workload: Server}} of servers that answer; all of one kind may be one."""
    servers, started = {}, []
    try:
        if "ferry" in options.servers:
            for name, backend, port in (("ferry", "uring", 8080), ("epoll", "epoll", 8082)):
                if name == "ferry" or options.io == "epoll":
                    ferry = Server(name, [options.ferry, "--http", f"127.0.0.1:{port}", "--ftp",
                                          "off", "--cores", "1", "--pin", str(cpu), "--io", backend,
                                          "--tcp-congestion", "cubic", "--log-level", "warning",
                                          "files"],
                                   ("127.0.0.1", port), cpu, folder)
                    started.append(ferry)
                    servers[name] = dict.fromkeys(options.workloads, ferry)
        if "nginx" in options.servers:
            os.mkdir(os.path.join(folder, "temp"))
            nginx = Server("nginx", ["nginx", "-p", folder, "-c", os.path.join(PEERS, "nginx.conf"),
                                     *(["-g", "user root;"] if os.geteuid() == 0 else [])],
                           ("127.0.0.1", 8081), cpu, folder)
            started.append(nginx)
            servers["nginx"] = dict.fromkeys(options.workloads, nginx)
        if "floor" in options.servers:
            servers["floor"] = {}
            for number, workload in enumerate(options.workloads):
                floor = Server(f"floor-{workload}", [options.floor, "127.0.0.1", str(8090 + number),
                                                     f"files/{workload}.bin"],
                               ("127.0.0.1", 8090 + number), cpu, folder)
                started.append(floor)
                servers["floor"][workload] = floor
        for server in started:
            server.wait_until_up()
    except BaseException:
        for server in started:
            server.stop()
        raise
    return servers, started


def check_answers(servers, contents):
    """Status, length and octets of every answer, twice on one connection."""
    for name, by_workload in servers.items():
        for workload, server in by_workload.items():
            connection = http.client.HTTPConnection(*server.url, timeout=10)
            for _ in range(2):
                connection.request("GET", f"/{workload}.bin")
                answer = connection.getresponse()
                body = answer.read()
                if (answer.status != 200 or body != contents[workload]
                        or answer.getheader("Content-Length") != str(len(body))):
                    raise Trouble(f"{name}, {workload}: {answer.status} with {len(body)} octets, "
                                  f"Content-Length {answer.getheader('Content-Length')}")
            connection.close()


def load(server, workload, seconds, options, cpu, scheme="http"):
    """One run of wrk. Returns its numbers and those of the server in the meantime."""
    host, port = server.url
    before = (server.cpu_seconds(), busy_seconds(), children_seconds(), time.monotonic())
    done = subprocess.run(
        ["wrk", "-t", "1", "-c", str(options.connections), "-d", str(seconds), "--timeout", "10",
         "-s", os.path.join(PEERS, "wrk_report.lua"), f"{scheme}://{host}:{port}/{workload}.bin"],
        capture_output=True, text=True, check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
    after = (server.cpu_seconds(), busy_seconds(), children_seconds(), time.monotonic())
    found = re.search(r"^REPORT (\d+) (\d+) (\d+) (\d+)$", done.stdout, re.MULTILINE)
    if done.returncode != 0 or not found:
        raise Trouble(f"wrk against {server.name} ended with {done.returncode}:\n"
                      f"{done.stdout}{done.stderr}")
    requests, octets, microseconds, errors = map(int, found.groups())
    if errors or requests == 0 or octets < requests * SIZES[workload]:
        raise Trouble(f"{server.name}, {workload}: {requests} requests, {octets} octets, "
                      f"{errors} errors:\n{done.stdout}")
    cpu_seconds, busy, client, elapsed = (b - a for a, b in zip(before, after))
    foreign = max(0.0, busy - cpu_seconds - client) / (elapsed * os.cpu_count())
    return {"requests_per_second": requests / (microseconds / 1e6),
            "cpu_microseconds": cpu_seconds * 1e6 / requests,
            "server_busy": cpu_seconds / elapsed, "client_busy": client / elapsed,
            "foreign": foreign}


def measure(options, servers, cpu):
    """All rounds, interleaved: {workload: {server: [numbers]}}."""
    results = {w: {name: [] for name in servers} for w in options.workloads}
    names = list(servers)
    total = len(options.workloads) * options.rounds * len(names)
    count = 0
    for workload in options.workloads:
        for name in names:
            progress(f"{workload}: {name} warms up")
            load(servers[name][workload], workload, WARM_SECONDS, options, cpu)
        for round_ in range(options.rounds):
            # Another one begins each time: whoever comes first has no advantage.
            for name in names[round_ % len(names):] + names[:round_ % len(names)]:
                count += 1
                progress(f"[{count}/{total}] {workload}, round {round_ + 1} of {options.rounds}: "
                         f"{name}")
                numbers = load(servers[name][workload], workload, options.seconds, options, cpu)
                results[workload][name].append(numbers)
    progress("")
    return results


def size_text(workload):
    size = SIZES[workload]
    return f"{size >> 20} MiB" if size >> 20 else f"{size >> 10} KiB"


def report(options, results):
    """Prints the table. Returns what was wrong with the surroundings."""
    noise = []
    columns = "{:8} {:7} {:>12} {:>8} {:>14} {:>8} {:>8} {:>8}"
    tell("\n" + columns.format("body", "server", "requests/s", "spread", "CPU us/request", "spread",
                               "server", "client"))
    for workload, by_server in results.items():
        cpu = {}
        for name, rounds in by_server.items():
            rate, rate_spread = middle(rounds, "requests_per_second")
            cpu[name], spread = middle(rounds, "cpu_microseconds")
            busy, _ = middle(rounds, "server_busy")
            client, _ = middle(rounds, "client_busy")
            tell(columns.format(size_text(workload), name, f"{rate:,.0f}", f"{rate_spread:.0%}",
                                f"{cpu[name]:.2f}", f"{spread:.0%}", f"{busy:.0%}",
                                f"{client:.0%}"))
            if len(rounds) > 1 and spread > SPREAD_MAX:
                noise.append(f"{size_text(workload)}, {name}: the rounds differ by {spread:.0%}")
            foreign = max(r["foreign"] for r in rounds)
            if foreign > FOREIGN_MAX:
                noise.append(f"{size_text(workload)}, {name}: others used {foreign:.0%} of the "
                             f"machine's CPU")
        if "ferry" in cpu:
            ratios = [f"ferry/{name} {cpu['ferry'] / cpu[name]:.2f}" for name in ("nginx", "floor")
                      if name in cpu]
            if "epoll" in cpu:
                ratios.append(f"epoll/ferry {cpu['epoll'] / cpu['ferry']:.2f}")
            if ratios:
                tell(f"{'':16} CPU a request: {', '.join(ratios)}")
    tell("\nMedians of the rounds; spread: highest less lowest, as a part of the median; server and"
         "\nclient: how much of its core each used. Where the client used all of its own, it was"
         "\nthe limit: compare CPU a request, not requests/s.")
    if noise:
        tell("\nThis run is NOISY; differences below that are none:")
        tell("\n".join("  " + line for line in noise))
    return noise


def bench(options):
    server_cpu, client_cpu = two_cpus()
    needed = ["wrk"] + ["nginx"] * ("nginx" in options.servers)
    if not all(shutil.which(name) for name in needed):
        subprocess.run([os.path.join(ROOT, "tools", "setup"), "--tests"], check=True)
    targets = []
    if options.ferry is None:
        options.ferry = os.path.join(RELEASE, "ferry")
        targets.append("src/server/ferry")
    options.floor = os.path.join(RELEASE, "bench", "floor", "ferry-bench-floor")
    if "floor" in options.servers:
        targets.append("bench/floor/ferry-bench-floor")
    build(*targets)
    options.ferry = os.path.realpath(options.ferry)

    congestion = enter_namespace()
    os.sched_setaffinity(0, {client_cpu})
    folder = tempfile.mkdtemp(prefix="ferry-bench-")
    started = []
    try:
        os.chmod(folder, 0o755)
        os.mkdir(os.path.join(folder, "files"))
        contents = {}
        for workload in options.workloads:
            contents[workload] = os.urandom(SIZES[workload])
            with open(os.path.join(folder, "files", workload + ".bin"), "wb") as file:
                file.write(contents[workload])
        # Validators of files just written are weak, and a weak one is made anew for each answer.
        time.sleep(2.1)
        servers, started = start_servers(options, folder, server_cpu)
        check_answers(servers, contents)
        about = {"kind": options.kind,
                 "when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                 "machine": machine(), "congestion": congestion, "connections": options.connections,
                 "rounds": options.rounds, "seconds": options.seconds,
                 "ferry": output_of([options.ferry, "--version"]),
                 "commit": output_of(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"])}
        if "nginx" in options.servers:
            about["nginx"] = output_of(["nginx", "-v"])
        tell(f"{about['machine']['cpu']}, kernel {about['machine']['kernel']}, {congestion}; "
             f"server on CPU {server_cpu}, wrk with {options.connections} connections on CPU "
             f"{client_cpu}; {options.rounds} rounds of {options.seconds} s; {about['ferry']} "
             f"({about['commit']})"
             f"{', ' + about['nginx'] if 'nginx' in about else ''}")
        if congestion != "cubic":
            tell(f"nginx and wrk use {congestion}: the namespace takes no cubic without root, and "
                 f"bulk is compared with a server that may be paced")
        results = measure(options, servers, client_cpu)
        noise = report(options, results)
        if options.json:
            with open(options.json, "w", encoding="utf-8") as file:
                json.dump({**about, "noise": noise, "results": results}, file, indent=1)
                file.write("\n")
    finally:
        for server in started:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
