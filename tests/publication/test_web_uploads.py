"""Uploads that are slow, many, aborted or lie: real sockets, and no clock but the server's own."""

import contextlib
import gzip
import socket

import pytest
from log_support import LOG
from web_server import answered, ask, begin_upload, everything, first, held, serving, until

from wmproof.publication.log.store import create_log
from wmproof.publication.web import bodies
from wmproof.publication.web.app import create_app
from wmproof.publication.web.settings import Settings

__all__ = ["held"]
PROXY = "127.0.0.1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return create_log(tmp_path_factory.mktemp("web") / "log", LOG).folder


@pytest.fixture
def app(folder, monkeypatch):
    """One that waits for slow bodies longer than any test runs."""
    monkeypatch.setattr(bodies, "GRACE_S", 10_000.0)
    monkeypatch.setattr(bodies, "BODY_S", 10_000.0)
    return create_app(
        Settings(
            folder,
            log_key=LOG.verifier_key,
            requests_per_minute=100_000,
            claims_per_minute=100_000,
        )
    )


def test_an_upload_that_is_aborted_leaves_no_file(app, held):
    with serving(app) as address:
        for sent in (1, 10**5, 3 * 10**6):
            connection = begin_upload(address)
            connection.sendall(bytes(sent))
            # The first 64 KiB are kept in memory.
            until(lambda sent=sent: sum(held()) >= (sent if sent > bodies.SMALL_REQUEST else 0))
            connection.close()
            until(lambda: not held())
        assert ask(address) == 200


def test_dribbling_bodies_of_one_client_keep_nobody_out(app):
    with serving(app) as address, contextlib.ExitStack() as opened:
        every = [opened.enter_context(begin_upload(address)) for _ in range(64)]
        for connection in every:
            with contextlib.suppress(OSError):
                connection.sendall(b"x")
        until(lambda: len(answered(every)) == 64 - bodies.UPLOADS_OF_ONE)
        assert all(b" 429 " in first(one)[:20] for one in answered(every))
        assert ask(address) == 200
        for connection in every:
            connection.close()
        until(lambda: upload_code(address) == 422)


def upload_code(address, **named):
    """What an upload is told whose body is short and no form."""
    with begin_upload(address, 5, **named) as connection:
        connection.sendall(b"--x--")
        return int(first(connection).split(b" ", 2)[1])


def test_dribbling_bodies_of_many_clients_keep_no_reader_out(app):
    another = "X-Forwarded-For: 192.0.2.200\r\n"
    with serving(app, [PROXY]) as address, contextlib.ExitStack() as opened:
        every = []
        for i in range(64):
            headers = f"X-Forwarded-For: 192.0.2.{i}\r\n"
            every.append(opened.enter_context(begin_upload(address, headers=headers)))
            if i == bodies.UPLOADS - 1:
                until(lambda: upload_code(address, headers=another) == 503)
        until(lambda: len(answered(every)) == 64 - bodies.UPLOADS)
        assert all(b" 503 " in first(one)[:20] for one in answered(every))
        assert ask(address) == 200


@pytest.mark.parametrize("patched", ["GRACE_S", "BODY_S"])
@pytest.mark.parametrize("path", ["/verify", "/checkpoint"])
def test_a_slow_body_is_hung_up_on(app, monkeypatch, patched, path):
    """It gets its answer and loses its connection, whether it sends something or not."""
    monkeypatch.setattr(bodies, patched, 0.3)
    monkeypatch.setattr(bodies, "BYTES_PER_S", 1e9)
    with serving(app) as address, socket.create_connection(address) as connection:
        said = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\nx"
        connection.sendall(said.encode())
        received = everything(connection)
        assert received.startswith(b"HTTP/1.1 408")
        assert b"connection: close" in received.lower()


def test_a_fast_body_outlives_the_grace(app, monkeypatch):
    """What has come buys time: at the least rate there is no end before the last byte."""
    monkeypatch.setattr(bodies, "GRACE_S", 0.0)
    monkeypatch.setattr(bodies, "BYTES_PER_S", 1e-3)
    with serving(app) as address, begin_upload(address, 5) as connection:
        connection.sendall(b"--x--")
        answer = first(connection)
        # With no grace the first byte may be late; what is tested is that no second one is.
        assert answer.startswith((b"HTTP/1.1 422", b"HTTP/1.1 408"))


def test_a_refused_client_cannot_go_on_sending(app):
    """After an answer that came before the body, the connection is at its end."""
    requests = {
        b"413": b"POST /verify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
        b"403": b"POST /verify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
        b"Sec-Fetch-Site: cross-site\r\n\r\n",
        b"400": b"POST /verify HTTP/1.1\r\nHost: stranger\r\nTransfer-Encoding: chunked\r\n\r\n",
    }
    with serving(app) as address:
        for code, said in requests.items():
            with socket.create_connection(address) as connection:
                connection.sendall(said)
                assert everything(connection).split(b" ", 2)[1] == code


def test_a_body_in_chunks_is_counted(app):
    with serving(app) as address, socket.create_connection(address) as connection:
        said = "POST /checkpoint HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(said.encode())
        with contextlib.suppress(OSError):
            for _ in range(3):
                connection.sendall(b"8000\r\n" + bytes(0x8000) + b"\r\n")
        assert b" 413 " in everything(connection)[:20]


def test_a_compressed_body_is_not_unpacked(app, held):
    bomb = gzip.compress(bytes(10**7))
    headers = "Content-Encoding: gzip\r\n"
    with serving(app) as address, begin_upload(address, len(bomb), headers) as connection:
        connection.sendall(bomb)
        assert first(connection).split(b" ", 2)[1] in (b"400", b"422")
        assert sum(held()) < 2 * len(bomb)


def test_who_a_visitor_is_says_only_a_proxy_that_is_trusted(folder):
    """With two requests a minute for each: who shares a bucket?"""
    settings = Settings(folder, log_key=LOG.verifier_key, requests_per_minute=2)

    def codes(trusted, *claimed):
        with serving(create_app(settings), trusted) as address:
            return [ask(address, headers=f"X-Forwarded-For: {said}\r\n") for said in claimed]

    strangers = ("192.0.2.1", "192.0.2.2", "192.0.2.3")
    assert codes((), *strangers) == [200, 200, 429]
    assert codes(("192.0.2.0/24",), *strangers) == [200, 200, 429]
    assert codes((PROXY,), *strangers) == [200, 200, 200]
    # Only the right end is the proxy's; what a visitor wrote himself is on its left.
    spoofed = [f"198.51.100.{i}, 192.0.2.1" for i in range(3)]
    assert codes((PROXY,), *spoofed) == [200, 200, 429]
    chain = [f"198.51.100.{i}, 192.0.2.1, 203.0.113.9" for i in range(3)]
    assert codes((PROXY, "203.0.113.0/24"), *chain) == [200, 200, 429]
    networks = [f"2001:db8::{i}" for i in range(3)]
    assert codes((PROXY,), *networks) == [200, 200, 429]


def test_heads_that_are_huge_or_say_two_lengths(app):
    heads = (
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + bytes(2**16).replace(b"\0", b"x"),
        b"GET /" + 2**16 * b"x",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /verify HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /verify HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
    )
    with serving(app) as address:
        for head in heads:
            with socket.create_connection(address) as connection:
                with contextlib.suppress(OSError):
                    connection.sendall(head)
                received = everything(connection)
                assert not received or received.split(b" ", 2)[1] in (b"400", b"431", b"501"), head
        assert ask(address) == 200
