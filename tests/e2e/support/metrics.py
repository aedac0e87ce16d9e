"""Prometheus' text formats, read strictly: what a scraper might forgive is a failure here."""

import re

from support.case import Failure

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"')
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (-?[0-9]+(?:\.[0-9]+)?)")
ABOUT = re.compile(rf"# (HELP|TYPE|UNIT) ({NAME}) (.+)")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


def labels_in(text):
    """The labels between the braces, in their order."""
    found, at = [], 0
    while at < len(text):
        label = LABEL.match(text, at)
        if not label:
            raise Failure(f"no label: {text[at:]!r}")
        found.append((label[1], label[2]))
        at = label.end()
        if at < len(text):
            if text[at] != ",":
                raise Failure(f"no comma: {text[at:]!r}")
            at += 1
    return tuple(found)


def parse(text, openmetrics=False):
    """{(name, labels): value}. Families stand together, each behind its HELP and TYPE."""
    if not text.endswith("# EOF\n" if openmetrics else "\n"):
        raise Failure(f"it does not end well: {text[-80:]!r}")
    values, families, family, kind = {}, set(), None, None
    lines = text.split("\n")[:-1]
    for line in lines[:-1] if openmetrics else lines:
        about = ABOUT.fullmatch(line)
        if about:
            what, name, said = about.groups()
            if what == "HELP":
                if name in families:
                    raise Failure(f"{name} is there twice")
                families.add(name)
                family, kind = name, None
            elif name != family or (what == "UNIT" and not (openmetrics and name.endswith(said))):
                raise Failure(f"out of place: {line!r}")
            elif what == "TYPE":
                kind = said
            continue
        sample = SAMPLE.fullmatch(line)
        if not sample or kind not in SUFFIXES:
            raise Failure(f"no sample: {line!r}")
        name, labels, value = sample.groups()
        suffixes = ("_total",) if openmetrics and kind == "counter" else SUFFIXES[kind]
        if name not in [family + suffix for suffix in suffixes]:
            raise Failure(f"{name!r} is not of {family}, a {kind}")
        key = (name, labels_in(labels or ""))
        if key in values:
            raise Failure(f"{key} is there twice")
        values[key] = float(value)
        if kind == "counter" and values[key] < 0:
            raise Failure(f"a counter below 0: {line!r}")
    check_histograms(values)
    return values


def check_histograms(values):
    """Buckets grow with their bounds, and the last, +Inf, holds all."""
    buckets = {}
    for (name, labels), value in values.items():
        if name.endswith("_bucket"):
            others = tuple(each for each in labels if each[0] != "le")
            buckets.setdefault((name, others), []).append((dict(labels)["le"], value))
    if not buckets:
        raise Failure("no histogram")
    for (name, others), all_of_it in buckets.items():
        bounds = [float(bound.replace("+Inf", "inf")) for bound, _ in all_of_it]
        counts = [value for _, value in all_of_it]
        if bounds != sorted(set(bounds)) or bounds[-1] != float("inf"):
            raise Failure(f"bounds of {name}: {bounds}")
        if counts != sorted(counts) or counts[-1] != values[(name[:-7] + "_count", others)]:
            raise Failure(f"counts of {name}: {counts}")
