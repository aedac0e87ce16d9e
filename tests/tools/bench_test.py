#!/usr/bin/env python3
"""tools/bench http in its shortest form: it starts servers, looks at answers, measures and reports. And
what it does where other servers are not to be had.

    tests/tools/bench_test.py --ferry PATH

Without the other servers, which a machine without a network cannot have: nothing here says how fast
anything is.
"""

import argparse
import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tools"))
sys.dont_write_bytecode = True

from benchlib import unpacked, web, web_peers  # noqa: E402  (the path above comes first)
from benchlib.surroundings import Trouble  # noqa: E402

WORKLOADS = ("1k", "pipelined", "304", "listing")
SECONDS_MAX = 120


def problems(ferry, folder):
    json_file, page_file = (os.path.join(folder, name) for name in ("report.json", "report.html"))
    done = subprocess.run(
        [os.path.join(ROOT, "tools", "bench"), "http", "--servers", "ferry,floor", "--workloads",
         ",".join(WORKLOADS), "--rounds", "1", "--seconds", "0.5", "--ferry", ferry, "--json",
         json_file, "--html", page_file],
        capture_output=True, text=True, check=False, timeout=SECONDS_MAX)
    if "no network namespace" in done.stderr or "one CPU only" in done.stderr:
        print(f"skipped: {done.stderr.strip()}")
        return []
    if done.returncode != 0:
        return [f"it ended with {done.returncode}:\n{done.stdout}{done.stderr}"]
    found = []
    with open(json_file, encoding="utf-8") as file:
        said = json.load(file)
    for workload in WORKLOADS:
        numbers = said["results"].get(workload, {}).get("ferry", [{}])[0]
        if not numbers.get("cpu_microseconds", 0) > 0:
            found.append(f"{workload}: no CPU of ferry in {numbers}")
        if f"({workload})" not in done.stdout:
            found.append(f"{workload} is not in what it prints")
    if not any("floor" in bar["text"] for bar in said["bars"]["1k"]):
        found.append(f"no bar against the floor: {said['bars']['1k']}")
    if not re.search(r"ferry: [0-9.]+ x floor, at most 1.15 x: (met|MISSED)", done.stdout):
        found.append(f"no bar is printed:\n{done.stdout}")
    with open(page_file, encoding="utf-8") as file:
        page = file.read()
    for part in ("<svg", "prefers-color-scheme: dark", "What ferry is held to", "1 KiB"):
        if part not in page:
            found.append(f"the page lacks {part!r}")
    if re.search(r'(src|href)="?https?:', page):
        found.append("the page needs something from elsewhere")
    return found


def outcome_of(call, *arguments):
    """What it returns and what it prints, or what is the trouble."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            return call(*arguments), said.getvalue()
    except Trouble as trouble:
        return str(trouble), said.getvalue()


def peers_that_are_not_to_be_had(folder):
    """nginx was unpacked before, h2o never was, lighttpd was without its modules; apt has no network."""
    before = unpacked.UNPACKED, os.environ["PATH"]
    unpacked.UNPACKED = os.path.join(folder, "peers")
    for name, package in (("nginx", "nginx"), ("lighttpd", "lighttpd")):
        os.makedirs(os.path.join(unpacked.UNPACKED, name))
        with open(os.path.join(unpacked.UNPACKED, name, "VERSION"), "w", encoding="utf-8") as file:
            file.write(package)
    programs = os.path.join(folder, "bin")
    os.mkdir(programs)
    with open(os.path.join(programs, "apt-get"), "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\necho E: no network >&2\nexit 100\n")
    os.chmod(file.name, 0o755)
    os.environ["PATH"] = f"{programs}:{before[1]}"
    why = "apt-get cannot download h2o: E: no network"
    no_module = ("its module mod_openssl.so is not there: it is of the packages lighttpd-mod-deflate "
                 "lighttpd-mod-openssl")
    module = {"lighttpd": "usr/lib/lighttpd/mod_openssl.so"}
    others = web_peers.OTHERS
    try:
        rows = (
            (unpacked.have, (["ferry", "nginx", "h2o", "lighttpd"], others),
             ((["ferry", "nginx", "lighttpd"], {"h2o": why}), f"without h2o: {why}\n")),
            (unpacked.have, (["ferry", "h2o", "floor"], others),
             ((["ferry", "floor"], {"h2o": why}), f"without h2o: {why}\n")),
            (unpacked.have, (["ferry", "nginx", "lighttpd"], others, module),
             ((["ferry", "nginx"], {"lighttpd": no_module}), f"without lighttpd: {no_module}\n")),
            (unpacked.have, (["ferry", "epoll", "h2o"], others),
             ("nobody is left to compare ferry with", f"without h2o: {why}\n")),
            (web.servers_of, (web.WORKLOADS["precompressed"], ["ferry", "lighttpd"]), (["ferry"], "")),
            (web.servers_of, (web.WORKLOADS["1k"], ["ferry", "lighttpd"]), (["ferry", "lighttpd"], "")))
        return [f"{call.__name__}{arguments}: {got}, not {wanted}" for call, arguments, wanted in rows
                if (got := outcome_of(call, *arguments)) != wanted]
    finally:
        unpacked.UNPACKED, os.environ["PATH"] = before


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ferry", required=True, metavar="PATH")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="ferry-bench-test-") as folder:
        found = peers_that_are_not_to_be_had(folder) + problems(os.path.realpath(options.ferry), folder)
    for each in found:
        print(each)
    print(f"{0 if found else 1} passed, {len(found)} failed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
