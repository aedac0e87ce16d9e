"""Goal: what tools/package makes can be installed, serves, says how it is used, and goes again.

Method: the package is made of the binaries under test and installed, by dpkg, in a root directory of
its own: an overlay of this machine's, in namespaces of its own, so that nothing here changes and the
ports 80 and 21 are free. Long form, a Debian that has nothing but its base:

    python3 tests/tools/package_test.py --build DIR --bare
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
SECONDS_MAX = 60


class Failed(Exception):
    pass


def run(command, **options):
    """Runs a command to its end; gives what it printed, on either stream, and fails if it did."""
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          timeout=options.pop("timeout", SECONDS_MAX), **options)
    if done.returncode != 0:
        raise Failed(f"{shlex.join(command)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


# What happens in the new root directory, as a program of sh. `$1` is the package.
INSTALLED = r"""
set -e
say() { echo "-- $*"; }
rm -f /var/lib/man-db/auto-update  # The index of all manual pages, made again each time.
say install; dpkg -i "$1"
say user; id ferry; stat -c '%U %a' /srv/ferry /var/log/ferry
say check; ferry --config /etc/ferry/ferry.toml --check
say serve
echo served >/srv/ferry/hello.txt
ferry --config /etc/ferry/ferry.toml --run-as ferry >/tmp/out 2>/tmp/err & server=$!
n=0; until grep -q 'ftp://' /tmp/out; do
    n=$((n + 1)); [ $n -lt 100 ] || { cat /tmp/err; exit 1; }; sleep 0.1
done
cat /tmp/err
python3 - <<'PYTHON'
import ftplib, urllib.request
print(urllib.request.urlopen("http://127.0.0.1/hello.txt", timeout=20).read())
with ftplib.FTP("127.0.0.1", timeout=20) as ftp:
    ftp.login()
    ftp.retrbinary("RETR hello.txt", print)
PYTHON
say load
ferry-http-load -c 1 -t 1 -d 200ms http://127.0.0.1/hello.txt
ferry-ftp-load -c 1 -t 1 -d 200ms ftp://127.0.0.1/hello.txt
say rotate
mv /var/log/ferry/access.log /var/log/ferry/access.log.1; kill -USR1 $server
n=0; until [ -e /var/log/ferry/access.log ]; do
    n=$((n + 1)); [ $n -lt 100 ] || exit 1; sleep 0.1
done
stat -c '%U %G' /var/log/ferry/access.log
kill -TERM $server; wait $server
say again; dpkg -i "$1"
say remove; dpkg -r ferry; ls /srv/ferry /etc/ferry; test ! -e /usr/bin/ferry
say purge; dpkg -P ferry; test ! -e /etc/ferry/ferry.toml; test ! -e /var/log/ferry; ls /srv/ferry
say end
"""

OVERLAY = r"""
set -e
mount --make-rprivate /
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay none "$1/root" -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work"
mount -t proc none "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount -t tmpfs none "$1/root/tmp"
mkdir -p "$1/root/run"
mount -t tmpfs none "$1/root/run"
cp "$2" "$1/root/tmp/ferry.deb"
ip link set lo up
exec chroot "$1/root" sh -c "$3" sh /tmp/ferry.deb
"""


def install_in_overlay(package, folder):
    """What INSTALLED prints in an overlay of this machine's root directory."""
    return run(["unshare", "--mount", "--net", "--pid", "--fork", "sh", "-c", OVERLAY, "sh", folder,
                package, INSTALLED])


def install_in_bare_debian(package, folder):
    """The same in a Debian of its own, with what the package says that it needs and with python3."""
    release = re.search(r"VERSION_CODENAME=(\w+)", open("/etc/os-release").read())[1]
    root = os.path.join(folder, "root")
    needs = re.sub(r" *\([^)]*\)|\s", "", run(["dpkg-deb", "-f", package, "Depends"]))
    run(["mmdebstrap", "--variant=apt", f"--include=python3,{needs}", release, root], timeout=600)
    run(["cp", package, os.path.join(root, "ferry.deb")])
    inside = 'mount -t proc none "$1/proc"; ip link set lo up; exec chroot "$1" sh -c "$2" sh /ferry.deb'
    return run(["unshare", "--mount", "--net", "--pid", "--fork", "sh", "-c", inside, "sh", root,
                INSTALLED])


def part(said, name):
    """What came behind `-- name`."""
    found = re.search(rf"^-- {name}.*?\n(.*?)(?=^-- |\Z)", said, re.MULTILINE | re.DOTALL)
    if not found:
        raise Failed(f"it did not come to {name!r}: {said}")
    return found[1]


def wants(text, *patterns):
    for pattern in patterns:
        if not re.search(pattern, text, re.MULTILINE):
            raise Failed(f"{pattern!r} is not in: {text}")


class Package:
    """The package, and what became of it where it was installed, made when it is first asked for."""

    def __init__(self, options, folder):
        self.folder = folder
        made = run([os.path.join(ROOT, "tools", "package"), "-o", folder, "--built", options.build])
        self.file = re.search(r"^(/\S+\.deb)$", made, re.MULTILINE)[1]
        self.tree = os.path.join(folder, "tree")
        run(["dpkg-deb", "-x", self.file, self.tree])
        where = install_in_bare_debian if options.bare else install_in_overlay
        space = os.path.join(folder, "space")
        os.mkdir(space)
        self.said = where(self.file, space)


def test_installs_and_serves(package):
    wants(part(package.said, "user"), r"uid=\d+\(ferry\) gid=\d+\(ferry\)", "^ferry 755$",
          "^ferry 750$")
    wants(part(package.said, "check"), r"^HTTP/1\.1 on \S+:80$", "/srv/ferry")
    wants(part(package.said, "serve"), r"^b'served\\n'\nb'served\\n'$")


def test_has_the_load_tools(package):
    wants(part(package.said, "load"), r"^Running 200ms of GET http://", r"^Running 200ms of retr ")


def test_logs_are_rotated(package):
    wants(part(package.said, "rotate"), "^ferry ferry$")


def test_goes_and_leaves_what_is_not_its_own(package):
    wants(part(package.said, "remove"), "hello.txt", "ferry.toml")
    wants(part(package.said, "purge"), "hello.txt")
    wants(package.said, "^-- end$")


def test_says_what_it_needs(package):
    said = run(["dpkg-deb", "-f", package.file])
    wants(said, r"^Depends: .*libc6 \(>= ", r"^Depends: .*libssl3", r"^Version: \d+\.\d+\.\d+$")
    if "llhttp" in said:
        raise Failed(f"Debian 12 has no llhttp that is new enough, and it needs one: {said}")


def test_manual_page(package):
    """Every option is in it, and nothing in it is unknown to roff."""
    page = os.path.join(package.tree, "usr/share/man/man1/ferry.1.gz")
    shown = subprocess.run(["man", "--warnings=w", "-l", page], capture_output=True, text=True,
                           check=True, env={**os.environ, "MANWIDTH": "100", "LC_ALL": "C.UTF-8",
                                            "MAN_KEEP_FORMATTING": ""})
    if shown.stderr:
        raise Failed(f"roff complains: {shown.stderr}")
    told = run([os.path.join(package.tree, "usr/bin/ferry"), "--help"])
    for option in re.findall(r"^  (--[a-z-]+)", told, re.MULTILINE):
        wants(shown.stdout, rf"^ +{option}( |$)")
    wants(shown.stdout, "^SIGNALS", r"^ +ferry passwd .* FILE NAME$", "SIGUSR2")


def complete(package, *words):
    """What bash offers for the last of `words`."""
    file = os.path.join(package.tree, "usr/share/bash-completion/completions/ferry")
    line = " ".join(shlex.quote(word) for word in words)
    return run(["bash", "-c", f'. {shlex.quote(file)}; COMP_WORDS=({line}); '
                f'COMP_CWORD={len(words) - 1}; _ferry; printf "%s\\n" "${{COMPREPLY[@]}}"'],
               cwd=package.folder).split()


def test_completions(package):
    if complete(package, "ferry", "--io", "") != ["auto", "uring", "epoll"]:
        raise Failed(f"--io: {complete(package, 'ferry', '--io', '')}")
    if complete(package, "ferry", "--run-") != ["--run-as"]:
        raise Failed(f"--run-: {complete(package, 'ferry', '--run-')}")
    if "tree" not in complete(package, "ferry", ""):
        raise Failed(f"directories: {complete(package, 'ferry', '')}")
    if complete(package, "ferry", "pass") != ["passwd"]:
        raise Failed(f"pass: {complete(package, 'ferry', 'pass')}")
    if complete(package, "ferry", "passwd", "-") != ["--method"]:
        raise Failed(f"passwd -: {complete(package, 'ferry', 'passwd', '-')}")
    if "bcrypt" not in complete(package, "ferry", "passwd", "--method", ""):
        raise Failed(f"--method: {complete(package, 'ferry', 'passwd', '--method', '')}")
    if os.path.basename(package.file) not in complete(package, "ferry", "passwd", ""):
        raise Failed(f"files: {complete(package, 'ferry', 'passwd', '')}")
    if complete(package, "ferry", "top", "-") != ["--once"] or complete(package, "ferry", "top", ""):
        raise Failed(f"top -: {complete(package, 'ferry', 'top', '-')}")
    for file in ("zsh/vendor-completions/_ferry", "fish/vendor_completions.d/ferry.fish"):
        with open(os.path.join(package.tree, "usr/share", file), encoding="utf-8") as text:
            wants(text.read(), "run-as.*become this user")


def test_unit(package):
    """systemd takes every line of it and of the example of a socket, where it is installed to say so."""
    unit = os.path.join(package.tree, "usr/lib/systemd/system/ferry.service")
    socket = os.path.join(package.tree, "usr/share/doc/ferry/examples/ferry-http.socket")
    with open(unit, encoding="utf-8") as file:
        wants(file.read(), "^Type=notify$", "^WatchdogSec=", "^NoNewPrivileges=yes$")
    try:
        said = subprocess.run(["systemd-analyze", "verify", unit, socket], capture_output=True, text=True,
                              check=False, timeout=SECONDS_MAX)
    except FileNotFoundError:
        return
    # The programs are not where it says: this machine has not got the package.
    strange = [line for line in (said.stdout + said.stderr).splitlines()
               if "is not executable" not in line and "man ferry" not in line]
    if strange:
        raise Failed("\n".join(strange))


def test_walls(package):
    """They are worth what README says, where systemd is installed to say so."""
    unit = os.path.join(package.tree, "usr/lib/systemd/system/ferry.service")
    try:
        said = run(["systemd-analyze", "security", "--offline=yes", unit])
    except FileNotFoundError:
        return
    score = re.search(r"Overall exposure level for ferry\.service: (\S+)", said)[1]
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        wants(file.read(), rf"systemd-analyze\s+security ferry` gives {re.escape(score)} of 10")


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, help="the directory of the build under test")
    parser.add_argument("--bare", action="store_true", help="in a Debian of its own; some minutes")
    options = parser.parse_args(arguments)
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="ferry-package-") as folder:
        try:
            package = Package(options, folder)
        except (Failed, subprocess.TimeoutExpired) as why:
            print(f"FAIL  the package: {why}\n0 passed, 1 failed")
            return 1
        for name, test in sorted(globals().items()):
            if name.startswith("test_"):
                try:
                    test(package)
                    passed += 1
                    print(f"ok    {name}")
                except (Failed, subprocess.SubprocessError) as why:
                    failed += 1
                    print(f"FAIL  {name}: {why}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
