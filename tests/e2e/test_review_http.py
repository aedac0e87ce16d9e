"""What a hostile reading of the runtime, of net and of HTTP found, each as it was done to the server."""

import resource
import signal
import socket
import struct
import threading
import time

from support import check, trees
from support.case import Failure, limit
from support.http_wire import Connection, fetch, request

LINGER_NONE = struct.pack("ii", 1, 0)


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
    connection.close()


def has_own_allocator(server):
    """A build with a sanitizer has that one's allocator, which gives up when memory is out."""
    with open(f"/proc/{server.pid}/maps", encoding="ascii") as file:
        return "mimalloc" in file.read()


def address_space_bytes(server):
    with open(f"/proc/{server.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


@limit(120)
def test_want_of_memory_ends_connections_only(t):
    """threats.md, R14: a crowd that asks for more than there is, of all that costs memory: listings
    sorted and whole, pipelines, long heads. Then the server serves again."""
    root = t.tmp()
    content = trees.octets(7, 100_000)
    trees.write(root, "large.bin", content)
    for number in range(4000):
        trees.write(root, f"many/{number:04d}-{'x' * 60}", b"")
    server = t.ferry(root, "--cores", "1", "--connections-max", "3000")
    if not has_own_allocator(server):
        return
    wishes = [request("/many/") * 3, request("/large.bin") * 100, b"GET /" + b"a" * 7000,
              request("/large.bin", fields=[(f"X-{i}", "y") for i in range(90)])]
    hard = resource.prlimit(server.pid, resource.RLIMIT_AS)[1]  # Once lowered it stays low.
    for room_bytes in (2 << 20, 16 << 20):
        resource.prlimit(server.pid, resource.RLIMIT_AS,
                         (address_space_bytes(server) + room_bytes, hard))
        crowd = []
        for number in range(600):
            connection = server.connect(receive_buffer_bytes=4096)
            crowd.append(connection)
            try:
                connection.sendall(wishes[number % len(wishes)])
            except OSError:
                pass  # Dropped already, as it may be.
            server.check_alive()
        for connection in crowd:
            reset(connection)
        server.check_alive()
        check.same_bytes(fetch(server, "/large.bin"), content, f"once {room_bytes} were used up")
        resource.prlimit(server.pid, resource.RLIMIT_AS, (hard, hard))


def test_drain_answers_who_is_asking(t):
    """threats.md, H8: clients that ask again as soon as they have an answer are told that one is the
    last, rather than dropped with a request on its way: none is lost in the stop."""
    server = t.ferry(trees.fill(t.tmp(), trees.site()), "--drain-timeout", "10s")
    lost, told, failed = [], [], []
    begin = threading.Barrier(9)

    def ask_until_told(number):
        with Connection(server) as connection:
            begin.wait()
            for count in range(1_000_000):
                response = None
                try:
                    connection.send(request("/one.txt"))
                    response = connection.read_response()
                except Failure as error:
                    failed.append(error)
                if response is None:
                    lost.append((number, count))
                    return
                if response.says_close:
                    told.append(number)
                    return

    clients = [threading.Thread(target=ask_until_told, args=(number,)) for number in range(8)]
    for client in clients:
        client.start()
    begin.wait()
    time.sleep(0.3)
    server.signal(signal.SIGTERM)
    for client in clients:
        client.join()
    check.equal(failed, [], "broken answers")
    check.equal(lost, [], "requests without an answer (client, how many it had before)")
    check.equal(len(told), 8, "clients told")
    check.equal(server.wait(), 0, "status")
