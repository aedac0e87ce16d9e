"""README.md: what it shows is what the binary says."""

import os
import re
import subprocess

from support import check
from support.case import needs_root

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def block_behind(text, words):
    """The fenced block behind the line that contains `words`."""
    found = re.search(rf"^[^\n]*{re.escape(words)}[^\n]*\n+```[^\n]*\n(.*?)^```", text,
                      re.DOTALL | re.MULTILINE)
    check.holds(found, f"README.md has no fenced block behind a line with {words!r}")
    return found[1]


@needs_root  # To read the tree, wherever that lies.
def test_help_is_verbatim(t):
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        shown = block_behind(file.read(), "ferry --help")
    said = subprocess.run([t.binary, "--help"], capture_output=True, text=True, check=True).stdout
    check.equal(shown.splitlines(), said.splitlines(), "the block of `ferry --help` in README.md")


@needs_root
def test_commands_exist(t):
    """The programs of tools/ that README.md names are there."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        names = set(re.findall(r"\btools/([a-z_.-]+[a-z])\b", file.read()))
    check.holds({"run", "test"} <= names, f"README.md names tools/run and tools/test: {names}")
    for name in sorted(names):
        check.holds(os.access(os.path.join(ROOT, "tools", name), os.X_OK), f"tools/{name}")
