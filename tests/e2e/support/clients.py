"""Client programs as processes."""

import os
import shutil
import subprocess

from support.case import Failure

SECONDS_MAX = 25


class Finished:
    def __init__(self, command, status, output, errors):
        self.command = command
        self.status = status
        self.output = output  # Octets.
        self.errors = errors

    @property
    def text(self):
        return (self.output + self.errors).decode("utf-8", "backslashreplace")


def run(command, folder=None, status=0, seconds=SECONDS_MAX, stdin=b""):
    """Runs a client and returns what it said. Failure when it is not installed, ends with another
    status than `status` (None: any), or takes too long."""
    command = [os.fsencode(part) if isinstance(part, bytes) else str(part) for part in command]
    if not shutil.which(command[0]):
        raise Failure(f"{command[0]} is not installed: run tools/setup --tests")
    try:
        done = subprocess.run(command, cwd=folder, input=stdin, capture_output=True,
                              timeout=seconds, check=False)
    except subprocess.TimeoutExpired as late:
        said = (late.stdout or b"") + (late.stderr or b"")
        raise Failure(f"{command} took longer than {seconds} s\n{said.decode(errors='replace')}") \
            from None
    result = Finished(command, done.returncode, done.stdout, done.stderr)
    if status is not None and done.returncode != status:
        raise Failure(f"{command} ended with {done.returncode}, wanted {status}\n"
                      f"{result.text[-3000:]}")
    return result
