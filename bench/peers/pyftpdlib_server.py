"""Debian's pyftpdlib for tools/bench ftp: pyftpdlib_server.py FILES PORT. Anonymous users who may
upload, one process, its own event loop."""

import logging
import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer


def main(files, port):
    logging.basicConfig(level=logging.ERROR)
    authorizer = DummyAuthorizer()
    authorizer.add_anonymous(files, perm="elradfmw")
    FTPHandler.authorizer = authorizer
    FTPServer.max_cons = 4096
    FTPServer.max_cons_per_ip = 0
    FTPServer(("127.0.0.1", int(port)), FTPHandler).serve_forever(handle_exit=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
