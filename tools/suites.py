"""Runs ferry's test suites and counts their cases: the second half of tools/test.

    tools/test                  every suite
    tools/test --quick          the suites marked quick
    tools/test NAME...          the suites, or the test programs, of these names: asan unit-vfs
    tools/test --list           the suites

A suite fails when a case fails, when a program ends badly, runs too long or tells no count, and
when it has run no case at all. What failed is printed, and once more in short at the end; everything is
in build/test-logs. A case of a unit test that fails beside others and passes alone is told as unsteady,
with what it said, and does not fail the run while such cases are few; what a sanitizer finds always does.
"""

import concurrent.futures
import dataclasses
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
LOGS = os.path.join(ROOT, "build", "test-logs")
JOBS = str(os.cpu_count() or 2)
BUILD_SECONDS_MAX = 1800
PROGRAM_SECONDS_MAX = 600
TELL_EVERY_SECONDS = 20
SHOWN_LINES_MAX = 200  # Of a failure's output; the log has all of it.
UNSTEADY_MAX = 3  # So many cases of a program may fail among others and pass alone.

SYMBOLIZER = "/usr/lib/llvm-19/bin/llvm-symbolizer"
SANITIZERS = {
    "ASAN_OPTIONS": f"abort_on_error=0:strict_string_checks=1:detect_stack_use_after_return=1:"
                    # What is freed is watched for so many more, not 256: pages for those took half of
                    # the kernel's part of the tests' time.
                    "quarantine_size_mb=32:"
                    f"external_symbolizer_path={SYMBOLIZER}",
    "UBSAN_OPTIONS": f"print_stacktrace=1:external_symbolizer_path={SYMBOLIZER}",
    "TSAN_OPTIONS": f"halt_on_error=1:second_deadlock_stack=1:"
                    f"external_symbolizer_path={SYMBOLIZER}",
}


@dataclasses.dataclass(frozen=True)
class Suite:
    """What to run. `build`: the kind of build it needs, if any. `programs`: which of meson's tests it
    builds and runs, by a pattern of their names; or `targets`, what it builds, and `command`, one
    program of its own. `beside`: it is run together with the suite before it, for both mostly wait.
    `again`: if it fails then, it is run once more by itself, and what passes so is told as unsteady.
    """
    name: str
    about: str
    quick: bool = False
    build: str = ""
    targets: tuple = ()
    programs: str = ""
    command: tuple = ()
    beside: bool = False
    again: bool = False


# Of tests/e2e, what shows nothing new without io_uring: pages in a browser, the load tools, and what is
# said of names, forms and rules whichever way the octets come.
ABOVE_IO = ("readme", "manual", "ftp_load", "http_load", "http_listing_page", "http_page_writing", "accounts",
            "admin", "ftp_charset", "ftp_clients", "ftp_commands", "ftp_digests", "ftp_forms", "ftp_ftplib",
            "ftp_reply_codes", "http_archives", "http_codings", "http_malformed", "http_resumable", "http_rows",
            "million_names", "paths", "round_trip", "sites")
# Programs for tests against a server, beside it.
LOAD_TOOLS = ("tools/ftp_load/ferry-ftp-load", "tools/http_load/ferry-http-load")

SUITES = [
    Suite("asan", "unit tests, reactor conformance and fuzz corpora under ASan and UBSan",
          quick=True, build="asan", programs=r"(?!unit-sim|sim-clients).*"),
    # What threads share lies in these layers: the pool, channels, tables of files and accounts. What
    # lies above has one thread a core, as the simulator has, or such a table.
    Suite("tsan", "unit tests and reactor conformance under TSan", build="tsan",
          programs=r"unit-(base|runtime|vfs|auth|net-threads)|reactor.*"),
    # Optimised: they take a fifteenth of the time they took under ASan, under which the simulator and
    # its clients run in sim-scenarios and regress all the same.
    Suite("sim-tests", "the simulator and its clients themselves", build="release",
          programs=r"unit-sim|sim-clients"),
    Suite("sim", "90 simulated worlds in which much goes wrong",
          command=("tools/sim", "--seeds", "1..90", "--faults", "heavy")),
    Suite("sim-calm", "simulated worlds without faults: every answer exact, the same trace twice",
          beside=True, command=("tools/sim", "--seeds", "201..235", "--faults", "none", "--twice")),
    Suite("sim-persistent", "clients that keep their connections, faults, the same trace twice",
          beside=True, command=("tools/sim", "--seeds", "1..35", "--faults", "light", "--clients",
                   "persistent", "--twice")),
    Suite("sim-nth-http", "each thing that can fail in a short HTTP conversation, one by one",
          beside=True, command=("tools/sim", "--seeds", "1..2", "--clients", "http", "--every-nth")),
    Suite("sim-nth-ftp", "the same in a short FTP session",
          beside=True, command=("tools/sim", "--seeds", "1..2", "--clients", "ftp", "--every-nth")),
    Suite("e2e", "real clients against the release binary", build="release",
          targets=("src/server/ferry", *LOAD_TOOLS),
          command=("python3", "tests/e2e/run.py", "--ferry", "build/release/ferry", "--jobs", "5",
                   "--again", "--io", "uring")),
    Suite("e2e-epoll", "what I/O and rights have a part in, as in a container: no io_uring, no root",
          build="release", targets=("src/server/ferry", *LOAD_TOOLS), beside=True,
          command=("python3", "tests/e2e/run.py", "--ferry", "build/release/ferry", "--jobs", "4",
                   "--again", "--contained",
                   "--only", f"^(?!({'|'.join(ABOVE_IO)})[.])")),
    Suite("package", "the Debian package is installed, serves and goes again", build="release",
          targets=("src/server/ferry", *LOAD_TOOLS), beside=True, again=True,
          command=("python3", "tests/tools/package_test.py", "--build", "build/release")),
    Suite("container", "the recipe for containers makes one that serves", build="release",
          targets=("src/server/ferry", *LOAD_TOOLS), beside=True, again=True,
          command=("python3", "tests/tools/container_test.py", "--build", "build/release")),
    Suite("cluster", "three nodes behind HAProxy, one killed, one drained, for some seconds",
          build="release", targets=("src/server/ferry",), beside=True, again=True,
          command=("tools/cluster-demo", "--seconds", "8", "--ferry", "build/release/ferry")),
    Suite("soak", "every protocol at once while things go wrong, for some seconds", build="release",
          targets=("src/server/ferry",), beside=True, again=True,
          command=("tools/soak", "--seconds", "12", "--rate", "150", "--ferry",
                   "build/release/ferry")),
    Suite("bench", "tools/bench http measures and reports, for a moment", build="release", beside=True, again=True,
          targets=("src/server/ferry", "tools/http_load/ferry-http-load",
                   "bench/floor/ferry-bench-floor"),
          command=("python3", "tests/tools/bench_test.py", "--ferry", "build/release/ferry")),
    Suite("training", "what tools/build --pgo has a server do is done, on both backends", build="release",
          targets=("src/server/ferry", *LOAD_TOOLS), beside=True, again=True,
          command=("python3", "tools/training.py", "--build", "build/release", "--try")),
    Suite("crash", "kill -9 while clients upload, a few times (tools/crash does it 300 times)",
          build="release", targets=("src/server/ferry",), beside=True,
          command=("tools/crash", "--kills", "12", "--ferry", "build/release/ferry")),
    # Beside tests that wait much.
    Suite("lint", "the house rules (tools/lint)", quick=True, beside=True,
          command=("tools/lint",)),
    Suite("lint-rules", "every rule of tools/lint finds what it is for", quick=True, beside=True,
          command=("python3", "tests/tools/lint_test.py")),
    Suite("suites", "what fails is counted and told, what was unsteady is told (this tool)",
          quick=True, beside=True, command=("python3", "tests/tools/suites_test.py")),
]


@dataclasses.dataclass(frozen=True)
class Program:
    name: str
    command: tuple
    folder: str
    environment: tuple = ()


@dataclasses.dataclass
class Count:
    passed: int = 0
    failed: int = 0

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed


START = time.monotonic()
FAILED = []  # A line for each failure, told once more at the end.
PRINTING = threading.Lock()  # What one program has to say stays together.


def tell(text):
    print(f"[{time.monotonic() - START:5.0f} s] {text}", flush=True)


def run(command, folder, log, seconds_max, environment=()):
    """Runs a program with its output in `log`. Returns its status, and a word when it ended badly.

    It gets a process group of its own, so that a limit ends its children too.
    """
    os.makedirs(os.path.dirname(log), exist_ok=True)
    with open(log, "wb") as output:
        try:
            child = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output,
                                     stderr=subprocess.STDOUT, start_new_session=True,
                                     env={**os.environ, **SANITIZERS, **dict(environment)})
        except OSError as error:
            output.write(f"{command[0]}: {error.strerror}\n".encode())
            return 127, "could not be started"
        try:
            status = wait_telling(child, log, seconds_max)
        except BaseException:  # Ctrl-C: what we started ends with us.
            end_group(child)
            raise
    if status is None:
        return 124, f"took longer than {seconds_max:.0f} s"
    if status < 0:
        return status, f"ended by {signal.Signals(-status).name}"
    return status, f"status {status}" if status else ""


def wait_telling(child, log, seconds_max):
    """Waits for the program, telling now and then how far it is. At the limit ends it: `None`."""
    limit = time.monotonic() + seconds_max
    while (left := limit - time.monotonic()) > 0:
        try:
            return child.wait(timeout=min(left, TELL_EVERY_SECONDS))
        except subprocess.TimeoutExpired:
            with open(log, "rb") as file:
                file.seek(max(0, os.path.getsize(log) - 500))
                lines = file.read().decode(errors="replace").split("\n")
            last = next((line.strip() for line in reversed(lines) if line.strip()), "no output yet")
            tell(f"... {last[:100]}")
    end_group(child)
    return None


def end_group(child):
    """Asks the program's whole group to end, and after five seconds no longer asks."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            return
        try:
            child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            continue


DOCTEST = re.compile(r"^\[doctest\] test cases:\s*(\d+) \|\s*(\d+) passed \|\s*(\d+) failed",
                     re.MULTILINE)
PLAIN = re.compile(r"^(\d+) passed, (\d+) failed\s*$", re.MULTILINE)


def count_cases(text):
    """The cases a program's output tells of: every doctest summary, or else its last plain line."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    count = Count()
    summaries = DOCTEST.findall(text)
    for _, passed, failed in summaries:
        count.add(Count(int(passed), int(failed)))
    if not summaries:
        plain = PLAIN.findall(text)
        if plain:
            count.add(Count(int(plain[-1][0]), int(plain[-1][1])))
    return count


def text_of(log):
    with open(log, encoding="utf-8", errors="replace") as file:
        return file.read()


# What went well, in the output of something that failed: steps of ninja, cases of tests/e2e.
UNREMARKABLE = re.compile(r"\[\d+/\d+\] |ok    ")
# What of a failure's output says most: doctest's place of an assertion, a case of tests/e2e, what was
# wrong in a simulated world.
TELLING = re.compile(r"\S+:\d+: (FATAL )?ERROR: |FAILED? |FAIL:|SUMMARY: "
                     r"|(ftp|http) \d+: |the disk: |  (asked|replay): ")


def show(log, why):
    """Prints what a failed program or build had to say, and notes the gist for the end."""
    lines = [line for line in text_of(log).splitlines() if not UNREMARKABLE.match(line)]
    FAILED.append("\n    ".join([f"{os.path.relpath(log, LOGS)}: {why}",
                                *[line for line in lines if TELLING.match(line)][:5]]))
    print(f"---- {os.path.relpath(log, ROOT)}: {why}")
    if len(lines) > SHOWN_LINES_MAX:
        print(f"     ({len(lines) - SHOWN_LINES_MAX} lines left out)")
    print("\n".join(lines[-SHOWN_LINES_MAX:]))
    print("----", flush=True)


# doctest puts a rule and this heading above what a case said, be it an error or a word in passing.
RULE = re.compile(r"^={60,}$", re.MULTILINE)
HEADING = re.compile(r"^TEST CASE:  (.+)$", re.MULTILINE)
ERROR = re.compile(r"^\S+:\d+: (?:FATAL )?ERROR: ", re.MULTILINE)


def failed_cases(text):
    """The names of the doctest cases that `text` tells of as failed."""
    return sorted({heading[1] for part in RULE.split(text)
                   if ERROR.search(part) and (heading := HEADING.search(part))})


def pass_alone(program, log, count):
    """True when the few doctest cases that failed, as `log` has them, pass when run by themselves."""
    said = text_of(log)
    names = failed_cases(said)
    if not DOCTEST.search(said) or len(names) != count.failed or count.failed > UNSTEADY_MAX:
        return False
    # A comma would begin another pattern; `?` is any one octet.
    patterns = ",".join(name.replace(",", "?") for name in names)
    again = log.removesuffix(".log") + "-again.log"
    status, _ = run((*program.command, "--test-case=" + patterns), program.folder, again,
                    PROGRAM_SECONDS_MAX, program.environment)
    return status == 0 and count_cases(text_of(again)).passed >= len(names)


def run_program(suite, program):
    log = os.path.join(LOGS, suite.name, program.name + ".log")
    began = time.monotonic()
    status, trouble = run(program.command, program.folder, log, PROGRAM_SECONDS_MAX,
                          program.environment)
    count = count_cases(text_of(log))
    if status == 1 and count.failed and pass_alone(program, log, count):
        with PRINTING:
            tell(f"{suite.name} {program.name}: unsteady, passed alone")
            show(log, "unsteady")
        count, status, trouble = Count(count.passed + count.failed, 0), 0, ""
    if status != 0 and count.failed == 0:
        count.failed = 1  # It ended before it could say so itself.
    if status == 0 and count.passed + count.failed == 0:
        count.failed, trouble = 1, "ran no test, or told no count"
    if count.failed and not trouble:
        trouble = "cases failed"
    took = time.monotonic() - began
    with PRINTING:
        tell(f"{suite.name} {program.name}: {count.passed} passed, {count.failed} failed"
             f" ({took:.1f} s{', ' + trouble if trouble else ''})")
        if count.failed:
            show(log, trouble)
    return count


def build(suite):
    """Builds what the suite needs; true when that went well."""
    tell(f"{suite.name}: building {suite.build}")
    if suite.command:
        return build_targets(suite, suite.targets)
    # Which tests there are is known once the folder is set up: ninja writes itself anew first.
    if not build_targets(suite, ("build.ninja",)):
        return False
    folder = os.path.join(ROOT, "build", suite.build)
    return build_targets(suite, [os.path.relpath(program.command[0], folder)
                                 for program in programs_of(suite)])


def build_targets(suite, targets):
    log = os.path.join(LOGS, suite.name, "build.log")
    status, trouble = run(("tools/build", suite.build, "-j", JOBS, *targets), ROOT, log,
                          BUILD_SECONDS_MAX)
    if status != 0:
        show(log, f"the {suite.build} build failed ({trouble})")
    return status == 0


def programs_of(suite):
    if suite.command:
        return [Program(suite.name, suite.command, ROOT)]
    folder = os.path.join(ROOT, "build", suite.build)
    tests = json.loads(subprocess.run(["meson", "introspect", "--tests", folder], check=True,
                                      capture_output=True, text=True).stdout)
    # What may take longest begins first: at the end it would run alone.
    return [Program(test["name"], tuple(test["cmd"]), test["workdir"] or folder,
                    tuple(test["env"].items()))
            for test in sorted(tests, key=lambda test: -test["timeout"])
            if re.fullmatch(suite.programs, test["name"])]


def run_suites(suites):
    """Builds one after the other, then runs all at once. Returns a count for each."""
    are_built = [not suite.build or build(suite) for suite in suites]
    with concurrent.futures.ThreadPoolExecutor(len(suites)) as pool:
        counts = list(pool.map(lambda suite, is_built: run_built(suite, ()) if is_built
                               else Count(failed=1), suites, are_built))
    return [run_alone(suite) if is_built and suite.again and count.failed else count
            for suite, is_built, count in zip(suites, are_built, counts)]


def run_alone(suite):
    """Runs once more what has failed beside others."""
    tell(f"{suite.name}: once more, alone")
    count = run_built(suite, ())
    if not count.failed:
        tell(f"{suite.name}: unsteady, passed alone")
        FAILED[:] = [each for each in FAILED if not each.startswith(suite.name + "/")]
    return count


def run_suite(suite, only):
    """Builds and runs the suite, or of it the programs in `only`."""
    return run_built(suite, only) if not suite.build or build(suite) else Count(failed=1)


def run_built(suite, only):
    total = Count()
    chosen = [p for p in programs_of(suite) if not only or p.name in only]
    # One more at once than there are cores, for some wait much: each has its own folders and ports.
    with concurrent.futures.ThreadPoolExecutor(int(JOBS) + 1) as pool:
        for count in pool.map(lambda program: run_program(suite, program), chosen):
            total.add(count)
    return total


def main(arguments):
    if "-h" in arguments or "--help" in arguments or "--list" in arguments:
        if "--list" not in arguments:
            print(__doc__.strip() + "\n")
        for suite in SUITES:
            print(f"{suite.name:12} {suite.about}{' (quick)' if suite.quick else ''}")
        return 0
    names = [a for a in arguments if a != "--quick"]
    if any(name.startswith("-") for name in names):
        print("test: unknown argument; see tools/test --help", file=sys.stderr)
        return 2
    known = {suite.name for suite in SUITES}
    programs = {name for name in names if name not in known}
    chosen = [s for s in SUITES
              if (not names or s.name in names) and (s.quick or "--quick" not in arguments)]
    total = Count()
    while chosen:
        together = [chosen.pop(0)]
        while chosen and chosen[0].beside:
            together.append(chosen.pop(0))
        for suite, count in zip(together, run_suites(together)):
            if count.passed + count.failed == 0:
                tell(f"{suite.name}: ran no test at all")
                count.failed = 1
            total.add(count)
    if programs:
        # A test program by its name, in the build that finds most.
        asan = dataclasses.replace(next(s for s in SUITES if s.name == "asan"), programs=".*")
        count = run_suite(asan, programs)
        if count.passed + count.failed == 0:
            tell(f"no test program is called {' or '.join(sorted(programs))}")
            count.failed = 1
        total.add(count)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    tell(f"done, {used.ru_utime + used.ru_stime:.0f} s of CPU time on {JOBS} processors")
    for each in FAILED:
        print(f"failed: {each}")
    print(f"{total.passed} passed, {total.failed} failed", flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
