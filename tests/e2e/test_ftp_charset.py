"""Clients that speak no UTF-8: `--ftp-charset`. Names are stored in UTF-8 whoever gives them."""

import os

from support import check, trees
from support.clients import run
from support.ftp_wire import Control
from support.http_wire import ask, quote

STORED = "müß €.txt"
SHOWN = b"m\xfc\xdf \x80.txt"
JAPANESE = "日本.txt"  # Not in the set.
ESCAPED = b"%E6%97%A5%E6%9C%AC.txt"


def make_site(t):
    root = t.tmp()
    for name in (STORED, JAPANESE, "100%.txt", "a%20b.txt"):
        trees.write(root, name, name.encode())
    os.mkdir(os.path.join(root, "größe"))
    trees.write(root, "größe/ä", b"inside")
    server = t.ferry(root, "--ftp-charset", "cp1252", "--user", "ann:secret", "--write")
    control = t.closing(Control(server)).login("ann", "secret")
    return root, server, control


def test_listings_and_transfers(t):
    root, server, control = make_site(t)
    names = control.retrieve(b"NLST").split(b"\r\n")
    for wanted in (SHOWN, ESCAPED, b"100%.txt", b"a%20b.txt", b"gr\xf6\xdfe"):
        check.contains(names, wanted, "NLST")
    for listing in (b"LIST", b"MLSD", b"LIST *\xfc*"):
        check.contains(control.retrieve(listing), SHOWN + b"\r\n", listing.decode("latin-1"))
    for name, stored in ((SHOWN, STORED), (ESCAPED, JAPANESE), (b"100%.txt", "100%.txt"),
                         (b"a%20b.txt", "a%20b.txt")):
        check.equal(control.retrieve(b"RETR " + name), stored.encode(), stored)
    control.store(b"STOR \xe4\xf6.bin", b"new")
    with open(os.path.join(root, "äö.bin"), "rb") as file:
        check.equal(file.read(), b"new", "what STOR made")
    check.equal(ask(server, quote("/äö.bin")).body, b"new", "the same over HTTP")


def test_commands_on_names(t):
    root, _, control = make_site(t)
    control.ask(b"CWD gr\xf6\xdfe", 250)
    check.contains(control.ask("PWD", 257).text, "gr\udcf6\udcdfe", "PWD")
    check.equal(control.retrieve(b"NLST"), b"\xe4\r\n", "inside")
    control.ask("CWD /", 250)
    control.ask(b"MKD \xfc", 257)
    check.holds(os.path.isdir(os.path.join(root, "ü")), "MKD")
    control.ask(b"RNFR \xfc", 350)
    control.ask(b"RNTO \xf6", 250)
    control.ask(b"SIZE " + ESCAPED, 213)
    control.ask(b"RMD \xf6", 250)
    control.ask(b"SIZE \x81.txt", 550, 553)  # No character of the set.
    control.ask(b"SIZE %C3%BC.txt", 550, 553)  # What the set has is not written so.
    control.ask(b"DELE " + ESCAPED, 250)
    check.holds(not os.path.exists(os.path.join(root, JAPANESE)), "DELE")


def test_a_client_that_asks_for_utf8(t):
    """RFC 2640, and back: OPTS UTF8 OFF, and REIN (RFC 959 section 4.1.1)."""
    _, _, control = make_site(t)
    control.ask("OPTS UTF8 ON", 200)
    check.contains(control.retrieve(b"NLST").split(b"\r\n"), STORED.encode(), "NLST in UTF-8")
    check.equal(control.retrieve(b"RETR " + JAPANESE.encode()), JAPANESE.encode(), "RETR")
    control.ask("OPTS UTF8 OFF", 200)
    check.contains(control.retrieve(b"NLST").split(b"\r\n"), SHOWN, "NLST in the set")
    control.ask("OPTS UTF8 ON", 200)
    control.ask("REIN", 220)
    control.login("ann", "secret")
    check.contains(control.retrieve(b"NLST").split(b"\r\n"), SHOWN, "NLST after REIN")


def test_lftp(t):
    _, server, _ = make_site(t)
    done = run(["env", "LC_ALL=C.UTF-8", "lftp", "-u", "ann,secret", "-e",
                "set ftp:use-feat no; set ftp:charset cp1252; set file:charset utf-8; "
                f"cls -1; cat '{STORED}'; bye", server.ftp_url])
    check.contains(done.output, STORED.encode(), "what lftp shows")


def test_a_set_that_is_none(t):
    """Several octets make a character of it."""
    done = run([t.binary, "--ftp-charset", "shift_jis", t.tmp()], status=2)
    check.contains(done.errors, b"shift_jis", "the message")
