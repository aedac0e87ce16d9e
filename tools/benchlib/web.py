"""tools/bench http: ferry, four other servers and a floor that answers a constant."""

import datetime
import gzip
import http.client
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time

from benchlib import results as kept
from benchlib import unpacked, web_load, web_peers, web_rounds
from benchlib.surroundings import (FOREIGN_MAX, RELEASE, ROOT, SPREAD_MAX, Trouble, build,
                                   enter_namespace, machine, middle, output_of, progress, tell,
                                   two_cpus)
from benchlib.web_workloads import (COLUMNS, FILES, GIB, KIB, MEASURES, MIB, NAMES, TEXT, WORKLOADS,
                                    wanted_files)

WARM_TURNS = 10  # Requests of each connection before the first round.
CALLS_REQUESTS = 2_000
ROOM_BYTES = 4 * GIB
SIZES = {"empty": 0, "1k": KIB, "10k": 10 * KIB, "64k": 64 * KIB, "100k": 100 * KIB, "1m": MIB}
NO_SERVER = {"changed": ("floor",), "log": ("floor", "epoll"), "cores": ("floor",),
             "start": ("floor",), "idle": ()}


# -------------------------------------------------------------------------------- the scene


class Scene:
    """What a run measures with: files, servers, CPUs."""

    def __init__(self, options, folder):
        self.folder, self.seconds = folder, options.seconds
        self.files = os.path.join(folder, "files")
        self.large_tree = os.path.join(folder, "large")
        self.server_cpu, client_cpu = two_cpus()
        self.client_cpus = (client_cpu,)
        self.maker = web_peers.Maker(options, folder, self.files)
        self._servers = {}

    def path_of(self, name):
        return os.path.join(self.files, name)

    def server(self, name, workload):
        """The server that answers this; a floor is one for each content."""
        constant = (self.path_of(workload.floor), workload.floor_bytes)
        return self._started((name, constant if name == "floor" else ""), constant=constant)

    def server_with_log(self, name):
        return self._started((name, "log"), log=True)

    def _started(self, key, **how):
        if key not in self._servers:
            self._servers[key] = self.maker.start(key[0], [self.server_cpu], **how)
        return self._servers[key]


def make_files(scene, workloads):
    """The tree that all servers serve."""
    os.mkdir(scene.files)
    for name, size in SIZES.items():
        with open(scene.path_of(name + ".bin"), "wb") as file:
            file.write(os.urandom(size))
    piece = os.urandom(MIB)
    large = wanted_files(workloads)
    for name, size in (("100m.bin", 100 * MIB), ("big.bin", GIB)):
        if name in large:
            with open(scene.path_of(name), "wb") as file:
                for number in range(size // MIB):
                    # So that no two pieces of the file are the same.
                    file.write(number.to_bytes(8, "big") + piece[8:])
    os.mkdir(scene.path_of("many"))
    for number in range(FILES if "many/{}.bin" in large else 0):
        with open(scene.path_of(f"many/{number}.bin"), "wb") as file:
            file.write(piece[number:number + KIB])
    os.mkdir(scene.path_of("names"))
    for number in range(NAMES):
        with open(scene.path_of(f"names/file-{number:05}.txt"), "wb"):
            pass
    os.mkdir(scene.path_of("packed"))
    with open(scene.path_of("packed/text.txt"), "wb") as file:
        file.write(TEXT)
    with open(scene.path_of("packed/text.txt.gz"), "wb") as file:
        file.write(gzip.compress(TEXT, 9))
    if "start" in workloads:
        web_rounds.make_large_tree(scene.large_tree)


# -------------------------------------------------------------------------------- the answers


def expect(server, what, is_right, said=""):
    if not is_right:
        raise Trouble(f"{server.name} answers {what} wrongly: {said}")


def whole(scene, name):
    with open(scene.path_of(name), "rb") as file:
        return file.read()


def unpacked_by_curl(server, path, fields):
    lines = [part for name, value in fields.items() for part in ("-H", f"{name}: {value}")]
    return subprocess.run(["curl", "-sS", "--compressed", *lines,
                           f"http://{server.url[0]}:{server.url[1]}/{path}"],
                          check=True, capture_output=True, timeout=30).stdout


def keep_page(scene, workload, names):
    """Makes the file of a floor that is not there what the first server answers."""
    connection = http.client.HTTPConnection(*scene.server(names[0], workload).url, timeout=30)
    fields = dict(line.split(": ", 1) for line in workload.fields)
    _, page = web_rounds.get(connection, workload.path, fields)
    connection.close()
    with open(scene.path_of(workload.floor), "wb") as file:
        file.write(page)


def check_answer(scene, name, workload):
    """Status, length and octets of what is going to be measured, twice on one connection."""
    server = scene.server(name, workload)
    connection = http.client.HTTPConnection(*server.url, timeout=30)
    fields = dict(line.split(": ", 1) for line in workload.fields)
    path = workload.path.replace("{}", "7")
    if workload.path == "big.bin":
        first = random.randrange(GIB - 64 * KIB)
        fields["Range"] = f"bytes={first}-{first + 64 * KIB - 1}"
    if workload.status == 304:
        answer, _ = web_rounds.get(connection, path)
        server.etag = answer.getheader("ETag")
        if name != "floor":
            expect(server, path, server.etag, "no ETag")
            fields["If-None-Match"] = server.etag
    for _ in range(2):
        answer, body = web_rounds.get(connection, path, fields)
        said = f"{answer.status} with {len(body)} octets"
        if name == "floor":
            right = len(body) == workload.floor_bytes if workload.floor_bytes else \
                body == whole(scene, workload.floor)
            expect(server, path, answer.status == 200 and right, said)
            continue
        expect(server, path, answer.status == workload.status, said)
        length = answer.getheader("Content-Length")
        if workload.status == 200 and path.endswith("/"):
            if answer.getheader("Content-Encoding"):
                body = unpacked_by_curl(server, path, fields)
            expect(server, path, body.count(b"file-") >= NAMES, said)
        elif path == "packed/text.txt":
            expect(server, path, answer.getheader("Content-Encoding") == "gzip" and
                   gzip.decompress(body) == TEXT and length == str(len(body)), said)
        elif workload.status == 206:
            with open(scene.path_of(path), "rb") as file:
                file.seek(first)
                expect(server, path, body == file.read(64 * KIB), said)
        elif workload.status == 200:
            expect(server, path, body == whole(scene, path) and length == str(len(body)), said)
        elif workload.status == 304:
            expect(server, path, body == b"", said)
    connection.close()


def unable_to_pack(options):
    """{server and workloads: why} of what is left out since a server cannot pack."""
    missed = [key for key in options.workloads if WORKLOADS[key].packed]
    return {f"{name} in {', '.join(missed)}": "it has no module that packs (Debian's lighttpd-mod-deflate)"
            for name in options.servers if missed and not web_peers.packs(name)}


def servers_of(workload, chosen):
    """Who has a part in a workload."""
    without = NO_SERVER.get(workload.how, ())
    return [name for name in chosen
            if name not in without and (name != "floor" or workload.floor or workload.how == "idle")
            and (not workload.packed or web_peers.packs(name))]


# -------------------------------------------------------------------------------- the measuring


def measure(options, scene):
    """All rounds, interleaved: {workload: {server: [numbers]}}, and calls, {workload: {server: n}}."""
    results, calls = {}, {}
    counts_calls = web_load.can_count_calls()
    chosen = {w: servers_of(WORKLOADS[w], options.servers) for w in options.workloads}
    total = options.rounds * sum(len(names) for names in chosen.values())
    count, began = 0, time.monotonic()
    for key, names in chosen.items():
        workload = WORKLOADS[key]
        results[key] = {name: [] for name in names}
        if workload.how not in ("start", "idle", "cores"):
            calls[key] = {}
            if workload.floor and not os.path.exists(scene.path_of(workload.floor)):
                keep_page(scene, workload, names)
            for name in names:
                progress(f"{key}: looking at the answers of {name}")
                check_answer(scene, name, workload)
                if workload.how != "wrk" and not workload.requests:
                    web_load.run_tool(workload, scene.server(name, workload), 0, scene.folder,
                                      scene.client_cpus,
                                      workload.warm_requests or WARM_TURNS * workload.connections)
                if counts_calls and workload.how == "load":
                    calls[key][name] = web_load.count_calls(
                        workload, scene.server(name, workload), scene.folder, scene.client_cpus,
                        workload.requests or max(CALLS_REQUESTS, 8 * workload.connections))
        for round_ in range(options.rounds):
            # Another one begins each time: whoever comes first has no advantage.
            for name in names[round_ % len(names):] + names[:round_ % len(names)]:
                count += 1
                left = (time.monotonic() - began) / count * (total - count + 1)
                progress(f"[{count}/{total}, {left:.0f} s to go] {key}, round {round_ + 1} of "
                         f"{options.rounds}: {name}")
                results[key][name].append(web_rounds.ROUNDS[workload.how](scene, name, workload))
    progress("")
    return results, calls


# -------------------------------------------------------------------------------- the report


def judge(workload, middles, rounds):
    """The bars of a workload: [(what, got, most, is_met)]; is_met is None where this machine cannot
    tell."""
    told = []
    if "ferry" not in middles:
        return told
    peers = {name: each for name, each in middles.items() if name not in web_peers.NOT_PEERS}
    for bar in workload.bars:
        ours = middles["ferry"][bar.key]
        against = bar.against
        if against == "best":
            if not peers:
                continue
            against = min(peers, key=lambda name, key=bar.key: peers[name][key])
            what = f"{against}, the best"
        else:
            what = against
        if against and (against not in middles or not middles[against][bar.key]):
            continue
        got = ours / middles[against][bar.key] if against else ours
        unit = "x" if against else {"added_microseconds": "us", "idle_bytes": "B",
                                    "start_milliseconds": "ms"}.get(bar.key, "x")
        is_met = got >= bar.most if bar.at_least else got <= bar.most
        if bar.key == "cores_ratio" and not all(each["has_room"] for each in rounds["ferry"]):
            is_met = None
        figure = {"p99_microseconds": "99 % ", "cpu_microseconds": ""}.get(bar.key, "")
        text = (f"{figure}{got:.2f} {unit}{' ' + what if against else ''}, "
                f"{'at least' if bar.at_least else 'at most'} {bar.most:g} {unit}")
        told.append({"text": text, "got": got, "most": bar.most, "is_met": is_met})
    return told


def verdict(bar):
    return {True: "met", False: "MISSED", None: "not to be told with fewer than 4 CPUs"}[bar["is_met"]]


def cell(key, value):
    if key in ("server_busy", "client_busy"):
        return f"{value:.0%}"
    if key == "requests_per_second":
        return f"{value:,.0f}"
    return f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


def noise_of(key, by_server, measured):
    said = []
    for name, rounds in by_server.items():
        # What is added is the small difference of two large numbers: its own part says nothing.
        judged = "cpu_microseconds" if measured == "added_microseconds" else measured
        _, spread = middle(rounds, judged)
        if len(rounds) > 1 and spread > SPREAD_MAX:
            said.append(f"{key}, {name}: the rounds differ by {spread:.0%}")
        foreign = max(each["foreign"] for each in rounds)
        if foreign > FOREIGN_MAX:
            said.append(f"{key}, {name}: others used {foreign:.0%} of the machine's CPU")
    return said


def middles_of(by_server):
    return {name: {key: statistics.median(each[key] for each in rounds)
                   for key, value in rounds[0].items() if isinstance(value, (int, float))}
            for name, rounds in by_server.items()}


def report(results, calls):
    """Prints the tables. Returns what was wrong with the surroundings, and the bars by workload."""
    noise, bars = [], {}
    for key, by_server in results.items():
        workload = WORKLOADS[key]
        measured, heading, unit = MEASURES[workload.how]
        middles = middles_of(by_server)
        columns = [each for each in COLUMNS if all(each in row for row in middles.values())]
        tell(f"\n{workload.about} ({key})")
        tell(f"  {'':9}{heading + ', ' + unit:>20} {'spread':>7} {'calls':>7} " +
             " ".join(f"{' '.join(COLUMNS[each]).strip():>12}" for each in columns))
        for name in sorted(middles, key=lambda name: middles[name][measured]):
            _, spread = middle(by_server[name], measured)
            counted = calls.get(key, {}).get(name)
            tell(f"  {name:9}{middles[name][measured]:>20,.2f} {spread:>7.0%} "
                 f"{'' if counted is None else format(counted, '.2f'):>7} " +
                 " ".join(f"{cell(each, middles[name][each]):>12}" for each in columns))
        if workload.how == "wrk" and "1k" in results:
            ours = middles_of(results["1k"])
            tell("  CPU a request by wrk and by ferry-http-load: " + ", ".join(
                f"{name} {middles[name][measured] / ours[name][measured]:.2f}"
                for name in middles if name in ours))
        if workload.how == "cores":
            tell("  CPU a request on two cores and on one: " + ", ".join(
                f"{name} {each['cpu_ratio']:.2f}" for name, each in middles.items()))
        if workload.how == "idle":
            tell(f"  of {round(next(iter(middles.values()))['idle_connections']):,} connections; "
                 f"their kernel memory is not in it")
        bars[key] = judge(workload, middles, by_server)
        for bar in bars[key]:
            tell(f"  ferry: {bar['text']}: {verdict(bar)}")
        noise += noise_of(key, by_server, measured)
    tell("\nMedians of the rounds; spread: highest less lowest, as a part of the median. CPU: of all"
         "\nthe server's processes and threads, the kernel's on their behalf, too. calls: system calls a"
         "\nrequest, counted in a run of their own. server and client: how much of its core each used;"
         "\nwhere the client used all of its own, it was the limit: compare CPU, not requests/s.")
    missed = [f"{key}: {bar['text']}" for key, each in bars.items() for bar in each
              if bar["is_met"] is False]
    met = sum(bar["is_met"] is True for each in bars.values() for bar in each)
    tell(f"\n{met} bars met, {len(missed)} missed" + (":" if missed else ""))
    for line in missed:
        tell("  " + line)
    if noise:
        tell("\nThis run is NOISY; differences below that are none:")
        tell("\n".join("  " + line for line in noise))
    return noise, bars


def tools_for(options):
    """Builds what is missing."""
    targets = ["tools/http_load/ferry-http-load"]
    if "floor" in options.servers and options.floor is None:
        targets.append("bench/floor/ferry-bench-floor")
    options.floor = options.floor or web_peers.floor_program()
    if options.ferry is None:
        options.ferry = os.path.join(RELEASE, "ferry")
        targets.append("src/server/ferry")
    build(*targets)
    options.ferry = os.path.realpath(options.ferry)


def bench(options):
    tools_for(options)
    options.servers, absent = unpacked.have(options.servers, web_peers.OTHERS)
    absent |= unable_to_pack(options)
    if "wrk" in options.workloads and not web_peers.has_wrk():
        raise Trouble("wrk is not there: it is Debian's wrk; --workloads without wrk does without")
    if options.io == "epoll" and "epoll" not in options.servers:
        options.servers = [*options.servers, "epoll"]
    congestion = enter_namespace()
    # In memory where there is room: disks are not what is compared.
    place = "/dev/shm" if os.path.isdir("/dev/shm") and \
        shutil.disk_usage("/dev/shm").free > ROOM_BYTES else None
    folder = tempfile.mkdtemp(prefix="ferry-bench-", dir=place)
    scene = Scene(options, folder)
    os.sched_setaffinity(0, scene.client_cpus)
    try:
        os.chmod(folder, 0o755)
        os.mkdir(os.path.join(folder, "temp"))
        progress("making files")
        make_files(scene, options.workloads)
        # Validators of files just written are weak, and a weak one is made anew for each answer.
        time.sleep(2.1)
        about = {"kind": options.kind,
                 "when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                 "machine": machine(), "congestion": congestion, "rounds": options.rounds,
                 "seconds": options.seconds, "load": os.getloadavg()[0],
                 "files": place or tempfile.gettempdir(),
                 "servers": web_peers.versions(options.servers, options.ferry), "absent": absent,
                 "commit": output_of(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"])}
        tell(f"{about['machine']['cpu']}, kernel {about['machine']['kernel']}, {congestion}; servers "
             f"on CPU {scene.server_cpu}, ferry-http-load on CPU {scene.client_cpus[0]}; "
             f"{options.rounds} rounds of {options.seconds:g} s; files in {about['files']}; load "
             f"before {about['load']:.1f}\n{', '.join(about['servers'].values())} "
             f"({about['commit']})")
        if congestion != "cubic":
            tell(f"the others and the client use {congestion}: the namespace takes no cubic without "
                 f"root, and bulk is compared with servers that may be paced")
        results, calls = measure(options, scene)
        noise, bars = report(results, calls)
        kept.tell_absent(absent)
        kept.write_reports(options, {**about, "noise": noise, "bars": bars, "calls": calls,
                                     "results": results})
    finally:
        scene.maker.stop_all()
        shutil.rmtree(folder, ignore_errors=True)
