#!/usr/bin/env python3
"""Connects, shakes hands, asks once, and begins again: the load of tools/bench https.

    tls_handshakes.py HOST PORT full|resumed SECONDS CONNECTIONS PATH

Prints REPORT, how many connections were served, and how many went wrong. Every answer is read to its
end; a connection counts as wrong, too, where it was resumed and should not have been, or was not.
"""

import socket
import ssl
import sys
import threading
import time


def connections(server, resumes, path, until, counts):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    session = None
    served = wrong = 0
    while time.monotonic() < until:
        try:
            with socket.create_connection(server, timeout=10) as plain:
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                peer = context.wrap_socket(plain, session=session, suppress_ragged_eofs=True)
                peer.sendall(request)
                octets = peer.recv(65536)
                is_good = octets.startswith(b"HTTP/1.1 200 ")
                while peer.recv(65536):
                    pass
                is_good = is_good and peer.session_reused == (session is not None)
                if resumes:
                    # The last ticket: in TLS 1.3 each is for one connection.
                    session = peer.session
        except OSError:
            is_good = False
            session = None
        served += is_good
        wrong += not is_good
    counts.append((served, wrong))


def main():
    host, port, kind, seconds, number, path = sys.argv[1:]
    until = time.monotonic() + float(seconds)
    counts = []
    threads = [threading.Thread(target=connections, args=((host, int(port)), kind == "resumed",
                                                          path, until, counts))
               for _ in range(int(number))]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    print("REPORT", sum(served for served, _ in counts), sum(wrong for _, wrong in counts))


main()
