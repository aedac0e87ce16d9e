"""Every command of FTP, its replies and its mistakes (RFC 959, 1123, 2389, 2428, 3659)."""

import dataclasses
import os
import re

from support import check, trees
from support.case import limit, rows
from support.ftp_wire import Control, facts_of, port_command
from support.usage import resident_bytes

SITE = trees.site()
LONG_AGO = 1_600_000_000  # 2020-09-13 12:26:40 UTC


def make_server(maker):
    root = trees.fill(maker.tmp(), SITE)
    for name in SITE:
        os.utime(os.path.join(os.fsencode(root), name), (LONG_AGO, LONG_AGO))
    trees.write(root, "lines.txt", b"one\ntwo\r\nthree\n")
    return maker.ferry(root)


def make_writable(maker):
    root = trees.fill(maker.tmp(), SITE)
    return maker.ferry(root, "--user", "ann:secret", "--write")


def reader(t):
    return t.closing(Control(t.shared(make_server))).login()


def writer(t):
    return t.closing(Control(t.shared(make_writable))).login("ann", "secret")


@dataclasses.dataclass(frozen=True)
class Row:
    id: str
    codes: tuple
    text: str = ""  # A pattern the reply must match.


BEFORE_LOGIN = [
    Row("SYST", (215,), "UNIX"), Row("NOOP", (200,)), Row("HELP", (211, 214)),
    Row("FEAT", (211,)), Row("OPTS UTF8 ON", (200,)), Row("opts utf8 on", (200,)),
    Row("USER anonymous", (331, 230)), Row("PASS x", (503, 530)), Row("QUIT", (221,)),
    *[Row(line, (530,)) for line in (
        "PWD", "CWD /", "CDUP", "TYPE I", "STRU F", "MODE S", "PASV", "EPSV", "REST 0",
        "PORT 127,0,0,1,100,100", "EPRT |1|127.0.0.1|30000|", "SIZE hello.txt", "MDTM hello.txt",
        "RETR hello.txt", "STOR x", "APPE x", "DELE hello.txt", "MKD x", "RMD x", "RNFR hello.txt",
        "RNTO x", "LIST", "NLST", "MLSD", "MLST", "STAT", "STAT hello.txt", "ABOR")],
]


@rows(BEFORE_LOGIN)
def test_before_login(t, row):
    """threats.md, F9. STAT and ABOR without a name or a transfer may be answered as well."""
    control = t.closing(Control(t.shared(make_server)))
    reply = control.ask(row.id)
    codes = row.codes + ((211, 225, 226) if row.id in ("STAT", "ABOR") else ())
    check.one_of(reply.code, codes, row.id)
    if row.text:
        check.holds(re.search(row.text, reply.text), f"{row.id}: {reply}")


AFTER_LOGIN = [
    Row("PWD", (257,), r'^257 "/"'), Row("XPWD", (257, 500, 502)),
    Row("SYST", (215,), "UNIX Type: L8"),
    Row("NOOP", (200,)), Row("noop", (200,)), Row("NoOp", (200,)), Row("HELP", (211, 214)),
    Row("HELP RETR", (211, 214), "RETR"), Row("HELP NONE", (501, 502, 504)),
    Row("TYPE A", (200,)), Row("TYPE A N", (200,)), Row("TYPE A T", (200,)), Row("TYPE I", (200,)),
    Row("TYPE L 8", (200,)), Row("type i", (200,)), Row("TYPE a n", (200,)), Row("TYPE E", (200,)),
    Row("TYPE A C", (200,)), Row("TYPE L 36", (504,)), Row("TYPE X", (501, 504)),
    Row("TYPE", (501,)),
    Row("TYPE I I", (501, 504)),
    Row("STRU F", (200,)), Row("STRU f", (200,)), Row("STRU R", (200,)), Row("STRU P", (200,)),
    Row("STRU X", (501, 504)), Row("STRU", (501,)),
    Row("MODE S", (200,)), Row("MODE s", (200,)), Row("MODE B", (200,)), Row("MODE C", (200,)),
    Row("MODE Z", (200,)), Row("MODE X", (501, 504)), Row("MODE", (501,)),
    Row("REST 0", (350,)), Row("REST 100", (350,)), Row("REST 9223372036854775807", (350,)),
    Row("REST -1", (501,)), Row("REST abc", (501,)), Row("REST", (501,)), Row("REST 1 2", (501,)),
    Row("REST 18446744073709551616", (501,)), Row("REST 9223372036854775808", (501,)),
    Row("REST 0x10", (501,)), Row("REST +1", (501,)), Row("REST 1.5", (501,)),
    Row("SIZE hello.txt", (213,), "^213 13$"), Row("SIZE dir", (550,)), Row("SIZE nope", (550,)),
    Row("SIZE", (501,)), Row("SIZE empty.txt", (213,), "^213 0$"),
    Row("MDTM hello.txt", (213,), "^213 20200913122640$"), Row("MDTM nope", (550,)),
    Row("MDTM", (501,)),
    Row("CWD dir", (250,)), Row("CWD nope", (550,)), Row("CWD hello.txt", (550,)),
    Row("CWD /", (250,)), Row("CWD //dir", (250,)), Row("CWD ", (250,)), Row("CWD dir/", (250,)),
    Row("CWD /plain//deep/./er/..", (250,)), Row("CDUP", (200, 250)),
    Row("MLST", (250,)), Row("MLST hello.txt", (250,)), Row("MLST nope", (550,)),
    Row("STAT", (211,)), Row("STAT hello.txt", (212, 213)), Row("STAT dir", (212, 213)),
    Row("STAT nope", (450, 550)),
    Row("OPTS MLST type;size;", (200,), "^200 MLST OPTS [Tt]ype;[Ss]ize;$"),
    Row("OPTS MLST nonsense;", (200,), "^200 MLST OPTS ?$"), Row("OPTS MLST", (200,)),
    Row("OPTS UTF8 ON", (200,)), Row("OPTS UTF8", (200,)), Row("OPTS NONE x", (501,)),
    Row("OPTS", (501,)),
    Row("EPSV 3", (522,)), Row("EPSV 1", (229,)), Row("EPSV", (229,)), Row("EPSV x", (501, 522)),
    Row("PASV", (227,)), Row("EPRT |3|127.0.0.1|30000|", (522,)), Row("EPRT", (501,)),
    Row("EPRT |1|127.0.0.1|", (501,)), Row("EPRT |1|not-an-address|30000|", (501, 522)),
    Row("PORT", (501,)), Row("PORT 1,2,3", (501,)), Row("PORT 127,0,0,1,256,1", (501,)),
    Row("PORT 127,0,0,1,-1,1", (501,)), Row("PORT 127.0.0.1.100.100", (501,)),
    Row("RETR nope", (550, 425)), Row("RETR dir", (550, 425)), Row("RETR", (501,)),
    Row("STOR", (501,)), Row("DELE", (501,)), Row("MKD", (501,)), Row("RMD", (501,)),
    Row("RNFR", (501,)), Row("RNTO x", (503, 550)), Row("RNFR nope", (550,)),
    Row("ABOR", (225, 226)),
    Row("SITE RECFM=FB", (500, 502, 504)), Row("SITE", (500, 501, 502, 504)),
    Row("XYZZY", (500, 502)), Row("", (500,)), Row(" NOOP", (500,)), Row("PASS x", (503, 202, 230)),
    Row("USER", (501,)), Row("AUTH TLS", (500, 502, 504, 431, 534)), Row("NOOP x", (200, 501)),
    Row("QUIT", (221,)),
    # What a reader may not do is refused, and says so at once or where a transfer would begin.
    Row("DELE hello.txt", (550, 553, 532)), Row("MKD new", (550, 553, 532)),
    Row("RMD dir", (550, 553, 532)), Row("RNFR hello.txt", (550, 553, 532)),
    Row("STOR new.txt", (550, 553, 532)), Row("STOR hello.txt", (550, 553, 532)),
    Row("APPE hello.txt", (550, 553, 532)),
]


@rows(AFTER_LOGIN)
def test_after_login(t, row):
    """One command behind the login of a reader: its code, and the session goes on."""
    control = reader(t)
    reply = control.ask(row.id, *row.codes)
    if row.text:
        check.holds(re.search(row.text, reply.text, re.MULTILINE), f"{row.id}: {reply}")
    if row.id == "QUIT":
        control.must_end("after QUIT")
    else:
        control.ask("PWD", 257)
    check.same_bytes(trees.read(t.shared(make_server).root, "hello.txt"), b"hello, world\n", "file")


def test_greeting_and_login(t):
    server = t.shared(make_server)
    for name in ("anonymous", "ftp", "ANONYMOUS", "Ftp"):
        with Control(server) as control:
            control.login(name)
            control.ask("PWD", 257)
    with Control(server) as control:
        control.ask("USER nobody", 331)  # The same for a name that is not known.
        control.ask("PASS wrong", 530)
        control.login()
        # Somebody else from here on: the old rights are gone until the new password.
        control.ask("USER ann", 331)
        control.ask("PWD", 530)
        control.ask("PASS wrong", 530)
        control.ask("PWD", 530)


def test_features(t):
    """RFC 2389 section 3.2: each line begins with one space; what FEAT names works."""
    control = reader(t)
    lines = control.ask("FEAT", 211).lines
    check.holds(all(re.fullmatch(rb" [\x21-\x7e]([\x20-\x7e]*)", line) for line in lines[1:-1]),
                f"{lines}")
    features = [line[1:].decode() for line in lines[1:-1]]
    for wanted in ("UTF8", "SIZE", "MDTM", "REST STREAM", "EPSV", "EPRT"):
        check.contains(features, wanted, "FEAT")
    facts = next(f for f in features if f.startswith("MLST "))
    for fact in ("type*", "size*", "modify*", "perm*"):
        check.contains(facts.lower().replace("mlst ", "").split(";"), fact, "facts of FEAT")
    check.lacks(" ".join(features), "AUTH", "FEAT")


def test_directories_in_replies(t):
    """RFC 959 appendix II: 257 doubles the quotes in a name."""
    control = writer(t)
    for name in ('a"b', '"', '""x""', "two words", "-dash", " lead", "per%cent", "ü"):
        doubled = name.replace('"', '""')
        check.contains(control.ask(f"MKD {name}", 257).text, f'"/{doubled}"', f"MKD {name}")
        control.ask(f"CWD {name}", 250)
        check.contains(control.ask("PWD", 257).text, f'257 "/{doubled}"', f"PWD in {name}")
        control.ask("CDUP", 200, 250)
        control.ask(f"RMD {name}", 250)


def test_line_forms(t):
    """LF alone ends a line too; lower case; a space at the end belongs to the name."""
    control = reader(t)
    control.send(b"NOOP\n")
    control.expect("LF alone", 200)
    control.send(b"\r\n")
    control.expect("an empty line", 500)
    control.send(b"pwd\r\n")
    control.expect("lower case", 257)
    for octet in b"NOOP\r\n":
        control.send(bytes([octet]))
    control.expect("octet by octet", 200)


def test_pipelined_commands(t):
    """All replies, in order, however many commands lie in one segment."""
    control = reader(t)
    control.send(b"PWD\r\nTYPE I\r\nSIZE hello.txt\r\nXYZZY\r\nCWD dir\r\nPWD\r\nNOOP\r\n")
    codes = [control.expect("pipelined").code for _ in range(7)]
    check.equal(codes, [257, 200, 213, 500, 250, 257, 200], "codes")
    control.send(b"NOOP\r\n" * 2000)
    for _ in range(2000):
        control.expect("NOOP", 200)
    control.send(b"PWD\r\nQUIT\r\nNOOP\r\n")
    control.expect("PWD", 257)
    control.expect("QUIT", 221)
    control.must_end("behind QUIT")


def test_overlong_line(t):
    """It is swallowed, answered by one 500, and the session goes on."""
    control = reader(t)
    for length in (70_000, 1_000_000):  # --ftp-line-bytes-max may not be more than 64 KiB.
        control.send(b"CWD " + b"a" * length + b"\r\n")
        control.expect(f"a line of {length}", 500)
        control.ask("NOOP", 200)
    control.send(b"A" * 70_000 + b"\r\nNOOP\r\n")
    control.expect("an overlong verb", 500)
    control.expect("NOOP behind it", 200)


def test_line_limit(t):
    """--ftp-line-bytes-max to the octet; the end of the line does not count."""
    server = t.ferry(trees.fill(t.tmp(), SITE), "--ftp-line-bytes-max", "256")
    control = t.closing(Control(server)).login()
    control.ask("CWD " + "a" * 252, 550)
    control.ask("CWD " + "a" * 253, 500)
    control.ask("NOOP", 200)


def test_odd_octets(t):
    """threats.md, F7 and F8: one reply a line, and never a control octet in it."""
    control = reader(t)
    for argument in (b"a\x00b", b"a\rb", b"a\x01b", b"a\x1b[31mb", b"a\x7fb", b"\xc3\xbc", b"\xe9",
                     b"226 done", b"a\tb", b"\xff\xff", b"x" * 300, b"%s%n%d", b"a\x00\r226 ok"):
        for verb in (b"CWD", b"SIZE", b"RNFR", b"MKD", b"MLST", b"STAT", b"XYZZY", b"HELP"):
            control.ask(verb + b" " + argument, 2, 4, 5)
    control.send(bytes(range(32, 127)) * 3 + b"\r\n")
    control.expect("garbage", 500)
    check.contains(control.ask("PWD", 257).text, '"/"', "PWD")


def test_telnet(t):
    """RFC 1123 section 4.1.2.12: options are refused, commands are stripped."""
    control = reader(t)
    control.send(b"\xff\xfd\x06\xff\xfb\x01NO\xff\xf1OP\r\n")  # DO TM, WILL ECHO, NOP inside.
    answers = b""
    while len(answers) < 6:
        answers += control.socket.recv(6 - len(answers))
    check.equal(sorted([answers[:3], answers[3:]]), [b"\xff\xfc\x06", b"\xff\xfe\x01"],
                "the answers to DO and WILL")
    control.expect("NOOP", 200)


def test_size_in_ascii(t):
    """RFC 3659 section 4: what RETR would send in the TYPE of the moment."""
    control = reader(t)
    control.ask("TYPE I", 200)
    check.equal(control.ask("SIZE lines.txt", 213).text, "213 15", "TYPE I")
    control.ask("TYPE A", 200)
    sent = control.retrieve("RETR lines.txt")
    check.equal(sent, b"one\r\ntwo\r\nthree\r\n", "RETR in TYPE A")
    reply = control.ask("SIZE lines.txt", 213, 550)
    if reply.code == 213:
        check.equal(reply.text, f"213 {len(sent)}", "TYPE A")
    control.ask("TYPE I", 200)


def test_facts(t):
    """RFC 3659 section 7."""
    control = reader(t)
    reply = control.ask("MLST hello.txt", 250)
    check.equal(len(reply.lines), 3, f"lines of {reply}")
    facts, name = facts_of(reply.lines[1])
    check.holds(reply.lines[1].startswith(b" "), f"{reply}")
    check.equal(name, b"/hello.txt", "the name of MLST")
    check.equal(facts["type"], "file", "type")
    check.equal(facts["size"], "13", "size")
    check.equal(facts["modify"], "20200913122640", "modify")
    check.contains(facts["perm"], "r", "perm")
    check.lacks(facts["perm"], "w", "perm of a reader")
    check.lacks(facts["perm"], "d", "perm of a reader")
    directory, _ = facts_of(control.ask("MLST dir", 250).lines[1])
    check.one_of(directory["type"], ("dir",), "type of a directory")
    entries = dict(reversed(facts_of(line)) for line in control.lines_of("MLSD plain"))
    check.contains(entries, b"a.txt", "MLSD plain")
    check.equal(entries[b"deep"]["type"], "dir", "type of deep")
    check.equal(entries[b"b.css"]["size"], "5", "size of b.css")
    control.ask("OPTS MLST size;", 200)
    facts, _ = facts_of(control.ask("MLST hello.txt", 250).lines[1])
    check.equal(facts, {"size": "13"}, "the facts selected")
    control.ask("OPTS MLST type;create;media-type;", 200)
    facts, _ = facts_of(control.ask("MLST hello.txt", 250).lines[1])
    check.equal(facts["media-type"], "text/plain", "media-type (section 7.5.8)")
    born = facts.get("create", "20200101000000")  # Not every file system knows it.
    check.holds(re.fullmatch(r"20[2-9]\d{11}", born), f"create (section 7.5.4): {born}")
    entries = dict(reversed(facts_of(line)) for line in control.lines_of("MLSD plain"))
    check.equal(entries[b"b.css"]["media-type"], "text/css", "media-type in MLSD")
    check.lacks(entries[b"deep"], "media-type", "the facts of a directory")
    unique = reader(t)
    first = facts_of(unique.ask("MLST hello.txt", 250).lines[1])[0].get("unique")
    same = facts_of(unique.ask("MLST /dir/../hello.txt", 250).lines[1])[0].get("unique")
    other = facts_of(unique.ask("MLST one.txt", 250).lines[1])[0].get("unique")
    check.equal(first, same, "unique of one file")
    check.holds(first is None or first != other, "unique of two files")


def test_perm_of_a_writer(t):
    control = writer(t)
    facts, _ = facts_of(control.ask("MLST hello.txt", 250).lines[1])
    check.holds(set("adfrw") <= set(facts["perm"]), f"perm of a file: {facts['perm']}")
    facts, _ = facts_of(control.ask("MLST dir", 250).lines[1])
    check.holds(set("celm") <= set(facts["perm"]), f"perm of a directory: {facts['perm']}")


def test_lists(t):
    control = reader(t)
    check.equal(control.lines_of("NLST plain"), [b"plain/a.txt", b"plain/b.css", b"plain/deep"],
                "NLST plain")
    control.ask("CWD plain", 250)
    check.equal(control.lines_of("NLST"), [b"a.txt", b"b.css", b"deep"], "NLST")
    check.equal(control.lines_of("NLST a.txt"), [b"a.txt"], "NLST of a file")
    lines = control.lines_of("LIST")
    pattern = (rb"[-d][-r][-w][-xsS][-r][-w][-xsS][-r][-w][-xtT] +\d+ +\S+ +\S+ +\d+ "
               rb"[A-Z][a-z]{2} [ \d]\d ( \d{4}|\d\d:\d\d) (.+)")
    names = []
    for line in lines:
        found = re.fullmatch(pattern, line)
        if found:
            names.append(found[2])
        else:
            check.holds(line.startswith(b"total "), f"a line of LIST: {line!r}")
    check.equal(names, [b"a.txt", b"b.css", b"deep"], "the names of LIST")
    check.equal([line.split()[-1] for line in control.lines_of("LIST -la b.css")], [b"b.css"],
                "LIST of a file")
    for line in ("LIST -a", "LIST -la", "LIST -l .", "LIST -al /plain", "LIST ."):
        check.contains(b"\n".join(control.lines_of(line)), b"b.css", line)
    control.passive()
    reply = control.ask("LIST nope")
    if reply.code // 100 == 1:  # An empty listing of nothing is what some servers give.
        reply = control.expect("LIST nope")
    check.one_of(reply.code, (450, 550), "LIST of nothing")
    control.passive()
    control.ask("MLSD a.txt", 501)
    control.passive()
    control.ask("MLSD nope", 550)
    reply = control.ask("STAT a.txt", 212, 213)
    check.contains(reply.text, "a.txt", "STAT of a file")
    check.contains(control.ask("STAT /plain", 212, 213).text, "b.css", "STAT of a directory")


def test_empty_directory(t):
    control = writer(t)
    control.ask("MKD hollow", 257)
    for line in ("NLST hollow", "LIST hollow"):
        got = control.lines_of(line)
        check.equal([x for x in got if not x.startswith(b"total")], [], line)
    names = [facts_of(line)[0]["type"] for line in control.lines_of("MLSD hollow")]
    check.holds(set(names) <= {"cdir", "pdir"}, f"MLSD hollow: {names}")
    control.ask("RMD hollow", 250)


def test_changing_the_tree(t):
    control = writer(t)
    root = t.shared(make_writable).root
    control.ask("MKD made", 257)
    control.ask("MKD made", 5)
    control.ask("MKD made/deeper", 257)
    control.ask("MKD no/such/parent", 550)
    control.ask("RMD made", 550)
    check.holds(os.path.isdir(os.path.join(root, "made/deeper")), "made/deeper is gone")
    control.store("STOR made/f", b"first")
    control.ask("RMD made/f", 550)
    control.ask("DELE made", 550)
    control.ask("DELE made/nope", 550)
    control.ask("RNFR made/f", 350)
    control.ask("RNTO made/g", 250)
    check.equal(trees.read(root, "made/g"), b"first", "renamed")
    control.store("STOR made/h", b"second")
    control.ask("RNFR made/h", 350)
    control.ask("RNTO made/g", 250)  # RNTO replaces.
    check.equal(trees.read(root, "made/g"), b"second", "replaced by RNTO")
    check.equal(trees.names_in(root, b"made"), [b"deeper", b"g"], "names")
    control.ask("RNFR made/g", 350)
    control.ask("NOOP", 200)
    control.ask("RNTO made/x", 503)  # RNTO comes right behind RNFR.
    control.ask("RNFR made/g", 350)
    control.ask("RNTO no/such/parent", 5)
    control.ask("RNFR made", 350)
    control.ask("RNTO made/deeper/made", 5)
    control.ask("RNFR made/deeper", 350)
    control.ask("RNTO moved", 250)
    control.ask("RMD moved", 250)
    control.ask("DELE made/g", 250)
    control.ask("RMD made", 250)
    control.ask("RMD /", 5)
    check.equal(control.ask("PWD", 257).text.split('"')[1], "/", "PWD")


def test_storing_where_nothing_can_be(t):
    control = writer(t)
    root = t.shared(make_writable).root
    before = trees.contents(root)
    for line in ("STOR dir", "STOR /", "STOR no/such/parent", "STOR " + "n" * 256,
                 "STOR hello.txt/below", "APPE dir", "STOR .", "STOR dir/"):
        data = control.passive()
        reply = control.ask(line)
        if reply.code // 100 == 1:
            data.sendall(b"content")
            data.close()
            reply = control.expect(line)
        check.one_of(reply.code, (550, 553), line)
    check.equal(trees.contents(root), before, "the files")


def test_port_and_address(t):
    """threats.md, F1: no bounce, neither to other addresses nor to ports of services."""
    control = reader(t)
    for line in ("PORT 127,0,0,2,100,100", "PORT 10,0,0,1,100,100", "PORT 8,8,8,8,0,80",
                 "PORT 0,0,0,0,100,100", "PORT 127,0,0,1,0,25", "PORT 127,0,0,1,3,255",
                 "PORT 127,0,0,1,0,0", "PORT 255,255,255,255,100,100",
                 "EPRT |1|127.0.0.2|30000|", "EPRT |1|10.0.0.1|30000|", "EPRT |1|127.0.0.1|25|",
                 "EPRT |1|127.0.0.1|1023|", "EPRT |1|127.0.0.1|0|", "EPRT |1|127.0.0.1|65536|",
                 "EPRT |2|::1|30000|", "EPRT |1|127.0.0.1|99999999999999999999|"):
        control.ask(line, 5)
        control.ask("LIST", 425, 503)  # And no earlier address is used instead.
    control.ask(port_command("127.0.0.1", 1024), 200)


def test_epsv_all(t):
    """RFC 2428 section 4: from then on nothing but EPSV."""
    control = reader(t)
    control.ask("EPSV ALL", 200)
    for line in ("PORT 127,0,0,1,100,100", "PASV", "EPRT |1|127.0.0.1|30000|"):
        control.ask(line, 5)
    check.equal(control.retrieve("RETR hello.txt"), b"hello, world\n", "EPSV goes on")


def test_hostile_names_in_lists(t):
    """threats.md, V11: no name makes a line of its own, and each that can be said can be had."""
    root = t.tmp()
    names = trees.PLAIN_HOSTILE_NAMES + trees.CONTROL_NAMES + trees.LINE_END_NAMES
    for number, name in enumerate(names):
        trees.write(root, b"d/" + name, b"%d" % number)
    server = t.ferry(root)
    control = t.closing(Control(server)).login()
    control.ask("CWD d", 250)
    control.ask("TYPE I", 200)
    shown = [n for n in names if not n.startswith(b".") or n == b"..."]
    for command, wanted in (("NLST", names), ("LIST", names), ("MLSD", names), ("NLST -a", names)):
        lines = control.lines_of(command)
        if command == "MLSD":
            lines = [line for line in lines if facts_of(line)[0]["type"] not in ("cdir", "pdir")]
        lines = [line for line in lines if not line.startswith(b"total ")]
        hidden = len([n for n in names if n.startswith(b".")])
        check.holds(len(wanted) - hidden <= len(lines) <= len(wanted) + 2,
                    f"{command}: {len(lines)} lines for {len(wanted)} names")
        for line in lines:
            check.holds(not re.search(rb"[\x00\r\n]", line), f"{command}: {line!r}")
        if command == "LIST":
            for line in lines:
                check.holds(not re.search(rb"[\x01-\x1f\x7f]", line), f"{command}: {line!r}")
        if command == "MLSD":
            listed = [facts_of(line)[1] for line in lines]
            for name in shown:
                if not re.search(rb"[\r\n]", name):
                    check.contains(listed, name, "MLSD")
    for number, name in enumerate(names):
        if not re.search(rb"[\r\n]", name):
            check.equal(control.retrieve(b"RETR " + name.replace(b"\xff", b"\xff\xff")),
                        b"%d" % number, f"RETR {name}")


def test_a_large_directory(t):
    """More names than --list-sorted-max: streamed, every one of them once."""
    root = t.tmp()
    names = [b"file-%05d" % i for i in range(3000)]
    for name in names:
        os.close(os.open(os.path.join(os.fsencode(root), name), os.O_CREAT | os.O_WRONLY))
    control = t.closing(Control(t.ferry(root, "--list-sorted-max", "1000"))).login()
    check.equal(sorted(control.lines_of("NLST")), names, "NLST")
    listed = [facts_of(line) for line in control.lines_of("MLSD")]
    check.equal(sorted(name for facts, name in listed if facts["type"] == "file"), names, "MLSD")
    lines = [line for line in control.lines_of("LIST") if not line.startswith(b"total")]
    check.equal(sorted(line.split()[-1] for line in lines), names, "LIST")


@limit(120)
def test_a_crowd_that_does_not_take_its_listings(t):
    """threats.md, V9: of 60 sessions that list 8,000 names and do not read, few make the server
    hold them. One that is beyond gets all of them all the same."""
    root = t.tmp()
    names = [b"a-name-of-some-length-for-a-file-%05d" % i for i in range(8000)]
    for name in names:
        os.close(os.open(os.path.join(os.fsencode(root), name), os.O_CREAT | os.O_WRONLY))
    server = t.ferry(root, "--cores", "1", "--list-held-max", "2", "--list-wait-timeout", "1m",
                     "--ftp-transfer-stall-timeout", "1m")
    crowd = [t.closing(Control(server)).login() for _ in range(60)]
    before = resident_bytes(server)
    for each in crowd:
        each.passive(receive_buffer_bytes=4096, segment_bytes=1400)
        each.ask("LIST", 150, seconds=60)
    grown = resident_bytes(server) - before
    check.holds(grown < 48 << 20, f"the server grew by {grown} octets for 60 listings")
    reader = t.closing(Control(server)).login()
    check.equal(sorted(reader.lines_of("NLST")), names, "NLST")
