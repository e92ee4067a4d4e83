"""Claims over a connection: real sockets, and peers that do not keep to the protocol."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager

import pytest

from wmproof.argument.transcript import VerifierCoins
from wmproof.errors import InputError, ProofError, VerificationError
from wmproof.pverify import session
from wmproof.pverify.prover import prepare_claim
from wmproof.pverify.session import HELLO, Stream, connected, parse_address, verify_session
from wmproof.pverify.session_prover import prove_session, serve_once
from wmproof.pverify.statement import INTERACTIVE

SECURITY = 16


class Recorder:
    """A stream that remembers what was written."""

    def __init__(self, stream):
        self._stream, self.said = stream, []

    def write(self, data):
        self.said.append(bytes(data))
        self._stream.write(data)

    def read(self, size):
        return self._stream.read(size)

    @property
    def sent(self):
        return self._stream.sent


@contextmanager
def prover(serve):
    """Run `serve(stream)` for one connection in a thread; gives its address and its errors."""
    server = socket.create_server(("127.0.0.1", 0))
    errors = []

    def work():
        connection, _ = server.accept()
        with connection:
            try:
                serve(Stream(connection, read_timeout=20))
            except Exception as error:
                errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.getsockname()[1]}", errors
    finally:
        thread.join(60)
        server.close()


def check(address, case, model=None):
    with connected(address, read_timeout=20) as stream:
        return verify_session(stream, model or case.marked, case.public, minimum_security=SECURITY)


@pytest.fixture(scope="module")
def prepared(case):
    return prepare_claim(case.marked, case.key, case.public)


def test_a_claim_is_accepted_with_the_verifiers_coins(case, prepared):
    sizes = []
    with prover(lambda stream: sizes.append(prove_session(stream, prepared))) as (
        address,
        errors,
    ):
        report = check(address, case)
    assert report.interactive
    own = prepared.report(INTERACTIVE, argument_bytes=sizes[0], seconds=report.seconds)
    assert own == report
    assert report.security_bits >= 80
    assert not errors


class CuriousCoins(VerifierCoins):
    """Coins for which the combined row would not hide the witness: rows weigh by 1 or 2 alone."""

    def draw(self, label, size):
        if label != "evaluation/rows/r":
            return super().draw(label, size)
        coins = (2).to_bytes(size, "little")
        self._to_prover.write(coins)
        return coins


def test_a_verifier_that_chooses_its_coins_learns_nothing(case, prepared, monkeypatch):
    monkeypatch.setattr(session, "VerifierCoins", CuriousCoins)
    with (
        prover(lambda stream: prove_session(stream, prepared)) as (address, errors),
        pytest.raises(ProofError, match="hung up"),
    ):
        check(address, case)
    assert "unmask" in str(errors[0])


def test_a_replayed_session_is_rejected(case, prepared):
    recorders = []

    def honest(stream):
        recorders.append(Recorder(stream))
        prove_session(recorders[0], prepared)

    with prover(honest) as (address, _):
        check(address, case)
    said = b"".join(recorders[0].said)

    def replay(stream):
        stream.read(len(HELLO))
        stream.write(said)
        stream.flush()

    with prover(replay) as (address, _), pytest.raises(ProofError):
        check(address, case)


def test_a_verifier_with_another_model_refuses(case, prepared):
    with (
        prover(lambda stream: prove_session(stream, prepared)) as (
            address,
            errors,
        ),
        pytest.raises(VerificationError, match="another model"),
    ):
        check(address, case, case.unmarked)
    assert "refuses" in str(errors[0])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"", "hung up"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n" * 4, "does not speak"),
        (HELLO, r"hung up|does not listen|fell silent"),
        (HELLO + bytes(1 << 20), "another key"),
    ],
)
def test_a_foreign_peer_is_named(case, answer, message):
    def foreign(stream):
        stream.read(len(HELLO))
        stream.write(answer)
        stream.flush()
        if len(answer) > len(HELLO):
            stream.read(1 << 20)  # until the verifier has had enough

    with prover(foreign) as (address, _), pytest.raises(VerificationError, match=message):
        check(address, case)


def test_a_silent_peer_is_given_up(case):
    stop = threading.Event()
    with prover(lambda _: stop.wait(30)) as (address, _):
        with (
            connected(address, read_timeout=0.3) as stream,
            pytest.raises(ProofError, match="fell silent"),
        ):
            verify_session(stream, case.marked, case.public, minimum_security=SECURITY)
        stop.set()


def test_a_slow_peer_is_given_up(case):
    stop = threading.Event()

    def trickle(stream):
        for byte in HELLO:
            if stop.wait(0.2):
                return
            stream.write(bytes([byte]))
            stream.flush()

    with prover(trickle) as (address, _):
        with (
            connected(address, session_timeout=1.0) as stream,
            pytest.raises(ProofError, match=r"too long|fell silent"),
        ):
            verify_session(stream, case.marked, case.public, minimum_security=SECURITY)
        stop.set()


def test_addresses():
    assert parse_address(":80") == ("127.0.0.1", 80)
    for text in ("host", "host:", "host:70000", "", "host:²", "host:" + "1" * 5000):
        with pytest.raises(InputError):
            parse_address(text)


def test_names_that_no_host_has():
    with pytest.raises(InputError), connected("a..b:80"):
        pass
    with pytest.raises(InputError):
        serve_once("a..b:0", lambda _stream: None, lambda _address: None)


def test_nobody_there():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(InputError, match="nobody answers"), connected(f"127.0.0.1:{port}"):
        pass
