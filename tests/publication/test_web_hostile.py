"""Clients that want a server to stumble, to wait for ever, or to work on after its end."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from starlette.testclient import TestClient

from wmproof.publication.log.store import create_log
from wmproof.publication.web import connections, server
from wmproof.publication.web.app import create_app
from wmproof.publication.web.connections import MOST_OF_AN_ADDRESS, network_of
from wmproof.publication.web.settings import Settings


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    from log_support import LOG

    log = create_log(tmp_path_factory.mktemp("web") / "log", LOG)
    return create_app(Settings(log.folder, log_key=LOG.verifier_key))


@pytest.mark.parametrize(
    "path", ["/tile/0/" + 1500 * "x000/" + "000", "/tile/0/000%00", "/static/%00", "/%00"]
)
def test_paths_that_no_file_system_takes(app, path):
    assert TestClient(app, base_url="http://127.0.0.1").get(path).status_code == 404


def test_ranges_are_not_served(app):
    ranges = "bytes=" + ",".join(f"{2 * i}-{2 * i}" for i in range(100))
    answer = TestClient(app, base_url="http://127.0.0.1").get(
        "/static/style.css", headers={"Range": ranges}
    )
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/css; charset=utf-8")


def test_a_key_is_read_once_and_by_one_reader_at_a_time(tmp_path, monkeypatch):
    from log_support import LOG

    from wmproof.keygen import pkeygen
    from wmproof.publication.log.entry import key_entry
    from wmproof.publication.log.published import publish_key
    from wmproof.publication.web import board
    from wmproof.triggers import noise

    _, public = pkeygen(noise(64, (4, 4)), 10, security=16)
    log = create_log(tmp_path / "log", LOG)
    publish_key(log.folder, public)
    log.append(key_entry(public))
    log.checkpoint(LOG)
    reading, most, total = 0, 0, 0
    load = board.load_published

    def counted(folder, digest):
        nonlocal reading, most, total
        reading, total = reading + 1, total + 1
        most = max(most, reading)
        time.sleep(0.05)
        try:
            return load(folder, digest)
        finally:
            reading -= 1

    monkeypatch.setattr(board, "load_published", counted)
    shown = board.Board(Settings(log.folder, log_key=LOG.verifier_key, minimum_security=16))
    asked = [shown.key, shown.contact_sheet, shown.file] * 4
    threads = [threading.Thread(target=ask, args=(public.digest,)) for ask in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, total) == (1, 2)  # its details and its pictures
    assert shown.key(public.digest).details.holds


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::1"),
        ("testclient", "testclient"),
    ],
)
def test_whoever_has_a_network_is_one_client(address, network):
    assert network_of(address) == network


@pytest.fixture
def running(app, monkeypatch):
    """The address of a server of little patience."""
    monkeypatch.setattr(connections, "REQUEST_S", 0.5)
    monkeypatch.setattr(connections, "UPLOAD_S", 2.0)
    monkeypatch.setattr(connections, "_TICK_S", 0.05)
    with server.bind("127.0.0.1", 0) as listener:
        made = server.make_server(app)
        thread = threading.Thread(target=made.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()
        made.should_exit = True
        thread.join()


def wait_for_the_end(connection: socket.socket) -> bytes:
    """All that comes; a server that does not hang up ends in a timeout."""
    connection.settimeout(20)
    received = b""
    try:
        while part := connection.recv(2**16):
            received += part
    except ConnectionResetError:
        pass
    return received


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"G",
        b"GET / HTTP/1.1\r\nX: ",
        b"GET /log.vkey HTTP/1.1\r\nHost: localhost\r\n\r\nGET",
        b"POST /verify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1",
    ],
)
def test_who_does_not_finish_his_request_is_hung_up_on(running, said):
    with socket.create_connection(running) as connection:
        connection.sendall(said)
        received = wait_for_the_end(connection)
    assert received.startswith(b"HTTP/1.1 200") == said.endswith(b"GET")


def test_one_address_cannot_take_all_connections(running, monkeypatch):
    monkeypatch.setattr(connections, "REQUEST_S", 60)
    monkeypatch.setattr(connections, "_is_loopback", lambda _network: False)
    held = [socket.create_connection(running) for _ in range(MOST_OF_AN_ADDRESS + 3)]
    try:
        closed: list[socket.socket] = []
        started = time.monotonic()
        while len(closed) < 3 and time.monotonic() - started < 10:
            time.sleep(0.1)
            closed, _, _ = select.select(held, [], [], 0)
        assert len(closed) == 3
    finally:
        for connection in held:
            connection.close()


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a process of its parent's end"
)
def test_a_worker_ends_with_its_server():
    child = (
        "import time; from wmproof.publication.web.worker import die_with_the_server as d; d(); "
        "print(flush=True); time.sleep(60)"
    )
    parent = (
        "import subprocess, sys, time; "
        f"p = subprocess.Popen([sys.executable, '-c', {child!r}], stdout=subprocess.PIPE); "
        "p.stdout.readline(); print(p.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        worker = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        for _ in range(100):
            if not is_running(worker):
                return
            time.sleep(0.05)
    pytest.fail("the worker goes on")


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
