"""What the tests stand on: the server process, raw sockets, client programs, trees of files."""
