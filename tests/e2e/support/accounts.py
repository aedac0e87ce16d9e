"""Files of users, and sessions of who is in them."""

import os

from .clients import run
from .ftp_wire import Control


def passwd(t, file, name, password, *more, status=0):
    return run([t.binary, "passwd", *more, file, name], stdin=password.encode() + b"\n",
               status=status)


def users_file(t, **fields):
    """A file of users with password "pw-NAME"; `fields`: what stands behind each one's hash."""
    file = os.path.join(t.tmp(), "users")
    for name, rest in fields.items():
        passwd(t, file, name, f"pw-{name}", "--method", "sha512crypt")
        with open(file, encoding="utf-8") as opened:
            lines = opened.read().splitlines()
        lines[-1] = ":".join(lines[-1].split(":")[:2]) + rest
        with open(file, "w", encoding="utf-8") as opened:
            opened.write("\n".join(lines) + "\n")
    return file


def session(t, server, name, password=None):
    return t.closing(Control(server)).login(name, password or f"pw-{name}")
