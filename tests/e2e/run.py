#!/usr/bin/env python3
"""Runs real clients, and sockets that say what no client would, against the real binary.

    python3 tests/e2e/run.py --ferry build/release/ferry
    python3 tests/e2e/run.py --ferry PATH --only http_rows -v
    python3 tests/e2e/run.py --ferry PATH --io epoll
    python3 tests/e2e/run.py --ferry PATH --contained
    python3 tests/e2e/run.py --ferry PATH --long --only swapped_links --only million_names
    python3 tests/e2e/run.py --list

--only takes a pattern (a regular expression) that is looked for in MODULE.TEST; repeatable.
--io uring, --io epoll have every server use that. --contained runs everything as a container would:
below a seccomp filter that denies io_uring, with no memory to lock, and as an ordinary user but for
the tests that do what root alone may; servers decide by themselves then, and must say that they use
epoll.
--again: what failed among others is run once more, alone. Where it passes then, a busy machine was in its
way: it is told as unsteady, with what it said at first, and a few of them do not fail the run.
--long: tests that have a long form take it (a hundred thousand exchanges, a million names), have more
time, and tell what they measured.
-v shows the server's own words for every test, -k keeps the temporary directories.

Every module test_*.py runs in a process of its own, in a process group of its own, so that whatever
a test started ends with it, also when it hangs: each test has a limit of time, and no test is about
speed.
A test whose client is not installed fails, but for those with a browser (chromium), HAProxy, aria2 or
slowhttptest, which are no part of tools/setup: they say that they did nothing. Prints a line a test, then `N passed, M failed`.
"""

import argparse
import codecs
import importlib
import os
import re
import selectors
import shutil
import signal
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

from support import denied, worker  # noqa: E402  (the path above comes first)

SETUP_SECONDS_MAX = 60  # Importing a module and making what its tests share.
UNSTEADY_MAX = 3  # So many tests may fail among others and pass alone.
HUNGRIEST = 8  # Modules whose CPU time is told.
SHOWN_LINES_MAX = 80  # Of one failure.
LONG_TIMES = 20  # As much time as usual has a test in its long form.


class Module:
    """A module's tests, those of them still to run, and the process that runs them."""

    def __init__(self, name, cases, as_root=True):
        self.name = name
        self.as_root = as_root  # Stays the user who runs this, that is.
        self.cases = list(cases)
        self.waiting = list(cases)
        self.current = None
        self.limit = 0.0
        self.process = None
        self.reader = None
        self.buffer = b""


class Run:
    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.selector = selectors.DefaultSelector()
        self.passed = 0
        self.failed = []
        self.note = ""  # Behind the name of what fails.
        self.used = {}
        self.began = time.monotonic()

    def folder_of(self, module):
        """Whoever makes a file there first owns it."""
        return os.path.join(self.folder, "root" if module.as_root else "user")

    def tell(self, text):
        print(text, flush=True)

    def start(self, module):
        """Begins (or, after a test that hung or crashed, goes on with) a module."""
        reader, writer = os.pipe()
        sys.stdout.flush()
        process = os.fork()
        if process == 0:
            os.close(reader)
            os.setsid()
            if not module.as_root:
                denied.root()
            settings = worker.Settings(ferry=self.options.ferry, folder=self.folder_of(module),
                                       verbose=self.options.verbose, keep=self.options.keep,
                                       io="denied" if self.options.contained else self.options.io,
                                       is_long=self.options.long)
            worker.main(module.name, [case.name for case in module.waiting], settings, writer)
            os._exit(0)
        os.close(writer)
        module.process, module.reader, module.buffer = process, reader, b""
        module.current, module.limit = None, time.monotonic() + SETUP_SECONDS_MAX
        self.selector.register(reader, selectors.EVENT_READ, module)

    def run(self, modules, jobs):
        queue, running = list(modules), []
        if jobs > 1:  # What takes longest begins first, so that it is not what the end waits for.
            queue.sort(key=lambda m: -max(case.limit_seconds for case in m.waiting))
        try:
            while queue or running:
                while queue and len(running) < jobs:
                    running.append(queue.pop(0))
                    self.start(running[-1])
                for key, _ in self.selector.select(timeout=0.2):
                    self.read(key.data, running)
                for module in list(running):
                    if time.monotonic() > module.limit:
                        self.end(module, running, "took longer than its limit")
        finally:
            for module in running:
                end_group(module.process)

    def run_again(self, modules):
        """What failed, alone: returns the names of what passed now. Too many are failures as before."""
        known = {f"{module.name}.{case.name}" for module in modules for case in module.cases}
        failed, self.note = set(self.failed) & known, " (again, alone)"
        self.failed = [name for name in self.failed if name not in known]  # Between tests.
        again = [Module(module.name, [case for case in module.cases
                                      if f"{module.name}.{case.name}" in failed], module.as_root)
                 for module in modules]
        self.run([module for module in again if module.waiting], 1)
        unsteady = sorted(failed - set(self.failed))
        if len(unsteady) > UNSTEADY_MAX:
            self.passed -= len(unsteady)
            self.failed = sorted(failed | set(self.failed))
        return unsteady

    def read(self, module, running):
        piece = os.read(module.reader, 65536)
        if not piece:
            self.end(module, running, "the test process ended before the test did")
            return
        module.buffer += piece
        while b"\n" in module.buffer:
            line, module.buffer = module.buffer.split(b"\n", 1)
            self.take(module, worker.read_event(line))

    def take(self, module, event):
        if event["what"] == "start":
            module.current = next(c for c in module.waiting if c.name == event["name"])
            times = LONG_TIMES if self.options.long else 1
            module.limit = time.monotonic() + module.current.limit_seconds * times
            return
        name = f"{module.name}.{event['name']}"
        if event["ok"]:
            self.passed += 1
            self.tell(f"ok    {name} ({event['seconds']:.2f} s)")
            if event["text"] and (self.options.verbose or self.options.long):
                self.tell(indent(event["text"]))
        else:
            self.fail(name, event["text"])
        module.waiting = [c for c in module.waiting if c.name != event["name"]]
        module.current, module.limit = None, time.monotonic() + SETUP_SECONDS_MAX

    def fail(self, name, text):
        self.failed.append(name)
        self.tell(f"FAIL  {name}{self.note}")
        self.tell(indent(text))

    def end(self, module, running, why):
        """Takes leave of a module's process; where it left in mid-test, that test has failed."""
        self.selector.unregister(module.reader)
        os.close(module.reader)
        log = os.path.join(self.folder_of(module), module.name + ".log")
        if module.current or module.waiting:
            # Where it hangs: faulthandler in the worker writes that down.
            try:
                os.kill(module.process, signal.SIGUSR1)
                time.sleep(0.3)
            except ProcessLookupError:
                pass
        status, used = end_group(module.process)
        self.used[module.name] = self.used.get(module.name, 0.0) + used
        text = why + (f" (ended by signal {-status})" if status < 0 and "limit" not in why else "")
        if os.path.exists(log):
            with open(log, encoding="utf-8", errors="replace") as file:
                text += "\n" + file.read()[-6000:]
        if module.current:
            self.fail(f"{module.name}.{module.current.name}", text)
            module.waiting = [c for c in module.waiting if c is not module.current]
            module.current = None
            if module.waiting:
                self.start(module)
                return
        elif module.waiting:
            self.fail(f"{module.name} (between tests)", text)
            for case in module.waiting:
                self.fail(f"{module.name}.{case.name}", "was not run")
        running.remove(module)


def end_group(process):
    """Ends a worker and all it started, and returns its status and the CPU seconds it used."""
    try:
        os.killpg(process, signal.SIGKILL)
    except ProcessLookupError:
        pass
    _, status, used = os.wait4(process, 0)
    return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime


def indent(text):
    lines = text.rstrip("\n").split("\n")
    if len(lines) > SHOWN_LINES_MAX:
        lines = [f"({len(lines) - SHOWN_LINES_MAX} lines left out)", *lines[-SHOWN_LINES_MAX:]]
    return "\n".join("      | " + line for line in lines)


def chosen(patterns):
    """The modules with the tests that match, in the order of their files."""
    modules = []
    for file in sorted(os.listdir(HERE)):
        if file.startswith("test_") and file.endswith(".py"):
            name = file[len("test_"):-len(".py")]
            cases = [case for case in worker.cases_of(name)
                     if not patterns or any(re.search(p, f"{name}.{case.name}") for p in patterns)]
            if cases:
                modules.append(Module(name, cases))
    return modules


def without_root(modules):
    """The same modules, each in two: what keeps root and what gives it up."""
    parts = [Module(module.name, [c for c in module.waiting if c.needs_root == as_root], as_root)
             for module in modules for as_root in (False, True)]
    return [part for part in parts if part.waiting]


def find_load_tools(ferry):
    """ferry-ftp-load and ferry-http-load of the same build, as far as they are built: their tests need
    them."""
    tools = os.path.join(os.path.dirname(ferry), "..", "..", "tools")
    places = [os.path.join(tools, kind, f"ferry-{kind.replace('_', '-')}")
              for kind in ("ftp_load", "http_load")]
    return [place for place in places if os.access(place, os.X_OK)]


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ferry", metavar="PATH", help="the binary under test")
    parser.add_argument("--only", metavar="PATTERN", action="append", help="tests that match")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="modules at a time")
    parser.add_argument("--io", choices=("auto", "uring", "epoll"), default="auto",
                        help="what servers use")
    parser.add_argument("--contained", action="store_true", help="without io_uring and root")
    parser.add_argument("--again", action="store_true", help="what failed is run again, alone")
    parser.add_argument("--long", action="store_true", help="tests take their long form")
    parser.add_argument("--list", action="store_true", help="print the tests and exit")
    parser.add_argument("-k", "--keep", action="store_true", help="keep temporary directories")
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args(arguments)
    modules = chosen(options.only)
    if options.list:
        for module in modules:
            print("\n".join(f"{module.name}.{case.name}" for case in module.waiting))
        return 0
    if not options.ferry:
        parser.error("--ferry PATH is missing")
    if not modules:
        print("no test matches", file=sys.stderr)
        return 2
    options.ferry = os.path.realpath(options.ferry)
    load_tools = find_load_tools(options.ferry)
    if not os.access(options.ferry, os.X_OK):
        print(f"{options.ferry} is no program; build it with tools/build", file=sys.stderr)
        print("0 passed, 1 failed")
        return 1
    folder = tempfile.mkdtemp(prefix="ferry-e2e-")
    os.chmod(folder, 0o755)  # Some tests run the server as another user.
    # A copy: a build in the meantime must not change what is tested.
    options.ferry = shutil.copy(options.ferry, os.path.join(folder, "ferry"))
    os.chmod(options.ferry, 0o755)
    for place in load_tools:
        os.chmod(shutil.copy(place, os.path.join(folder, os.path.basename(place))), 0o755)
    for name, owner in (("root", os.geteuid()), ("user", denied.USER)):
        os.mkdir(os.path.join(folder, name))
        if os.geteuid() == 0:
            os.chown(os.path.join(folder, name), owner, owner)
    if options.contained:
        # Python loads these when they are first needed, out of what may be root's home.
        for name in ("ascii", "latin-1", "idna", "cp437"):
            codecs.lookup(name)
        for name in ("_strptime", "concurrent.futures.thread", "email.parser"):
            importlib.import_module(name)
        denied.io_uring()
        denied.locked_memory()
        if os.geteuid() == 0:
            modules = without_root(modules)
    run = Run(options, folder)
    unsteady = []
    try:
        run.run(modules, options.jobs)
        if options.again and run.failed:
            unsteady = run.run_again(modules)
    finally:
        if options.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if unsteady:
        print(f"unsteady, {UNSTEADY_MAX} may be:\n" + "\n".join("    " + name for name in unsteady))
    if run.failed:
        print("failed:\n" + "\n".join("    " + name for name in run.failed))
    hungry = sorted(run.used.items(), key=lambda item: -item[1])[:HUNGRIEST]
    print("CPU: " + ", ".join(f"{name} {used:.1f} s" for name, used in hungry))
    print(f"{time.monotonic() - run.began:.0f} s")
    print(f"{run.passed} passed, {len(run.failed)} failed", flush=True)
    return 1 if run.failed else 0


if __name__ == "__main__":
    # A terminated run ends what it started, like one that was interrupted.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main(sys.argv[1:]))
