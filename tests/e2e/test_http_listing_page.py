"""The listing in a real browser, where one is installed: script, policy, keyboard, dark, phone."""

import base64
import hashlib
import os
import re

from support import browser, check, trees
from support.case import limit
from support.http_wire import ask, fetch

NAMES = [b"file 9.txt", b"File 10.txt", b"<script>alert(1)<b>.txt", b"\"onclick=alert(1) x.txt",
         b"esc\x1b[31m", b"latin-\xe9", "日本語.png".encode(), b"w" * 200]


def make_root(t):
    root = t.tmp()
    for size, name in enumerate(NAMES):
        trees.write(root, b"dir/" + name, b"x" * size)
    os.mkdir(os.path.join(root, "dir", "sub"))
    return root


def open_browser(t):
    """None where there is no browser: only who works on the page needs one."""
    if not browser.program():
        t.tell("chromium is not installed: the page was not looked at")
        return None
    return t.closing(browser.Browser(t.tmp()))


SHOWN = "[...document.querySelectorAll('tbody tr:not([hidden]) a')].map(a => a.textContent)"


def check_silence(page):
    """No request but the page's own, nothing forbidden by its policy, no script of a name's."""
    asked = [each["request"]["url"] for each in page.said("Network.requestWillBeSent")]
    check.equal([url for url in asked if not url.startswith("data:")], asked[:1], "the requests")
    check.equal(page.said("Log.entryAdded"), [], "complaints, the policy's among them")
    check.equal(page.said("Runtime.exceptionThrown"), [], "exceptions")
    check.equal(page.said("Page.javascriptDialogOpening"), [], "dialogues")


@limit(60)
def test_page(t):
    server = t.ferry(make_root(t))
    page = open_browser(t)
    if not page:
        return
    url = f"{server.http_url}/dir/"

    page.open(url)
    check_silence(page)
    shown = page.value(SHOWN)
    check.equal(shown[:2], ["../", "sub/"], "what comes first")
    check.holds(shown.index("file 9.txt") < shown.index("File 10.txt"), f"9 before 10: {shown}")
    check.equal(len(shown), len(NAMES) + 2, "rows")
    check.contains(shown, "<script>alert(1)<b>.txt", "names as they are")
    check.equal(page.value("document.scripts.length"), 1, "scripts")
    check.contains(page.value("document.querySelector('header p').textContent"),
                   f"1 folder, {len(NAMES)} files", "what there is")

    # The filter, by keyboard alone.
    check.equal(page.value("document.getElementById('filter').checkVisibility()"), True, "filter")
    page.press("/")
    check.equal(page.value("document.activeElement.id"), "filter", "'/' goes to")
    page.call("Input.insertText", text="FILE")
    check.equal(page.value(SHOWN), ["../", "file 9.txt", "File 10.txt"], "what is left of FILE")
    check.equal(page.value("document.getElementById('told').textContent"),
                f"2 of {len(NAMES) + 1} shown", "what is told")
    page.press("ArrowDown")
    page.press("ArrowDown")
    check.equal(page.value("document.activeElement.textContent"), "file 9.txt", "two rows down")
    page.press("ArrowUp")
    page.press("ArrowUp")
    check.equal(page.value("document.activeElement.id"), "filter", "and up again")
    page.press("Escape")
    check.equal(len(page.value(SHOWN)), len(NAMES) + 2, "rows after Escape")
    check_silence(page)

    # Sorting needs no script.
    page.forget()
    page.value("document.querySelector('th:nth-child(2) button').click()")
    page.wait_for("Page.loadEventFired")
    check.equal(page.value("location.search"), "?sort=size&order=desc", "the button of Size")
    check.equal(page.value(SHOWN)[:3], ["../", "sub/", "w" * 200], "the largest first")
    tree = page.call("Accessibility.getFullAXTree")["nodes"]
    roles = [node["role"]["value"] for node in tree if not node.get("ignored")]
    check.equal((roles.count("columnheader"), roles.count("row")), (3, len(NAMES) + 3),
                "what a screen reader finds")
    check.equal(page.value("document.querySelector('[aria-sort]').getAttribute('aria-sort')"),
                "descending", "the order it is told")


@limit(60)
def test_page_without_script(t):
    server = t.ferry(make_root(t))
    page = open_browser(t)
    if not page:
        return
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    page.open(f"{server.http_url}/dir/?sort=time")
    check_silence(page)
    check.equal(page.value("document.getElementById('filter').checkVisibility()"), False, "filter")
    check.equal(len(page.value(SHOWN)), len(NAMES) + 2, "rows")


@limit(60)
def test_page_dark_and_small(t):
    server = t.ferry(make_root(t))
    page = open_browser(t)
    if not page:
        return
    lightness = ("getComputedStyle(document.body).backgroundColor.match(/\\d+/g)"
                 ".reduce((sum, each) => sum + +each, 0)")
    for target in ("/dir/", "/nope"):
        for scheme, is_light in (("light", True), ("dark", False)):
            page.call("Emulation.setEmulatedMedia",
                      features=[{"name": "prefers-color-scheme", "value": scheme}])
            page.open(server.http_url + target)
            check.equal(page.value(lightness) > 380, is_light, f"{target}, {scheme}")
    page.call("Emulation.setDeviceMetricsOverride", width=360, height=640, deviceScaleFactor=2,
              mobile=True)
    page.open(f"{server.http_url}/dir/")
    check.holds(page.value("document.documentElement.scrollWidth") <= 360,
                "the page is wider than a phone")
    check.holds(page.value("document.querySelector('tbody a').getBoundingClientRect().height") > 30,
                "links too low for fingers")


def test_page_is_whole_without_a_browser(t):
    """What a browser needs to run the script is there: its hash in the policy is the script's."""
    server = t.ferry(make_root(t))
    response = ask(server, "/dir/")
    policy = response.field("Content-Security-Policy")
    for tag in ("script", "style"):
        found = re.findall(rf"<{tag}>(.*?)</{tag}>".encode(), response.body, re.DOTALL)
        check.equal(len(found), 1, f"<{tag}>")
        digest = base64.b64encode(hashlib.sha256(found[0]).digest()).decode()
        check.contains(policy, f"{tag}-src 'sha256-{digest}'", "the policy")
    check.lacks(fetch(server, "/dir/"), b"http:", "a reference to a server")
