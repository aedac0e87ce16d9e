"""tools/bench instructions: how many instructions of ferry's own a request takes, by callgrind.

A count, not a time: it is the same on a busy machine, so that a small change can be seen. The kernel's
part is not in it. ferry runs on epoll, for valgrind does not know io_uring, and answers one connection.
What is told of a case is the difference of two runs, one of which had a thousand requests more of it,
so that neither start-up nor connections count.

openat2(2) is openat(2) there (bench/instructions): valgrind 3.19 does not know it.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile

from benchlib.surroundings import (ROOT, RELEASE, Server, Trouble, build, enter_namespace, output_of,
                                   progress, tell)

BASELINE = os.path.join(ROOT, "bench", "instructions.json")
OPENAT2 = os.path.join(RELEASE, "bench", "instructions", "ferry-bench-openat2.so")
TOLERANCE = 0.03
REQUESTS = 1_000
PORTS = {"http": 8080, "ftp": 2121}
START_SECONDS_MAX = 60
# Case -> load tool, its arguments, path.
CASES = {"1k": ("http", (), "1k.bin"),
         "304": ("http", ("--status", "304", "-H",
                          "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"), "1k.bin"),
         "pipelined": ("http", ("-p", "16"), "1k.bin"),
         "range": ("http", ("--range", "64k", "--range-of", "1m"), "1m.bin"),
         "retr": ("ftp", ("-w", "retr", "-m", "epsv"), "1k.bin")}


def start(ferry, folder, files, out):
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--quiet", ferry, "--http",
               f"127.0.0.1:{PORTS['http']}", "--ftp", f"127.0.0.1:{PORTS['ftp']}", "--cores", "1",
               "--pin", "off", "--io", "epoll", "--confine", "off", "--log-level", "warning",
               files]
    server = Server("ferry", command, ("127.0.0.1", PORTS["ftp"]),
                    sorted(os.sched_getaffinity(0)), folder, {"LD_PRELOAD": OPENAT2})
    server.wait_until_up(START_SECONDS_MAX)
    return server


def ask(case, requests):
    protocol, arguments, path = CASES[case]
    done = subprocess.run(
        [os.path.join(RELEASE, f"ferry-{protocol}-load"), "-c", "1", "-t", "1", "-n", str(requests),
         "--timeout", "60s", *arguments, f"{protocol}://127.0.0.1:{PORTS[protocol]}/{path}"],
        capture_output=True, text=True, check=False)
    if done.returncode != 0 or "Errors" in done.stdout:
        raise Trouble(f"{case}:\n{done.stdout}{done.stderr}")


def count(ferry, folder, files, requests):
    """Instructions of a whole run with so many requests of each case."""
    out = os.path.join(folder, "callgrind.out")
    server = start(ferry, folder, files, out)
    try:
        for case, number in requests.items():
            ask(case, number)
    finally:
        server.stop()
    # A dump of each thread, or one of all.
    total = 0
    for name in os.listdir(folder):
        if name.startswith("callgrind.out"):
            with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                found = re.findall(r"^(?:totals|summary): (\d+)", file.read(), re.MULTILINE)
            total += int(found[-1]) if found else 0
            os.unlink(os.path.join(folder, name))
    if not total:
        raise Trouble(f"callgrind has counted nothing:\n{server.log()}")
    return total


def measure(ferry, folder, files):
    """{case: instructions a request}"""
    few = dict.fromkeys(CASES, REQUESTS // 4)
    progress("[1/6] all of them, a few")
    base = count(ferry, folder, files, few)
    found = {}
    for number, case in enumerate(CASES):
        progress(f"[{number + 2}/{len(CASES) + 1}] {case}")
        more = count(ferry, folder, files, {**few, case: few[case] + REQUESTS})
        found[case] = round((more - base) / REQUESTS)
    progress("")
    return found


def baseline():
    try:
        with open(BASELINE, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return {"cases": {}}


def report(found, known):
    """Prints the table. Returns the cases that take more than they may."""
    more = []
    tell(f"\n  {'':10} {'instructions':>13} {'kept':>10} {'':>8}")
    for case, instructions in found.items():
        before = known["cases"].get(case)
        if not before:
            tell(f"  {case:10} {instructions:>13,}")
            continue
        change = instructions / before - 1
        word = "MORE" if change > TOLERANCE else "less: keep it" if change < -TOLERANCE else ""
        tell(f"  {case:10} {instructions:>13,} {before:>10,} {change:>+8.1%} {word}")
        if change > TOLERANCE:
            more.append(case)
    tell(f"\nOf ferry's own for a request, without the kernel's; {TOLERANCE:.0%} more than kept in "
         f"bench/instructions.json is a regression.")
    return more


def bench(options):
    if not shutil.which("valgrind"):
        raise Trouble("valgrind is not there: it is Debian's valgrind")
    targets = ["tools/http_load/ferry-http-load", "tools/ftp_load/ferry-ftp-load",
               "bench/instructions/ferry-bench-openat2.so"]
    if options.ferry is None:
        options.ferry = os.path.join(RELEASE, "ferry")
        targets.append("src/server/ferry")
    build(*targets)
    ferry = os.path.realpath(options.ferry)
    enter_namespace()
    with tempfile.TemporaryDirectory(prefix="ferry-bench-") as folder:
        os.chmod(folder, 0o755)
        files = os.path.join(folder, "files")
        os.mkdir(files)
        for name, size in (("1k.bin", 1 << 10), ("1m.bin", 1 << 20)):
            path = os.path.join(files, name)
            with open(path, "wb") as file:
                file.write(bytes(size))
            os.utime(path, (1_000_000_000, 1_000_000_000))
        # A count needs no names, and valgrind does not read the debug information of every compiler.
        bare = os.path.join(folder, "ferry")
        subprocess.run(["strip", "--strip-debug", "-o", bare, ferry], check=True)
        found = measure(bare, folder, files)
    more = report(found, baseline())
    if options.keep:
        with open(BASELINE, "w", encoding="utf-8") as file:
            json.dump({"ferry": output_of([ferry, "--version"]),
                       "commit": output_of(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"]),
                       "valgrind": output_of(["valgrind", "--version"]),
                       "compiler": output_of(["clang++-19", "--version"]), "cases": found}, file,
                      indent=1)
            file.write("\n")
    elif more:
        raise Trouble(f"more instructions than were kept: {', '.join(more)}")
