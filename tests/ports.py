"""Ports of the loopback that are kept until the server for which they are meant listens."""

import contextlib
import socket


@contextlib.contextmanager
def kept_port():
    """A port that the system gives to nobody else; a server that reuses addresses may take it.

    Until one does, connections to it are refused.
    """
    with socket.socket() as keeper:
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.bind(("127.0.0.1", 0))
        yield keeper.getsockname()[1]
