"""A server in this process, behind a real socket, and the files that it holds open."""

import contextlib
import gc
import select
import socket
import tempfile
import threading
import time
from pathlib import Path

import pytest

from wmproof.publication.web import server

PATIENCE = 300


@contextlib.contextmanager
def serving(app, trusted=()):
    """Run the server; give its address."""
    with server.bind("127.0.0.1", 0) as listener:
        made = server.make_server(app, trusted)
        thread = threading.Thread(target=made.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            made.should_exit = True
            thread.join()


def everything(connection) -> bytes:
    """All that comes until the other side hangs up."""
    connection.settimeout(PATIENCE)
    received = b""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while part := connection.recv(2**16):
            received += part
    return received


def first(connection) -> bytes:
    """The first bytes that come."""
    connection.settimeout(PATIENCE)
    return connection.recv(2**16)


def ask(address, path="/log.vkey", headers="", source=None) -> int:
    """The status code of one request."""
    with socket.create_connection(address, PATIENCE, source) as connection:
        said = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"
        connection.sendall(said.encode())
        return int(everything(connection).split(b" ", 2)[1])


def begin_upload(address, length=10**7, headers="", source=None):
    """A connection whose request has said how long its body is, and sent none of it."""
    connection = socket.create_connection(address, PATIENCE, source)
    said = f"POST /verify HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n"
    kind = "Content-Type: multipart/form-data; boundary=x\r\n"
    connection.sendall(f"{said}{kind}{headers}\r\n".encode())
    return connection


def answered(connections):
    """Those that have something to be read."""
    return select.select(connections, [], [], 0)[0]


def until(condition):
    """Wait, as long as it takes on a busy machine."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


@pytest.fixture
def held(tmp_path, monkeypatch):
    """The sizes of the temporary files that this process holds open; nothing is collected."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))

    def sizes():
        found = []
        for link in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):
                if str(link.readlink()).startswith(str(folder)):
                    found.append(link.stat().st_size)
        assert list(folder.iterdir()) == []
        return found

    gc.disable()
    yield sizes
    gc.enable()
