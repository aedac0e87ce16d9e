"""lftp, ncftp, tnftp, curl and wget over ftp://, active and passive, both ways."""

import os
import re
import shutil

from support import check, trees
from support.case import limit
from support.clients import run
from support.http_wire import quote

SITE = trees.site()
BIG = SITE[b"size-3m.bin"]
LONG_AGO = 1_600_000_000
CURL = ("curl", "-sS", "--max-time", "20")
WGET = ("wget", "-nv", "--tries=1", "--timeout=10")


def make_server(maker):
    root = trees.fill(maker.tmp(), SITE)
    for name in SITE:
        os.utime(os.path.join(os.fsencode(root), name), (LONG_AGO, LONG_AGO))
    return maker.ferry(root)


def make_writable(maker):
    return maker.ferry(trees.fill(maker.tmp(), SITE), "--user", "ann:secret", "--write")


def ann(server):
    return f"ftp://ann:secret@127.0.0.1:{server.ftp_port}"


def same_tree(got, wanted, what):
    check.equal(sorted(got), sorted(wanted), f"{what}: the names")
    for name, content in wanted.items():
        check.same_bytes(got[name], content, f"{what}: {name}")


def tree_to_mirror():
    """Names that a mirror must survive, but no CR or LF: FTP has no way to say those."""
    files = {b"top.txt": b"top", b"empty": b"", b"one/two/three/four.txt": b"four",
             b"big.bin": BIG, b"dir.with.dots/.hidden": b"hidden"}
    for number, name in enumerate(trees.PLAIN_HOSTILE_NAMES):
        # What begins with a space is cut by LIST, and lftp takes a tilde for a home.
        if not name.startswith((b" ", b"~")) and not name.endswith(b" "):
            files[b"names/" + name] = b"%d" % number
    return files


def lftp(server, script, *settings, folder=None, seconds=40, login="-u ann,secret"):
    commands = ["set net:max-retries 1", "set net:timeout 10", "set cmd:fail-exit yes",
                "set net:reconnect-interval-base 1", *settings,
                f"open {login} ftp://127.0.0.1:{server.ftp_port}", script]
    return run(["lftp", "-c", "; ".join(commands)], folder, seconds=seconds)


def test_lftp_mode_z(t):
    """Deflated both ways (MODE Z), of what grows by it, too, and of nothing at all."""
    files = {b"text": b"all work and no play\n" * 9_000, b"noise": trees.octets(5, 200_000),
             b"empty": b"", b"binary": BIG[:500_000]}
    server = t.ferry(trees.fill(t.tmp(), files), "--user", "ann:secret", "--write")
    place = t.tmp()
    settings = ("set ftp:use-mode-z yes", "set ftp:mode-z-level 4")
    said = lftp(server, "debug 5; mirror . here; mirror -R here back", *settings, folder=place)
    check.holds("MODE Z" in said.text, f"lftp did not ask for it: {said.text[-500:]}")
    same_tree(trees.contents(os.path.join(place, "here")), files, "downloads")
    same_tree(trees.contents(os.path.join(server.root, "back")), files, "uploads")


@limit(60)
def test_lftp_mirrors_from_the_server(t):
    root = trees.fill(t.tmp(), tree_to_mirror())
    server = t.ferry(root)
    for mode in ("on", "off"):
        folder = t.tmp()
        lftp(server, "mirror . got", f"set ftp:passive-mode {mode}", folder=folder, login="")
        same_tree(trees.contents(os.path.join(folder, "got")), tree_to_mirror(),
                  f"passive mode {mode}")
        # Sizes and times are right, so that a second mirror finds nothing to do.
        again = lftp(server, "mirror -v . got", f"set ftp:passive-mode {mode}", folder=folder,
                     login="")
        check.lacks(again.text, "Transferring", f"a second mirror, passive mode {mode}")


@limit(60)
def test_lftp_mirrors_to_the_server(t):
    for mode in ("on", "off"):
        folder, root = t.tmp(), t.tmp()
        trees.fill(os.path.join(folder, "src"), tree_to_mirror())
        server = t.ferry(root, "--user", "ann:secret", "--write")
        lftp(server, "mirror -R src put", f"set ftp:passive-mode {mode}", folder=folder)
        same_tree(trees.contents(os.path.join(root, "put")), tree_to_mirror(),
                  f"passive mode {mode}")


@limit(60)
def test_lftp_in_parallel(t):
    files = {b"f/%03d" % i: trees.octets(i, 20000 + i * 37) for i in range(120)}
    root = trees.fill(t.tmp(), files)
    server = t.ferry(root, "--user", "ann:secret", "--write")
    folder = t.tmp()
    lftp(server, "mirror --parallel=8 f got", folder=folder)
    got = trees.contents(os.path.join(folder, "got"))
    same_tree({b"f/" + name: content for name, content in got.items()}, files, "down")
    lftp(server, "mirror -R --parallel=8 got put", folder=folder)
    put = trees.contents(os.path.join(root, "put"))
    same_tree({b"f/" + name: content for name, content in put.items()}, files, "up")


def test_lftp_pipelines(t):
    """With sync-mode off lftp sends its commands without waiting for the replies before them."""
    files = {b"f/%02d" % i: trees.octets(i, i * 311) for i in range(40)}
    server, folder = t.ferry(trees.fill(t.tmp(), files), "--user", "ann:secret", "--write"), t.tmp()
    said = lftp(server, "debug 5; mirror f got; mirror -R got f2", "set ftp:sync-mode off",
                folder=folder).text
    check.holds(re.search(r"---> .*\n---> ", said), "a command behind another")
    got = trees.contents(os.path.join(folder, "got"))
    same_tree({b"f/" + name: content for name, content in got.items()}, files, "down")
    same_tree(trees.contents(os.path.join(server.root, "f2")), got, "up")


def test_lftp_aborts(t):
    """What reads the file goes away in the middle of it: ABOR, and the session goes on."""
    server = t.shared(make_server)
    said = lftp(server, "debug 5; cat size-3m.bin | head -c 1000 | wc -c; cat hello.txt",
                "set ftp:use-abor yes", "set net:socket-buffer 4096", "set cmd:fail-exit no",
                login="").text
    check.contains(said, "1000", "what was read")
    check.contains(said, "hello, world", "the next file")
    check.contains(said, "ABOR", "what lftp said")


def test_lftp_commands(t):
    server, folder = t.shared(make_writable), t.tmp()
    trees.write(folder, "up.bin", BIG)
    lftp(server, "mkdir -p a/b; cd a/b; put up.bin; mv up.bin moved.bin; "
                 "get moved.bin -o down.bin; pget -n 3 moved.bin -o pieces.bin; "
                 "rm moved.bin; cd /; rm -r a; "
                 "find > /dev/null; du > /dev/null; cls > /dev/null; quote STAT > /dev/null",
         folder=folder)
    check.same_bytes(trees.read(folder, "down.bin"), BIG, "get")
    check.same_bytes(trees.read(folder, "pieces.bin"), BIG, "pget")
    check.lacks(trees.names_in(server.root), b"a", "names after rm -r")


def test_lftp_copies(t):
    server = t.shared(make_writable)
    lftp(server, "site cpfr size-3m.bin; site cpto copy.bin; site cpfr hello.txt; "
                 "site cpto copy.bin")
    check.same_bytes(trees.read(server.root, "copy.bin"), b"hello, world\n", "site cpto")
    check.same_bytes(trees.read(server.root, "size-3m.bin"), BIG, "what was copied")


def test_lftp_resumes(t):
    server, folder = t.shared(make_writable), t.tmp()
    trees.write(folder, "down.bin", BIG[:1000000])
    trees.write(folder, "up.bin", BIG)
    trees.write(server.root, "part.bin", BIG[:2000000])
    lftp(server, "get -c size-3m.bin -o down.bin; put -c up.bin -o part.bin", folder=folder)
    check.same_bytes(trees.read(folder, "down.bin"), BIG, "get -c")
    check.same_bytes(trees.read(server.root, "part.bin"), BIG, "put -c")


def test_lftp_over_http(t):
    server, folder = t.shared(make_server), t.tmp()
    run(["lftp", "-c", f"set net:max-retries 1; open {server.http_url}; get size-3m.bin"], folder)
    check.same_bytes(trees.read(folder, "size-3m.bin"), BIG, "lftp over HTTP")


def test_ncftp_gets(t):
    server, folder = t.shared(make_server), t.tmp()
    for number, mode in enumerate(("-F", "-E")):  # Passive, active.
        got = os.path.join(folder, str(number))
        os.mkdir(got)
        run(["ncftpget", mode, "-t", "10", "-r", "0", "-P", str(server.ftp_port), "127.0.0.1", got,
             "/hello.txt", "/size-3m.bin", "/empty.txt"])
        for name in (b"hello.txt", b"size-3m.bin", b"empty.txt"):
            check.same_bytes(trees.read(got, name), SITE[name], f"{mode} {name}")
        run(["ncftpget", mode, "-R", "-t", "10", "-r", "0", "-P", str(server.ftp_port), "127.0.0.1",
             got, "/plain"])
        same_tree(trees.contents(os.path.join(got, "plain")),
                  {name[len(b"plain/"):]: content for name, content in SITE.items()
                   if name.startswith(b"plain/")}, f"{mode} -R")
        check.equal(int(os.stat(os.path.join(got, "hello.txt")).st_mtime), LONG_AGO, "time")


def test_ncftp_puts(t):
    server, folder = t.shared(make_writable), t.tmp()
    trees.fill(folder, {"up/a.bin": BIG, "up/b/c.txt": b"c", "up/empty": b""})
    for number, mode in enumerate(("-F", "-E")):
        run(["ncftpput", mode, "-R", "-m", "-t", "10", "-r", "0", "-u", "ann", "-p", "secret", "-P",
             str(server.ftp_port), "127.0.0.1", f"/n{number}", "up"], folder)
        same_tree(trees.contents(os.path.join(server.root, f"n{number}/up")),
                  {b"a.bin": BIG, b"b/c.txt": b"c", b"empty": b""}, f"ncftpput {mode}")


def test_ncftp_lists(t):
    server = t.shared(make_server)
    for mode in ("-F", "-E"):
        said = run(["ncftpls", mode, "-t", "10", "-r", "0", "-P", str(server.ftp_port),
                    "ftp://127.0.0.1/plain/"]).text
        for name in ("a.txt", "b.css", "deep"):
            check.contains(said, name, f"ncftpls {mode}")
        said = run(["ncftpls", mode, "-l", "-t", "10", "-r", "0", "-P", str(server.ftp_port),
                    "ftp://127.0.0.1/"]).text
        check.contains(said, "hello.txt", f"ncftpls {mode} -l")


def test_tnftp(t):
    server, folder = t.shared(make_writable), t.tmp()
    trees.write(folder, "up.bin", BIG)
    for number, mode in enumerate(("-p", "-A")):  # Passive, active.
        script = ("user ann secret\nbinary\n"
                  f"put up.bin tn{number}.bin\nget tn{number}.bin down{number}.bin\n"
                  f"rename tn{number}.bin tm{number}.bin\nsize tm{number}.bin\n"
                  f"mkdir td{number}\ncd td{number}\npwd\ncd ..\nrmdir td{number}\nls\nnlist\n"
                  f"ascii\nget hello.txt text{number}\nquit\n")
        said = run(["tnftp", "-n", "-v", "-i", mode, "-P", str(server.ftp_port), "127.0.0.1"],
                   folder, stdin=script.encode()).text
        check.same_bytes(trees.read(server.root, f"tm{number}.bin"), BIG, f"put {mode}\n{said}")
        check.same_bytes(trees.read(folder, f"down{number}.bin"), BIG, f"get {mode}")
        check.equal(trees.read(folder, f"text{number}"), b"hello, world\n", f"ascii {mode}")
        check.lacks(said, "\n500 ", f"tnftp {mode}")
    run(["tnftp", "-o", "fetched", f"{ann(server)}/size-3m.bin"], folder)
    check.same_bytes(trees.read(folder, "fetched"), BIG, "tnftp URL")
    run(["tnftp", "-u", f"{ann(server)}/uploaded.bin", "up.bin"], folder)
    check.same_bytes(trees.read(server.root, "uploaded.bin"), BIG, "tnftp -u")


def test_curl_downloads(t):
    server, folder = t.shared(make_server), t.tmp()
    for options in ((), ("--disable-epsv",), ("--ftp-port", "127.0.0.1"),
                    ("--ftp-port", "127.0.0.1", "--disable-eprt"), ("--ftp-method", "nocwd"),
                    ("--ftp-method", "multicwd"), ("--ftp-method", "singlecwd")):
        for name in (b"size-3m.bin", b"empty.txt", b"plain/deep/er/c.js", b"sp ace.txt",
                     "ünï.txt".encode(), b"pct%41.txt"):
            run([*CURL, *options, "-o", "got", f"{server.ftp_url}/{quote(name)}"], folder)
            check.same_bytes(trees.read(folder, "got"), SITE[name], f"{options} {name}")


def test_curl_lists(t):
    server = t.shared(make_server)
    check.contains(run([*CURL, f"{server.ftp_url}/plain/"]).output, b"b.css", "LIST")
    said = run([*CURL, "-l", f"{server.ftp_url}/plain/"]).text.split()
    check.equal(sorted(said), ["a.txt", "b.css", "deep"], "NLST")


def test_curl_asks(t):
    server = t.shared(make_server)
    said = run([*CURL, "-I", f"{server.ftp_url}/hello.txt"]).text
    check.contains(said, "Content-Length: 13", "curl -I")
    check.contains(said, "Last-Modified: Sun, 13 Sep 2020 12:26:40 GMT", "curl -I")
    for given, wanted in (("Tue, 01 Jan 2030 00:00:00 GMT", b""),
                          ("Mon, 01 Jan 2001 00:00:00 GMT", b"hello, world\n")):
        check.equal(run([*CURL, "-z", given, f"{server.ftp_url}/hello.txt"]).output, wanted,
                    f"-z {given}")
    run([*CURL, f"{server.ftp_url}/nope"], status=78)
    run([*CURL, f"{server.ftp_url}/nope/x"], status=9)
    run([*CURL, "-T", "/etc/hostname", f"{server.ftp_url}/new"], status=25)
    run([*CURL, f"ftp://ann:wrong@127.0.0.1:{server.ftp_port}/"], status=67)


def test_curl_ranges_and_resume(t):
    server, folder = t.shared(make_server), t.tmp()
    url = f"{server.ftp_url}/size-3m.bin"
    for given, wanted in (("0-99", BIG[:100]), ("100000-", BIG[100000:]), ("-17", BIG[-17:]),
                          ("8000-70000", BIG[8000:70001])):
        check.same_bytes(run([*CURL, "-r", given, url]).output, wanted, given)
    for have in (1, 1000000, len(BIG) - 1, len(BIG)):
        trees.write(folder, "part", BIG[:have])
        run([*CURL, "-C", "-", "-o", "part", url], folder)
        check.same_bytes(trees.read(folder, "part"), BIG, f"resumed at {have}")
    check.equal(run([*CURL, "--use-ascii", f"{server.ftp_url}/hello.txt"]).output,
                b"hello, world\n", "--use-ascii")  # curl turns the line ends back.


def test_curl_uploads(t):
    server, folder = t.shared(make_writable), t.tmp()
    trees.write(folder, "up.bin", BIG)
    for number, options in enumerate(((), ("--disable-epsv",), ("--ftp-port", "127.0.0.1"))):
        url = f"{ann(server)}/c{number}/d/up.bin"
        run([*CURL, *options, "--ftp-create-dirs", "-T", "up.bin", url], folder)
        check.same_bytes(trees.read(server.root, f"c{number}/d/up.bin"), BIG, f"{options}")
    trees.write(server.root, "part.bin", BIG[:1234567])
    run([*CURL, "-C", "-", "-T", "up.bin", f"{ann(server)}/part.bin"], folder)
    check.same_bytes(trees.read(server.root, "part.bin"), BIG, "-C - -T")
    run([*CURL, "--append", "-T", "up.bin", f"{ann(server)}/part.bin"], folder)
    check.same_bytes(trees.read(server.root, "part.bin"), BIG + BIG, "--append")
    run([*CURL, "-Q", "RNFR part.bin", "-Q", "RNTO renamed.bin", "-Q", "-DELE renamed.bin",
         f"{ann(server)}/hello.txt"])
    check.lacks(trees.names_in(server.root), b"renamed.bin", "the names")
    check.lacks(trees.names_in(server.root), b"part.bin", "the names")


def test_wget_downloads(t):
    server = t.shared(make_server)
    for options in ((), ("--no-passive-ftp",)):
        folder = t.tmp()
        urls = [f"{server.ftp_url}/size-3m.bin", f"{server.ftp_url}/hello.txt"]
        run([*WGET, *options, *urls], folder)
        check.same_bytes(trees.read(folder, "size-3m.bin"), BIG, f"{options}")
        trees.write(folder, "size-3m.bin", BIG[:1234567])
        run([*WGET, *options, "-c", f"{server.ftp_url}/size-3m.bin"], folder)
        check.same_bytes(trees.read(folder, "size-3m.bin"), BIG, f"{options} -c")
        run([*WGET, *options, f"{server.ftp_url}/plain/*"], folder)
        check.equal(trees.read(folder, "b.css"), b"b {}\n", f"{options} with a star")


@limit(60)
def test_wget_mirrors(t):
    server, folder = t.shared(make_server), t.tmp()
    run([*WGET, "-r", "-nH", "--restrict-file-names=unix,ascii", f"{server.ftp_url}/"], folder)
    got = trees.contents(folder)
    for name, content in SITE.items():
        if name.isascii() and b"%" not in name:
            check.contains(got, name, "the names")
            check.same_bytes(got[name], content, f"{name}")
    check.equal(len([n for n in got if not n.endswith(b".listing")]), len(SITE), "files")


def test_rclone(t):
    """Copies both ways, checks by size and time, and walks the tree (MLSD, MFMT)."""
    if not shutil.which("rclone"):
        t.tell("skipped: rclone is not installed")
        return
    files = {b"a": b"one", b"sub/deep/b.bin": BIG[:300_000], b"sub/empty": b"",
             "sub/\u00fcml\u00e4ut x".encode(): b"two"}
    server = t.ferry(trees.fill(t.tmp(), files), "--user", "ann:secret", "--write")
    place = t.tmp()
    word = run(["rclone", "obscure", "secret"]).output.decode().strip()
    remote = f":ftp,host=127.0.0.1,port={server.ftp_port},user=ann,pass={word}:"
    quick = ("--config", "", "--retries", "1", "--low-level-retries", "1")
    run(["rclone", *quick, "copy", remote + "/", os.path.join(place, "got")])
    same_tree(trees.contents(os.path.join(place, "got")), files, "downloads")
    run(["rclone", *quick, "copy", os.path.join(place, "got"), remote + "/back"])
    same_tree(trees.contents(os.path.join(server.root, "back")), files, "uploads")
    run(["rclone", *quick, "check", "--size-only", os.path.join(place, "got"), remote + "/back"])
    run(["rclone", *quick, "purge", remote + "/back/sub"])
    check.equal(sorted(os.listdir(os.path.join(server.root, "back"))), ["a"], "what is left")


BASIC_FTP = """
const ftp = require("basic-ftp");
(async () => {
    const client = new ftp.Client();
    await client.access({host: "127.0.0.1", port: +process.argv[1], user: "ann", password: "secret"});
    await client.downloadToDir("got", "/");
    await client.ensureDir("/back");
    await client.uploadFromDir("got");
    await client.rename("/back/a", "/back/c");
    console.log(await client.size("/back/c"), (await client.list("/back")).length);
    client.close();
})().catch((why) => { console.error(why); process.exit(1); });
"""


def test_basic_ftp(t):
    """The package of npm, where it is installed for all (npm install -g basic-ftp)."""
    modules = os.environ.get("NODE_PATH") or (
        run(["npm", "root", "-g"]).output.decode().strip() if shutil.which("npm") else "")
    if not os.path.isdir(os.path.join(modules, "basic-ftp")):
        t.tell("skipped: basic-ftp is not installed")
        return
    files = {b"a": b"one", b"sub/deep/b.bin": BIG[:300_000], b"sub/empty": b""}
    server = t.ferry(trees.fill(t.tmp(), files), "--user", "ann:secret", "--write")
    place = t.tmp()
    done = run(["env", f"NODE_PATH={modules}", "node", "-e", BASIC_FTP, server.ftp_port], place)
    check.equal(done.output.decode().strip(), "3 2", "the size of a file, and how many names")
    same_tree(trees.contents(os.path.join(place, "got")), files, "downloads")
    renamed = {b"c" if name == b"a" else name: content for name, content in files.items()}
    same_tree(trees.contents(os.path.join(server.root, "back")), renamed, "uploads")
