"""Claims over a connection: real sockets, and peers that do not keep to the protocol."""

import queue
import socket
import threading
from contextlib import contextmanager

import pytest
from ports import kept_port

from wmproof.argument.transcript import VerifierCoins
from wmproof.core.policy import Policy
from wmproof.errors import InputError, ProofError, VerificationError
from wmproof.pverify import session
from wmproof.pverify.prover import prepare_claim
from wmproof.pverify.session import HELLO, Stream, connected, parse_address, verify_session
from wmproof.pverify.session_prover import prove_session, serve_once
from wmproof.pverify.statement import INTERACTIVE

SECURITY = 16
PATIENCE = 300  # seconds, on a busy machine
POLICY = Policy(strength=24, tolerance=0.1, security=SECURITY, accept_chosen_labels=True)


class Recorder:
    """A stream that remembers what was written."""

    def __init__(self, stream):
        self._stream, self.said = stream, []

    def write(self, data):
        self.said.append(bytes(data))
        self._stream.write(data)

    def read(self, size):
        return self._stream.read(size)

    def begin_turn(self):
        self._stream.begin_turn()

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
                serve(Stream(connection, read_timeout=PATIENCE))
            except Exception as error:
                errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.getsockname()[1]}", errors
    finally:
        thread.join(PATIENCE)
        server.close()


def check(address, case, model=None):
    with connected(address, read_timeout=PATIENCE) as stream:
        return verify_session(stream, model or case.marked, case.public, policy=POLICY)


@pytest.fixture(scope="module")
def prepared(case):
    return prepare_claim(case.marked, case.key, case.public, POLICY)


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


class ConstantCoins(CuriousCoins):
    """Ones, at which denominators of lookups vanish."""

    def draw(self, label, size):
        width = 16
        coins = ((1).to_bytes(width, "little") + bytes(3 * width)) * (-(-size // (4 * width)))
        self._to_prover.write(coins[:size])
        return coins[:size]


def test_coins_at_which_the_prover_would_divide_by_zero_end_the_session(
    case, prepared, monkeypatch
):
    monkeypatch.setattr(session, "VerifierCoins", ConstantCoins)
    with (
        prover(lambda stream: prove_session(stream, prepared)) as (address, errors),
        pytest.raises(ProofError),
    ):
        check(address, case)
    assert isinstance(errors[0], ProofError)
    assert errors[0].check == "challenge"


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
    with prover(lambda _: stop.wait(PATIENCE)) as (address, _):
        with (
            connected(address, read_timeout=0.3) as stream,
            pytest.raises(ProofError, match="fell silent"),
        ):
            verify_session(stream, case.marked, case.public, policy=POLICY)
        stop.set()


def test_a_slow_peer_is_given_up(case):
    stop = threading.Event()

    def trickle(stream):
        for byte in HELLO:
            if stop.wait(0.2):
                return
            stream.write(bytes([byte]))
            stream.flush()
        stop.wait(PATIENCE)

    with prover(trickle) as (address, _):
        with (
            connected(address, session_timeout=1.0) as stream,
            pytest.raises(ProofError, match=r"too long|fell silent"),
        ):
            verify_session(stream, case.marked, case.public, policy=POLICY)
        stop.set()


@contextmanager
def peers(**timeouts):
    """A stream, and the socket at its other end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        other, _ = server.accept()
    with one, other:
        yield Stream(one, **timeouts), other


def test_whoever_has_a_turn_keeps_the_others_waiting_for_so_long(monkeypatch):
    """Each byte comes in good time, and all of them together would take an hour."""
    monkeypatch.setattr(session, "TURN_TIMEOUT", 0.5)
    stop = threading.Event()
    with peers() as (stream, peer):

        def trickle():
            while not stop.wait(0.05):
                peer.sendall(b"x")

        thread = threading.Thread(target=trickle)
        thread.start()
        stream.read(3)
        stream.begin_turn()
        with pytest.raises(ProofError, match=r"too long|fell silent"):
            stream.read(1 << 16)
        stop.set()
        thread.join()


def test_a_peer_that_is_sent_much_may_take_its_time(monkeypatch):
    monkeypatch.setattr(session, "TURN_TIMEOUT", 0.0)
    monkeypatch.setattr(session, "TURN_BYTES", 1.0)
    with peers() as (stream, peer):
        stream.begin_turn()
        stream.write(bytes(PATIENCE))
        peer.sendall(b"x")
        assert stream.read(1) == b"x"
        assert len(peer.recv(PATIENCE, socket.MSG_WAITALL)) == PATIENCE


def test_a_verifier_waits_for_her_turn_longer_than_for_an_answer():
    with peers(read_timeout=0.2) as (stream, peer):
        timer = threading.Timer(0.8, peer.sendall, [b"x"])
        timer.start()
        stream.await_turn()
        assert stream.read(1) == b"x"
        with pytest.raises(ProofError, match="fell silent"):
            stream.read(1)
        timer.join()


def test_a_verifier_that_stalls_in_her_turn_is_given_up(case, prepared, monkeypatch):
    monkeypatch.setattr(session, "TURN_TIMEOUT", 0.5)
    with (
        prover(lambda stream: prove_session(stream, prepared)) as (address, errors),
        socket.create_connection(parse_address(address)) as stalling,
    ):
        stalling.sendall(HELLO + b"\1")
        while stalling.recv(1 << 16):
            pass
    assert isinstance(errors[0], ProofError)


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
    with (
        kept_port() as port,
        pytest.raises(InputError, match="nobody answers"),
        connected(f"127.0.0.1:{port}"),
    ):
        pass


def test_peers_that_hang_up_or_are_silent_keep_no_verifier_waiting(case, prepared):
    addresses, failures, results = queue.SimpleQueue(), queue.SimpleQueue(), queue.SimpleQueue()

    def listen():
        results.put(
            serve_once(
                "127.0.0.1:0",
                lambda stream: prove_session(stream, prepared),
                addresses.put,
                lambda peer, error: failures.put((peer, str(error))),
            )
        )

    threading.Thread(target=listen, daemon=True).start()
    address = addresses.get(timeout=PATIENCE)
    where = parse_address(address)
    with socket.create_connection(where) as silent, socket.create_connection(where) as foreign:
        socket.create_connection(where).close()
        foreign.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        told = {failures.get(timeout=PATIENCE)[1] for _ in range(2)}
        assert any("hung up" in text for text in told)
        assert any("does not speak" in text for text in told)
        assert results.empty()
        report = check(address, case)
        assert report.interactive
        assert results.get(timeout=PATIENCE) > 0
        assert silent.recv(1) == b""  # whoever is left is told


def test_more_peers_than_there_are_places_are_sent_away(monkeypatch):
    from wmproof.pverify import session_prover

    monkeypatch.setattr(session_prover, "MOST_PEERS", 2)
    addresses, results = queue.SimpleQueue(), queue.SimpleQueue()
    thread = threading.Thread(
        target=lambda: results.put(
            serve_once("127.0.0.1:0", lambda stream: stream.read(1), addresses.put)
        ),
        daemon=True,
    )
    thread.start()
    where = parse_address(addresses.get(timeout=PATIENCE))
    first, second = socket.create_connection(where), socket.create_connection(where)
    with first, second, socket.create_connection(where) as third:
        assert third.recv(1) == b""
        second.sendall(b"x")
        assert results.get(timeout=PATIENCE) == b"x"


def test_an_error_of_the_prover_itself_ends_it():
    addresses, errors = queue.SimpleQueue(), queue.SimpleQueue()

    def fail(_stream):
        raise InputError("is the prover's own")

    def listen():
        try:
            serve_once("127.0.0.1:0", fail, addresses.put)
        except InputError as error:
            errors.put(error)

    threading.Thread(target=listen, daemon=True).start()
    with socket.create_connection(parse_address(addresses.get(timeout=PATIENCE))) as peer:
        peer.sendall(b"x")
        assert "own" in str(errors.get(timeout=PATIENCE))


def test_an_address_that_others_reach_is_warned_of(capsys):
    from wmproof.cli.prove import _announce

    _announce("127.0.0.1:7000")
    assert "warning" not in capsys.readouterr().err
    _announce("0.0.0.0:7000")
    assert "nothing is encrypted" in capsys.readouterr().err
