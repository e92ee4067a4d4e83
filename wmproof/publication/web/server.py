"""Running the application with uvicorn."""

import socket
import sys
from collections.abc import Sequence

import uvicorn
from starlette.types import ASGIApp

from wmproof.errors import InputError

_CONNECTIONS = 512


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 takes a free one.

    InputError if the address cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise InputError(
            f"is no address at which this machine can listen ({error.strerror})",
            where=f"{host}:{port}",
            remedy="Choose another --host or --port",
        ) from error
    listener.listen(_CONNECTIONS)
    return listener


def make_server(app: ASGIApp, trusted_proxies: Sequence[str] = ()) -> uvicorn.Server:
    """Return a server that is not running yet.

    Parameters
    ----------
    app : ASGI application
    trusted_proxies : sequence of str
        Addresses and networks whose `X-Forwarded-For` is believed, from the right up to the first
        address that is not among them. By default nobody's is.
    """
    config = uvicorn.Config(
        app,
        log_level="warning",
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=5,
        http="h11",
        ws="none",
        h11_max_incomplete_event_size=2**15,
    )
    return uvicorn.Server(config)


def run(app: ASGIApp, listener: socket.socket, trusted_proxies: Sequence[str] = ()) -> None:
    """Serve until the process is told to stop."""
    sys.stdout.flush()
    make_server(app, trusted_proxies).run(sockets=[listener])
