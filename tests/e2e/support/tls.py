"""TLS for clients that are made for plain sockets, and certificates."""

import os
import re
import select
import socket
import ssl
import struct
import threading

from support.clients import run


def certificate(folder, name, stem=None):
    """Made by openssl(1): gives the files of the certificate and of its key."""
    stem = os.path.join(folder, stem or name)
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", stem + ".key", "-out", stem + ".pem", "-days", "30", "-subj", f"/CN={name}",
         "-addext", f"subjectAltName=DNS:{name}"])
    return stem + ".pem", stem + ".key"


class Secure:
    """Stands for a server, for clients that ask it to connect them: by TLS. What they get is a plain
    socket, of which a thread carries the octets to and from the server."""

    def __init__(self, server, authority=None, name="localhost", **settings):
        self.server, self.name = server, name
        self.context = ssl.create_default_context(cafile=authority)
        if authority is None:
            self.context.check_hostname = False
            self.context.verify_mode = ssl.CERT_NONE
        for key, value in settings.items():
            setattr(self.context, key, value)

    def wrap(self, plain, session=None):
        """TLS on a socket. An end without close_notify is an exception."""
        return self.context.wrap_socket(plain, server_hostname=self.name, session=session,
                                        suppress_ragged_eofs=False)

    def connect(self, _scheme="http", **options):
        near, far = socket.socketpair()
        near.settimeout(10)
        tls = self.wrap(self.server.connect("https", **options))
        threading.Thread(target=carry, args=(tls, far), daemon=True).start()
        return near

    def common_name(self):
        with self.wrap(self.server.connect("https")) as connection:
            shown = connection.getpeercert(binary_form=True)
        text = run(["openssl", "x509", "-inform", "DER", "-noout", "-subject"], stdin=shown).text
        return re.search(r"CN = (\S+)", text)[1]


class SlowHandshake:
    """A client of TLS on a socket that has sent half of its hello so far."""

    def __init__(self, plain):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.plain, self.come, self.to_send = plain, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.come, self.to_send, server_hostname="localhost")
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        hello = self.to_send.read()
        self.rest = hello[len(hello) // 2:]
        plain.sendall(hello[:len(hello) // 2])

    def go_on(self):
        """Shakes hands to the end."""
        self.plain.sendall(self.rest)
        self._until_done(self.tls.do_handshake)

    def send(self, octets):
        self.tls.write(octets)
        self.plain.sendall(self.to_send.read())

    def read_all(self):
        """All until the server ends TLS. An end without close_notify is an exception."""
        heard = b""
        try:
            while more := self._until_done(lambda: self.tls.read(65536)):
                heard += more
        except ssl.SSLZeroReturnError:
            pass
        return heard

    def _until_done(self, step):
        while True:
            try:
                done = step()
                self.plain.sendall(self.to_send.read())
                return done
            except ssl.SSLWantReadError:
                self.plain.sendall(self.to_send.read())
                came = self.plain.recv(65536)
                if not came:
                    self.come.write_eof()
                self.come.write(came)


def carry(tls, plain):
    """Until either ends. Anything but an end in order is a reset for who has the other end."""
    tls.setblocking(False)
    try:
        while True:
            if not tls.pending():
                readable, _, _ = select.select([tls, plain], [], [])
            else:
                readable = [tls]
            if tls in readable:
                try:
                    octets = tls.recv(65536)
                    if not octets:
                        break
                    plain.sendall(octets)
                except ssl.SSLWantReadError:
                    pass
            if plain in readable:
                octets = plain.recv(65536)
                if not octets:
                    break
                send_all(tls, octets)
    except OSError:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    plain.close()
    tls.close()


def send_all(tls, octets):
    view = memoryview(octets)
    while view:
        try:
            view = view[tls.send(view):]
        except ssl.SSLWantWriteError:
            select.select([], [tls], [])
        except ssl.SSLWantReadError:
            select.select([tls], [], [])
