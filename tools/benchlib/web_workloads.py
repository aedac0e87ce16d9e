"""What tools/bench http measures, and the bars ferry is held to: the table."""

import dataclasses

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
FILES = 10_000  # For requests at random.
NAMES = 1_000  # Of the directory that is listed.
START_FILES = 100_000  # Of the tree that a server starts with.
IDLE = 10_000  # Connections that do nothing.
RATE = 20_000  # Requests a second.
TEXT = b"a line of text that packs well, as most of what is served by the web does\n" * 140

# What a browser sends with each request: twelve fields with Host.
BROWSER = ("Connection: keep-alive", "Cache-Control: max-age=0",
           'sec-ch-ua: "Chromium";v="126", "Not/A)Brand";v="8"', "sec-ch-ua-mobile: ?0",
           'sec-ch-ua-platform: "Linux"', "Upgrade-Insecure-Requests: 1",
           "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
           "Chrome/126.0.0.0 Safari/537.36",
           "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
           "Sec-Fetch-Site: none", "Accept-Encoding: gzip, deflate, br, zstd",
           "Accept-Language: en-US,en;q=0.9,de;q=0.8")


@dataclasses.dataclass(frozen=True)
class Bar:
    """At most so much of what `against` has in the same run, or of `most` itself (`against` empty)."""
    most: float
    against: str = "best"  # Of the peers; or a server by name.
    key: str = "cpu_microseconds"
    at_least: bool = False


@dataclasses.dataclass(frozen=True)
class Workload:
    """One thing that is measured. Most are a run of ferry-http-load; `how` names those that are not."""
    about: str
    path: str = "1k.bin"
    arguments: tuple = ()  # Of ferry-http-load.
    connections: int = 64
    requests: int = 0  # Of a round, where it has no fixed time.
    warm_requests: int = 0  # Before the first round; 0: some of each connection.
    status: int = 200
    fields: tuple = ()
    floor: str = ""  # The file that the floor answers with; empty: no floor.
    floor_bytes: int = 0  # Of it, from a random place each time; 0: all of it.
    packed: bool = False  # Answers are compared as packed ones: who cannot pack has no part.
    how: str = "load"
    bars: tuple = ()


def fields_of(*lines):
    return tuple(part for line in lines for part in ("-H", line))


WORKLOADS = {
    "1k": Workload("1 KiB", floor="1k.bin",
                   bars=(Bar(0.8), Bar(0.65, "nginx"), Bar(1.15, "floor"))),
    "1k-1000": Workload("1 KiB, 1,000 connections", connections=1000, floor="1k.bin",
                        bars=(Bar(0.8), Bar(0.65, "nginx"), Bar(1.15, "floor"))),
    "browser": Workload("1 KiB, 12 fields of a browser", fields=BROWSER, floor="1k.bin",
                        bars=(Bar(1.25, "floor"),)),
    "pipelined": Workload("1 KiB, 16 requests at once", arguments=("-p", "16"), floor="1k.bin",
                          bars=(Bar(0.25),)),
    "10k": Workload("10 KiB", "10k.bin", floor="10k.bin", bars=(Bar(0.8),)),
    "100k": Workload("100 KiB", "100k.bin", floor="100k.bin", bars=(Bar(0.9),)),
    "1m": Workload("1 MiB", "1m.bin", connections=16, floor="1m.bin", bars=(Bar(0.95),)),
    "100m": Workload("100 MiB", "100m.bin", connections=4, requests=40, floor="100m.bin",
                     bars=(Bar(0.95),)),
    "304": Workload("304 Not Modified", status=304, floor="empty.bin", bars=(Bar(0.85),)),
    "404": Workload("404 Not Found", "is-not-there.bin", status=404, floor="empty.bin",
                    bars=(Bar(0.85),)),
    "random": Workload("one of 10,000 files of 1 KiB", "many/{}.bin", ("-f", str(FILES)),
                       warm_requests=20 * FILES,  # Each is asked for some times.
                       floor="1k.bin", bars=(Bar(0.6),)),
    "ranges": Workload("64 KiB at random out of 1 GiB", "big.bin",
                       ("--range", "64k", "--range-of", "1g"), status=206, floor="big.bin", floor_bytes=64 * KIB,
                       bars=(Bar(0.7),)),
    "precompressed": Workload("10 KiB of text, packed beforehand", "packed/text.txt",
                              fields=("Accept-Encoding: gzip",), floor="packed/text.txt.gz",
                              packed=True, bars=(Bar(0.8),)),
    "close": Workload("1 KiB, a connection each", arguments=("--close",), floor="1k.bin",
                      bars=(Bar(0.8),)),
    "listing": Workload("listing of 1,000, one of them new", "names/", how="changed", requests=60,
                        bars=(Bar(0.4),)),
    "listing-again": Workload("listing of 1,000, as it was", "names/", connections=8,
                              floor="names.html",  # As large as ferry's.
                              bars=(Bar(0.05),)),
    "listing-browser": Workload("listing of 1,000, as it was, fields of a browser", "names/",
                                connections=8, fields=BROWSER,
                                floor="names.packed",  # As large as ferry's, packed.
                                packed=True, bars=(Bar(0.05),)),
    "log": Workload("1 KiB, what the access log adds", how="log",
                    bars=(Bar(0.2, "", "added_microseconds"),)),
    "rate": Workload("1 KiB, 20,000 requests a second", arguments=("-R", str(RATE)),
                     floor="1k.bin", bars=(Bar(1.0, key="p99_microseconds"), Bar(0.9))),
    "idle": Workload("10,000 connections that are idle", how="idle",
                     bars=(Bar(512, "", "idle_bytes"), Bar(1.2, "", "p99_ratio"))),
    "cores": Workload("two cores, unpinned", how="cores",
                      bars=(Bar(1.8, "", "cores_ratio", at_least=True),)),
    "start": Workload("start with 100,000 files, to the first answer", how="start",
                      bars=(Bar(50, "", "start_milliseconds"),)),
    "wrk": Workload("1 KiB, by wrk", how="wrk"),
}
# How -> what a round of it is first of all: key, heading, unit.
MEASURES = {"load": ("cpu_microseconds", "CPU a request", "us"),
            "changed": ("cpu_microseconds", "CPU a request", "us"),
            "wrk": ("cpu_microseconds", "CPU a request", "us"),
            "log": ("added_microseconds", "CPU added", "us"),
            "idle": ("idle_bytes", "memory each", "B"),
            "cores": ("cores_ratio", "times one core", "x"),
            "start": ("start_milliseconds", "first answer", "ms")}
# Key of a round -> heading and unit, in the order of the table.
COLUMNS = {"requests_per_second": ("a second", ""), "p50_microseconds": ("50%", "us"),
           "p99_microseconds": ("99%", "us"), "p99_ratio": ("99% / before", "x"),
           "memory_mib": ("memory", "MiB"), "server_busy": ("server", "%"),
           "client_busy": ("client", "%")}


def wanted_files(workloads):
    """Which of the large files these need: others take their time to make."""
    paths = {WORKLOADS[name].path for name in workloads}
    return {name for name in ("big.bin", "100m.bin", "many/{}.bin") if name in paths}
