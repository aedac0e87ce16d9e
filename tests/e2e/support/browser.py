"""A headless Chromium, spoken to in the DevTools protocol through a pipe: no driver, no port."""

import json
import os
import select
import shutil
import signal
import subprocess
import time

from support.case import Failure

SECONDS_MAX = 20.0
NAMES = ("chromium", "chromium-browser", "google-chrome")


def program():
    """Where it is; None where none is installed."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Browser:
    """One page. `folder`: for its profile; `flags`: of the command line, besides the usual. Everything it said of the page is in `events`."""

    def __init__(self, folder, *flags):
        command_reader, self.commands = os.pipe()
        self.answers, answer_writer = os.pipe()

        def place_pipes():  # It reads commands from 3 and answers on 4.
            reader, writer = os.dup(command_reader), os.dup(answer_writer)
            os.dup2(reader, 3)
            os.dup2(writer, 4)

        self.process = subprocess.Popen(
            [program(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--disable-background-networking", "--remote-debugging-pipe",
             f"--user-data-dir={folder}", "--window-size=1000,700", *flags,
             "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=place_pipes, pass_fds=(3, 4), start_new_session=True)
        os.close(command_reader)
        os.close(answer_writer)
        self.pending, self.number, self.session, self.events = b"", 0, None, []
        pages = [each for each in self.call("Target.getTargets")["targetInfos"]
                 if each["type"] == "page"]
        self.session = self.call("Target.attachToTarget", targetId=pages[0]["targetId"],
                                 flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def close(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.commands)
        os.close(self.answers)

    def _next(self, limit):
        while b"\0" not in self.pending:
            readable, _, _ = select.select([self.answers], [], [], max(0, limit - time.monotonic()))
            piece = os.read(self.answers, 1 << 20) if readable else b""
            if not piece:
                raise Failure("chromium says nothing more")
            self.pending += piece
        message, self.pending = self.pending.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        """Carries out a command of the protocol and returns its result."""
        self.number += 1
        command = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            command["sessionId"] = self.session
        os.write(self.commands, json.dumps(command).encode() + b"\0")
        limit = time.monotonic() + SECONDS_MAX
        while True:
            message = self._next(limit)
            if message.get("id") == self.number:
                if "error" in message:
                    raise Failure(f"{method}: {message['error']}")
                return message["result"]
            self.events.append(message)

    def wait_for(self, method):
        """The next event of that name, from the last `open` or `forget` on."""
        limit = time.monotonic() + SECONDS_MAX
        while True:
            for event in self.events:
                if event.get("method") == method:
                    return event["params"]
            self.events.append(self._next(limit))

    def said(self, method):
        return [event["params"] for event in self.events if event.get("method") == method]

    def forget(self):
        self.events = []

    def open(self, url):
        self.forget()
        self.call("Page.navigate", url=url)
        self.wait_for("Page.loadEventFired")

    def value(self, expression):
        """What a JavaScript expression gives on the page, which may load itself anew meanwhile."""
        limit = time.monotonic() + SECONDS_MAX
        while True:
            try:
                result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
                break
            except Failure as failed:
                if "navigated" not in str(failed) or time.monotonic() > limit:
                    raise
        if "exceptionDetails" in result:
            raise Failure(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def log_in(self, name, password, expression):
        """Has the page do what asks for a name and a password, answers the browser's dialogue and
        waits for the page behind it."""
        self.forget()
        self.call("Fetch.enable", handleAuthRequests=True)
        self.value(expression)
        limit = time.monotonic() + SECONDS_MAX
        done = 0
        while not self.said("Page.loadEventFired"):
            if done == len(self.events):
                self.events.append(self._next(limit))
            event = self.events[done]
            done += 1
            if event.get("method") == "Fetch.requestPaused":
                self.call("Fetch.continueRequest", requestId=event["params"]["requestId"])
            elif event.get("method") == "Fetch.authRequired":
                self.call("Fetch.continueWithAuth", requestId=event["params"]["requestId"],
                          authChallengeResponse={"response": "ProvideCredentials",
                                                 "username": name, "password": password})
        self.call("Fetch.disable")

    def press(self, key, text=None):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key,
                      **({"text": text} if text and kind == "keyDown" else {}))
