"""A server that says what a test has written down, to see what a client makes of it."""

import socket
import threading


class Scripted:
    """Serves one connection after the other on `port` by `talk`, which a test's own kind has. What
    that needs is set before it is made."""

    def __init__(self):
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port = self.door.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def close(self):
        self.door.shutdown(socket.SHUT_RDWR)  # Ends the wait for the next connection.
        self.door.close()
        self.thread.join()

    def serve(self):
        while True:
            try:
                connection, _ = self.door.accept()
            except OSError:
                return
            with connection:
                try:
                    self.talk(connection)
                except OSError:
                    pass  # The client has seen enough.

    def talk(self, connection):
        """All of one connection, which is closed behind it."""
        raise NotImplementedError
