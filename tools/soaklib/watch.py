"""What a process uses, sample by sample, and whether it becomes more."""

import dataclasses
import os
import time

WARM_PART = 0.25  # Of a run: caches fill up, every way has been gone once.
JUDGED_SECONDS_MIN = 120  # Behind the warm-up. What is shorter tells of great leaks alone.
SHORT_BYTES_MAX = 32 << 20
KERNEL_WORKERS = 2
MIB = 1 << 20


@dataclasses.dataclass
class Sample:
    seconds: float
    resident_bytes: int
    anonymous_bytes: int  # Of these, what no file is behind: heap and stacks.
    descriptors: int
    threads: int
    cpu_seconds: float
    exchanges: int
    wrong: int


def look(pid, began, books):
    numbers = {}
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        for line in file:
            key, _, value = line.partition(":")
            if key in ("VmRSS", "RssAnon", "Threads"):
                numbers[key] = int(value.split()[0])
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        parts = file.read().rsplit(") ", 1)[1].split()
    return Sample(time.monotonic() - began, numbers["VmRSS"] << 10, numbers["RssAnon"] << 10,
                  len(os.listdir(f"/proc/{pid}/fd")), numbers["Threads"],
                  (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK"),
                  books.total(), books.total("wrong"))


def warm(samples):
    """The samples behind the warm-up."""
    limit = samples[-1].seconds * WARM_PART
    return [each for each in samples if each.seconds >= limit]


def slope(samples):
    """Octets a second that anonymous memory grows by, by least squares."""
    count = len(samples)
    if count < 3:
        return 0.0
    x = sum(each.seconds for each in samples) / count
    y = sum(each.anonymous_bytes for each in samples) / count
    spread = sum((each.seconds - x) ** 2 for each in samples)
    return sum((each.seconds - x) * (each.anonymous_bytes - y) for each in samples) / spread


@dataclasses.dataclass
class Memory:
    """Anonymous memory behind the warm-up."""
    slope_bytes_hour: float
    grown_bytes: float  # By that slope.
    mean_bytes: float
    grown_bytes_max: float  # More is a leak, or looks like one.

    @property
    def is_steady(self):
        return self.grown_bytes <= self.grown_bytes_max


def judge_memory(samples):
    """Allowed is what chance makes of a run: a twentieth, or 2 MiB; of a short one, what caches take."""
    behind = warm(samples)
    by_second = slope(behind)
    mean = sum(each.anonymous_bytes for each in behind) / len(behind)
    seconds = behind[-1].seconds - behind[0].seconds
    return Memory(by_second * 3600, by_second * seconds, mean,
                  max(2 * MIB, mean / 20) if seconds >= JUDGED_SECONDS_MIN else SHORT_BYTES_MAX)


def threads_grew(samples):
    """Whether there were more in the last quarter of a run than ever before, by more than the workers
    that the kernel gives a ring for a moment. The pool makes its threads when there is work for them."""
    cut = samples[-1].seconds * 0.75
    before = max(each.threads for each in samples if each.seconds <= cut)
    return max(each.threads for each in samples if each.seconds >= cut) > before + KERNEL_WORKERS
