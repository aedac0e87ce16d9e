"""What the clients of a soak have done and seen, and what a fault may excuse."""

import collections
import dataclasses
import threading
import time

WELL, NO_ROOM, CUT, WRONG = "well", "no room", "cut by the client", "wrong"
TROUBLES_MAX = 200  # That are kept word for word; all are counted.
EXCUSED_SECONDS = 3.0  # How long behind its end a full disk may still be seen in an answer.


class NoRoom(Exception):
    """The server says that the disk is full."""


class Cut(Exception):
    """The client has broken off what it did, as it meant to."""


@dataclasses.dataclass
class Books:
    """Written by all clients."""

    counts: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    troubles: list = dataclasses.field(default_factory=list)
    stored: dict = dataclasses.field(default_factory=dict)  # {name: content}, None: removed.
    began: float = dataclasses.field(default_factory=time.monotonic)
    _lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)
    _full_since: float = 0.0
    _full_until: float = 0.0

    def note(self, protocol, operation, result):
        with self._lock:
            self.counts[protocol, operation, result] += 1

    def complain(self, text):
        with self._lock:
            if len(self.troubles) < TROUBLES_MAX:
                self.troubles.append(f"{time.monotonic() - self.began:.1f} s: {text}")

    def disk_fills(self):
        self._full_since, self._full_until = time.monotonic(), float("inf")

    def disk_has_room(self):
        self._full_until = time.monotonic()

    def may_lack_room(self, began):
        """Whether what has begun then and ends now may have met a full disk."""
        return self._full_since > 0 and began < self._full_until + EXCUSED_SECONDS

    def total(self, result=None):
        with self._lock:
            return sum(n for (_, _, each), n in self.counts.items() if result in (None, each))
