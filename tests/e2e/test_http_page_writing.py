"""Changing files on the listing page in a real browser, where one is installed: uploads that are
picked and dropped, their progress, folders, names, refusals; what visitors see of it: nothing."""

import base64
import hashlib
import os
import re
import select
import socket
import threading
import time

from support import browser, check, trees
from support.case import Failure, limit
from support.http_wire import Connection, ask

NAMES = ["plain.txt", "50 % + ü?#&.txt", "日本.bin", "<b>'\"`${x}.txt", "e\u0301 ..", "-rf", "a;b@c"]
SECONDS_MAX = 10.0


def make_server(t):
    root = trees.fill(t.tmp(), {"old.txt": b"old\n", "fixed/x": b"x", "full/sub/x": b"x",
                                "second.txt": b"2"})
    return t.ferry(root, "--anonymous", "all,/fixed=read-only", "--http-upload-max", "1M")


class Page:
    """The listing in a browser."""

    def __init__(self, t, server, target="/"):
        self.browser = t.closing(browser.Browser(t.tmp()))
        self.server, self.folder = server, t.tmp()
        self.browser.open(server.http_url + target)
        self.browser.call("DOM.enable")
        self.value("window.isSeen = true")

    def value(self, expression):
        return self.browser.value(expression)

    def text(self, name):
        return self.value(f"document.getElementById('{name}')?.textContent")

    def until(self, expression):
        """Waits until the expression holds on the page, which may load itself anew meanwhile."""
        limit_at = time.monotonic() + SECONDS_MAX
        while time.monotonic() < limit_at:
            if self.value(f"document.readyState === 'complete' && !!({expression})"):
                return
        raise Failure(f"never: {expression}; told: {self.text('done')}, {self.jobs()}")

    def until_told(self, text):
        self.until(f"document.getElementById('done').textContent === {text!r}")

    def until_anew(self, text):
        """Waits for what the page says when it has loaded itself anew."""
        self.until(f"!window.isSeen && document.getElementById('done').textContent === {text!r}")
        self.value("window.isSeen = true")

    def jobs(self):
        return self.value("[...document.querySelectorAll('#jobs li')].map(each => each.innerText)")

    def files(self, **contents):
        """Writes files to pick, gives their paths."""
        for name, content in contents.items():
            trees.write(self.folder, name, content)
        return [os.path.join(self.folder, name) for name in contents]

    def pick(self, paths):
        root = self.browser.call("DOM.getDocument")["root"]["nodeId"]
        node = self.browser.call("DOM.querySelector", nodeId=root, selector="#pick")["nodeId"]
        self.browser.call("DOM.setFileInputFiles", nodeId=node, files=paths)

    def drop(self, paths):
        for kind in ("dragEnter", "dragOver", "drop"):
            self.browser.call("Input.dispatchDragEvent", type=kind, x=400, y=300,
                              data={"items": [], "files": paths, "dragOperationsMask": 1})

    def choose(self, label):
        """Presses a button of the dialogue."""
        self.until("document.getElementById('ask').open")
        self.value("[...document.querySelectorAll('#choices button')]"
                   f".find(each => each.textContent === {label!r}).click()")

    def edit(self, href):
        self.value(f"document.querySelector('tbody a[href=\"{href}\"]').closest('tr')"
                   ".querySelector('.more button').click()")

    def type(self, text):
        self.until("document.activeElement.id === 'name'")
        self.value("document.getElementById('name').select()")
        self.browser.call("Input.insertText", text=text)


def open_page(t, server, target="/"):
    """None where there is no browser: only who works on the page needs one."""
    if not browser.program():
        t.tell("chromium is not installed: the page was not looked at")
        return None
    return Page(t, server, target)


@limit(60)
def test_uploads(t):
    """Picked files of every kind of name; one that is there is replaced only on consent."""
    server = t.ferry(trees.fill(t.tmp(), {"old.txt": b"old\n"}), "--anonymous", "all")
    page = open_page(t, server, "/?sort=time&order=desc")
    if not page:
        return
    page.value("document.getElementById('filter').value = 't'")
    page.pick(page.files(**{name: name.encode() for name in NAMES}))
    page.until_anew(f"{len(NAMES)} of {len(NAMES)} uploaded")
    for name in NAMES:
        check.equal(trees.read(server.root, name), name.encode(), name)
    check.equal(page.value("location.search"), "?sort=time&order=desc", "the order")
    check.equal(page.value("document.getElementById('filter').value"), "t", "the filter")
    links = page.value("[...document.querySelectorAll('tbody a')].map(a => a.textContent)")
    check.equal(sorted(links), sorted([*NAMES, "old.txt"]), "the listing")

    [old] = page.files(**{"old.txt": b"new\n"})
    page.pick([old])
    page.choose("Skip")
    page.until_told("0 of 1 uploaded, 1 skipped")
    check.equal(trees.read(server.root, "old.txt"), b"old\n", "what was skipped")
    # Somebody else made it meanwhile: the page cannot know, If-None-Match does.
    trees.write(server.root, "late.txt", b"theirs")
    page.pick(page.files(**{"late.txt": b"mine"}))
    page.until("document.getElementById('asked').textContent.includes('late.txt')")
    check.equal(trees.read(server.root, "late.txt"), b"theirs", "before consent")
    page.choose("Replace")
    page.until_anew("1 of 1 uploaded")
    check.equal(trees.read(server.root, "late.txt"), b"mine", "after consent")
    check.equal(page.browser.said("Runtime.exceptionThrown"), [], "exceptions")
    violations = [each["entry"]["text"] for each in page.browser.said("Log.entryAdded")
                  if "Policy" in each["entry"]["text"]]
    check.equal(violations, [], "what the policy forbade")


class Cutter(threading.Thread):
    """Passes connections on to the server and breaks the first `cuts_max` that bring more than
    3 MiB; HEAD is not passed on where `holds_heads`, and finds nothing where `loses`."""

    def __init__(self, server, holds_heads=False, loses=False, cuts_max=1):
        super().__init__(daemon=True)
        self.server, self.cuts, self.cuts_max = server, 0, cuts_max
        self.holds_heads, self.loses = holds_heads, loses
        self.held = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.http_url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.start()

    def close(self):
        self.listener.close()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.pass_on, args=(client,), daemon=True).start()

    def pass_on(self, client):
        with client, self.server.connect() as server:
            brought = 0
            while True:
                for each in select.select([client, server], [], [])[0]:
                    octets = each.recv(1 << 16)
                    if not octets:
                        return
                    brought += len(octets) if each is client else 0
                    if brought > 3 << 20 and self.cuts < self.cuts_max:
                        self.cuts += 1
                        return
                    if self.holds_heads and each is client and octets.startswith(b"HEAD "):
                        self.held.set()
                        continue
                    if self.loses and each is client and octets.startswith(b"HEAD "):
                        with Connection(self.server) as other:
                            other.ask(octets.split()[1].decode(), "DELETE")
                    (server if each is client else client).sendall(octets)


@limit(60)
def test_large_upload_goes_on(t):
    """The connection breaks in the middle of a large file: the page goes on behind what came."""
    log = os.path.join(t.tmp(), "log")
    server = t.ferry(t.tmp(), "--anonymous", "all", "--access-log", log)
    cutter = t.closing(Cutter(server))
    page = open_page(t, cutter)
    if not page:
        return
    content = os.urandom(9 << 20)
    page.pick(page.files(**{"large.bin": content}))
    page.until_anew("1 of 1 uploaded")
    check.equal(cutter.cuts, 1, "broken connections")
    check.same_bytes(trees.read(server.root, "large.bin"), content, "the file")
    check.equal(os.listdir(server.root), ["large.bin"], "all that is left")
    server.stop()
    with open(log, encoding="utf-8") as file:
        appends = file.read().count('"PATCH ')  # Some browsers try once by themselves.
    check.holds(2 <= appends <= 4, f"{appends} appends")


@limit(60)
def test_large_upload_that_the_server_lost(t):
    """The server has lost what came: the page begins again, once, and then says what to do."""
    server = t.ferry(t.tmp(), "--anonymous", "all")
    cutter = t.closing(Cutter(server, loses=True, cuts_max=1_000))
    page = open_page(t, cutter)
    if not page:
        return
    content = os.urandom(9 << 20)
    picked = page.files(**{"large.bin": content})
    page.pick(picked)
    page.until_told("0 of 1 uploaded, 1 failed")
    check.contains("\n".join(page.jobs()),
                   "the server no longer has what was sent: choose the file again", "the second time")
    cutter.cuts_max = cutter.cuts + 1
    page.pick(picked)
    page.until_anew("1 of 1 uploaded")
    check.equal(cutter.cuts, cutter.cuts_max, "broken connections")
    check.same_bytes(trees.read(server.root, "large.bin"), content, "the file")
    check.equal(os.listdir(server.root), ["large.bin"], "all that is left")


@limit(60)
def test_cancel_while_it_asks(t):
    """Cancelled while the page asks how much has come, it sends no more and leaves nothing."""
    log = os.path.join(t.tmp(), "log")
    server = t.ferry(t.tmp(), "--anonymous", "all", "--access-log", log)
    cutter = t.closing(Cutter(server, holds_heads=True))
    page = open_page(t, cutter)
    if not page:
        return
    page.pick(page.files(large=bytes(9 << 20)))
    check.holds(cutter.held.wait(SECONDS_MAX), "it asks")
    page.value("document.querySelector('#jobs button').click()")
    page.until("document.querySelector('#jobs span').textContent === 'cancelled'")
    check.equal(os.listdir(server.root), [], "all that is left")
    server.stop()
    with open(log, encoding="utf-8") as file:
        asked = re.findall('"(PATCH|DELETE) ', file.read())
    check.equal(asked[-1], "DELETE", "the last request")
    check.equal(set(asked[:-1]), {"PATCH"}, "those before")
    check.holds(len(asked) <= 3, f"{asked}")


@limit(60)
def test_drops_folders(t):
    """Dropped files and folders, and a file that a script drops."""
    server = t.shared(make_server)
    page = open_page(t, server)
    if not page:
        return
    trees.fill(page.folder, {"tree/a/deep ü.txt": b"deep", "tree/b.txt": b"b"})
    os.makedirs(os.path.join(page.folder, "tree", "empty"))
    page.drop([os.path.join(page.folder, "tree"), *page.files(dropped=b"d")])
    page.until_anew("3 of 3 uploaded")
    check.equal(trees.read(server.root, "tree/a/deep ü.txt"), b"deep", "a file in a folder")
    check.equal(trees.read(server.root, "dropped"), b"d", "a file")
    check.holds(os.path.isdir(os.path.join(server.root, "tree", "empty")), "an empty folder")
    page.value("""(() => { const data = new DataTransfer();
        data.items.add(new File(["by script"], "scripted"));
        dispatchEvent(new DragEvent("drop", { dataTransfer: data })); })()""")
    page.until_anew("1 of 1 uploaded")
    check.equal(trees.read(server.root, "scripted"), b"by script", "what a script drops")


@limit(60)
def test_progress_and_cancel(t):
    """A slow upload shows how far it is and can be cancelled, one that waits too."""
    server = t.ferry(t.tmp(), "--anonymous", "all")
    page = open_page(t, server)
    if not page:
        return
    page.browser.call("Network.emulateNetworkConditions", offline=False, latency=0,
                      downloadThroughput=-1, uploadThroughput=2_000_000)
    page.pick(page.files(one=bytes(8 << 20), two=bytes(8 << 20), three=b"3"))
    page.until("[...document.querySelectorAll('#jobs span')].slice(0, 2).every("
               r"each => /^\d+ %, [\d.]+ [KM]iB\/s$/.test(each.textContent))")
    check.equal(page.value("document.querySelector('progress').value > 0"), True, "the bar")
    check.equal(page.value("document.querySelectorAll('#jobs li')[2].innerText.includes('waiting')"),
                True, "two at a time")
    check.equal(page.value("document.getElementById('done').getAttribute('role')"), "status",
                "what a screen reader hears")
    page.value("document.querySelectorAll('#jobs button').forEach(each => each.click())")
    page.until("[...document.querySelectorAll('#jobs span')].filter("
               "each => each.textContent === 'cancelled').length === 2")
    check.equal(page.value("document.querySelectorAll('#jobs li').length"), 2, "rows")
    check.equal(os.listdir(server.root), [], "files")


@limit(60)
def test_refusals(t):
    """In words: too large, a folder of that name, no rights (413, 409, 403), no server."""
    server = t.ferry(trees.fill(t.tmp(), {"fixed/x": b"x", "sub/x": b"x"}), "--anonymous",
                     "all,/fixed=read-only", "--http-upload-max", "1M")
    page = open_page(t, server)
    if not page:
        return
    page.pick(page.files(huge=bytes(8 << 20), sub=b"s", fixed=b"f"))
    page.until_told("0 of 3 uploaded, 3 failed")
    said = "\n".join(page.jobs())
    for words in ("it is larger than the server takes", "a folder has that name",
                  "you may not do that"):
        check.contains(said, words, "what is said")
    # What failed stays when the rest makes the page load itself anew.
    page.pick(page.files(huge=bytes(8 << 20), fine=b"f"))
    page.until_anew("1 of 2 uploaded, 1 failed")
    check.equal(sorted(each.split("\n")[0] for each in page.jobs()),
                ["fixed", "huge", "huge", "sub"], "what is still said to have failed")
    page.browser.call("Network.emulateNetworkConditions", offline=True, latency=0,
                      downloadThroughput=-1, uploadThroughput=-1)
    page.pick(page.files(gone=b"g"))
    page.until_told("0 of 1 uploaded, 1 failed")
    check.contains("\n".join(page.jobs()), "the connection broke", "without a network")
    page.value("document.querySelectorAll('#jobs button').forEach(each => each.click())")
    check.equal(page.jobs(), [], "rows that were dismissed")


@limit(60)
def test_names(t):
    """New folder, rename, delete; by keyboard; each refused in words where it must be."""
    server = t.shared(make_server)
    page = open_page(t, server)
    if not page:
        return
    page.value("document.getElementById('make').click()")
    page.type("new ü/ folder")
    page.browser.press("Enter", "\r")
    page.until_told("Not done: no such name can be given")
    page.value("document.getElementById('make').click()")
    page.type("new ü? folder")
    page.browser.press("Enter", "\r")
    page.until_anew("“new ü? folder” was made")
    check.holds(os.path.isdir(os.path.join(server.root, "new ü? folder")), "the folder")
    check.equal(page.value("document.activeElement.textContent"), "new ü? folder/", "the focus")

    page.edit("./old.txt")
    page.type("second.txt")
    page.choose("Rename")
    page.until_told("Not done: that name is taken")
    page.edit("./new%20%C3%BC%3F%20folder/")
    page.type("50 %")
    page.choose("Rename")
    page.until_anew("“new ü? folder” is “50 %” now")
    check.holds(os.path.isdir(os.path.join(server.root, "50 %")), "the folder's new name")

    page.edit("./full/")
    page.choose("Delete…")
    page.choose("Delete")
    page.until_told("Not done: the folder is not empty")
    page.edit("./50%20%25/")
    page.choose("Delete…")
    page.choose("Cancel")
    check.holds(os.path.isdir(os.path.join(server.root, "50 %")), "what was not deleted")
    page.edit("./50%20%25/")
    page.choose("Delete…")
    page.choose("Delete")
    page.until_anew("“50 %” was deleted")
    check.holds(not os.path.exists(os.path.join(server.root, "50 %")), "what was deleted")
    check.equal(page.value("document.querySelector('a[href=\"./fixed/\"]').closest('tr')"
                           ".querySelector('.more button')"), None, "what nobody may change")


@limit(60)
def test_small_and_without_script(t):
    """A phone; a browser without scripts sees a listing and no dead controls."""
    server = t.shared(make_server)
    page = open_page(t, server)
    if not page:
        return
    page.browser.call("Emulation.setDeviceMetricsOverride", width=360, height=640,
                      deviceScaleFactor=2, mobile=True)
    page.browser.open(server.http_url + "/")
    check.holds(page.value("document.documentElement.scrollWidth") <= 360,
                "the page is wider than a phone")
    page.browser.call("Emulation.setScriptExecutionDisabled", value=True)
    page.browser.open(server.http_url + "/")
    shown = page.value("[...document.querySelectorAll('button, input, progress, dialog')]"
                       ".filter(each => each.checkVisibility() && !each.closest('form'))"
                       ".map(each => each.outerHTML)")
    check.equal(shown, [], "controls that do nothing")


@limit(60)
def test_log_in_and_out(t):
    """A visitor logs in by the button and the browser's own dialogue, is named, may write, and logs
    out: the browser forgets the password (RFC 7617)."""
    server = t.ferry(trees.fill(t.tmp(), {"dir/x": b"x"}), "--user", "ann:secret", "--write")
    page = open_page(t, server, "/dir/?sort=size")
    if not page:
        return
    check.equal(page.value("document.scripts.length"), 1, "the scripts of a visitor")
    page.browser.log_in("ann", "secret",
                        "document.querySelector('button[name=login]').click()")
    check.equal(page.value("location.pathname + location.search"), "/dir/", "where it leads")
    page.until("document.querySelector('header').innerText.includes('Logged in as ann')")
    page.pick(page.files(mine=b"mine"))
    page.until_anew("1 of 1 uploaded")
    check.equal(trees.read(server.root, "dir/mine"), b"mine", "what ann uploads")
    page.value("document.querySelector('button[name=logout]').click()")
    page.until("!window.isSeen")  # What a browser shows once it has forgotten.
    page.browser.open(server.http_url + "/dir/")
    check.contains(page.value("document.querySelector('header').innerText"), "Log in",
                   "who has logged out")


def test_page_for_a_writer_is_whole_without_a_browser(t):
    """What a browser needs to run both scripts is there: their hashes are in the policy."""
    server = t.shared(make_server)
    response = ask(server, "/")
    policy = response.field("Content-Security-Policy")
    for tag in ("script", "style"):
        found = re.findall(rf"<{tag}>(.*?)</{tag}>".encode(), response.body, re.DOTALL)
        check.equal(len(found), 2, f"<{tag}>")
        hashes = [base64.b64encode(hashlib.sha256(each).digest()).decode() for each in found]
        check.contains(policy, f"{tag}-src 'sha256-{hashes[0]}' 'sha256-{hashes[1]}'", "the policy")
    check.contains(policy, "connect-src 'self'", "the policy")
    check.lacks(response.body, b"http:", "a reference to a server")
    plain = ask(server, "/fixed/")
    check.lacks(plain.body, b"data-may", "where nothing may be changed")
    check.lacks(plain.field("Content-Security-Policy"), "connect-src", "its policy")
