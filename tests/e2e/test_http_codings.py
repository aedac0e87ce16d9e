"""Content codings with clients that unpack (RFC 9110 section 8.4.1)."""

import gzip
import os
import subprocess
import threading
import time

from support import check, trees
from support.http_wire import Connection, ask

LONG_AGO = 784111777
CODINGS = ("gzip", "br", "zstd")


def text(lines):
    return b"".join(b"%d: what is said again and again\n" % (i * i) for i in range(lines))


def settled(root, name, content):
    trees.write(root, name, content)
    os.utime(os.path.join(root, name), (LONG_AGO, LONG_AGO))


def curl(server, target, *more):
    return subprocess.run(["curl", "-sS", "--fail", *more, server.http_url + target],
                          check=True, capture_output=True, timeout=20).stdout


def test_curl_unpacks(t):
    """Small and large, whole and resumed, over one connection and many."""
    root = t.tmp()
    contents = {"small.txt": text(40), "large.html": text(60000), "data.json": text(3000)}
    for name, content in contents.items():
        settled(root, name, content)
    server = t.ferry(root)
    for name, content in contents.items():
        for coding in CODINGS:
            got = curl(server, f"/{name}", "--compressed", "-H", f"Accept-Encoding: {coding}")
            check.same_bytes(got, content, f"{name} in {coding}")
            response = ask(server, f"/{name}", fields=[("Accept-Encoding", coding)])
            check.equal(response.field("Content-Encoding"), coding, name)
            check.holds(len(response.body) < len(content) / 2, f"{name}: smaller in {coding}")
        check.same_bytes(curl(server, f"/{name}"), content, f"{name} as it is")
    packed = ask(server, "/large.html", fields=[("Accept-Encoding", "gzip")])
    half = len(packed.body) // 2
    rest = ask(server, "/large.html", fields=[
        ("Accept-Encoding", "gzip"), ("Range", f"bytes={half}-"),
        ("If-Range", packed.field("ETag"))])
    check.equal(rest.status, 206, "the rest of what is packed")
    check.same_bytes(gzip.decompress(packed.body[:half] + rest.body), contents["large.html"],
                     "both halves")


def test_listings(t):
    """A page and JSON as curl unpacks them are what they are unpacked, in any order, until something
    changes; then the tag and what it stands for are others (decision 0050)."""
    root = t.tmp()
    for name in ["d/sub/x"] + [f"d/file {i}" for i in range(100)]:
        trees.write(root, name, b"x" * len(name))
    trees.write(root, "flat/a", b"a")  # Where nothing is unsure answers are given again.
    server = t.ferry(root, "--cores", "1")
    targets = [f"/{name}/{query}" for name in ("d", "flat")
               for query in ("", "?sort=size&order=desc", "?format=json")]
    with Connection(server) as connection:
        def tags():
            """Of each target in each coding."""
            told = {}
            for target in targets:
                plain = connection.ask(target)
                for coding in CODINGS:
                    what = f"{target} in {coding}"
                    wishes = [("Accept-Encoding", coding)]
                    got = curl(server, target, "--compressed", "-H", f"Accept-Encoding: {coding}")
                    check.same_bytes(got, plain.body, what)
                    for _ in range(4):
                        response = connection.ask(target, fields=wishes)
                        check.equal(response.status, 200, what)
                        told[what] = response.field("ETag")
                        again = connection.ask(target, fields=[
                            *wishes, ("If-None-Match", told[what])])
                        check.equal(again.status, 304, what)
                        check.equal(again.field("ETag"), told[what], what)
                    is_small = target == "/flat/?format=json"
                    check.equal(response.field("Vary"),
                                "Accept" if is_small else "Accept, Accept-Encoding", what)
                    if not is_small:
                        check.equal(response.field("Content-Encoding"), coding, what)
                        check.holds(len(response.body) < len(plain.body) / 2, f"{what}: smaller")
            return told

        before = tags()
        check.equal(tags(), before, "the tags while nothing changes")
        trees.write(root, "d/new", b"")
        trees.write(root, "flat/a", b"aa")
        after = tags()
        for what, tag in before.items():
            check.holds(after[what] != tag, f"{what}: another tag")
        os.remove(os.path.join(root, "d/new"))
        back = tags()
        for what in (each for each in before if each.startswith("/d/") and "json" not in each):
            check.holds(back[what] != after[what], f"{what}: a third state")


def test_a_crowd_asks_at_once(t):
    """Who comes while it is packed waits for it, or gets the file as it is: never another's."""
    root = t.tmp()
    contents = {f"{i}.txt": text(20000 + i) for i in range(8)}
    for name, content in contents.items():
        settled(root, name, content)
    server = t.ferry(root)
    problems = []

    def fetch_all():
        try:
            with Connection(server) as connection:
                for name, content in contents.items():
                    response = connection.ask(f"/{name}", fields=[("Accept-Encoding", "gzip")])
                    body = response.body
                    if response.field("Content-Encoding") == "gzip":
                        body = gzip.decompress(body)
                    if body != content or response.field("Vary") != "Accept-Encoding":
                        problems.append(f"{name}: {response.status}, {len(body)} octets")
        except Exception as problem:  # pylint: disable=broad-except
            problems.append(repr(problem))

    crowd = [threading.Thread(target=fetch_all) for _ in range(12)]
    for each in crowd:
        each.start()
    for each in crowd:
        each.join()
    check.equal(problems, [], "a crowd")
    for name in contents:
        check.equal(ask(server, f"/{name}", fields=[("Accept-Encoding", "gzip")])
                    .field("Content-Encoding"), "gzip", f"{name} afterwards")


def test_a_file_that_is_replaced(t):
    """No answer is older than its request (threats.md, V8), packed or not."""
    root = t.tmp()
    server = t.ferry(root)
    for i in range(20):
        content = text(200 + i % 2)
        settled(root, "new", content)
        os.rename(os.path.join(root, "new"), os.path.join(root, "file.txt"))
        response = ask(server, "/file.txt", fields=[("Accept-Encoding", "gzip")])
        check.same_bytes(gzip.decompress(response.body), content, "what was just put there")


def test_packed_beforehand(t):
    """--http-precompressed: what lies beside is sent, if it is not older."""
    root = t.tmp()
    settled(root, "app.js", text(100))
    settled(root, "app.js.gz", gzip.compress(text(100), 9))
    server = t.ferry(root, "--http-precompressed", "--http-compress", "off")
    check.same_bytes(curl(server, "/app.js", "--compressed"), text(100), "through curl")
    response = ask(server, "/app.js", fields=[("Accept-Encoding", "gzip")])
    check.equal(response.field("Content-Encoding"), "gzip", "Content-Encoding")
    check.contains(response.field("Content-Type"), "javascript", "Content-Type")
    trees.write(root, "app.js", text(101))  # Younger now than what was made of it.
    time.sleep(0.01)
    response = ask(server, "/app.js", fields=[("Accept-Encoding", "gzip")])
    check.lacks([name for name, _ in response.fields], "content-encoding", "a stale one")
    check.same_bytes(response.body, text(101), "the new one")


def test_kept_answers_are_as_fresh(t):
    """What was chosen by Accept-Encoding is given again (decision 0048), until anything that it was
    chosen by changes: the very next request on a warm connection has it."""
    root = t.tmp()
    settled(root, "page.html", text(100))
    server = t.ferry(root, "--cores", "1", "--http-precompressed")
    wishes = [("Accept-Encoding", "br, gzip")]
    with Connection(server) as connection:
        def expect(coding, body, what):
            for _ in range(6):
                response = connection.ask("/page.html", fields=wishes)
                check.equal(response.status, 200, what)
                check.equal(response.field("Content-Encoding"), coding, what)
                if body is not None:
                    check.same_bytes(response.body, body, what)

        expect("br", None, "packed by the server")
        settled(root, "page.html.gz", b"beside")
        expect("gzip", b"beside", "a file beside that was not there")
        settled(root, "page.html.br", b"better")
        expect("br", b"better", "one that is preferred")
        os.remove(os.path.join(root, "page.html.br"))
        expect("gzip", b"beside", "which is gone")
        settled(root, "new", b"newer")
        os.rename(os.path.join(root, "new"), os.path.join(root, "page.html.gz"))
        expect("gzip", b"newer", "another one in its place")
        os.utime(os.path.join(root, "page.html"), (LONG_AGO + 9, LONG_AGO + 9))
        expect("br", None, "the file is younger than what lies beside")
        os.remove(os.path.join(root, "page.html"))
        check.equal(connection.ask("/page.html", fields=wishes).status, 404, "no file")
