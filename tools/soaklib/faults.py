"""What goes wrong in a soak, besides clients that vanish: the disk fills up, a file is truncated while it
is sent, accounts are read anew, good and bad ones, the log is rotated."""

import dataclasses
import os
import random
import signal
import time

from soaklib.clients import VICTIM, VICTIM_BYTES, victim
from support.case import Failure

FULL_SECONDS = 1.5
ROTATED_SECONDS_MAX = 10
SPARED_BYTES = 64 << 10  # What a full disk has left, for its own books.


@dataclasses.dataclass
class Place:
    """Where things are: the disk, the tree on it, and beside the disk the log and the accounts."""
    disk: str
    tree: str
    log: str
    users: str


class Faults:
    def __init__(self, server, place, books, seed):
        self.server, self.place, self.books = server, place, books
        self.random = random.Random(seed)
        self.counts = dict.fromkeys((each.__name__ for each in self._all()), 0)
        self._accounts = open(place.users, encoding="utf-8").read()
        self._next = []

    def _all(self):
        return (self.fill_disk, self.truncate, self.reload, self.reload_bad, self.rotate)

    def one(self):
        """Makes one of them happen, each before any a second time. Returns its name."""
        if not self._next:
            self._next = list(self._all())
            self.random.shuffle(self._next)
        fault = self._next.pop()
        fault()
        self.counts[fault.__name__] += 1
        return fault.__name__.replace("_", " ")

    def fill_disk(self):
        ballast = os.path.join(self.place.disk, "ballast")
        self.books.disk_fills()
        limit = time.monotonic() + FULL_SECONDS
        try:
            with open(ballast, "wb") as file:
                while time.monotonic() < limit:
                    room = os.statvfs(self.place.disk)
                    free = room.f_bavail * room.f_frsize - SPARED_BYTES
                    if free > 0:
                        try:
                            os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, free)
                        except OSError:
                            pass  # Somebody was quicker: it is full.
                    time.sleep(0.05)
        finally:
            os.remove(ballast)
            self.books.disk_has_room()

    def truncate(self):
        path = os.path.join(self.place.tree, VICTIM)
        os.truncate(path, self.random.randrange(VICTIM_BYTES))
        time.sleep(0.3)
        try:
            with open(path + ".new", "wb") as file:
                file.write(victim())
            os.rename(path + ".new", path)
        except OSError:  # The disk is small.
            os.remove(path + ".new")
            raise Failure("no room for the file that is truncated: a larger disk is wanted") from None

    def _rewrite_accounts(self, text):
        with open(self.place.users + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(self.place.users + ".new", self.place.users)
        self.server.signal(signal.SIGHUP)

    def reload(self):
        self._rewrite_accounts(self._accounts + f"# {self.random.random()}\n")

    def reload_bad(self):
        """Accounts that cannot be read leave those in force that were."""
        self._rewrite_accounts(self._accounts + "this is no account\n")
        time.sleep(0.3)
        self._rewrite_accounts(self._accounts)

    def rotate(self):
        os.replace(self.place.log, self.place.log + ".1")
        self.server.signal(signal.SIGUSR1)
        limit = time.monotonic() + ROTATED_SECONDS_MAX
        while not os.path.exists(self.place.log):
            if time.monotonic() > limit:
                raise Failure(f"no new log {ROTATED_SECONDS_MAX} s behind SIGUSR1")
            time.sleep(0.02)
