"""www/, ferry's own site: current, whole, and its recipes are understood."""

import html.parser
import os
import re
import shlex
import shutil
import subprocess
import urllib.parse

from support import browser, check, tls, trees
from support.case import limit, needs_root
from support.http_wire import ask

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))


def copy_of_site(t):
    """Where every user may read it, wherever the source lies."""
    return shutil.copytree(os.path.join(ROOT, "www"), os.path.join(t.tmp(), "www"))


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.links, self.names, self.code = [], set(), []
        self._in_code = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.links += [given[name] for name in ("href", "src") if given.get(name)]
        if "id" in given:
            check.lacks(self.names, given["id"], "a name that is there twice")
            self.names.add(given["id"])
        if tag == "pre":
            self._in_code = True
            self.code.append("")

    def handle_endtag(self, tag):
        if tag == "pre":
            self._in_code = False

    def handle_data(self, data):
        if self._in_code:
            self.code[-1] += data


@needs_root  # To read the tree, wherever that lies.
@limit(60)
def test_is_what_the_binary_says(t):
    done = subprocess.run([os.path.join(ROOT, "tools", "manual"), "--ferry", t.binary, "--check"],
                          capture_output=True, text=True, check=False)
    check.equal((done.returncode, done.stdout, done.stderr), (0, "", ""),
                "what tools/manual --check says; tools/manual writes the pages anew")


@needs_root
def test_links_lead_somewhere(t):
    """All pages are reached from the first, and every link within the site is answered."""
    server = t.ferry(copy_of_site(t))
    seen, waiting, wanted = {}, ["/"], []
    while waiting:
        at = waiting.pop()
        response = ask(server, at)
        check.equal(response.status, 200, at)
        is_page = response.field("Content-Type").startswith("text/html")
        seen[at] = Page(response.body.decode()) if is_page else None
        for link in seen[at].links if is_page and not at.startswith("/examples/") else ():
            to = urllib.parse.urlsplit(urllib.parse.urljoin("http://here" + at, link))
            check.one_of(to.scheme, ("http", "https"), f"{at}: {link}")
            if to.netloc != "here":
                continue
            wanted.append((at, to.path, to.fragment))
            if to.path not in seen and to.path not in waiting:
                waiting.append(to.path)
    for at, path, name in wanted:
        if name:
            check.contains(seen[path].names, name, f"{at} leads to {path}#{name}")
    pages = {"/" if name == "index.html" else "/" + name
             for name in os.listdir(server.root) if name.endswith(".html")}
    check.equal(pages - set(seen), set(), "pages that no link leads to")


@needs_root
def test_recipes_are_understood(t):
    """Every command line of ferry in the site is one that --check takes."""
    place = t.tmp()
    for name in ("srv/www", "srv/drop", "data/music", "data/photos", "var/log/ferry", "run/ferry"):
        os.makedirs(os.path.join(place, name))
    os.makedirs(os.path.join(place, "etc", "ferry"))
    certificate, key = tls.certificate(os.path.join(place, "etc", "ferry"), "localhost", "cert")
    trees.write(place, "etc/ferry/users", b"")
    rules = ""
    tried = 0
    for file in ("index.html", "recipes.html"):
        with open(os.path.join(ROOT, "www", file), encoding="utf-8") as text:
            blocks = Page(text.read()).code
        rules += "".join(block for block in blocks if block.startswith("[["))
        trees.write(place, "etc/ferry/rules", rules.encode())
        for block in blocks:
            for line in block.replace("\\\n", " ").split("\n"):
                if not line.startswith("ferry -") and not line.startswith("ferry /"):
                    continue
                line = re.sub(r"(?<![\w.:])/(srv|data|etc|var|run)/", rf"{place}/\1/", line)
                line = re.sub(r"([=:])/(srv|data|run)/", rf"\1{place}/\2/", line)
                line = line.replace(f"{place}/etc/ferry/cert.pem", certificate)
                line = line.replace(f"{place}/etc/ferry/key.pem", key)
                line = line.replace(" cert.pem", " " + certificate)
                line = line.replace(" key.pem", " " + key)
                done = subprocess.run([t.binary, "--check", *shlex.split(line, comments=True)[1:]],
                                      capture_output=True, text=True, check=False)
                check.equal(done.returncode, 0, f"{line}: {done.stderr}")
                tried += 1
    check.holds(tried > 10, f"only {tried} recipes were found")


@needs_root
@limit(60)
def test_in_a_browser(t):
    """No script fails, nothing is wider than a phone, and looking for words shows what has them."""
    if not browser.program():
        t.tell("chromium is not installed: the pages were not looked at")
        return
    server = t.ferry(copy_of_site(t))
    at = t.closing(browser.Browser(t.tmp()))
    at.call("Runtime.enable")
    at.call("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=2,
            mobile=True)
    for name in sorted(os.listdir(server.root)):
        if name.endswith(".html"):
            at.open(f"{server.http_url}/{name}")
            check.equal(at.said("Runtime.exceptionThrown"), [], f"{name}: exceptions")
            width = at.value("document.documentElement.scrollWidth")
            check.holds(width <= 360, f"{name} is {width} wide")
    at.open(f"{server.http_url}/options.html")
    at.value("document.querySelector('input').value = 'drain'; "
             "document.querySelector('input').dispatchEvent(new Event('input'))")
    shown = at.value("[...document.querySelectorAll('dt')].filter(each => each.checkVisibility())"
                     ".map(each => each.id).join()")
    check.contains(shown.split(","), "drain-timeout", "what is shown for 'drain'")
    check.lacks(shown.split(","), "cores", "what is shown for 'drain'")


@needs_root
def test_commands_of_administrators_are_told(t):
    with open(os.path.join(copy_of_site(t), "commands.html"), encoding="utf-8") as page:
        check.contains(page.read(), "<dt><code>SITE WHO</code>", "the page of commands")
