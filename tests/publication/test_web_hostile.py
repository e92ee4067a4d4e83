"""Clients that want a server to stumble, to wait for ever, or to work on after its end."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from starlette.testclient import TestClient

from wmproof.core.policy import Policy
from wmproof.publication.log.store import create_log
from wmproof.publication.web.app import create_app
from wmproof.publication.web.clients import network_of
from wmproof.publication.web.settings import Settings

LAX = Policy(security=16, strength=32)


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    from log_support import LOG

    log = create_log(tmp_path_factory.mktemp("web") / "log", LOG)
    return create_app(Settings(log.folder, log_key=LOG.verifier_key, claims_per_minute=1000))


@pytest.mark.parametrize(
    "path", ["/tile/0/" + 1500 * "x001/" + "000", "/tile/0/000%00", "/static/%00", "/%00"]
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

    from wmproof.core.triggers import noise
    from wmproof.keys.keygen import pkeygen
    from wmproof.publication.log.entry import key_entry
    from wmproof.publication.log.published import publish_key
    from wmproof.publication.web import board

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
    shown = board.Board(
        Settings(log.folder, log_key=LOG.verifier_key, policy=Policy(security=16, strength=32))
    )
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


def test_a_tile_has_one_name(tmp_path):
    """Other spellings of its number, of its width and of its path are not served."""
    from log_support import LOG, seeded_log

    log = seeded_log(tmp_path / "log", 600)
    log.checkpoint(LOG)
    web = TestClient(
        create_app(Settings(log.folder, log_key=LOG.verifier_key)), base_url="http://127.0.0.1"
    )
    names = ("0/000", "0/001", "0/002.p/88", "1/000.p/2", "entries/001", "entries/002.p/88")
    tiles = log.folder / "tile"
    (tiles / "0" / "x000").symlink_to(tiles / "0")
    (tiles / "00").symlink_to(tiles / "0")
    (tiles / "0" / "1").symlink_to(tiles / "0" / "001")
    (tiles / "0/002.p/088").symlink_to(tiles / "0/002.p/88")
    for name in names:
        answer = web.get(f"/tile/{name}")
        assert answer.content == (tiles / name).read_bytes()
    for lax in ("0/x000/001", "00/001", "0/1", "0/002.p/088", "0/0001", "0/002.p/+88", "0/001/"):
        assert web.get(f"/tile/{lax}").status_code == 404, lax
    for lax in ("0/001.p/256", "0/001.p/0", "0/\u0660\u0660\u0661", "0//001"):
        assert web.get(f"/tile/{lax}").status_code == 404, lax


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, 422),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1"}, 422),
        ({"Sec-Fetch-Site": "none"}, 422),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": ""}, 403),
        ({"Origin": "http://127.0.0.1"}, 422),
        ({"Origin": "https://127.0.0.1"}, 422),  # before a proxy with TLS
        ({"Origin": "http://127.0.0.1:9"}, 403),
        ({"Origin": "http://127.0.0.1.attacker.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
    ],
)
def test_a_page_of_another_site_cannot_send_a_claim(app, headers, code):
    web = TestClient(app, base_url="http://127.0.0.1")
    for path in ("/verify", "/api/v1/claims"):
        answer = web.post(path, files={"model": b"x"}, headers=headers)
        assert answer.status_code == code, (path, answer.text)
    assert web.get("/", headers=headers).status_code == 200


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a process of its parent's end"
)
def _ask_about(app, names):
    files = [(part, (part, b"none")) for part in ("model", "key", "claim")]
    files += [("weights", (name, b"")) for name in names]
    client = TestClient(app, base_url="http://127.0.0.1")
    return client.post("/api/v1/claims", files=files)


def test_names_of_weights_may_be_longer_than_a_command_line(app):
    answer = _ask_about(app, [chr(0x1F600) * 900 + str(i) for i in range(16)])
    assert (answer.status_code, "public key" in answer.json()["error"]) == (422, True)


def test_a_system_without_room_for_a_check_is_an_answer(app, monkeypatch):
    def full(*_given, **_options):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", full)
    answer = _ask_about(app, [])
    assert (answer.status_code, "no room" in answer.json()["error"]) == (503, True)


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
        for _ in range(6000):
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
