"""Trees of files to serve, the same every time."""

import os
import random

SECRET = b"SECRET-THAT-LIES-OUTSIDE-THE-ROOT"  # In files no protocol may ever show.
OUTSIDE_NAME = b"NAME-THAT-LIES-OUTSIDE-THE-ROOT"  # Nor may a listing show this name.

# Names that have broken some server or client: what each may do is in threats.md, V11.
PLAIN_HOSTILE_NAMES = [
    b"two words", b" leading space", b"trailing space ", b"quote\"double", b"quote'single",
    b"per%cent", b"per%41cent", b"plus+plus", b"amp&amp;", b"<b>bold", b"semi;colon", b"-dash",
    b"--help", b"hash#hash", b"query?query", b"star*", b"brace{a,b}", b"[bracket]", b"$dollar",
    b"`tick`", b"|pipe", b"~tilde", b"!bang", b"colon:colon", b"at@at", b"eq=eq", b"comma,comma",
    b"javascript:alert(1)", b"226 Transfer complete", b"...", b"..a", b".hidden",
    "smörgåsbord".encode(), "日本語".encode(), "e\u0301 decomposed".encode(), "🛳".encode(),
    b"n" * 255, "ü".encode() * 127, b"(paren)", b"^caret", b"1,2,3,4,5,6",
]
# Octets a terminal, a listing or a page would trip over; and no UTF-8.
CONTROL_NAMES = [b"esc\x1b[31m", b"del\x7f", b"bell\x07", b"tab\tend", b"latin-\xe9\xe8",
                 b"invalid-\xc3\x28", b"vt\x0b"]
LINE_END_NAMES = [b"lf\nInjected: 1", b"cr\rInjected: 1", b"crlf\r\n226 done", b"\n",
                  b"end\r\n-rw-r--r-- 1 0 0 1 Jan 1 00:00 injected"]


def octets(seed, count):
    """`count` octets that a given seed always gives."""
    return random.Random(seed).randbytes(count)


def write(root, name, content=b"", mode=None):
    """Makes a file with its directories below `root`; `name` is octets or text."""
    path = os.path.join(os.fsencode(root), os.fsencode(name))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    if mode is not None:
        os.chmod(path, mode)
    return path


def read(root, name):
    with open(os.path.join(os.fsencode(root), os.fsencode(name)), "rb") as file:
        return file.read()


def fill(root, files):
    """Makes all of `files`, {name: content}."""
    for name, content in files.items():
        write(root, name, content)
    return root


def contents(root):
    """Every file below `root`: {name as octets: content}."""
    found = {}
    root = os.fsencode(root)
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                found[os.path.relpath(path, root)] = read(root, os.path.relpath(path, root))
    return found


def names_in(root, name=b""):
    """Every name of one directory, hidden ones too, as octets."""
    return sorted(os.listdir(os.path.join(os.fsencode(root), os.fsencode(name))))


def site():
    """A small site: what most tests of HTTP and FTP read."""
    return {
        b"hello.txt": b"hello, world\n",
        b"one.txt": b"1\n",
        b"empty.txt": b"",
        b"dir/index.html": b"<!doctype html><title>dir</title>\n",
        b"dir/other.txt": b"other\n",
        b"plain/a.txt": b"a\n",
        b"plain/b.css": b"b {}\n",
        b"plain/deep/er/c.js": b"c\n",
        "\u00fcn\u00ef.txt".encode(): b"unicode\n",
        b"sp ace.txt": b"space\n",
        b"pct%41.txt": b"percent\n",
        b"page.html": b"<p>page</p>\n",
        b"style.css": b"p {}\n",
        b"script.js": b"1;\n",
        b"picture.png": b"\x89PNG\r\n\x1a\n",
        b"data.json": b"{}\n",
        b"unknown.qqqq": b"?\n",
        b"size-8191.bin": octets(1, 8191),
        b"size-8192.bin": octets(2, 8192),
        b"size-8193.bin": octets(3, 8193),
        b"size-100k.bin": octets(4, 100 * 1024),
        b"size-3m.bin": octets(5, 3 * 1024 * 1024 + 17),
    }


def with_secret_beside(folder):
    """A site in `folder`/root and, beside it, what nobody may read. Returns the root."""
    root = os.path.join(folder, "root")
    os.mkdir(root)
    fill(root, site())
    write(folder, "secret.txt", SECRET)
    write(folder, "secret-dir/secret.txt", SECRET)
    write(folder, OUTSIDE_NAME, SECRET)
    write(folder, b"secret-dir/" + OUTSIDE_NAME, SECRET)
    write(folder, "root-like/secret.txt", SECRET)  # Its path begins as the root's does.
    return root
