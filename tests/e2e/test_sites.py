"""Sites: --rules, --http-index, --clean-urls, --spa, over real sockets and with curl."""

import os
import re
import signal
import subprocess
import time

from support import check, trees
from support.case import needs_root
from support.clients import run
from support.ftp_wire import Control
from support.http_wire import Connection, ask, fetch

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def example_of_the_readme():
    """The rules that README.md shows."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        found = re.search(r"^# /etc/ferry/rules\n.*?^```", file.read(), re.DOTALL | re.MULTILINE)
    check.holds(found, "README.md has no block that begins with # /etc/ferry/rules")
    return found[0].removesuffix("```")


def make_server(maker):
    root = maker.tmp()
    for name, content in (("index.html", b"<p>home"), ("about.html", b"<p>about"),
                          ("404.html", b"<p>lost"), ("app/index.html", b"<p>app"),
                          ("assets/site.css", b"a{}"), ("api/list.json", b"[]"),
                          ("blog/index.html", b"<p>blog"), ("blog/private/x.txt", b"secret")):
        trees.write(root, name, content)
    rules = os.path.join(maker.tmp(), "rules.toml")
    with open(rules, "w", encoding="utf-8") as file:
        file.write(example_of_the_readme())
    server = maker.ferry(root, "--rules", rules, "--anonymous", "read-only,/blog/private=none")
    server.rules = rules
    return server


@needs_root  # To read README.md, wherever that lies.
def test_the_example_of_the_readme(t):
    """The rules that README.md shows do what it says of them."""
    server = t.shared(make_server)
    home = ask(server, "/")
    check.equal((home.status, home.body), (200, b"<p>home"), "/")
    check.equal(home.field("X-Frame-Options"), "DENY", "a field for all")
    check.equal(home.field("Cache-Control"), "no-cache", "of HTML")
    check.equal(home.field("Server"), None, "what is removed")
    style = ask(server, "/assets/site.css")
    check.equal(style.field("Cache-Control"), "public, max-age=31536000, immutable", "of assets")
    same = ask(server, "/assets/site.css", fields=[("If-Modified-Since",
                                                    style.field("Last-Modified"))])
    check.equal(same.status, 304, "unchanged")
    check.equal(same.field("Cache-Control"), style.field("Cache-Control"), "of a 304")
    check.equal(fetch(server, "/about"), b"<p>about", "a clean URL")
    moved = ask(server, "/about.html?a=1")
    check.equal((moved.status, moved.field("Location")), (308, "/about?a=1"), "to the clean URL")
    moved = ask(server, "/news/2020/x?y=1")
    check.equal((moved.status, moved.field("Location")), (301, "/blog/2020/x?y=1"), "a redirect")
    check.equal(ask(server, "/campaign").status, 410, "gone")
    for target in ("/none", "/blog/private/x.txt"):
        lost = ask(server, target)
        check.equal(lost.body, b"<p>lost", f"the page for {target}")
        check.equal(lost.field("ETag"), None, "its tag")
    check.equal(ask(server, "/none").status, 404, "/none")
    check.equal(ask(server, "/blog/private/x.txt").status, 403, "a closed path")
    page = ask(server, "/api/list.json", fields=[("Origin", "https://app.example.org")])
    check.equal(page.field("Access-Control-Allow-Origin"), "https://app.example.org", "CORS")
    check.equal(page.field("Vary"), "Origin", "Vary")
    preflight = ask(server, "/api/list.json", method="OPTIONS", fields=[
        ("Origin", "https://app.example.org"), ("Access-Control-Request-Method", "GET")])
    check.equal((preflight.status, preflight.field("Access-Control-Max-Age")), (204, "600"),
                "a preflight")
    for host in ("blog.example.org", "BLOG.example.org:8080", "a.blog.example.org."):
        check.equal(ask(server, "/", host=host).body, b"<p>blog", host)
    check.equal(ask(server, "/private/x.txt", host="blog.example.org").status, 403,
                "the permissions of a site are the tree's")
    check.equal(ask(server, "/../about.html", host="blog.example.org").status, 404,
                "above the site")
    moved = ask(server, "/a?b", host="www.example.org")
    check.equal((moved.status, moved.field("Location")), (301, "https://example.org/a?b"), "www")
    check.equal(ask(server, "/route/7", host="app.example.org").body, b"<p>app", "one page")
    check.equal(ask(server, "/main.js", host="app.example.org").status, 404, "a file of it")


@needs_root
def test_one_connection_many_sites(t):
    """Each request of a connection goes to the site that it names; absolute targets win."""
    server = t.shared(make_server)
    with Connection(server) as connection:
        for host, content in (("blog.example.org", b"<p>blog"), ("localhost", b"<p>home"),
                              ("app.example.org", b"<p>app")):
            check.equal(connection.ask("/", host=host).body, content, host)
        check.equal(connection.ask("http://blog.example.org/", host="localhost").body, b"<p>blog",
                    "RFC 9112 section 3.2.2")


def test_redirects_stay_here(t):
    """threats.md, H7: no target makes a redirect lead to another server, or end its line."""
    rules = os.path.join(t.tmp(), "rules.toml")
    with open(rules, "w", encoding="utf-8") as file:
        file.write('[[redirect]]\nfrom = "/old*"\nto = "/*"\n')
    server = t.ferry(t.tmp(), "--rules", rules, "--ftp", "off")
    for target in ("/old//evil.example", "/old/evil.example", "/old/%2e%2e//evil.example",
                   "/old%0d%0aX-Injected:%201", "/old/%5cevil.example", "/old?//evil.example"):
        answer = ask(server, target)
        location = answer.field("Location") or "/"
        check.holds(location.startswith("/") and not location.startswith(("//", "/\\")),
                    f"{target}: {location}")
        check.equal(answer.field("X-Injected"), None, target)


@needs_root
def test_curl_follows(t):
    """curl goes where a redirect leads, and takes the page there."""
    server = t.shared(make_server)
    said = run(["curl", "-sSL", "-w", "%{url_effective}", f"{server.http_url}/about.html"])
    check.equal(said.output, f"<p>about{server.http_url}/about".encode(), "the page, and where it is")


def test_read_anew(t):
    """SIGHUP: new rules for the next request; mistakes change nothing and say where they are."""
    root = trees.fill(t.tmp(), {"a.txt": b"a"})
    rules = os.path.join(t.tmp(), "rules.toml")

    def write(text):
        with open(rules, "w", encoding="utf-8") as file:
            file.write(text)

    def hangup(word):
        before = server.errors().count(word)
        server.signal(signal.SIGHUP)
        limit = time.monotonic() + 10
        while server.errors().count(word) == before:
            check.holds(time.monotonic() < limit, f"no {word!r} in {server.errors()}")
            time.sleep(0.01)

    def until_value(wanted):
        limit = time.monotonic() + 10
        while True:  # Each core takes them in its next turn.
            got = {connection.ask("/a.txt").field("X-A") for connection in held}
            if got == {wanted}:
                return
            check.holds(time.monotonic() < limit, f"X-A is {got}, wanted {wanted}")

    write('[[header]]\nset = { X-A = "1" }\n')
    server = t.ferry(root, "--rules", rules, "--ftp", "off")
    held = [t.closing(Connection(server)) for _ in range(8)]
    until_value("1")
    write('[[header]]\nset = { X-A = "2" }\n')
    hangup("its rules hold from now on")
    until_value("2")
    write('[[header]]\nset = { X-A = "3", Date = "never" }\n')
    hangup("the rules stay as they were")
    check.contains(server.errors(), f"{rules}:1: header: Date is ferry's own", "where it is")
    until_value("2")
    os.unlink(rules)
    hangup("the rules stay as they were")
    until_value("2")


def test_missing_files_are_told(t):
    """What rules name and is not there is a warning, at the start and on SIGHUP."""
    root = trees.fill(t.tmp(), {"a/index.html": b"a", "404.html": b"lost"})
    rules = os.path.join(t.tmp(), "rules.toml")

    def write(host_root):
        with open(rules, "w", encoding="utf-8") as file:
            file.write('[[error]]\nstatus = 404\npage = "/404.html"\n'
                       f'[[host]]\nnames = "a.example"\nroot = "{host_root}"\n')

    def until_told(words):
        limit = time.monotonic() + 10
        while words not in server.errors():
            check.holds(time.monotonic() < limit, f"no {words!r} in {server.errors()}")
            time.sleep(0.01)

    write("/b")
    server = t.ferry(root, "--rules", rules, "--ftp", "off")
    until_told('rules: the root of "a.example": "/b": not found')
    check.lacks(server.errors(), "404.html", "a page that is there")
    write("/404.html")
    server.signal(signal.SIGHUP)
    until_told('rules: the root of "a.example": "/404.html": is not a directory')


def test_bad_rules_keep_it_from_starting(t):
    """With --check too: file, line and reason, and status 1."""
    rules = os.path.join(t.tmp(), "rules.toml")
    with open(rules, "w", encoding="utf-8") as file:
        file.write('clean-urls = true\n\n[[redirect]]\nfrom = "/a"\nto = "//evil.example"\n')
    for check_only in ([], ["--check"]):
        said = subprocess.run([t.binary, "--http", "127.0.0.1:0", "--ftp", "off", "--rules", rules,
                               *check_only, t.tmp()], capture_output=True, text=True, timeout=20)
        check.equal(said.returncode, 1, "its status")
        check.contains(said.stderr, f'{rules}:3: redirect: to: "//evil.example" is no', "why")


def test_a_host_that_nobody_could_name(t):
    said = subprocess.run([t.binary, "--ftp-without-host", "refuse", "--check", t.tmp()],
                          capture_output=True, text=True, timeout=20)
    check.equal(said.returncode, 1, "its status")
    check.contains(said.stderr, "without --rules there is no host that could be named", "why")


def test_the_host_of_who_names_none_stays(t):
    """Rules without the host of --ftp-without-host are refused, at the start and read anew."""
    rules = os.path.join(t.tmp(), "rules.toml")
    with open(rules, "w", encoding="utf-8") as file:
        file.write('[[host]]\nnames = "a.example"\nroot = "/a"\n')
    why = "--ftp-without-host a.example: there is no host of that name in --rules"
    server = t.ferry(trees.fill(t.tmp(), {"a/one.txt": b"1", "b/two.txt": b"2"}), "--rules", rules,
                     "--ftp-without-host", "a.example")
    with open(rules, "w", encoding="utf-8") as file:
        file.write('[[host]]\nnames = "b.example"\nroot = "/b"\n')
    server.signal(signal.SIGHUP)
    deadline = time.monotonic() + 10
    while f"the rules stay as they were: {why}" not in server.errors():
        check.holds(time.monotonic() < deadline, "it does not say so")
        time.sleep(0.02)
    with Control(server) as session:
        check.equal(session.login().lines_of("NLST"), [b"one.txt"], "what is there")
    said = subprocess.run([t.binary, "--rules", rules, "--ftp-without-host", "a.example", "--check",
                           server.root], capture_output=True, text=True, timeout=20)
    check.equal((said.returncode, why in said.stderr), (1, True), said.stderr)


def test_a_mount_as_a_site(t):
    """A host's root may be what is mounted, and no link of it leads into another mount."""
    root, other = t.tmp(), t.tmp()
    trees.write(root, "where.txt", b"root")
    trees.write(other, "where.txt", b"other")
    os.symlink(os.path.join(root, "where.txt"), os.path.join(other, "out"))
    rules = os.path.join(t.tmp(), "rules.toml")
    with open(rules, "w", encoding="utf-8") as file:
        file.write('other-hosts = "refuse"\n[[host]]\nnames = "a.example"\n'
                   '[[host]]\nnames = "b.example"\nroot = "/b"\n')
    server = t.ferry(root, "--mount", f"/b={other}:ro", "--rules", rules, "--ftp", "off")
    check.equal(ask(server, "/where.txt", host="a.example").body, b"root", "a.example")
    check.equal(ask(server, "/where.txt", host="b.example").body, b"other", "b.example")
    check.equal(ask(server, "/out", host="b.example").status, 403, "a link out of it")
    check.equal(ask(server, "/where.txt", host="c.example").status, 421, "nobody's host")
    check.equal(ask(server, "/where.txt", host=None, version="HTTP/1.0").status, 421, "no host")


def test_accounts_change_files_of_a_site(t):
    """What is put on a host is below its root, and what is moved stays there; 401 has its page."""
    root = trees.fill(t.tmp(), {"login.html": b"<p>who?", "a/old.txt": b"old"})
    rules = os.path.join(t.tmp(), "rules.toml")
    with open(rules, "w", encoding="utf-8") as file:
        file.write('[[host]]\nnames = "a.example"\nroot = "/a"\n'
                   '[[error]]\nstatus = 401\npage = "/login.html"\n'
                   '[[cors]]\norigins = "https://app.example"\nmethods = ["GET", "PUT"]\n')
    server = t.ferry(root, "--rules", rules, "--user", "ann:secret", "--write", "--ftp", "off")
    ann = ("Authorization", "Basic YW5uOnNlY3JldA==")
    put = ask(server, "/new.txt", method="PUT", host="a.example", body=b"new",
              fields=[ann, ("Content-Length", "3")])
    check.equal(put.status, 201, "PUT")
    check.equal(trees.read(root, "a/new.txt"), b"new", "the file")
    moved = ask(server, "/new.txt", method="MOVE", host="a.example",
                fields=[ann, ("Destination", "http://a.example/../../moved.txt")])
    check.equal(moved.status, 201, "MOVE")
    check.equal(trees.read(root, "a/moved.txt"), b"new", "the file that was moved")
    refused = ask(server, "/x", method="PUT", fields=[("Content-Length", "0")])
    check.equal((refused.status, refused.body), (401, b"<p>who?"), "without a name")
    check.holds("Basic" in refused.field("WWW-Authenticate"), "how to log in")
    preflight = ask(server, "/x", method="OPTIONS", fields=[
        ("Origin", "https://app.example"), ("Access-Control-Request-Method", "PUT")])
    check.equal(preflight.status, 204, "a preflight is asked without a login")
    check.equal(preflight.field("Access-Control-Allow-Methods"), "GET, PUT", "what it may")


def test_settings_without_rules(t):
    """--http-index, --clean-urls and --spa need no file."""
    root = trees.fill(t.tmp(), {"home.htm": b"home", "app.html": b"app", "page.html": b"page"})
    server = t.ferry(root, "--http-index", "index.html", "--http-index", "home.htm",
                     "--clean-urls", "--spa", "/app.html", "--ftp", "off")
    check.equal(fetch(server, "/"), b"home", "the second index")
    check.equal(fetch(server, "/page"), b"page", "a clean URL")
    check.equal(fetch(server, "/route/1"), b"app", "one page for all")
    check.equal(ask(server, "/route/1", fields=[("Accept", "image/png")]).status, 404, "no page")
    check.equal(ask(server, "/none.png").status, 404, "no such file")
