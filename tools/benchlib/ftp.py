"""tools/bench ftp and ftps: ferry and other FTP servers, driven by ferry-ftp-load."""

import contextlib
import datetime
import ftplib
import hashlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time

from benchlib import ftp_peers, unpacked
from benchlib import results as kept
from benchlib.ftp_workloads import IDLE_SESSIONS, SECURE_WORKLOADS, SMALL_FILES, WORKLOADS
from benchlib.surroundings import (FOREIGN_MAX, RELEASE, ROOT, SPREAD_MAX, Trouble,
                                   before_running, build, busy_seconds, children_seconds,
                                   enter_namespace, machine, middle, output_of, progress, tell,
                                   two_cpus)

GIB = 1 << 30
NAMES = 10_000
LINE = b"ftp://example.org/a-line-of-text-that-is-64-octets-with-its-end\n"
LINE_CRLF = LINE[:-3] + b"\r\n"  # 64 octets too, for what is uploaded as text.
SETTLE_SECONDS_MAX = 2
TOOL_TIMEOUT = "5s"
WARM_PART = 0.1  # Of a round, before the first one.


# What a login needed, or a session that may go on at once, is given back by then, if it is at all.
SILENCE_SECONDS = 3
WARMING_COMMANDS = 3000  # More than a core has buffers.
IDLE_BYTES_MAX = 4096  # Of user memory, of an idle session of ferry: its bar.


class Failed(Exception):
    """A server has failed under load what it did well before, so that there is nothing to measure."""


# -------------------------------------------------------------------------------- files


def make_files(folder):
    """The tree that all servers serve. Returns its path."""
    files = os.path.join(folder, "files")
    os.mkdir(files)
    piece = os.urandom(1 << 20)
    for name, octets in (("big.bin", GIB), ("64m.bin", 64 << 20)):
        with open(os.path.join(files, name), "wb") as file:
            for _ in range(octets >> 20):
                file.write(piece)
    with open(os.path.join(files, "text.txt"), "wb") as file:
        for _ in range(256):
            file.write(LINE * ((1 << 20) // len(LINE)))
    for name in ("small", "names", "up"):
        os.mkdir(os.path.join(files, name))
    for number in range(SMALL_FILES):
        with open(os.path.join(files, "small", f"{number}.bin"), "wb") as file:
            file.write(os.urandom(1024))
    for number in range(NAMES):
        with open(os.path.join(files, "names", f"file-{number:05}.txt"), "wb"):
            pass
    return files


def make_upload_folders(files, names, owner):
    for name in names:
        path = os.path.join(files, "up", name)
        os.mkdir(path)
        os.chown(path, owner, -1)
        os.chmod(path, 0o777)


def empty(folder):
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))


# -------------------------------------------------------------------------------- the answers


class SecureFtp(ftplib.FTP_TLS):
    """Whose data connections resume the session of the control connection."""

    def ntransfercmd(self, command, rest=None):
        plain, size = ftplib.FTP.ntransfercmd(self, command, rest)
        return self.context.wrap_socket(plain, session=self.sock.session), size


@contextlib.contextmanager
def session(server, secure):
    if secure:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        ftp = SecureFtp(timeout=60, context=context)
        ftp.connect(*server.url)
        ftp.login()
        ftp.prot_p()
        if ftp.sock.version() != "TLSv1.3":
            raise Trouble(f"{server.name} speaks {ftp.sock.version()}")
    else:
        ftp = ftplib.FTP(timeout=60)
        ftp.connect(*server.url)
        ftp.login()
    try:
        yield ftp
    finally:
        ftp.close()


def expect(name, what, is_right):
    if not is_right:
        raise Trouble(f"{name} answers {what} wrongly")


def digest_of_file(path, from_line_end=None):
    made = hashlib.blake2b()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            made.update(piece.replace(b"\n", from_line_end) if from_line_end else piece)
    return made.digest()


def downloaded(ftp, command):
    made = hashlib.blake2b()
    ftp.retrbinary(command, made.update, 1 << 20)
    return made.digest()


def downloaded_text(ftp, path):
    """RETR in TYPE A, as the octets on the network."""
    made = hashlib.blake2b()
    ftp.voidcmd("TYPE A")
    with ftp.transfercmd(f"RETR {path}") as data:
        while piece := data.recv(1 << 20):
            made.update(piece)
    ftp.voidresp()
    return made.digest()


def upload_text(ftp, path, octets):
    ftp.voidcmd("TYPE A")
    with ftp.transfercmd(f"STOR {path}") as data:
        data.sendall(octets)
    ftp.voidresp()


def count_lines(ftp, command):
    lines = []
    ftp.retrlines(command, lines.append)
    return sum(1 for line in lines if "file-" in line)


def check_answers(name, server, files, workloads, secure):
    """Looks at all that is going to be measured. Returns what the server does not do, {workload:
    its reply}; what it does wrongly is trouble."""
    unable = {}
    up = os.path.join(files, "up", name)

    def one(workload):
        with session(server, secure) as ftp:
            if workload in ("download-1g", "streams-16"):
                path = WORKLOADS[workload].path
                expect(name, path, downloaded(ftp, f"RETR {path}") ==
                       digest_of_file(os.path.join(files, path)))
            elif workload in ("retr-epsv", "retr-port"):
                ftp.set_pasv(workload == "retr-epsv")
                for path in ("small/0.bin", f"small/{SMALL_FILES - 1}.bin"):
                    expect(name, path, downloaded(ftp, f"RETR {path}") ==
                           digest_of_file(os.path.join(files, path)))
            elif workload in ("upload-1g", "stor-epsv", "stor-port"):
                ftp.set_pasv(workload != "stor-port")
                source = os.path.join(files, "small/0.bin")
                with open(source, "rb") as file:
                    ftp.storbinary(f"STOR up/{name}/checked", file)
                expect(name, "STOR", digest_of_file(os.path.join(up, "checked")) ==
                       digest_of_file(source))
            elif workload in ("list", "mlsd", "mlsd-changed"):
                command = "LIST names" if workload == "list" else "MLSD names"
                expect(name, command, count_lines(ftp, command) == NAMES)
            elif workload == "ascii-down":
                expect(name, "RETR in TYPE A", downloaded_text(ftp, "text.txt") ==
                       digest_of_file(os.path.join(files, "text.txt"), b"\r\n"))
            elif workload == "ascii-up":
                upload_text(ftp, f"up/{name}/checked", LINE_CRLF * 3000)
                with open(os.path.join(up, "checked"), "rb") as file:
                    expect(name, "STOR in TYPE A",
                           file.read() == (LINE_CRLF * 3000).replace(b"\r\n", b"\n"))

    for workload in workloads:
        try:
            one(workload)
        except ftplib.error_perm as refused:
            unable[workload] = str(refused).split("\n", maxsplit=1)[0]
        except (OSError, EOFError, ftplib.Error) as failed:
            raise Trouble(f"{name}, {workload}: {failed!r}\n{server.log()[-2000:]}") from None
        finally:
            empty(up)
    return unable


# -------------------------------------------------------------------------------- one measurement


def settle(server, processes):
    """Waits until the processes of sessions that are over have ended: their end is server CPU."""
    limit = time.monotonic() + SETTLE_SECONDS_MAX
    while len(server.processes()) > processes and time.monotonic() < limit:
        time.sleep(0.002)


def run_tool(options, server, workload, operations, report):
    what = options.table[workload]
    path = what.path.replace("@", f"up/{server.name}/{{}}")
    host, port = server.url
    done = subprocess.run(
        [options.ftp_load, "-t", "1", "-n", str(operations), "--json", report, "--timeout", TOOL_TIMEOUT,
         *(("-f", "1000000") if what.path == "@" else ()), *what.arguments,
         *(("--tls",) if options.secure else ()),
         f"ftp://{host}:{port}/{path}"],
        capture_output=True, text=True, check=False,
        preexec_fn=lambda: before_running(options.client_cpu))
    if done.returncode not in (0, 1) or not os.path.exists(report):
        raise Trouble(f"{server.name}, {workload}: ferry-ftp-load ended with {done.returncode}:\n"
                      f"{done.stdout}{done.stderr}")
    with open(report, encoding="utf-8") as file:
        said = json.load(file)
    os.unlink(report)
    if said["failed"] or said["done"] != operations:
        raise Failed(f"{said['failed']} of {operations} failed: " +
                     ", ".join(f"{times} x {what}" for what, times in said["errors"].items()))
    return said


def load(options, server, workload, part=1.0):
    """One round, or a part of it. Returns its numbers."""
    what = options.table[workload]
    operations = max(1, round(what.operations * part))
    report = os.path.join(options.folder, "report.json")
    cpu = seconds = octets = 0
    busy, client, began = busy_seconds(), children_seconds(), time.monotonic()
    server_before = server.cpu_seconds()
    turns = operations if what.changes_listing else 1
    for turn in range(turns):
        if what.changes_listing:
            change_listing(options.files, turn)
        processes = len(server.processes())
        before = server.cpu_seconds()
        said = run_tool(options, server, workload, operations // turns, report)
        settle(server, processes)
        cpu += server.cpu_seconds() - before
        seconds += said["seconds"]
        octets += said["octets"]
    elapsed = time.monotonic() - began
    foreign = (busy_seconds() - busy - (server.cpu_seconds() - server_before) -
               (children_seconds() - client))
    if what.path == "@":
        empty(os.path.join(options.files, "up", server.name))
    units = octets / GIB if what.per == "GiB" else operations
    return {"cpu": cpu / units, "per_second": operations / seconds,
            "mib_per_second": octets / seconds / (1 << 20),
            "server_busy": cpu / seconds, "foreign": max(0.0, foreign) / elapsed / os.cpu_count()}


def change_listing(files, turn):
    extra = os.path.join(files, "names", "extra")
    if turn % 2 == 0:
        with open(extra, "wb"):
            pass
    else:
        os.unlink(extra)


def log_in_and_stay(server):
    connection = socket.create_connection(server.url, timeout=60)
    with connection.makefile("rb") as lines:
        for command in (b"", b"USER anonymous\r\n", b"PASS x@\r\n", b"TYPE I\r\n"):
            connection.sendall(command)
            line = lines.readline()
            while line[3:4] != b" ":
                line = lines.readline()
            if line[:1] not in b"23":
                raise Trouble(f"{server.name}: no idle session: {line!r}")
    return connection


def idle(options, name):
    """What a session costs in memory that does nothing: of many, of a server that has just begun,
    for what others have left would be used again. What it has once for all, as buffers that
    sessions take turns with, is in use by then: as many have come before, said much and been silent
    for a while."""
    server = ftp_peers.start([name], options.ferry, options.folder, options.files,
                             options.server_cpu)[name]
    sessions = []
    try:
        for _ in range(IDLE_SESSIONS):
            sessions.append(log_in_and_stay(server))
        for turn in range(WARMING_COMMANDS):
            each = sessions[turn % len(sessions)]
            each.sendall(b"NOOP\r\n")
            each.recv(4096)
        time.sleep(SILENCE_SECONDS)
        before = server.memory()
        for _ in range(IDLE_SESSIONS):
            sessions.append(log_in_and_stay(server))
        time.sleep(SILENCE_SECONDS)
        return {"memory": (server.memory() - before) / IDLE_SESSIONS, "foreign": 0.0}
    finally:
        for each in sessions:
            each.close()
        server.stop()


def measure_idle(options):
    names = [name for name in options.servers if name != "ferry-nosync"]
    results = {name: [] for name in names}
    for round_ in range(options.rounds):
        for name in names:
            progress(f"idle, round {round_ + 1} of {options.rounds}: {name}")
            results[name].append(idle(options, name))
    progress("")
    return results


def takes_part(table, name, workload):
    """Without syncs ferry is another server only where something is stored."""
    return name != "ferry-nosync" or table[workload].path == "@"


def measure(options, servers, unable):
    """All rounds of what is done under load, interleaved: {workload: {server: [numbers]}}. Whoever
    fails one has no further round of it: `unable` says why."""
    results = {}
    workloads = [w for w in options.workloads if w != "idle"]
    total = sum(options.rounds * sum(w not in unable[name] and takes_part(options.table, name, w)
                                     for name in servers) for w in workloads)
    count = 0
    for workload in workloads:
        names = [name for name in servers
                 if workload not in unable[name] and takes_part(options.table, name, workload)]
        results[workload] = {name: [] for name in names}
        for name in names:
            progress(f"{workload}: {name} warms up")
            try:
                # Whoever is first to write so much has the machine find the memory for it.
                load(options, servers[name], workload, WARM_PART)
            except Failed as failed:
                unable[name][workload] = str(failed)
                del results[workload][name]
        for round_ in range(options.rounds):
            # Another one begins each time: whoever comes first has no advantage.
            for name in names[round_ % len(names):] + names[:round_ % len(names)]:
                count += 1
                if name not in results[workload]:
                    continue
                progress(f"[{count}/{total}] {workload}, round {round_ + 1} of {options.rounds}: "
                         f"{name}")
                try:
                    results[workload][name].append(load(options, servers[name], workload))
                except Failed as failed:
                    unable[name][workload] = str(failed)
                    del results[workload][name]
    progress("")
    return results


# -------------------------------------------------------------------------------- the report


def cost_text(workload, value):
    if workload == "idle":
        return f"{value / 1024:,.1f} KiB"
    if WORKLOADS[workload].per == "GiB":
        return f"{value:.3f} s/GiB"
    return f"{value * 1e6:,.0f} us" if value < 1e-2 else f"{value * 1e3:,.1f} ms"


def bar_text(table, workload, costs):
    """The bar ferry is held to, and whether this run met it; nothing where there is none to compare."""
    if workload == "idle":
        if "ferry" not in costs:
            return ""
        return (f"bar: at most {IDLE_BYTES_MAX // 1024} KiB: "
                f"{'met' if costs['ferry'] <= IDLE_BYTES_MAX else 'missed'}")
    if not table[workload].bar:
        return ""
    peer, part = table[workload].bar
    if peer not in costs or "ferry" not in costs:
        return ""
    got = costs["ferry"] / costs[peer]
    return f"bar: at most {part} x {peer}: {got:.2f}, {'met' if got <= part else 'missed'}"


def report(table, results, unable):
    """Prints the tables. Returns what was wrong with the surroundings, the ratios and the bars."""
    noise, ratios, bars = [], {}, {}
    for workload, by_server in results.items():
        what = table[workload]
        key = "memory" if workload == "idle" else "cpu"
        tell(f"\n{what.about}: " + ("user memory" if workload == "idle"
                                    else f"server CPU an operation, {what.operations} a round"
                                    if what.per == "operation" else "server CPU a GiB"))
        costs = {}
        for name, rounds in by_server.items():
            costs[name], spread = middle(rounds, key)
            line = f"  {name:12} {cost_text(workload, costs[name]):>14} {spread:>6.0%}"
            if workload != "idle":
                rate, _ = middle(rounds, "per_second" if what.per == "operation"
                                 else "mib_per_second")
                line += f" {rate:>12,.1f} {'a second' if what.per == 'operation' else 'MiB/s'}"
            tell(line)
            if len(rounds) > 1 and spread > SPREAD_MAX:
                noise.append(f"{workload}, {name}: the rounds differ by {spread:.0%}")
            foreign = max(r["foreign"] for r in rounds)
            if foreign > FOREIGN_MAX:
                noise.append(f"{workload}, {name}: others used {foreign:.0%} of the machine's CPU")
        for name, refused in unable.items():
            if workload in refused:
                tell(f"  {name:12} none: {refused[workload]}")
        peers = {name: cost for name, cost in costs.items() if name not in ftp_peers.OURS and cost > 0}
        if "ferry" in costs and peers:
            best = min(peers, key=peers.get)
            ratios[workload] = {name: costs["ferry"] / cost for name, cost in peers.items()}
            tell(f"  ferry/{best} (the best of them) {ratios[workload][best]:.2f}")
        if bar := bar_text(table, workload, costs):
            tell(f"  {bar}")
            bars[workload] = [{"text": bar, "is_met": bar.endswith("met")}]
    tell("\nMedians of the rounds; the percentage is their spread: highest less lowest, as a part of"
         "\nthe median. CPU: of all processes and threads of the server, of sessions that have ended,"
         "\ntoo, and the kernel's on their behalf; logins of the sessions are in it.")
    if noise:
        tell("\nThis run is NOISY; differences below that are none:")
        tell("\n".join("  " + line for line in noise))
    return noise, ratios, bars


def bench(options):
    if os.geteuid() != 0:
        raise Trouble("run it as root: the other servers begin as root, with a user of their own")
    options.table = SECURE_WORKLOADS if options.secure else WORKLOADS
    options.server_cpu, options.client_cpu = two_cpus()
    targets = ["tools/ftp_load/ferry-ftp-load"]
    options.ftp_load = os.path.join(RELEASE, "ferry-ftp-load")
    if options.ferry is None:
        options.ferry = os.path.join(RELEASE, "ferry")
        targets.append("src/server/ferry")
    build(*targets)
    options.ferry = os.path.realpath(options.ferry)
    options.servers, absent = unpacked.have(
        options.servers, ftp_peers.OTHERS,
        {"proftpd": "usr/lib/proftpd/mod_tls.so"} if options.secure else None)

    congestion = enter_namespace(with_mounts=True)
    os.sched_setaffinity(0, {options.client_cpu})
    # In memory where there is room: disks are not what is compared.
    place = "/dev/shm" if os.path.isdir("/dev/shm") and \
        shutil.disk_usage("/dev/shm").free > 5 * GIB else None
    options.folder = tempfile.mkdtemp(prefix="ferry-bench-", dir=place)
    servers = {}
    try:
        os.chmod(options.folder, 0o755)
        os.mkdir(os.path.join(options.folder, "empty"))
        progress("making files")
        options.files = make_files(options.folder)
        owner = ftp_peers.make_user(options.files, options.folder)
        make_upload_folders(options.files, options.servers, owner)
        results = {"idle": measure_idle(options)} if "idle" in options.workloads else {}
        if options.secure:
            ftp_peers.make_certificate(options.folder)
        servers = ftp_peers.start(options.servers, options.ferry, options.folder, options.files,
                                  options.server_cpu, options.secure)
        unable = {}
        for name, server in servers.items():
            progress(f"looking at the answers of {name}")
            unable[name] = check_answers(name, server, options.files, options.workloads,
                                         options.secure)
        progress("")
        about = {"kind": options.kind,
                 "when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                 "machine": machine(), "congestion": congestion, "rounds": options.rounds,
                 "load": os.getloadavg()[0], "files": place or tempfile.gettempdir(),
                 "servers": ftp_peers.versions(options.servers, options.ferry), "absent": absent,
                 "commit": output_of(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"])}
        tell(f"{about['machine']['cpu']}, kernel {about['machine']['kernel']}, {congestion}; "
             f"servers on CPU {options.server_cpu}, ferry-ftp-load on CPU {options.client_cpu}; "
             f"{options.rounds} rounds; files in {about['files']}; load before "
             f"{about['load']:.1f}\n"
             f"{', '.join(about['servers'].values())} ({about['commit']})")
        results |= measure(options, servers, unable)
        noise, ratios, bars = report(options.table, results, unable)
        kept.tell_absent(absent)
        kept.write_reports(options, {**about, "noise": noise, "unable": unable, "ratios": ratios,
                                     "bars": bars, "results": results})
    finally:
        for server in servers.values():
            server.stop()
        shutil.rmtree(options.folder, ignore_errors=True)
