"""tools/bench https: ferry, nginx, h2o and lighttpd over TLS."""

import datetime
import http.client
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import time

from benchlib import results as kept
from benchlib import unpacked, web_load
from benchlib.surroundings import (FOREIGN_MAX, PEERS, RELEASE, ROOT, SPREAD_MAX, Server, Trouble,
                                   before_running, build, enter_namespace, machine, middle,
                                   output_of, progress, tell, two_cpus)
from benchlib.web_workloads import Workload

SERVERS = ("ferry", "nginx", "h2o", "lighttpd")
PORTS = {name: 8440 + number for number, name in enumerate(SERVERS)}
SIZES = {"1k": 1 << 10, "1m": 1 << 20}
WARM_SECONDS = 1
HANDSHAKES = ("full", "resumed")
WORKLOADS = ("1k", "1m", *HANDSHAKES)
SHAKERS = 4  # Connections at a time: enough to keep the client's core busy.

# What ferry is held to: no more than so much of the CPU of these (the least of them).
BARS = {"1k": (0.80, SERVERS[1:]), "1m": (0.85, SERVERS[1:]), "full": (1.00, ("nginx",)),
        "resumed": (0.80, ("nginx",))}

# With --same-cipher everybody takes the suite that ferry prefers; as they come the others take
# what the client names first, which is AES of 256 bits.
CIPHER = """openssl_conf = start
[start]
ssl_conf = services
[services]
system_default = terms
[terms]
Ciphersuites = TLS_AES_128_GCM_SHA256
"""


def make_certificate(folder):
    """ECDSA P-256, as ferry's own."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/CN=localhost", "-keyout", "key.pem", "-out", "cert.pem"],
                   cwd=folder, check=True, capture_output=True)


def command_of(name, options, folder, cpu):
    if name == "ferry":
        return [options.ferry, "--http", "off", "--https", f"127.0.0.1:{PORTS[name]}", "--ftp",
                "off", "--tls-cert", "cert.pem", "--tls-key", "key.pem", "--cores", "1", "--pin",
                str(cpu), "--io", options.io, "--tcp-congestion", "cubic", "--log-level",
                "warning", "files"]
    if name == "nginx":
        # nginx looks for certificates beside its configuration.
        shutil.copy(os.path.join(PEERS, "nginx-tls.conf"), folder)
        return [unpacked.program("nginx"), "-p", folder, "-c", os.path.join(folder, "nginx-tls.conf"),
                *(["-g", "user root;"] if os.geteuid() == 0 else [])]
    if name == "h2o":
        return [unpacked.program("h2o", "bin"), "-c", os.path.join(PEERS, "h2o.conf")]
    return [unpacked.program("lighttpd"), "-D", "-f", os.path.join(PEERS, "lighttpd.conf"), "-m",
            os.path.join(unpacked.UNPACKED, "lighttpd", "usr", "lib", "lighttpd")]


def start(options, folder, cpu):
    environment = {"PWD": folder}
    if options.same_cipher:
        with open(os.path.join(folder, "openssl.cnf"), "w", encoding="ascii") as file:
            file.write(CIPHER)
        environment["OPENSSL_CONF"] = os.path.join(folder, "openssl.cnf")
    os.mkdir(os.path.join(folder, "temp"))
    started = {}
    try:
        for name in options.servers:
            started[name] = Server(name, command_of(name, options, folder, cpu),
                                   ("127.0.0.1", PORTS[name]), cpu, folder,
                                   None if name == "ferry" else
                                   {**unpacked.environment(name), **environment})
        for server in started.values():
            server.wait_until_up()
    except BaseException:
        for server in started.values():
            server.stop()
        raise
    return started


def check_answers(servers, contents):
    """Version, status, length and octets of answers, twice on one connection. Returns the ciphers
    by server."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    ciphers = {}
    for name, server in servers.items():
        for workload, content in contents.items():
            connection = http.client.HTTPSConnection(*server.url, timeout=10, context=context)
            for _ in range(2):
                connection.request("GET", f"/{workload}.bin")
                answer = connection.getresponse()
                body = answer.read()
                if answer.status != 200 or body != content:
                    raise Trouble(f"{name}, {workload}: {answer.status} with {len(body)} octets")
                if connection.sock.version() != "TLSv1.3":
                    raise Trouble(f"{name} speaks {connection.sock.version()}")
                ciphers[name] = connection.sock.cipher()[0]
            connection.close()
    return ciphers


def shake(server, kind, seconds, cpu):
    """One run of the client of handshakes."""
    meter, began = web_load.Meter(server), time.monotonic()
    done = subprocess.run(
        [sys.executable, os.path.join(PEERS, "tls_handshakes.py"), server.url[0],
         str(server.url[1]), kind, str(seconds), str(SHAKERS), "/1k.bin"],
        capture_output=True, text=True, check=False,
        preexec_fn=lambda: before_running(cpu))
    elapsed = time.monotonic() - began
    found = re.search(r"^REPORT (\d+) (\d+)$", done.stdout, re.MULTILINE)
    if done.returncode != 0 or not found or int(found[1]) == 0 or int(found[2]) > 0:
        raise Trouble(f"handshakes with {server.name} ended with {done.returncode}:\n"
                      f"{done.stdout}{done.stderr}")
    served = int(found[1])
    return {**meter.read(served), "requests_per_second": served / elapsed}


def load(server, workload, seconds, options, cpu):
    if workload in HANDSHAKES:
        return shake(server, workload, seconds, cpu)
    what = Workload(f"{workload} over TLS", f"{workload}.bin", connections=options.connections)
    numbers = web_load.load_by_wrk(what, server, seconds, [cpu], scheme="https")
    if numbers["octets_per_request"] < SIZES[workload]:
        raise Trouble(f"{server.name}, {workload}: {numbers['octets_per_request']:.0f} octets each")
    return numbers


def measure(options, servers, cpu):
    """All rounds, interleaved: {workload: {server: [numbers]}}."""
    results = {w: {name: [] for name in servers} for w in options.workloads}
    names = list(servers)
    for workload in options.workloads:
        for name in names:
            load(servers[name], workload, WARM_SECONDS, options, cpu)
        for round_ in range(options.rounds):
            # Another one begins each time: whoever comes first has no advantage.
            for name in names[round_ % len(names):] + names[:round_ % len(names)]:
                progress(f"{workload}, round {round_ + 1} of {options.rounds}: {name}")
                results[workload][name].append(load(servers[name], workload, options.seconds,
                                                    options, cpu))
    progress("")
    return results


def report(results):
    """Prints the table. Returns what was wrong with the surroundings, and the bars."""
    noise, bars = [], {}
    columns = "{:9} {:9} {:>11} {:>15} {:>8} {:>8} {:>8}"
    tell("\n" + columns.format("workload", "server", "a second", "CPU us each", "spread", "server",
                               "client"))
    for workload, by_server in results.items():
        cpu = {}
        for name, rounds in by_server.items():
            rate, _ = middle(rounds, "requests_per_second")
            cpu[name], spread = middle(rounds, "cpu_microseconds")
            busy, _ = middle(rounds, "server_busy")
            client, _ = middle(rounds, "client_busy")
            tell(columns.format(workload, name, f"{rate:,.0f}", f"{cpu[name]:.2f}",
                                f"{spread:.0%}", f"{busy:.0%}", f"{client:.0%}"))
            if workload == "1m":
                tell(f"{'':20}{cpu[name] * 1024 / 1e6:.3f} s/GiB")
            if len(rounds) > 1 and spread > SPREAD_MAX:
                noise.append(f"{workload}, {name}: the rounds differ by {spread:.0%}")
            foreign = max(r["foreign"] for r in rounds)
            if foreign > FOREIGN_MAX:
                noise.append(f"{workload}, {name}: others used {foreign:.0%} of the machine's CPU")
        most, others = BARS[workload]
        others = {name: cpu[name] for name in others if name in cpu}
        if "ferry" in cpu and others:
            best = min(others, key=others.get)
            ratio = cpu["ferry"] / others[best]
            bar = f"ferry/{best} {ratio:.2f}, at most {most:.2f}"
            tell(f"{'':20}{bar}: {'met' if ratio <= most else 'MISSED'}")
            bars[workload] = [{"text": bar, "is_met": ratio <= most}]
    tell("\nMedians of the rounds; spread: highest less lowest, as a part of the median. full and"
         "\nresumed: a connection with one request of 1 KiB.")
    if noise:
        tell("\nThis run is NOISY; differences below that are none:")
        tell("\n".join("  " + line for line in noise))
    return noise, bars


def bench(options):
    server_cpu, client_cpu = two_cpus()
    if not shutil.which("wrk"):
        raise Trouble("wrk is not there: it is Debian's wrk")
    if options.ferry is None:
        options.ferry = os.path.join(RELEASE, "ferry")
        build("src/server/ferry")
    options.ferry = os.path.realpath(options.ferry)
    options.servers, absent = unpacked.have(options.servers, SERVERS[1:],
                                            {"lighttpd": "usr/lib/lighttpd/mod_openssl.so"})
    congestion = enter_namespace()
    os.sched_setaffinity(0, {client_cpu})
    folder = tempfile.mkdtemp(prefix="ferry-bench-")
    started = {}
    try:
        os.chmod(folder, 0o755)
        os.mkdir(os.path.join(folder, "files"))
        contents = {}
        for size in ("1k", "1m"):
            contents[size] = os.urandom(SIZES[size])
            with open(os.path.join(folder, "files", size + ".bin"), "wb") as file:
                file.write(contents[size])
        make_certificate(folder)
        # Validators of files just written are weak, and a weak one is made anew for each answer.
        time.sleep(2.1)
        started = start(options, folder, server_cpu)
        ciphers = check_answers(started, contents)
        about = {"kind": options.kind,
                 "when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                 "machine": machine(), "congestion": congestion, "connections": options.connections,
                 "rounds": options.rounds, "seconds": options.seconds, "ciphers": ciphers,
                 "absent": absent,
                 "ferry": output_of([options.ferry, "--version"]),
                 "openssl": output_of(["openssl", "version"]),
                 "commit": output_of(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"])}
        tell(f"{about['machine']['cpu']}, kernel {about['machine']['kernel']}, {congestion}, "
             f"{about['openssl']}; server on CPU {server_cpu}, client on CPU {client_cpu}; "
             f"{options.connections} connections, handshakes {SHAKERS} at a time; "
             f"{options.rounds} rounds of {options.seconds} s; {about['ferry']} "
             f"({about['commit']})")
        tell(", ".join(f"{name} {cipher}" for name, cipher in ciphers.items()))
        results = measure(options, started, client_cpu)
        noise, bars = report(results)
        kept.tell_absent(absent)
        kept.write_reports(options, {**about, "noise": noise, "bars": bars, "results": results})
    finally:
        for server in started.values():
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
