"""tools/run: what it tells ferry of TLS. Run as a copy beside a build that does nothing and a ferry that says
what it was told."""

import os
import shutil
import subprocess

from support import check
from support.case import needs_root, rows

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def write_program(path, text):
    os.makedirs(os.path.dirname(path))
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)


class Row:
    def __init__(self, id, has_address, has_certificate, *options, **variables):
        self.id, self.has_address, self.has_certificate = id, has_address, has_certificate
        self.options, self.variables = options, variables


ROWS = [Row("nothing-said", True, True), Row("of-http", True, True, "--http", "127.0.0.1:80"),
        Row("other-port", False, True, "--https", "127.0.0.1:9443"),
        Row("other-port-in-one-word", False, True, "--https=127.0.0.1:9443"),
        Row("other-port-by-variable", False, True, FERRY_HTTPS="127.0.0.1:9443"),
        Row("newer-versions", True, True, "--tls-min", "1.3"),
        Row("ftps", True, True, "--ftps", "127.0.0.1:9990"),
        Row("clients-have-some", True, True, "--tls-client-certs=optional"),
        Row("own-certificate", True, False, "--tls-cert", "x.pem"),
        Row("own-certificate-in-one-word", True, False, "--tls-cert=x.pem"),
        Row("own-certificate-by-variable", True, False, FERRY_TLS_CERT="x.pem"),
        Row("made-anew", True, False, "--tls-self-signed"),
        Row("a-file-says-it", False, False, "--config", "x.toml")]


@needs_root  # To read the tree, wherever that lies.
@rows(ROWS)
def test_what_it_says_of_tls(t, row):
    root = os.path.realpath(t.tmp())
    write_program(os.path.join(root, "tools", "build"), "exit 0\n")
    write_program(os.path.join(root, "build", "release", "ferry"), 'printf "%s\\n" "$@"\n')
    shutil.copy(os.path.join(ROOT, "tools", "run"), os.path.join(root, "tools"))
    told = subprocess.run(
        [os.path.join(root, "tools", "run"), root, *(("--", *row.options) if row.options else ())],
        capture_output=True, text=True, check=True,
        env={"PATH": os.environ["PATH"], **row.variables}).stdout.splitlines()
    address = ["--https", "127.0.0.1:8443"]
    certificate = ["--tls-self-signed", "--tls-cert", f"{root}/build/run.pem", "--tls-key",
                   f"{root}/build/run.key"]
    check.equal(told, [*(address if row.has_address else []),
                       *(certificate if row.has_certificate else []), *row.options, root], "told")
