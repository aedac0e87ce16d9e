"""Goal: the recipe for containers makes one that serves as it says: as an ordinary user without a
capability, from a root directory that nobody can write to, under a filter like the engines' own.

Method: no engine is asked for. What the recipe says is carried out here, its own commands in its own
order, in a root directory that is an overlay of this machine's; what `docker run` with the recipe's flags
does to a process is done by hand. Long form, in a Debian that has nothing but its base, as the recipe's
FROM has, with the network for apt-get:

    python3 tests/tools/container_test.py --build DIR --bare
"""

import argparse
import ctypes
import ftplib
import http.client
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path[:0] = [os.path.join(ROOT, "tests", "e2e"), os.path.join(ROOT, "tools")]
sys.dont_write_bytecode = True

from benchlib.surroundings import enter_namespace  # noqa: E402  (the paths above come first)
from support import denied  # noqa: E402

RECIPE = os.path.join(ROOT, "tools", "packaging", "Containerfile")
SECONDS_MAX = 180  # For a command, on a busy machine.
CLONE_NEWPID = 0x20000000
PR_CAPBSET_DROP, PR_SET_PDEATHSIG = 24, 1
CAPABILITIES = 64
# What the engines' own profiles refuse to a process without capabilities, besides io_uring.
REFUSED = ("acct", "add_key", "bpf", "clock_adjtime", "clock_settime", "delete_module", "fanotify_init",
           "fsconfig", "fsmount", "fsopen", "fspick", "finit_module", "init_module", "kcmp", "kexec_file_load",
           "kexec_load", "keyctl", "lookup_dcookie", "mbind", "migrate_pages", "mount", "mount_setattr",
           "move_mount", "move_pages", "open_by_handle_at", "open_tree", "perf_event_open", "pivot_root",
           "quotactl", "reboot", "request_key", "set_mempolicy", "setdomainname", "sethostname", "setns",
           "settimeofday", "swapoff", "swapon", "syslog", "umount2", "unshare", "userfaultfd", "vhangup")
LIBC = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    pass


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          timeout=options.pop("timeout", SECONDS_MAX), **options)
    if done.returncode != 0:
        raise Failed(f"{shlex.join(command)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def instructions(text):
    """[(name, rest)] of a recipe, continued lines joined."""
    whole = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in whole.splitlines() if line.strip()]


def number_of(call):
    """The number of a system call here, negative where there is none of that name."""
    seccomp = ctypes.CDLL("libseccomp.so.2")
    return seccomp.seccomp_syscall_resolve_name(call.encode())


class Image:
    """A root directory in which the recipe was carried out, and what it says of running it."""

    def __init__(self, base, context):
        self.root = base
        self.environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        self.user, self.entry, self.command, self.health, self.base = "root", [], [], [], ""
        with open(RECIPE, encoding="utf-8") as file:
            for name, rest in instructions(file.read()):
                self._carry_out(name, rest, context)

    def _carry_out(self, name, rest, context):
        if name == "FROM":
            self.base = rest
        elif name == "COPY":
            pattern, place = rest.split()
            run(["sh", "-c", f"cp {context}/{pattern} {self.root}{place}"])
        elif name == "RUN":
            run(["chroot", self.root, "/bin/sh", "-c", rest], env=self.environment, timeout=300)
        elif name == "ENV":
            self.environment |= dict(each.split("=", 1) for each in shlex.split(rest))
        elif name == "USER":
            self.user = rest
        elif name == "ENTRYPOINT":
            self.entry = json.loads(rest)
        elif name == "CMD":
            self.command = json.loads(rest)
        elif name == "HEALTHCHECK":
            self.health = json.loads(rest[rest.index("CMD ") + 4:])
        elif name != "EXPOSE":
            raise Failed(f"an instruction that is not known here: {name}")

    def ids(self):
        said = run(["chroot", self.root, "id", self.user])
        return tuple(int(re.search(rf"{name}=(\d+)", said)[1]) for name in ("uid", "gid"))

    def start(self, command, out):
        """As `docker run --read-only --cap-drop ALL --security-opt no-new-privileges` does."""
        uid, gid = self.ids()
        refused = [number for number in map(number_of, REFUSED) if number >= 0]

        def confine():
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            os.chroot(self.root)
            os.chdir("/")
            for each in range(CAPABILITIES):
                LIBC.prctl(PR_CAPBSET_DROP, each, 0, 0, 0)
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
            # With the same words to a program that may use none of them: no_new_privs comes with it.
            denied.io_uring(also=refused)
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                env=self.environment, preexec_fn=confine)


def overlay(folder):
    """A root directory like this machine's, without its lists of packages to fetch."""
    run(["mount", "-t", "tmpfs", "none", folder])
    for each in ("upper", "work", "root"):
        os.mkdir(os.path.join(folder, each))
    root = os.path.join(folder, "root")
    run(["mount", "-t", "overlay", "none", root, "-o",
         f"lowerdir=/,upperdir={folder}/upper,workdir={folder}/work"])
    for name in ("sources.list", "sources.list.d"):
        path = os.path.join(root, "etc/apt", name)
        shutil.rmtree(path, ignore_errors=True)
        if os.path.exists(path):
            os.remove(path)
    run(["rm", "-f", f"{root}/var/lib/man-db/auto-update"])
    return root


def bare_debian(folder):
    release = re.search(r"VERSION_CODENAME=(\w+)", open("/etc/os-release", encoding="utf-8").read())[1]
    root = os.path.join(folder, "root")
    run(["mmdebstrap", "--variant=apt", release, root], timeout=600)
    run(["mount", "--bind", root, root])  # So that it can be made one that nobody writes to.
    return root


def mount_system(root):
    """What every container has: /proc, a few devices, a /tmp for the recipe's commands."""
    run(["mount", "-t", "proc", "none", f"{root}/proc"])
    for place in ("dev", "tmp"):
        run(["mount", "-t", "tmpfs", "none", f"{root}/{place}"])
    for device in ("null", "zero", "full", "random", "urandom", "tty"):
        with open(f"{root}/dev/{device}", "wb"):
            pass
        run(["mount", "--bind", f"/dev/{device}", f"{root}/dev/{device}"])
    os.symlink("/proc/self/fd", f"{root}/dev/fd")


class Container:
    """The container, serving, made when it is first asked for."""

    def __init__(self, options, folder):
        run([os.path.join(ROOT, "tools", "package"), "-o", folder, "--built", options.build])
        space = os.path.join(folder, "space")
        os.mkdir(space)
        # Its own loopback, unless apt-get is to fetch something.
        if not options.bare:
            enter_namespace(with_mounts=True)
        elif LIBC.unshare(0x00020000) != 0:
            raise Failed("no namespace of mounts")
        run(["mount", "--make-rprivate", "/"])
        root = bare_debian(space) if options.bare else overlay(space)
        mount_system(root)
        self.image = Image(root, folder)
        run(["sh", "-c", f"echo served >{root}/srv/ferry/hello.txt"])
        run(["umount", f"{root}/tmp"])
        run(["mount", "-o", "remount,bind,ro", root])
        self.log = os.path.join(folder, "words")
        with open(self.log, "wb") as out:
            self.process = self.image.start(self.image.entry + self.image.command, out)
        limit = time.monotonic() + SECONDS_MAX
        while "listening on ftp://" not in self.words():
            if self.process.poll() is not None or time.monotonic() > limit:
                raise Failed(f"it does not serve: {self.words()}")
            time.sleep(0.05)

    def words(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def wants(text, *patterns):
    for pattern in patterns:
        if not re.search(pattern, text, re.MULTILINE):
            raise Failed(f"{pattern!r} is not in: {text}")


def test_1_serves_and_says_how(container):
    asked = http.client.HTTPConnection("127.0.0.1", 8080, timeout=20)
    asked.request("GET", "/hello.txt")
    if (body := asked.getresponse().read()) != b"served\n":
        raise Failed(f"HTTP: {body!r}")
    got = []
    with ftplib.FTP(timeout=20) as ftp:
        ftp.connect("127.0.0.1", 2121)
        ftp.login()
        port = int(re.search(r"\(\|\|\|(\d+)\|\)", ftp.sendcmd("EPSV"))[1])
        ftp.retrbinary("RETR hello.txt", got.append)
    if b"".join(got) != b"served\n" or not 28000 <= port <= 28099:
        raise Failed(f"FTP: {got}, port {port}")
    wants(container.words(), "io_uring is not available: refused by a seccomp filter, as in the default "
          "profile of container engines; using epoll")


def test_2_is_nobody_in_particular(container):
    with open(f"/proc/{container.process.pid}/status", encoding="ascii", errors="replace") as file:
        status = file.read()
    uid, _ = container.image.ids()
    wants(status, rf"^Uid:\s+{uid}\s+{uid}\s+{uid}\s+{uid}$", r"^NoNewPrivs:\s+1$", r"^Seccomp:\s+2$",
          *(rf"^{each}:\s+0+$" for each in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")))
    if uid == 0:
        raise Failed("it is root")


def test_3_its_root_cannot_be_written_to(container):
    done = subprocess.run(["chroot", container.image.root, "touch", "/srv/ferry/new"],
                          capture_output=True, text=True, check=False)
    wants(done.stderr, "Read-only file system")


def test_4_is_healthy_while_it_serves(container):
    def health():
        with open(os.devnull, "wb") as out:
            return container.image.start(container.image.health, out).wait(SECONDS_MAX)
    if (status := health()) != 0:
        raise Failed(f"the check of a server that serves has status {status}")
    container.process.terminate()
    if (status := container.process.wait(SECONDS_MAX)) != 0:
        raise Failed(f"SIGTERM, as of `docker stop`: status {status}\n{container.words()}")
    if health() == 0:
        raise Failed("the check of a server that has ended succeeds")


def test_5_is_of_the_base_it_names(container):
    wants(container.image.base, r"^debian:\w+-slim$")


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, help="the directory of the build under test")
    parser.add_argument("--bare", action="store_true", help="in a Debian of its own; some minutes")
    options = parser.parse_args(arguments)
    options.build = os.path.realpath(options.build)
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="ferry-container-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        try:
            container = Container(options, folder)
        except (Failed, OSError, subprocess.SubprocessError) as why:
            print(f"FAIL  the container: {why}\n0 passed, 1 failed")
            return 1
        try:
            for name, test in sorted(globals().items()):
                if name.startswith("test_"):
                    try:
                        test(container)
                        passed += 1
                        print(f"ok    {name}")
                    except (Failed, OSError, subprocess.SubprocessError) as why:
                        failed += 1
                        print(f"FAIL  {name}: {why}")
        finally:
            container.close()
            subprocess.run(["umount", "--lazy", "--recursive", os.path.join(folder, "space")],
                           capture_output=True, check=False)
            subprocess.run(["umount", "--lazy", container.image.root], capture_output=True, check=False)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
