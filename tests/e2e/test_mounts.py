"""Several directories in one tree: --mount, its options, and what both protocols make of them."""

import os
import re

from support import check, trees
from support.clients import run
from support.ftp_wire import Control, facts_of
from support.http_wire import ask, fetch

USER = "ann:secret"


def folders(t):
    """{name: directory}: what the tests mount, each with a file that tells where it lies."""
    made = {}
    for name in ("root", "music", "docs", "deep"):
        made[name] = t.tmp()
        trees.write(made[name], "where.txt", name.encode())
        trees.write(made[name], "sub/inner.txt", b"inner of " + name.encode())
    return made


def session(t, server, name="ann", password="secret"):
    return t.closing(Control(server)).login(name, password)


def ftp_names(control, where):
    """{name: facts} of a directory, without itself and its parent."""
    listed = [facts_of(line) for line in control.lines_of(f"MLSD {where}")]
    return {name.decode(): facts for facts, name in listed
            if facts["type"] not in ("cdir", "pdir")}


def http_links(server, where):
    page = fetch(server, where).decode()
    targets = (piece.split('"')[0] for piece in page.split('href="')[1:])
    # Without those upwards, and what makes browsers ask for no icon.
    return {target.removeprefix("./") for target in targets
            if not target.startswith("../") and target != "data:,"}


def test_mounts_are_in_one_tree(t):
    """Listings show mounts and the way to them; names go to the longest; both protocols agree."""
    at = folders(t)
    trees.write(at["root"], "music/shadowed.txt", b"out of sight")
    server = t.ferry(at["root"], "--user", USER, "--write", "--mount", f"/music={at['music']}",
                     "--mount", f"/lib/docs={at['docs']}", "--mount", f"/music/deep={at['deep']}")
    control = session(t, server)
    for where, names in (("/", {"where.txt", "sub", "music", "lib"}), ("/lib", {"docs"}),
                         ("/music", {"where.txt", "sub", "deep"}),
                         ("/lib/docs", {"where.txt", "sub"}), ("/sub", {"inner.txt"})):
        listed = ftp_names(control, where)
        check.equal(set(listed), names, f"MLSD {where}")
        wanted = {name + ("" if name.endswith(".txt") else "/") for name in names}
        check.equal(http_links(server, where.rstrip("/") + "/"), wanted, f"GET {where}")
        for name, facts in listed.items():
            check.equal(facts["type"], "file" if name.endswith(".txt") else "dir", name)
    for where, name in (("", "root"), ("/music", "music"), ("/lib/docs", "docs"),
                        ("/music/deep", "deep"), ("/music/sub/../deep", "deep")):
        check.equal(fetch(server, f"{where}/where.txt"), name.encode(), f"GET {where}")
        check.equal(control.retrieve(f"RETR {where}/where.txt"), name.encode(), f"RETR {where}")
    check.equal(ask(server, "/music/shadowed.txt").status, 404, "what lies beneath a mount")
    check.equal(ask(server, "/lib").status, 301, "a directory on the way")
    control.ask("CWD /lib", 250)
    control.ask("CWD docs/sub", 250)
    control.ask("CDUP", 250)
    check.equal(control.retrieve("RETR where.txt"), b"docs", "from inside")
    for line, code in (("RMD /lib", 550), ("RMD /music", 550), ("RMD /lib/docs", 550),
                       ("DELE /music", 550), ("MKD /music", 550), ("MKD /lib", 550),
                       ("MKD /lib/new", 550), ("CWD /lib/new", 550), ("SIZE /lib/where.txt", 550)):
        control.ask(line, code)
    for name in ("/lib", "/music", "/music/deep"):
        control.ask(f"RNFR {name}", 350)
        control.ask("RNTO /elsewhere", 550)
    control.ask("RNFR /where.txt", 350)
    control.ask("RNTO /music", 550)
    check.equal(sorted(os.listdir(at["root"])), ["music", "sub", "where.txt"], "the root")


def test_clients_see_one_tree(t):
    """curl and lftp: a mirror of the whole and back."""
    at = folders(t)
    server = t.ferry(at["root"], "--user", USER, "--write", "--mount", f"/music={at['music']}",
                     "--mount", f"/lib/docs={at['docs']}")
    check.equal(run(["curl", "-sS", f"{server.http_url}/lib/docs/where.txt"]).output, b"docs",
                "curl over HTTP")
    check.equal(run(["curl", "-sS", "-u", USER, f"{server.ftp_url}/lib/docs/where.txt"]).output,
                b"docs", "curl over FTP")
    got, new = t.tmp(), t.tmp()
    trees.write(new, "sub/added.txt", b"added")
    port = server.ftp[0][1]
    run(["lftp", "-c", f"open -u ann,secret -p {port} 127.0.0.1; mirror / {got}/all; "
         f"mirror -R {new} /lib/docs"], seconds=40)
    check.equal(trees.read(got, "all/lib/docs/where.txt"), b"docs", "mirrored")
    check.equal(trees.read(got, "all/music/sub/inner.txt"), b"inner of music", "mirrored")
    check.equal(trees.read(got, "all/where.txt"), b"root", "mirrored")
    check.equal(trees.read(at["docs"], "sub/added.txt"), b"added", "mirrored back")
    check.equal(fetch(server, "/lib/docs/sub/added.txt"), b"added", "at once over HTTP")


def test_a_rename_stays_in_its_mount(t):
    """As from one file system to another (EXDEV): refused, and both names stay as they were."""
    at = folders(t)
    server = t.ferry(at["root"], "--user", USER, "--write", "--mount", f"/music={at['music']}")
    control = session(t, server)
    for name, to in (("/where.txt", "/music/new.txt"), ("/music/where.txt", "/new.txt"),
                     ("/sub", "/music/sub2")):
        control.ask(f"RNFR {name}", 350)
        check.contains(control.ask(f"RNTO {to}", 553).text, "file system", "the reason")
    check.equal(trees.read(at["root"], "where.txt"), b"root", "the first")
    check.equal(trees.read(at["music"], "where.txt"), b"music", "the second")
    control.ask("RNFR /music/where.txt", 350)
    control.ask("RNTO /music/sub/moved.txt", 250)
    check.equal(fetch(server, "/music/sub/moved.txt"), b"music", "within one")


def test_read_only(t):
    """Nothing in it changes, by any command; the rest of the tree does (threats.md, V13)."""
    at = folders(t)
    server = t.ferry(at["root"], "--user", USER, "--write", "--mount", f"/music={at['music']}:ro")
    control = session(t, server)
    before = trees.contents(at["music"])
    for line in ("DELE /music/where.txt", "RMD /music/sub", "MKD /music/new",
                 "MFMT 20200101000000 /music/where.txt"):
        check.contains(control.ask(line, 550).text, "read only", line)
    control.ask("RNFR /music/where.txt", 350)
    control.ask("RNTO /music/other.txt", 550)
    for verb in ("STOR", "APPE"):
        for name in ("where.txt", "new.txt"):
            run(["curl", "-sS", "-u", USER, "-T", "-", *(["-a"] if verb == "APPE" else []),
                 f"{server.ftp_url}/music/{name}"], stdin=b"changed", status=25)
    control.ask("CWD /music", 250)
    with control.passive():
        control.ask("STOU", 550)
    check.equal(trees.contents(at["music"]), before, "what it holds")
    check.equal(fetch(server, "/music/where.txt"), b"music", "it is still read")
    control.store("STOR /new.txt", b"new")
    check.equal(fetch(server, "/new.txt"), b"new", "beside it")


def test_a_read_only_root(t):
    """--mount /=DIR:ro in the place of DIR."""
    at = folders(t)
    server = t.ferry(None, "--user", USER, "--write", "--mount", f"/={at['root']}:ro",
                     "--mount", f"/in={at['docs']}:uploads=new")
    control = session(t, server)
    control.ask("DELE /where.txt", 550)
    check.equal(fetch(server, "/where.txt"), b"root", "the root")
    control.store("STOR /in/new.txt", b"one")
    run(["curl", "-sS", "-u", USER, "-T", "-", f"{server.ftp_url}/in/new.txt"], stdin=b"two",
        status=25)
    run(["curl", "-sS", "-u", USER, "-a", "-T", "-", f"{server.ftp_url}/in/where.txt"],
        stdin=b"more", status=25)
    control.ask("RNFR /in/new.txt", 350)
    control.ask("RNTO /in/where.txt", 553)
    check.equal(trees.read(at["docs"], "new.txt"), b"one", "not replaced")
    check.equal(trees.read(at["docs"], "where.txt"), b"docs", "not replaced")


def test_no_uploads(t):
    """uploads=none: other changes go on as the account may."""
    at = folders(t)
    server = t.ferry(at["root"], "--user", USER, "--write",
                     "--mount", f"/music={at['music']}:uploads=none")
    control = session(t, server)
    for name in ("where.txt", "new.txt"):
        run(["curl", "-sS", "-u", USER, "-T", "-", f"{server.ftp_url}/music/{name}"], stdin=b"x",
            status=25)
    check.equal(fetch(server, "/music/where.txt"), b"music", "as it was")
    control.ask("DELE /music/where.txt", 250)
    control.ask("MKD /music/new", 257)


def test_mounts_without_a_root(t):
    """The root has the mount points and nothing else, and takes nothing."""
    at = folders(t)
    server = t.ferry(None, "--user", USER, "--write", "--mount", f"/a={at['music']}",
                     "--mount", f"/b/c={at['docs']}")
    control = session(t, server)
    check.equal(set(ftp_names(control, "/")), {"a", "b"}, "the root")
    check.equal(http_links(server, "/"), {"a/", "b/"}, "the root's page")
    check.equal(fetch(server, "/b/c/where.txt"), b"docs", "a file")
    check.equal(ask(server, "/where.txt").status, 404, "no such name")
    control.ask("MKD /new", 550)
    run(["curl", "-sS", "-u", USER, "-T", "-", f"{server.ftp_url}/new.txt"], stdin=b"x", status=25)


def test_hidden(t):
    """hidden=hide: neither listed nor reached, over either protocol; shown elsewhere as before."""
    at = folders(t)
    for name in ("root", "music"):
        trees.write(at[name], ".git/config", b"secret of the project")
        trees.write(at[name], "sub/.htpasswd", b"secret of the site")
    server = t.ferry(at["root"], "--user", USER, "--write",
                     "--mount", f"/music={at['music']}:hidden=hide")
    control = session(t, server)
    check.equal(fetch(server, "/.git/config"), b"secret of the project", "the root shows them")
    check.contains(ftp_names(control, "/"), ".git", "the root lists them")
    check.lacks(ftp_names(control, "/music"), ".git", "the listing")
    check.lacks(ftp_names(control, "/music/sub"), ".htpasswd", "the listing")
    check.lacks(b"\n".join(control.lines_of("LIST -a /music")), b".git", "the long listing")
    for name in (".git", ".git/", ".git/config", "sub/.htpasswd", ".none", "%2egit/config"):
        check.equal(ask(server, f"/music/{name}").status, 404, name)
    for line in ("CWD /music/.git", "SIZE /music/.git/config", "MDTM /music/sub/.htpasswd",
                 "MLST /music/.git", "RNFR /music/.git", "DELE /music/sub/.htpasswd",
                 "RMD /music/.git", "MKD /music/.new"):
        control.ask(line, 550, 553)
    with control.passive():
        control.ask("RETR /music/.git/config", 550)
    run(["curl", "-sS", "-u", USER, "-T", "-", f"{server.ftp_url}/music/.new"], stdin=b"x",
        status=25)
    check.equal(trees.read(at["music"], "sub/.htpasswd"), b"secret of the site", "the file")


def test_links_three_ways(t):
    """Links are refused, stay inside, or lead anywhere (threats.md, V2)."""
    at = folders(t)
    outside = t.tmp()
    trees.write(outside, "secret.txt", trees.SECRET)
    for name in ("music", "docs", "deep"):
        os.symlink("sub/inner.txt", os.path.join(at[name], "in"))
        os.symlink(os.path.join(outside, "secret.txt"), os.path.join(at[name], "out"))
        os.symlink(f"../{os.path.basename(outside)}", os.path.join(at[name], "far"))
        os.symlink("../where.txt", os.path.join(at[name], "sub", "up"))
        os.mkfifo(os.path.join(outside, f"pipe-{name}"))
        os.symlink(os.path.join(outside, f"pipe-{name}"), os.path.join(at[name], "pipe"))
    server = t.ferry(at["root"], "--user", USER, "--write",
                     "--mount", f"/refuse={at['music']}:links=refuse",
                     "--mount", f"/inside={at['docs']}:links=inside",
                     "--mount", f"/trusted={at['deep']}:links=trusted")
    control = session(t, server)
    for mount, name, status in (
            ("refuse", "in", 403), ("refuse", "sub/up", 403), ("refuse", "out", 403),
            ("refuse", "far/secret.txt", 403), ("refuse", "pipe", 403), ("refuse", "where.txt", 200),
            ("inside", "in", 200), ("inside", "sub/up", 200), ("inside", "out", 403),
            ("inside", "far/secret.txt", 403), ("inside", "pipe", 403),
            ("trusted", "in", 200), ("trusted", "sub/up", 200), ("trusted", "out", 200),
            ("trusted", "far/secret.txt", 200), ("trusted", "pipe", 403)):
        answer = ask(server, f"/{mount}/{name}")
        check.equal(answer.status, status, f"/{mount}/{name}")
        control.ask(f"SIZE /{mount}/{name}", 213 if status == 200 else 550)
        if status != 200:
            check.lacks(answer.body, trees.SECRET, f"/{mount}/{name}")
    check.equal(fetch(server, "/trusted/out"), trees.SECRET, "a trusted link")
    check.equal(control.retrieve("RETR /trusted/far/secret.txt"), trees.SECRET, "a trusted link")
    check.contains(http_links(server, "/trusted/"), "far/", "it is listed as what it leads to")
    for mount in ("refuse", "inside", "trusted"):
        lines = b"\n".join(control.lines_of(f"LIST /{mount}"))
        check.lacks(lines, outside.encode(), f"where links of /{mount} lead on this machine")
    control.store("STOR /trusted/far/new.txt", b"new")
    check.equal(trees.read(outside, "new.txt"), b"new", "an upload through a trusted link")
    run(["curl", "-sS", "-u", USER, "-T", "-", f"{server.ftp_url}/inside/far/other.txt"],
        stdin=b"x", status=9)
    check.equal(sorted(name for name in os.listdir(outside) if name.endswith(".txt")),
                ["new.txt", "secret.txt"], "what lies outside")


def test_other_spellings(t):
    """fold, nfc and windows-names, over both protocols; elsewhere a name is only itself."""
    at = folders(t)
    trees.write(at["docs"], "Caf\u00e9.txt", b"composed")
    server = t.ferry(at["root"], "--user", USER, "--write",
                     "--mount", f"/music={at['music']}:fold,windows-names=refuse",
                     "--mount", f"/docs={at['docs']}:nfc")
    control = session(t, server)
    check.equal(fetch(server, "/music/SUB/Inner.TXT"), b"inner of music", "GET in any case")
    check.equal(control.retrieve("RETR /music/WHERE.TXT"), b"music", "RETR in any case")
    check.equal(fetch(server, "/docs/Cafe%CC%81.txt"), b"composed", "GET decomposed")
    for target in ("/WHERE.TXT", "/docs/WHERE.TXT", "/MUSIC/where.txt", "/docs/Caf%C3%A9.TXT"):
        check.equal(ask(server, target).status, 404, target)
    control.store("STOR /music/Where.Txt", b"replaced")
    check.equal(trees.read(at["music"], "where.txt"), b"replaced", "what was found is replaced")
    check.equal(sorted(os.listdir(at["music"])), ["sub", "where.txt"], "and nothing else made")
    control.ask("CWD /music/SUB", 250)
    control.ask("RNFR INNER.TXT", 350)
    control.ask("RNTO Inner.txt", 250)
    check.equal(os.listdir(os.path.join(at["music"], "sub")), ["Inner.txt"], "its new spelling")
    for line in ("MKD /music/NUL", "MKD /music/a:b"):
        control.ask(line, 553)
    control.ask("MKD /docs/NUL", 257)
    for flag in ("--anonymous", "--http-anonymous"):
        done = run([t.binary, "--http", "127.0.0.1:0", "--ftp", "127.0.0.1:0", flag,
                    "read-only,/music/private=none", "--mount", f"/music={at['music']}:fold",
                    at["root"]], status=1)
        check.contains(done.errors.decode(), "other spellings", f"{flag} of a path that has several")
    run([t.binary, "--check", "--anonymous", "read-only,/music=none", "--mount",
         f"/music={at['music']}:fold", at["root"]])


def test_homes_and_permissions(t):
    """Homes inside mounts and above them; rights by path hold across mounts."""
    at = folders(t)
    os.mkdir(os.path.join(at["root"], "home"))
    trees.write(at["root"], "home/own.txt", b"own")
    file = os.path.join(t.tmp(), "users")
    for name, rest in (("in", ":/home/music/sub:all:"), ("above", ":/home:all,/home/music=read-only:"),
                       ("way", ":/lib:all:"), ("whole", "::read-only,/home/music=none,/lib/docs=all:")):
        run([t.binary, "passwd", "--method", "sha512crypt", file, name],
            stdin=f"pw-{name}\n".encode())
        with open(file, encoding="utf-8") as opened:
            lines = opened.read().splitlines()
        lines[-1] = ":".join(lines[-1].split(":")[:2]) + rest
        with open(file, "w", encoding="utf-8") as opened:
            opened.write("\n".join(lines) + "\n")
    server = t.ferry(at["root"], "--users-file", file, "--anonymous", "read-only,/home/music=none",
                     "--mount", f"/home/music={at['music']}", "--mount", f"/lib/docs={at['docs']}")
    inside = session(t, server, "in", "pw-in")
    check.equal(set(ftp_names(inside, "/")), {"inner.txt"}, "a home in a mount")
    inside.ask("CWD ..", 250)
    inside.ask("SIZE /where.txt", 550)
    inside.ask("RNFR inner.txt", 350)
    inside.ask("RNTO moved.txt", 250)
    check.equal(trees.read(at["music"], "sub/moved.txt"), b"inner of music", "where it lies")

    above = session(t, server, "above", "pw-above")
    check.equal(set(ftp_names(above, "/")), {"own.txt", "music"}, "a home with a mount in it")
    check.equal(above.retrieve("RETR /music/where.txt"), b"music", "a file of the mount")
    above.ask("DELE /music/where.txt", 550)
    above.ask("RMD /music", 550)
    above.store("STOR /new.txt", b"new")
    check.equal(trees.read(at["root"], "home/new.txt"), b"new", "where it lies")

    way = session(t, server, "way", "pw-way")
    check.equal(set(ftp_names(way, "/")), {"docs"}, "a home that only the mounts make")
    way.ask("MKD /new", 550)
    way.ask("MKD /docs/new", 257)

    whole = session(t, server, "whole", "pw-whole")
    whole.ask("CWD /home/music", 550)
    whole.ask("SIZE /home/music/where.txt", 550)
    whole.ask("DELE /where.txt", 550)
    whole.ask("DELE /lib/docs/where.txt", 250)
    for target, status in (("/home/music/", 401), ("/home/music/where.txt", 401),
                           ("/home/own.txt", 200), ("/lib/docs/sub/inner.txt", 200)):
        check.equal(ask(server, target).status, status, f"a visitor gets {target}")


def test_what_start_says(t):
    """Mistakes keep ferry from starting with one line; --check and a file tell the mounts."""
    at = folders(t)
    missing = os.path.join(at["root"], "none")
    plain = os.path.join(at["root"], "where.txt")
    for flags, status, words in (
            (["--mount", f"/a={missing}", at["root"]], 1, f'"{missing}" as "/a": No such file'),
            (["--mount", f"/a={plain}", at["root"]], 1, f'"{plain}" as "/a": Not a directory'),
            (["--mount", f"/a={at['docs']}", "--mount", f"/a/={at['deep']}", at["root"]], 2, "twice"),
            (["--mount", f"/={at['docs']}", at["root"]], 2, "the root is one of them"),
            (["--mount", f"/a={at['docs']}:rw", at["root"]], 2, "no option of a mount"),
            (["--mount", at["docs"], at["root"]], 2, "is not /path=DIR")):
        done = run([t.binary, "--http", "127.0.0.1:0", "--ftp", "127.0.0.1:0", *flags],
                   status=status)
        check.contains(done.errors.decode(), words, "what it says")
        check.equal(done.errors.count(b"\n"), 1, "lines of it")

    odd = os.path.join(t.tmp(), "a:b,c")
    trees.write(odd, "where.txt", b"odd")
    escaped = odd.replace(":", "%3A").replace(",", "%2C")
    file = os.path.join(t.tmp(), "ferry.toml")
    with open(file, "w", encoding="utf-8") as opened:
        opened.write(f'root = "{at["root"]}"\n'
                     f'mount = ["/odd={escaped}:ro,hidden=hide", "/docs={at["docs"]}"]\n')
    told = run([t.binary, "--config", file, "--check"]).output.decode()
    check.contains(told, f"would serve {at['root']}\n/odd: {odd}, ro,hidden=hide\n"
                         f"/docs: {at['docs']}\n", "--check")
    server = t.ferry(None, "--config", file)
    check.equal(fetch(server, "/odd/where.txt"), b"odd", "a file of the first")
    check.equal(fetch(server, "/docs/where.txt"), b"docs", "a file of the second")


def test_the_page_offers_what_mounts_allow(t):
    """No button that can only fail: in a mount that takes no changes, and at mount points."""
    at = folders(t)
    os.mkdir(os.path.join(at["root"], "plain"))
    server = t.ferry(at["root"], "--anonymous", "all", "--mount", f"/ro={at['music']}:ro",
                     "--mount", f"/new={at['docs']}:uploads=new")

    def rights(target, row=None):
        page = ask(server, target).body.decode()
        before = "<table" if row is None else "<tr class=\"d\""
        behind = "" if row is None else f"><td><a href=\"./{row}/\""
        found = re.search(f'{before} data-may="([a-z]*)"{behind}', page)
        return found and found.group(1)
    check.equal(rights("/"), "cwdnm", "the root")
    check.equal(rights("/", "plain"), None, "a directory: as the page")
    check.equal(rights("/", "ro"), "cwm", "a mount point")
    check.equal(rights("/ro/"), None, "in a mount that is read-only")
    check.equal(rights("/new/"), "cdnm", "in one where nothing is replaced")
    answer = ask(server, "/ro/x", method="MKCOL")
    check.equal(answer.status, 403, "a change there")
    check.contains(answer.body, b"That part of the tree is read-only.", "why")
