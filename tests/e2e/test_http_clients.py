"""curl, wget, tnftp and wrk over HTTP, as people run them."""

import email.utils
import os
import re

from support import check, trees
from support.case import limit
from support.clients import run
from support.http_wire import quote
from support.usage import must_settle, warm

SITE = trees.site()
BIG = SITE[b"size-3m.bin"]
LONG_AGO = 1_600_000_000


def make_server(maker):
    root = trees.fill(maker.tmp(), SITE)
    for name in SITE:
        os.utime(os.path.join(os.fsencode(root), name), (LONG_AGO, LONG_AGO))
    return maker.ferry(root, "--file-cache-idle-timeout", "1s")  # Files at rest are let go of.


CURL = ("curl", "-sS", "--max-time", "20")
WGET = ("wget", "-nv", "--tries=1", "--timeout=10")


def test_curl_downloads(t):
    server, folder = t.shared(make_server), t.tmp()
    for name in (b"hello.txt", b"empty.txt", b"size-3m.bin", b"size-8192.bin", b"sp ace.txt",
                 "\u00fcn\u00ef.txt".encode(), b"pct%41.txt"):
        run([*CURL, "-f", "-o", "got", f"{server.http_url}/{quote(name)}"], folder)
        check.same_bytes(trees.read(folder, "got"), SITE[name], f"{name}")


def test_curl_head(t):
    server = t.shared(make_server)
    said = run([*CURL, "-I", f"{server.http_url}/size-3m.bin"]).output.decode().lower()
    check.contains(said, "http/1.1 200", "curl -I")
    check.contains(said, f"content-length: {len(BIG)}\r\n", "curl -I")


def test_curl_ranges(t):
    server = t.shared(make_server)
    url = f"{server.http_url}/size-3m.bin"
    for given, wanted in (("0-99", BIG[:100]), ("100000-", BIG[100000:]), ("-17", BIG[-17:]),
                          ("8000-70000", BIG[8000:70001])):
        check.same_bytes(run([*CURL, "-f", "-r", given, url]).output, wanted, given)


def test_curl_resumes(t):
    server, folder = t.shared(make_server), t.tmp()
    for have in (0, 1, 1000000, len(BIG) - 1):
        trees.write(folder, "part", BIG[:have])
        run([*CURL, "-f", "-C", "-", "-o", "part", f"{server.http_url}/size-3m.bin"], folder)
        check.same_bytes(trees.read(folder, "part"), BIG, f"resumed at {have}")


def test_curl_conditional(t):
    server, folder = t.shared(make_server), t.tmp()
    url = f"{server.http_url}/hello.txt"
    status = "%{http_code}"
    for given, wanted in (("Tue, 01 Jan 2030 00:00:00 GMT", "304"),
                          ("Mon, 01 Jan 2001 00:00:00 GMT", "200"),
                          (email.utils.formatdate(LONG_AGO, usegmt=True), "304")):
        said = run([*CURL, "-z", given, "-o", "got", "-w", status, url], folder)
        check.equal(said.text, wanted, f"-z {given}")
    run([*CURL, "--etag-save", "etag", "-o", "got", url], folder)
    said = run([*CURL, "--etag-compare", "etag", "-o", "again", "-w", status, url], folder)
    check.equal(said.text, "304", "--etag-compare")


def test_curl_keeps_alive(t):
    """Three URLs, one connection."""
    server = t.shared(make_server)
    urls = [f"{server.http_url}/{name}" for name in ("hello.txt", "size-3m.bin", "one.txt")]
    said = run([*CURL, "-v", "-o", "/dev/null", "-o", "/dev/null", "-o", "/dev/null", *urls])
    errors = said.errors.decode()
    check.equal(errors.count("Connected to"), 1, f"connections in\n{errors}")
    reuses = re.findall(r"re-using existing (\S+ )?connection", errors.lower())  # curl 7 and 8
    check.equal(len(reuses), 2, f"reuses in\n{errors}")


def test_curl_http_1_0(t):
    server = t.shared(make_server)
    for path, name in (("/hello.txt", b"hello.txt"), ("/size-3m.bin", b"size-3m.bin")):
        said = run([*CURL, "-f", "--http1.0", server.http_url + path])
        check.same_bytes(said.output, SITE[name], path)
    check.contains(run([*CURL, "-f", "--http1.0", f"{server.http_url}/plain/"]).output, b"a.txt",
                   "a listing")


def test_curl_follows_redirects(t):
    server = t.shared(make_server)
    said = run([*CURL, "-f", "-L", "-w", "%{url_effective}", f"{server.http_url}/dir"])
    check.equal(said.text, SITE[b"dir/index.html"].decode() + f"{server.http_url}/dir/", "/dir")


def test_curl_is_refused_politely(t):
    server = t.shared(make_server)
    for path, method, wanted in (("/nope", "GET", "404"), ("/hello.txt", "PUT", "405"),
                                 ("/hello.txt", "POST", "405"), ("/nope/", "GET", "404")):
        said = run([*CURL, "-X", method, "-o", "/dev/null", "-w", "%{http_code}",
                    server.http_url + path])
        check.equal(said.text, wanted, f"{method} {path}")
    folder = t.tmp()
    trees.write(folder, "upload", trees.octets(9, 3 << 20))
    said = run([*CURL, "-T", "upload", "-o", "/dev/null", "-w", "%{http_code}",
                f"{server.http_url}/hello.txt"], folder, status=None)
    check.contains(said.text, "405", "PUT of 3 MiB")


def test_curl_in_parallel(t):
    server, folder = t.shared(make_server), t.tmp()
    run([*CURL, "-f", "-Z", "--parallel-max", "20", "-o", "#1",
         f"{server.http_url}/size-100k.bin?[1-60]"], folder)
    for i in range(1, 61):
        check.same_bytes(trees.read(folder, str(i)), SITE[b"size-100k.bin"], f"{i}")


def test_wget_downloads(t):
    server, folder = t.shared(make_server), t.tmp()
    run([*WGET, f"{server.http_url}/size-3m.bin", f"{server.http_url}/hello.txt"], folder)
    check.same_bytes(trees.read(folder, "size-3m.bin"), BIG, "size-3m.bin")
    check.equal(int(os.stat(os.path.join(folder, "hello.txt")).st_mtime), LONG_AGO, "its time")


def test_wget_resumes(t):
    server, folder = t.shared(make_server), t.tmp()
    trees.write(folder, "size-3m.bin", BIG[:1234567])
    said = run([*WGET, "-v", "-c", f"{server.http_url}/size-3m.bin"], folder)
    check.same_bytes(trees.read(folder, "size-3m.bin"), BIG, "resumed")
    check.contains(said.text, "206", "wget -c")
    run([*WGET, "-c", f"{server.http_url}/size-3m.bin"], folder)  # Complete: 416 is no error.
    check.same_bytes(trees.read(folder, "size-3m.bin"), BIG, "resumed again")


def test_wget_timestamping_and_spider(t):
    server, folder = t.shared(make_server), t.tmp()
    url = f"{server.http_url}/hello.txt"
    run([*WGET, "-N", url], folder)
    check.lacks(run([*WGET, "-v", "-N", url], folder).text, "200 OK", "wget -N, again")
    check.contains(run([*WGET, "-v", "--spider", url], folder).text, "Remote file exists", "spider")
    run([*WGET, "--spider", f"{server.http_url}/nope"], folder, status=8)


def test_wget_mirrors_through_listings(t):
    """The links of the listings lead to every file, whatever its name."""
    root = t.tmp()
    files = {b"plain/" + name: name for name in trees.PLAIN_HOSTILE_NAMES
             if len(name) < 200 and name not in (b"...", b"..a", b".hidden")}
    files |= {b"plain/deep/er/x.txt": b"x", b"a b/c d.txt": b"cd", b"z/index.htmlx": b"z"}
    trees.fill(root, files)
    server = t.ferry(root)
    folder = t.tmp()
    run([*WGET, "-r", "-np", "-nH", "--restrict-file-names=unix,ascii", "-e", "robots=off",
         f"{server.http_url}/"], folder, status=None)
    names = trees.contents(folder)
    check.equal([name for name in names if b"sort=" in name or b"format=" in name], [],
                "listings twice, and archives")
    got = sorted(trees.contents(folder).values())
    for name, content in files.items():
        if b"?" not in name and b"index.html" not in name:
            check.contains(got, content, f"{name}: the mirrored contents")


def test_tnftp_over_http(t):
    server, folder = t.shared(make_server), t.tmp()
    run(["tnftp", "-o", "got", f"{server.http_url}/size-3m.bin"], folder)
    check.same_bytes(trees.read(folder, "got"), BIG, "tnftp")


def load(server, path, *options):
    """wrk for two seconds; no error of any kind is allowed. How slow an answer may be is not the
    matter here: wrk's own limit of two seconds is less than what a busy machine may stand still."""
    said = run(["wrk", "-d", "2", "--timeout", "60s", *options, server.http_url + path],
               seconds=50).text
    print(said)
    check.lacks(said, "Socket errors", "wrk")
    check.lacks(said, "Non-2xx or 3xx", "wrk")
    found = re.search(r"(\d+) requests in", said)
    check.holds(found and int(found[1]) > 100, f"wrk made no requests:\n{said}")


@limit(60)
def test_wrk_small(t):
    server = t.shared(make_server)
    base = warm(server, SITE)
    load(server, "/hello.txt", "-t", "1", "-c", "64")
    must_settle(server, base, "descriptors after the load")


@limit(60)
def test_wrk_large(t):
    server = t.shared(make_server)
    base = warm(server, SITE)
    load(server, "/size-3m.bin", "-t", "2", "-c", "32")
    must_settle(server, base, "descriptors after the load")


@limit(60)
def test_wrk_many_connections(t):
    server = t.shared(make_server)
    base = warm(server, SITE)
    load(server, "/size-8193.bin", "-t", "2", "-c", "1000")
    must_settle(server, base, "descriptors after the load")


@limit(60)
def test_wrk_without_keep_alive(t):
    server = t.shared(make_server)
    base = warm(server, SITE)
    load(server, "/hello.txt", "-t", "1", "-c", "32", "-H", "Connection: close")
    must_settle(server, base, "descriptors after the load")


@limit(60)
def test_wrk_listings_and_misses(t):
    """A listing goes through the offload pool; it too is answered under load."""
    server = t.shared(make_server)
    load(server, "/plain/", "-t", "1", "-c", "32")
