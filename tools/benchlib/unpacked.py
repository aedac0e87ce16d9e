"""Other servers, as Debian packages them. They conflict with each other, so they are not installed:
they are unpacked into build/peers, each with what it needs, and nothing of the system is changed.
"""

import glob
import os
import platform
import re
import shutil
import subprocess
import sys

from benchlib.surroundings import ROOT, Trouble, output_of, tell

# Server -> its package, and what else it needs that its package only suggests.
PACKAGES = {"vsftpd": ("vsftpd",), "pure-ftpd": ("pure-ftpd",),
            "proftpd": ("proftpd-core", "proftpd-mod-crypto"),  # The latter for TLS.
            "pyftpdlib": ("python3-pyftpdlib",),
            "nginx": ("nginx",), "h2o": ("h2o",),
            "lighttpd": ("lighttpd", "lighttpd-mod-deflate", "lighttpd-mod-openssl"), "caddy": ("caddy",)}
UNPACKED = os.path.join(ROOT, "build", "peers")


def have(servers, others, modules=None):
    """Has those of `servers` that are of `others` in build/peers, with what else each needs.

    Returns those that can be measured, and {server: why} of the others, each of which is told. `modules`, {server:
    its module, below its folder}: whoever lacks that cannot be measured either. Trouble: nobody is left to
    compare ferry with.
    """
    absent = {}
    for name in (name for name in servers if name in others):
        try:
            unpack(name)
            module = (modules or {}).get(name)
            if module and not has_file(name, module):
                raise Trouble(f"its module {os.path.basename(module)} is not there: it is of the packages "
                              f"{' '.join(PACKAGES[name][1:])}")
        except Trouble as why:
            absent[name] = str(why)
            tell(f"without {name}: {why}")
    left = [name for name in servers if name not in absent]
    if absent and not any(name in others or name == "floor" for name in left):
        raise Trouble("nobody is left to compare ferry with")
    return left, absent


def has_file(name, path):
    """Whether an unpacked server has it; `path`: below its folder."""
    return os.path.exists(os.path.join(UNPACKED, name, path))


def unpack(name):
    """Has the package of this server, and what else it needs, in build/peers. Where the latter is not to be
    had the server is there without; where nothing is, what was there before stays. Trouble: there is no
    server."""
    package, *extra = PACKAGES[name]
    if os.path.isdir(os.path.join(UNPACKED, name)) and extra == extra_in(os.path.join(UNPACKED, name)):
        return
    try:
        download(name, package, extra)
    except Trouble:
        if has_file(name, "VERSION"):
            return
        if not extra:
            raise
        download(name, package, [])


def download(name, package, extra):
    root = os.path.join(UNPACKED, name)
    if not shutil.which("apt-get"):
        raise Trouble(f"it is Debian's package {package}, and this is no Debian system")
    needed = needed_packages(package, extra)
    if not needed:
        subprocess.run(["apt-get", "-q", "update"], check=False, stdout=sys.stderr)
        needed = needed_packages(package, extra)
    scratch = root + ".new"
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch)
    # The sandbox of apt has no access to every place a checkout may be in.
    done = subprocess.run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download",
                           *(needed or [package, *extra])], cwd=scratch, capture_output=True,
                          text=True, check=False)
    archives = glob.glob(os.path.join(scratch, "*.deb"))
    if done.returncode != 0 or not archives:
        shutil.rmtree(scratch, ignore_errors=True)
        reasons = (done.stdout + done.stderr).strip().splitlines() or ["it does not say why"]
        raise Trouble(f"apt-get cannot download {' '.join([package, *extra])}: {reasons[-1]}")
    for archive in archives:
        if os.path.basename(archive).startswith(package + "_"):
            with open(os.path.join(scratch, "VERSION"), "w", encoding="utf-8") as file:
                file.write(output_of(["dpkg-deb", "-f", archive, "Version"]))
        subprocess.run(["dpkg-deb", "-x", archive, scratch], check=True)
        os.unlink(archive)
    if extra:
        with open(os.path.join(scratch, "EXTRA"), "w", encoding="utf-8") as file:
            file.write(" ".join(extra))
    shutil.rmtree(root, ignore_errors=True)
    os.rename(scratch, root)


def extra_in(root):
    """What is unpacked there besides the server's own package."""
    try:
        with open(os.path.join(root, "EXTRA"), encoding="utf-8") as file:
            return file.read().split()
    except FileNotFoundError:
        return []


def needed_packages(package, extra=()):
    """What apt would install for these alone; where they are installed already, they themselves."""
    said = subprocess.run(["apt-get", "-s", "--no-install-recommends", "install", package, *extra],
                          capture_output=True, text=True, check=False,
                          env={**os.environ, "LC_ALL": "C"}).stdout
    found = re.findall(r"^Inst (\S+)", said, re.MULTILINE)
    return found if package in found else ([package, *extra] if "already the newest" in said else [])


def environment(name):
    libraries = [os.path.join(UNPACKED, name, place, f"{platform.machine()}-linux-gnu")
                 for place in ("usr/lib", "lib")]
    return {"LD_LIBRARY_PATH": ":".join(libraries),
            "PYTHONPATH": os.path.join(UNPACKED, name, "usr/lib/python3/dist-packages"),
            "PYTHONDONTWRITEBYTECODE": "1"}


def program(name, folder="sbin"):
    return os.path.join(UNPACKED, name, "usr", folder, name)


def version(name):
    """The package and its version."""
    with open(os.path.join(UNPACKED, name, "VERSION"), encoding="utf-8") as file:
        return f"{PACKAGES[name][0]} {file.read()}"
