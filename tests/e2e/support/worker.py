"""The process that runs the tests of one module and tells run.py of each."""

import dataclasses
import faulthandler
import importlib
import json
import os
import signal
import sys
import time
import traceback

from support import case


@dataclasses.dataclass(frozen=True)
class Settings:
    ferry: str  # The binary under test.
    folder: str  # For everything temporary.
    verbose: bool = False
    keep: bool = False
    io: str = "auto"  # For --io of the server; "denied": auto, where there is no io_uring.
    is_long: bool = False  # Tests that have a long form take it.


def cases_of(module_name):
    return case.cases_in(importlib.import_module("test_" + module_name))


def read_event(line):
    return json.loads(line)


def main(module_name, names, settings, writer):
    """Runs the tests `names`; what they print goes into a log beside their folders."""
    log = os.open(os.path.join(settings.folder, module_name + ".log"),
                  os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    sys.stdout = open(1, "w", encoding="utf-8", errors="backslashreplace", buffering=1)
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    faulthandler.register(signal.SIGUSR1, file=open(2, "w", closefd=False), all_threads=True)
    # Clients of the tests must not read the configuration of whoever runs them.
    home = os.path.join(settings.folder, module_name + "-home")
    os.makedirs(home, exist_ok=True)
    for name in list(os.environ):
        if name.startswith("FERRY_") or name.lower().endswith("_proxy"):
            del os.environ[name]
    os.environ.update(HOME=home, LC_ALL="C.UTF-8", TZ="UTC", XDG_CONFIG_HOME=home,
                      XDG_DATA_HOME=home, XDG_CACHE_HOME=home)
    folder = os.path.join(settings.folder, module_name)
    os.makedirs(folder, exist_ok=True)

    def tell(**event):
        os.write(writer, json.dumps(event).encode() + b"\n")

    shared = case.Shared(settings, folder)
    cases = {c.name: c for c in cases_of(module_name)}
    for name in names:
        tell(what="start", name=name)
        began = time.monotonic()
        ok, text = run_one(cases[name], case.Context(settings, folder, shared))
        tell(what="done", name=name, ok=ok, text=text, seconds=time.monotonic() - began)
    try:
        shared.context.close(orderly=True)
    except Exception as error:
        tell(what="done", name="(stopping what the tests shared)", ok=False, text=str(error),
             seconds=0.0)


def run_one(one, context):
    """Returns whether the test passed, and what there is to read about it."""
    text, logs = "", ""
    try:
        one.run(context)
        context.check_servers()
    except Exception as error:
        logs = context.logs()
        if isinstance(error, case.Failure):
            frames = traceback.extract_tb(error.__traceback__)
            place = next((f for f in reversed(frames) if "/support/" not in f.filename), frames[-1])
            text = f"{error}\n  at {os.path.basename(place.filename)}:{place.lineno}: {place.line}"
        else:
            text = traceback.format_exc()
    if context.settings.verbose and not logs:
        logs = context.logs()
    try:
        context.close(orderly=not text)
    except Exception as error:
        text += f"{error}\n" if isinstance(error, case.Failure) else traceback.format_exc()
    ok = not text
    if ok and context.told:
        text = "\n".join(context.told)
    return ok, text + ("\n" + logs if logs else "")
