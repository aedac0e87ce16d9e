"""Every code that the server sends (src/ftp/reply_codes.hpp) has a conversation here that gets it."""

import os
import re

from support import check, trees
from support.accounts import users_file
from support.case import rows
from support.ftp_forms import block_encode, block_marker
from support.ftp_wire import Control
from support.tls import Secure

SOURCE = os.path.join(os.path.dirname(__file__), "..", "..", "src", "ftp", "reply_codes.hpp")
SITE = {b"file.txt": b"hello, world\n", b"dir/x": b""}


def make_server(maker):
    folder = maker.tmp()
    return maker.ferry(trees.fill(maker.tmp(), SITE), "--user", "ann:secret", "--write",
                       "--users-file", users_file(maker, small="::all:quota=1k"),
                       "--ftp-login-delay-max", "0s", "--tls-self-signed",
                       "--tls-cert", f"{folder}/own.pem", "--tls-key", f"{folder}/own.key")


def make_strict_server(maker):
    return maker.ferry(trees.fill(maker.tmp(), SITE), "--tls-self-signed",
                       "--ftp-tls", "require", "--user", "ann:secret")


class Session(Control):
    """A control connection, with what a row does on it."""

    def lines(self, *lines):
        """Says them all; gives the code of the last one's reply."""
        code = 0
        for line in lines:
            code = self.ask(line).code
        return code

    def said(self, line, octets, *before):
        """The last reply to an upload of `octets`."""
        self.lines(*before)
        data = self.passive()
        self.ask(line, 150)
        data.sendall(octets)
        data.close()
        return self.expect(f"the end of {line}").code

    def secured(self):
        self.ask("AUTH TLS", 234)
        self.socket = Secure(None).wrap(self.socket)
        return self

    def block(self):
        """One data connection for two files, the first with a marker in it: 110, 125."""
        self.lines("MODE B", "TYPE I")
        data = self.passive()
        self.ask("STOR blocks", 150)
        data.sendall(block_marker(b"here"))
        codes = [self.expect("the marker").code]
        data.sendall(block_encode([(b"octets", False)]))
        self.expect("the first file", 250)
        codes.append(self.ask("STOR more").code)
        data.sendall(block_encode([(b"octets", False)]))
        self.expect("the second file", 250)
        return codes

    def resting(self):
        """450: an upload that is to replace a file is under way, and the other session appends."""
        data = self.passive()
        self.ask("STOR file.txt", 150)
        with Session(self.server) as other:
            other.login("ann", "secret").passive()
            code = other.lines("APPE file.txt")
        data.close()
        self.expect("the upload", 226)
        return code


def logged_in(*lines):
    return lambda on: on.login("ann", "secret").lines(*lines)


def strict(*lines):
    """Where all goes over TLS, logged in behind AUTH, so that no data connection is protected yet."""
    def talk(t):
        with Session(t.shared(make_strict_server)) as on:
            return on.secured().login("ann", "secret").lines(*lines)
    return talk


class Row:
    """`talk` gives the code; `of_test` instead names a test that has it, and must say so."""

    def __init__(self, code, talk=None, of_server=None, of_test=None):
        self.id, self.code, self.talk = str(code), code, talk
        self.of_server, self.of_test = of_server, of_test


ROWS = [
    Row(110, lambda on: on.login("ann", "secret").block()[0]),
    Row(125, lambda on: on.login("ann", "secret").block()[1]),
    Row(150, lambda on: (on.login(), on.passive(), on.lines("RETR file.txt"))[-1]),
    Row(200, lambda on: on.lines("NOOP")),
    Row(202, logged_in("ACCT x")),
    Row(210, logged_in("SITE ZONE")),
    Row(211, lambda on: on.lines("FEAT")),
    Row(212, logged_in("STAT dir")),
    Row(213, logged_in("SIZE file.txt")),
    Row(214, lambda on: on.lines("HELP")),
    Row(215, lambda on: on.lines("SYST")),
    Row(220, lambda on: on.lines("HOST a.example")),
    Row(221, lambda on: on.lines("QUIT")),
    Row(226, logged_in("ABOR")),
    Row(227, logged_in("PASV")),
    Row(228, logged_in("LPSV")),
    Row(229, logged_in("EPSV")),
    Row(230, lambda on: on.lines("USER ftp", "PASS x")),
    Row(232, of_test=("test_ftps.py", '"232", "the name of the certificate"')),
    Row(234, lambda on: on.lines("AUTH TLS")),
    Row(250, logged_in("CWD dir")),
    Row(257, logged_in("PWD")),
    Row(331, lambda on: on.lines("USER ann")),
    Row(350, logged_in("REST 1")),
    Row(421, lambda on: on.lines(*["USER ann", "PASS wrong"] * 3)),
    Row(425, logged_in("RETR file.txt")),
    Row(426, lambda on: (on.login("ann", "secret"), on.passive(), on.ask("STOR cut", 150),
                         on.lines("ABOR"))[-1]),
    Row(450, lambda on: on.login("ann", "secret").resting()),
    Row(451, of_test=("test_full_disk.py", 'Refusal("mkdir-broken", errno.EIO')),
    Row(452, of_test=("test_full_disk.py", 'Refusal("mkdir-full", errno.ENOSPC')),
    Row(500, lambda on: on.lines("WHAT")),
    Row(501, lambda on: on.lines("USER")),
    Row(502, lambda on: on.lines("MIC x")),
    Row(503, lambda on: on.lines("PASS x")),
    Row(504, logged_in("TYPE L 9")),
    Row(521, of_server=strict("EPSV", "NLST")),
    Row(522, logged_in("EPSV 3")),
    Row(530, lambda on: on.lines("PWD")),
    Row(533, logged_in("CCC")),
    Row(534, of_server=strict("CCC")),
    Row(536, of_server=strict("PBSZ 0", "PROT S")),
    Row(550, logged_in("SIZE missing")),
    Row(551, lambda on: on.login("ann", "secret").said("STOR pages", b"no page", "STRU P")),
    Row(552, lambda on: on.login("small", "pw-small").said("STOR big", b"x" * 9_000)),
    Row(553, logged_in("RNFR file.txt", "RNTO missing/x")),
    Row(554, lambda on: (on.login("ann", "secret"), on.lines("REST 999"), on.passive(),
                         on.lines("RETR file.txt"))[-1]),
]


def test_each_code_has_a_row(_):
    with open(SOURCE, encoding="utf-8") as file:
        table = re.search(r"reply_codes = .*?\{(.*?)\}\);", file.read(), re.DOTALL)[1]
    codes = [int(each) for each in re.findall(r"\b\d{3}\b", re.sub(r"//.*", "", table))]
    check.holds(len(codes) > 40, f"{len(codes)} codes are in the table")
    check.equal(sorted(row.code for row in ROWS), codes, "rows for the codes of the table")


@rows(ROWS)
def test_code(t, row):
    if row.of_test:
        name, words = row.of_test
        with open(os.path.join(os.path.dirname(__file__), name), encoding="utf-8") as file:
            check.contains(file.read(), words, name)
        return
    if row.of_server:
        check.equal(row.of_server(t), row.code, "the last reply")
        return
    with Session(t.shared(make_server)) as on:
        check.equal(row.talk(on), row.code, "the last reply")
