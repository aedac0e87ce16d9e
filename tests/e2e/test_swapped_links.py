"""Names that turn into links out of the tree and back while they are served (threats.md, V3)."""

import os
import threading

from support import check, swapper, trees
from support.case import Failure, limit
from support.ftp_wire import Control, read_all
from support.http_wire import Connection

# Of each kind of client, however many swaps there are; a long run has as many as it lasts.
CLIENTS = 2
SWAPS, SWAPS_OF_A_LONG_RUN = 3_000, 100_000
HONEST = b"honest " * 40
HONEST_IN_DIRECTORY = b"honest, in a directory " * 2000  # More than is sent from memory.


def make(folder):
    """The tree, what lies outside, and the pairs of names that are exchanged."""
    root = trees.with_secret_beside(folder)
    stage = os.path.join(folder, "stage")
    os.mkdir(stage)
    trees.fill(root, {"file": HONEST, "dir/secret.txt": HONEST_IN_DIRECTORY,
                      "way/to/secret.txt": HONEST, "way/plain": b"plain"})
    trees.write(folder, "secret-dir/to/secret.txt", trees.SECRET)
    # They lead out of the root from where they are exchanged to.
    os.symlink("../secret.txt", os.path.join(stage, "file"))
    os.symlink("../secret-dir", os.path.join(stage, "dir"))
    os.symlink(os.path.join(folder, "secret-dir"), os.path.join(stage, "way"))
    pairs = []
    for name in ("file", "dir", "way"):
        pairs += [os.path.join(root, name), os.path.join(stage, name)]
    return root, pairs


def outside(folder):
    """What there is outside the tree, but for what is exchanged with it."""
    return {name: content for name, content in trees.contents(folder).items()
            if not name.startswith((b"root/", b"stage/"))}


class Readers:
    """Clients that ask until they are told to stop, and count what they were answered."""

    def __init__(self, server):
        self.server = server
        self.stop = threading.Event()
        self.trouble = []
        self.honest = self.refused = 0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(client,), daemon=True)
                        for client in [self.ask_http] * CLIENTS + [self.ask_ftp] * CLIENTS]

    def run(self, client):
        try:
            client()
        except Exception as failure:
            self.trouble.append(repr(failure))

    def must_be(self, octets, wanted, what):
        for secret in (trees.SECRET, trees.OUTSIDE_NAME):
            if secret in octets:
                raise Failure(f"{what}: {secret} from outside the root")
        if wanted is not None and octets != wanted:
            raise Failure(f"{what}: {len(octets)} octets, {octets[:60]!r}, are not the file's")

    def tell(self, is_honest):
        with self.lock:
            self.honest += is_honest
            self.refused += not is_honest

    def ask_http(self):
        wanted = (("/file", HONEST), ("/dir/secret.txt", HONEST_IN_DIRECTORY), ("/dir/", None),
                  ("/way/to/secret.txt", HONEST))
        with Connection(self.server) as connection:
            while not self.stop.is_set():
                for target, content in wanted:
                    response = connection.ask(target)
                    if response.status not in (200, 403, 404, 503):
                        raise Failure(f"{target}: {response}")
                    is_honest = response.status == 200
                    self.must_be(response.body + repr(response.fields).encode(),
                                 None, f"GET {target}")
                    if is_honest:
                        self.must_be(response.body, content, f"GET {target}")
                    self.tell(is_honest)

    def ask_ftp(self):
        wanted = (("RETR file", HONEST), ("RETR dir/secret.txt", HONEST_IN_DIRECTORY),
                  ("NLST dir", None), ("RETR way/to/secret.txt", HONEST), ("MLSD way", None))
        with Control(self.server) as control:
            control.login("ann", "secret")
            while not self.stop.is_set():
                for command, content in wanted:
                    got = self.transfer(control, command, None)
                    if got is not None:
                        self.must_be(got, content, command)
                    self.tell(got is not None)
                for command in ("STOR dir/stored", "APPE way/to/secret.txt", "STOR way/to/stored"):
                    self.transfer(control, command, b"")
                for command in ("MKD dir/made", "RMD dir/made", "DELE dir/stored", "CWD way/to"):
                    reply = control.ask(command)
                    self.must_be(b"\n".join(reply.lines), None, command)
                if reply.code == 250:  # What it was then is what it stays.
                    for name in ("secret.txt", "../../file"):
                        self.must_be(self.transfer(control, f"RETR {name}", None) or b"", None,
                                     f"RETR {name}")
                control.ask("CWD /", 250)

    def transfer(self, control, command, octets):
        """What a transfer brought; nothing when it was refused."""
        data = control.passive()
        got = b""
        reply = control.ask(command)
        if reply.code == 150:
            if octets is None:
                got = read_all(data)
            data.close()
            reply = control.expect(command)
        data.close()
        self.must_be(b"\n".join(reply.lines), None, command)
        return got if reply.code == 226 else None


@limit(60)
def test_nothing_from_outside(t):
    """Files and directories are exchanged for links out of the root thousands of times, while they
    are read, listed and written to: no octet comes from outside, and nothing is written there."""
    folder = t.tmp()
    root, pairs = make(folder)
    before = outside(folder)
    server = t.ferry(root, "--user", "ann:secret", "--write")
    readers = Readers(server)
    swaps = SWAPS_OF_A_LONG_RUN if t.is_long else SWAPS
    swapping = swapper.Swapper(swaps, pairs)  # Forks: before there are threads.
    for thread in readers.threads:
        thread.start()
    try:
        swapping.run()
    finally:
        readers.stop.set()
        for thread in readers.threads:
            thread.join(20)
    check.equal(readers.trouble, [], "what clients saw")
    check.equal(outside(folder), before, "what is outside the root")
    # Else nothing was shown.
    check.holds(readers.honest > 10 and readers.refused > 10,
                f"{readers.honest} honest answers, {readers.refused} refusals")
    t.tell(f"{swaps} exchanges, {readers.honest} honest answers, {readers.refused} refusals")
