"""What a soak has shown: checks, JSON, a page."""

import dataclasses
import html
import json

import charts
from soaklib.books import CUT, NO_ROOM, WELL, WRONG
from soaklib.watch import MIB, judge_memory, threads_grew

SHOWN_MAX = 8
MARKS_MAX = 6  # In a chart; more would hide it.


@dataclasses.dataclass
class Check:
    name: str
    is_met: bool
    said: str


@dataclasses.dataclass
class Outcome:
    """Of a run. `lost` and `hidden`: names of the tree that are not what they should be, and names of
    uploads that nobody makes any more."""
    samples: list
    books: object
    faults: dict
    events: list  # Of (seconds, what happened).
    base_descriptors: int
    end_descriptors: int
    lost: list
    hidden: list
    status: int
    log_lines: list  # Of the server, that tell of errors.
    about: str = ""


def checks_of(run):
    memory = judge_memory(run.samples)
    threads = sorted({each.threads for each in run.samples})
    wrong = run.books.total(WRONG)
    return [
        Check("every answer is right", wrong == 0 and run.books.total(WELL) > 0,
              f"{run.books.total():,} exchanges, {wrong} wrong"
              + "".join(f"\n      {each}" for each in run.books.troubles[:SHOWN_MAX])),
        Check("every file is what was stored last", not run.lost,
              "; ".join(run.lost[:SHOWN_MAX]) or f"{len(run.books.stored)} names read back"),
        Check("nothing is left of uploads that were cut", not run.hidden,
              "; ".join(run.hidden[:SHOWN_MAX]) or "no hidden name of an upload"),
        Check("memory is steady", memory.is_steady,
              f"{memory.slope_bytes_hour / MIB:+.2f} MiB an hour behind the warm-up ({memory.grown_bytes / MIB:+.2f} "
              f"MiB seen, at most {memory.grown_bytes_max / MIB:.1f}), of {memory.mean_bytes / MIB:.1f} MiB"),
        Check("descriptors come back", run.end_descriptors <= run.base_descriptors,
              f"{run.end_descriptors} at the end, {run.base_descriptors} before the first client, "
              f"{max(each.descriptors for each in run.samples)} at most"),
        Check("threads do not become more", not threads_grew(run.samples),
              f"{threads[0]} to {threads[-1]}, those of the pool made when they are wanted"),
        Check("every fault happened", all(run.faults.values()),
              ", ".join(f"{count} x {name.replace('_', ' ')}" for name, count in run.faults.items())),
        Check("the server says of no error", not run.log_lines,
              "; ".join(run.log_lines[:SHOWN_MAX]) or "no line of that level"),
        Check("SIGTERM ends it in order", run.status == 0, f"status {run.status}")]


def counts_of(run):
    """Rows: protocol, operation, and how many went how."""
    kinds = sorted({key[:2] for key in run.books.counts})
    return [(protocol, operation, *(run.books.counts[protocol, operation, result]
                                    for result in (WELL, CUT, NO_ROOM, WRONG)))
            for protocol, operation in kinds]


def print_outcome(run, checks):
    print(f"\n{'':26}{WELL:>9}{'cut':>9}{NO_ROOM:>9}{WRONG:>9}")
    for protocol, operation, *numbers in counts_of(run):
        print(f"{protocol:6}{operation:20}" + "".join(f"{each:9,}" for each in numbers))
    print()
    for each in checks:
        print(f"{'ok  ' if each.is_met else 'FAIL'}  {each.name}: {each.said}")


def as_json(run, checks):
    return json.dumps({
        "about": run.about, "checks": [dataclasses.asdict(each) for each in checks],
        "memory": dataclasses.asdict(judge_memory(run.samples)), "faults": run.faults,
        "counts": [dict(zip(("protocol", "operation", WELL, CUT, NO_ROOM, WRONG), row))
                   for row in counts_of(run)],
        "troubles": run.books.troubles, "events": run.events,
        "samples": [dataclasses.asdict(each) for each in run.samples]}, indent=1) + "\n"


def rates(samples, value):
    """How fast a number grows, between one sample and the next."""
    return [(b.seconds, (value(b) - value(a)) / max(b.seconds - a.seconds, 1e-3))
            for a, b in zip(samples, samples[1:])]


def as_page(run, checks):
    hours = run.samples[-1].seconds > 7200
    scale, unit = (3600, "hours") if hours else (60, "minutes")

    def over_time(name, points):
        return charts.Series(name, [(x / scale, y) for x, y in points])
    full = tuple((when / scale, what) for when, what in run.events if what == "fill disk")
    memory = charts.lines(
        [over_time("anonymous", [(each.seconds, each.anonymous_bytes / MIB) for each in run.samples]),
         over_time("resident", [(each.seconds, each.resident_bytes / MIB) for each in run.samples])],
        charts.Axes(unit, "MiB"))
    descriptors = charts.lines(
        [over_time("descriptors", [(each.seconds, each.descriptors) for each in run.samples]),
         over_time("threads", [(each.seconds, each.threads) for each in run.samples])],
        charts.Axes(unit, "open at once"))
    work = charts.lines([over_time("exchanges", rates(run.samples, lambda each: each.exchanges))],
                        charts.Axes(unit, "a second", full if len(full) <= MARKS_MAX else ()))
    cpu = charts.lines([over_time("CPU", rates(run.samples, lambda each: each.cpu_seconds))],
                       charts.Axes(unit, "CPUs in use", height=180))
    verdict = charts.table(("", "What", "Seen"), [
        (f'<span class="{"well" if each.is_met else "ill"}">{"met" if each.is_met else "not met"}</span>',
         html.escape(each.name), html.escape(each.said)) for each in checks])
    counts = charts.table(("", "what", WELL, "cut", NO_ROOM, WRONG),
                          [tuple(f"{each:,}" if isinstance(each, int) else html.escape(each) for each in row)
                           for row in counts_of(run)])
    return charts.page("A soak of ferry", "\n".join([
        f"<p>{html.escape(run.about)}</p>", "<h2>Verdict</h2>", verdict, "<h2>Memory</h2>", memory,
        "<h2>Descriptors and threads</h2>", descriptors, "<h2>Work</h2>", work, "<h2>CPU</h2>", cpu,
        "<h2>What was done</h2>", counts]))
