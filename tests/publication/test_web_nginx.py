"""The server behind a real nginx with the configuration of docs/nginx.conf."""

import contextlib
import re
import socket
import ssl
import subprocess

import pytest
from log_support import LOG, ROOT
from needs import needs
from ports import kept_port
from starlette.responses import FileResponse
from web_server import answered, ask, begin_upload, everything, first, held, serving, until

from wmproof.publication.log.store import create_log
from wmproof.publication.web import bodies
from wmproof.publication.web.app import create_app
from wmproof.publication.web.settings import Settings

__all__ = ["held"]
PLACES_OF_ONE = 16  # limit_conn
MAIN = """
user root; daemon off; worker_processes 1; error_log {folder}/error.log info; pid {folder}/pid;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  include {folder}/wmproof.conf;
}}
"""


class Recorder:
    """What arrives behind nginx."""

    def __init__(self, app):
        self.app, self.paths = app, []

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            self.paths.append(scope["path"])
        await self.app(scope, receive, send)


@pytest.fixture
def behind(tmp_path, monkeypatch):
    """Give the function that starts nginx before an application; plain, or with TLS as shipped."""
    needs("nginx", "openssl")
    monkeypatch.setattr(bodies, "GRACE_S", 10_000.0)
    started, kept = [], contextlib.ExitStack()

    def start(address, *, tls=False, **changes):
        text, port = (ROOT / "docs" / "nginx.conf").read_text(), kept.enter_context(kept_port())
        folder = tmp_path / "nginx"
        folder.mkdir()
        certificate, key = folder / "cert.pem", folder / "key.pem"
        if tls:
            subprocess.run(
                [
                    *("openssl", "req", "-x509", "-newkey", "ec"),
                    *("-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key),
                    *("-out", certificate, "-subj", "/CN=localhost"),
                    *("-addext", "subjectAltName=DNS:localhost"),
                ],
                check=True,
                capture_output=True,
            )
        else:
            text = re.sub(r"    ssl_.*\n", "", text)
        replaced = {
            "443 ssl": f"127.0.0.1:{port}{' ssl' if tls else ''}",
            "127.0.0.1:8080": f"127.0.0.1:{address[1]}",
            "log.example.org;": "localhost;",
            "/etc/ssl/certs/log.example.org.pem": str(certificate),
            "/etc/ssl/private/log.example.org.key": str(key),
        } | changes
        for old, new in replaced.items():
            text = text.replace(old, new)
        (folder / "wmproof.conf").write_text(text)
        (folder / "nginx.conf").write_text(MAIN.format(folder=folder))
        arguments = ["nginx", "-p", folder, "-c", folder / "nginx.conf"]
        started.append(subprocess.Popen(arguments, stderr=subprocess.DEVNULL))
        until(lambda: listens(port) or started[-1].poll() is not None)
        assert started[-1].poll() is None, (folder / "error.log").read_text()
        return ("127.0.0.1", port), certificate

    yield start
    for process in started:
        process.terminate()
        process.wait()
    kept.close()


def listens(port):
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return create_log(tmp_path_factory.mktemp("web") / "log", LOG).folder


def make_app(folder, **changes):
    most = {"requests_per_minute": 100_000, "claims_per_minute": 100_000} | changes
    return create_app(Settings(folder, log_key=LOG.verifier_key, **most))


def test_the_configuration_as_it_is_shipped(behind, folder):
    with serving(make_app(folder), ["127.0.0.1"]) as inner:
        address, certificate = behind(inner, tls=True)
        context = ssl.create_default_context(cafile=certificate)
        with (
            socket.create_connection(address) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            said = b"GET /log.vkey HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            connection.sendall(said)
            received = everything(connection)
    assert received.startswith(b"HTTP/1.1 200")
    assert str(LOG.verifier_key).encode() in received
    assert b"content-security-policy" in received.lower()


def test_each_visitor_has_limits_of_his_own(behind, folder):
    with serving(make_app(folder, requests_per_minute=2), ["127.0.0.1"]) as inner:
        address, _ = behind(inner)
        mine = [ask(address, headers=f"X-Forwarded-For: 192.0.2.{i}\r\n") for i in range(3)]
        assert mine == [200, 200, 429]
        assert ask(address, source=("127.0.0.2", 0)) == 200


def test_silent_and_slow_connections_are_hung_up_on(behind, folder):
    with serving(make_app(folder), ["127.0.0.1"]) as inner:
        address, _ = behind(inner, **{"client_header_timeout 10s": "client_header_timeout 5s"})
        every = [socket.create_connection(address) for _ in range(64)]
        for connection in every[::2]:
            connection.sendall(b"GET / HTTP/1.1\r\nX: ")
        assert ask(address) == 200
        for connection in every:
            assert b" 200 " not in everything(connection)
            connection.close()


def test_whoever_reads_slowly_keeps_nobody_out(behind, folder, tmp_path):
    """nginx takes the whole answer from the server at once, and gives its reader up in time."""
    key = tmp_path / "large.bin"
    key.write_bytes(bytes(32 << 20))
    finished = []

    async def app(scope, receive, send):
        if scope["type"] == "http":
            await FileResponse(key if scope["path"] == "/large" else __file__)(scope, receive, send)
            finished.append(scope["path"])

    with serving(app, ["127.0.0.1"]) as inner, contextlib.ExitStack() as opened:
        address, _ = behind(inner, **{"send_timeout 10s": "send_timeout 1s"})
        slow = [opened.enter_context(read_slowly(address)) for _ in range(PLACES_OF_ONE)]
        until(lambda: finished.count("/large") == len(slow))
        assert ask(address, "/small", source=("127.0.0.2", 0)) == 200
        log = tmp_path / "nginx" / "error.log"
        until(lambda: log.read_text().count("client timed out") == len(slow))
        assert all(len(everything(one)) < key.stat().st_size for one in slow)


def read_slowly(address):
    """A request of somebody whose window is small."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(address)
    connection.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return connection


def test_uploads_that_dribble_or_are_aborted_leave_nothing(behind, folder, held):
    changes = {"burst=5": "burst=500", "timeout 10s": "timeout 1000s"}
    with serving(make_app(folder), ["127.0.0.1"]) as inner:
        address, _ = behind(inner, **changes)
        every = [begin_upload(address) for _ in range(64)]
        until(lambda: len(answered(every)) == 64 - bodies.UPLOADS_OF_ONE)
        refused = answered(every)
        assert all(b" 429 " in first(one)[:20] for one in refused)
        assert ask(address, source=("127.0.0.2", 0)) == 200
        taken = next(one for one in every if one not in refused)
        taken.sendall(bytes(10**6))
        until(lambda: sum(held()) >= 10**6)
        for connection in every:
            connection.close()
        until(lambda: not held())


HIDDEN = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
BOTH = b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    "lines",
    [
        BOTH,
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Content-Length: %d\r\nContent-Length: 0\r\n" % len(HIDDEN),
        b"Content-Length: 0\r\nContent-Length: %d\r\n" % len(HIDDEN),
        b"Content-Length: %d, 0\r\n" % len(HIDDEN),
        b"Content-Length: +0\r\n",
        b"Content-Length : 0\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: identity, chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n",
        b"X: y\r\n Content-Length: 0\r\n",
        b"Content-Length: %d\r\nX: a\x00b\r\n" % len(HIDDEN),
    ],
)
def test_no_request_is_hidden_in_another(behind, folder, lines):
    """What nginx takes for a body, the server does not take for a request, and the reverse."""
    seen = Recorder(make_app(folder))
    with serving(seen, ["127.0.0.1"]) as inner:
        address, _ = behind(inner)
        with socket.create_connection(address) as connection:
            head = b"POST /checkpoint HTTP/1.1\r\nHost: localhost\r\n" + lines + b"\r\n"
            connection.sendall(head + (b"0\r\n\r\n" if b"chunked" in lines else b"") + HIDDEN)
            connection.shutdown(socket.SHUT_WR)
            answers = everything(connection).count(b"HTTP/1.1 ")
        assert len(seen.paths) <= answers
        assert "/smuggled" not in seen.paths or answers == 2


def test_heads_that_are_huge_do_not_get_through(behind, folder):
    seen = Recorder(make_app(folder))
    with serving(seen, ["127.0.0.1"]) as inner:
        address, _ = behind(inner)
        assert ask(address, headers=f"X: {'y' * 40_000}\r\n") in (400, 414, 431)
        assert ask(address, path="/" + "y" * 40_000) in (400, 414)
    assert seen.paths == []
