"""HTTP requests as bytes, for what no client would send."""

import socket


def exchange(port: int, request: bytes) -> bytes:
    """Send bytes to a port of this machine; returns the response up to the end of the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def status(answer: bytes) -> int:
    """Return the status of an answer; 0 if there was none."""
    words = answer.split(b" ", 2)
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
