"""tools/ferry-http-load against the server: every way to send requests, what it checks, its end."""

import json
import os
import signal
import subprocess

from support import check
from support.case import Failure, rows
from support.clients import run
from support.scripted import Scripted

SMALL = b"0123456789abcde\n" * 64


def make_server(maker):
    root = maker.tmp()
    os.mkdir(os.path.join(root, "names"))
    for name, content in (("0.bin", SMALL), ("1.bin", SMALL), ("large.bin", SMALL * 512)):
        with open(os.path.join(root, name), "wb") as file:
            file.write(content)
    return maker.ferry(root)


def tool(t):
    """The copy that lies beside the copy of the server."""
    path = os.path.join(os.path.dirname(t.binary), "ferry-http-load")
    if not os.access(path, os.X_OK):
        raise Failure("not built: tools/build KIND tools/http_load/ferry-http-load")
    return path


def url(server, path=""):
    return f"http://127.0.0.1:{server.http_port}/{path}"


def load(t, *arguments, status=0):
    """Runs it, and returns what it says and what it writes as JSON."""
    file = os.path.join(t.tmp(), "report.json")
    io = ("--io", t.settings.io) if t.settings.io in ("uring", "epoll") else ()
    done = run([tool(t), *io, "--json", file, *arguments], status=status)
    with open(file, encoding="utf-8") as opened:
        return done.text, json.load(opened)


class Row:
    def __init__(self, id, path, opened, *flags):
        self.id, self.path, self.opened, self.flags = id, path, opened, flags


# Of 12 requests on 3 connections: how many connections it takes.
WAYS = [Row("one-behind-the-other", "0.bin", 3), Row("at-once", "0.bin", 3, "-p", "3"),
        Row("at-once-with-a-rest", "{}.bin", 3, "-p", "16", "-f", "2"),
        Row("a-connection-each", "0.bin", 12, "--close"),
        Row("large", "large.bin", 3, "--body", str(len(SMALL) * 512)),
        Row("numbered", "{}.bin", 3, "-f", "2", "--body", "1k"),
        Row("ranges", "large.bin", 3, "--range", "100", "--range-of", str(len(SMALL) * 512)),
        Row("head", "0.bin", 3, "-X", "HEAD", "--body", "0"),
        Row("listing", "names/", 3), Row("not-found", "none", 3, "--status", "404"),
        Row("fields", "0.bin", 3, "-H", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT", "-H", "X: y",
            "--status", "304", "--body", "0")]


@rows(WAYS)
def test_way_of_sending(t, row):
    server = t.shared(make_server)
    text, said = load(t, "-n", "12", "-c", "3", "-t", "2", "-l", *row.flags, url(server, row.path))
    check.equal(said["errors"], {}, "errors")
    check.equal((said["done"], said["opened"]), (12, row.opened), "answers and connections")
    check.contains(text, "Latency\n", "what it printed")
    latency = said["latency_ns"]
    check.holds(0 < latency["p50"] <= latency["p99"] <= latency["max"], f"ranks: {latency}")


def test_rate(t):
    """No more requests than were due, and as many as were asked for."""
    server = t.shared(make_server)
    text, said = load(t, "-n", "40", "-c", "3", "-t", "1", "-R", "400", "-l", url(server, "0.bin"))
    check.equal((said["done"], said["failed"]), (40, 0), "done and failed")
    check.holds(said["seconds"] >= 39 / 400, f"40 took {said['seconds']} s")
    check.contains(text, "was due", "what latency is said to be")


def test_duration(t):
    server = t.shared(make_server)
    _, said = load(t, "-d", "200ms", "-c", "2", "-t", "1", url(server, "0.bin"))
    check.holds(said["done"] > 0 and said["seconds"] >= 0.2, f"{said['done']} done")


def test_wrong_answers_are_counted(t):
    server = t.shared(make_server)
    text, said = load(t, "-n", "4", "-c", "2", url(server, "none"), status=1)
    check.equal((said["failed"], said["errors"]), (4, {"status 404": 4}), "errors")
    check.contains(text, "4 status 404\n", "what it printed")
    _, said = load(t, "-n", "3", "-c", "1", "--body", "1000", url(server, "0.bin"), status=1)
    check.equal(said["errors"], {"1024 octets of content, not 1000": 3}, "errors")


def test_nobody_listens(t):
    server = make_server(t)
    there = url(server, "0.bin")
    server.stop()
    text = run([tool(t), "-n", "2", "-c", "2", there], status=1).text
    check.equal(text, f"ferry-http-load: no connection: 127.0.0.1:{server.http_port}: Connection "
                "refused\n", "what it says")


class ScriptedAnswers(Scripted):
    """Answers each request of each connection with the next of `answers`, the last one again and again."""

    def __init__(self, *answers):
        self.answers = list(answers)
        super().__init__()

    @property
    def http_port(self):
        return self.port

    def talk(self, connection):
        while connection.recv(65536):
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            connection.sendall(answer)
            if b"close" in answer:
                break


class Lie:
    def __init__(self, id, error, *answers):
        self.id, self.error, self.answers = id, error, answers


def answer(body):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


LIES = [Lie("second-is-shorter", "2 octets of content, not 3", answer(b"abc"), answer(b"ab")),
        Lie("first-is-an-error", "status 503",
            b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy", answer(b"abc")),
        Lie("no-http", "malformed", answer(b"abc"), b"+OK POP3\r\n\r\n"),
        Lie("cut-off", "closed by peer", answer(b"abc"),
            b"HTTP/1.1 200 OK\r\nX: close\r\nContent-Length: 9\r\n\r\nabc")]


@rows(LIES)
def test_lie_is_found(t, row):
    server = ScriptedAnswers(*row.answers)
    try:
        _, said = load(t, "-n", "2", "-c", "1", url(server))
    finally:
        server.close()
    check.equal(said["done"], 1, "answers that were right")
    check.equal(said["failed"], 1, "answers that were wrong")
    check.equal(said["errors"], {row.error: 1}, "errors")


def test_server_that_closes_is_connected_to_again(t):
    server = ScriptedAnswers(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc")
    try:
        _, said = load(t, "-n", "3", "-c", "1", url(server))
    finally:
        server.close()
    check.equal((said["done"], said["errors"], said["opened"]), (3, {}, 3), "what became of it")


def test_silence_times_out(t):
    server = ScriptedAnswers(b"HTTP/1.1 200 OK\r\n")
    try:
        _, said = load(t, "-n", "1", "-c", "1", "--timeout", "100ms", url(server), status=1)
    finally:
        server.close()
    check.equal(said["errors"], {"timed out": 1}, "errors")


def test_interrupted_run_reports(t):
    server = t.shared(make_server)
    file = os.path.join(t.tmp(), "report.json")
    process = subprocess.Popen([tool(t), "-d", "1h", "-c", "2", "--json", file, url(server, "0.bin")],
                               stdout=subprocess.PIPE, text=True)
    try:
        check.contains(process.stdout.readline(), "Running 1h of GET", "what it says first")
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    check.contains(rest, "interrupted", "what it says last")
    with open(file, encoding="utf-8") as opened:
        check.equal(json.load(opened)["interrupted"], True, "interrupted")


class Refusal:
    def __init__(self, id, said, *arguments):
        self.id, self.said, self.arguments = id, said, arguments


REFUSALS = [Refusal("no-url", "URL is required"),
            Refusal("other-scheme", "not a URL of HTTP", "ftp://h/"),
            Refusal("no-port", "no host, or no port", "http://h:0/"),
            Refusal("blank", "not percent-encoded", "http://h/a b"),
            Refusal("zero", "no number from 1", "-c", "0", "http://h/"),
            Refusal("field", "is no NAME: VALUE", "-H", "x", "http://h/"),
            Refusal("range", "1 to --range-of", "--range", "10", "--range-of", "5", "http://h/"),
            Refusal("pipeline-at-a-rate", "excludes", "-p", "2", "-R", "5", "http://h/")]


@rows(REFUSALS)
def test_refused_command_line(t, row):
    done = run([tool(t), *row.arguments], status=2)
    check.contains(done.text, "ferry-http-load: ", "who says it")
    check.contains(done.text, row.said, "what it says")


def test_help_names_its_options(t):
    text = run([tool(t), "--help"]).text
    for option in ("--connections", "--pipeline", "--rate", "--range", "--close", "--json"):
        check.contains(text, option, "the help")
