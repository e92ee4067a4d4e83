"""The whole argument: complete at all sizes, with a verifier far away, and never replayed."""

from __future__ import annotations

import io
import os
import socket
import threading
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lookup_statement import LookupProof, LookupStatement
from proof_map import check

from wmproof.argument.channel import VerifierChannel
from wmproof.argument.codec import decode_base
from wmproof.argument.pcs.claims import Place, PointClaim
from wmproof.argument.pcs.schemes import SCHEME
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.soundness import bits as bits_of
from wmproof.argument.system.encoding import length_bounds, sections
from wmproof.argument.system.prover import ReplayedCoins, prove, prove_to
from wmproof.argument.system.statement import (
    MAGIC,
    PROTOCOL,
    Security,
    error_table,
    prepare,
    row_bits,
)
from wmproof.argument.system.verifier import verify, verify_proof
from wmproof.argument.transcript import (
    FiatShamirCoins,
    ProverCoins,
    ProverTranscript,
    VerifierCoins,
    VerifierTranscript,
    fiat_shamir_verifier,
)
from wmproof.errors import InputError, ProofError

FAST = Security(bits=20, grinding_bits=2)


def _proof_of(sizes: tuple[int, int, int], seed: int = 0) -> LookupProof:
    rows = np.random.default_rng(seed).integers(0, 1 << sizes[1], sizes[0])
    return LookupProof(*sizes).with_rows(rows)


@settings(max_examples=40, deadline=None)
@given(
    length=st.one_of(st.integers(1, 9), st.integers(1, 700)),
    table_bits=st.integers(1, 8),
    message_bits=st.integers(2, 7),
    seed=st.integers(0, 2**32),
)
def test_true_statements_are_proved_at_all_sizes(
    length: int, table_bits: int, message_bits: int, seed: int
) -> None:
    sizes = length, table_bits, message_bits
    proof = _proof_of(sizes, seed)
    data = prove(proof, proof.witness(), FAST)
    setup = verify_proof(LookupStatement(*sizes), data, FAST)
    least, greatest = length_bounds(setup)
    assert least <= len(data) <= greatest


@pytest.mark.parametrize(
    "security",
    [Security(), Security(bits=100, grinding_bits=0), Security(bits=60, grinding_bits=8)],
    ids=str,
)
def test_at_all_strengths(security: Security) -> None:
    sizes = 100, 5, 4
    proof = _proof_of(sizes)
    setup = verify_proof(LookupStatement(*sizes), prove(proof, proof.witness(), security), security)
    errors = error_table(LookupStatement(*sizes), setup)
    assert bits_of(sum(errors.values())) >= security.bits  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_witnesses_of_every_type(dtype: type) -> None:
    # All values of this statement fit into a byte.
    sizes = 50, 4, 3
    proof = _proof_of(sizes)
    data = prove(proof, [block.astype(dtype) for block in proof.witness()], FAST)
    verify_proof(LookupStatement(*sizes), data, FAST)


def test_both_parties_derive_the_same_setup() -> None:
    for sizes in ((1, 1, 2), (100, 5, 4), (33, 6, 2)):
        assert prepare(LookupStatement(*sizes), FAST) == prepare(_proof_of(sizes), FAST)
        assert (
            prepare(LookupStatement(*sizes), FAST).encode()
            == prepare(LookupStatement(*sizes), FAST).encode()
        )


def test_two_proofs_share_nothing_but_the_magic() -> None:
    sizes = 20, 3, 4
    proof = _proof_of(sizes)
    one, other = (prove(proof, proof.witness(), FAST) for _ in range(2))
    setup = prepare(proof, FAST)
    offset = words = same = 0
    for _, size, is_field in sections(setup):
        if is_field:
            a, b = (decode_base(p[offset : offset + size], "m") for p in (one, other))
            words, same = words + a.size, same + int((a == b).sum())
        offset += size
    # By chance a word is the same in both once in 2^31; an element that is shared is four words.
    assert words > 1000
    assert same < 3


def test_a_witness_of_the_wrong_shape_is_an_input_error() -> None:
    proof = _proof_of((20, 3, 4))
    for witness in (proof.witness()[:-1], [w[:, :-1] for w in proof.witness()]):
        with pytest.raises(InputError):
            prove(proof, witness, FAST)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 5000))
def test_blinding_rows_are_a_whole_block(rows: int) -> None:
    total = SCHEME.padded_rows(rows)
    assert total % 8 == 0
    assert 8 <= total - rows < 16
    assert 1 << row_bits(rows) >= total


# --- the transcript's order


def test_no_challenge_is_drawn_before_what_it_depends_on() -> None:
    order: list[str] = []

    class Listening(FiatShamirCoins):
        def absorb(self, label: str, data: bytes) -> None:
            order.append(label)
            super().absorb(label, data)

        def draw(self, label: str, size: int) -> bytes:
            order.append("? " + label)
            return super().draw(label, size)

    sizes = 20, 3, 4
    proof = _proof_of(sizes)
    data = prove(proof, proof.witness(), FAST)
    transcript = VerifierTranscript(io.BytesIO(data[len(MAGIC) :]), Listening(PROTOCOL))
    verify(LookupStatement(*sizes), prepare(proof, FAST), transcript)
    challenges = [i for i, label in enumerate(order) if label.startswith("? ")]
    bound = ["protocol", "statement", "setup", "witness/root", "pads/root"]
    assert order[: len(bound)] == bound
    assert order[len(bound)] == "squares/work"
    assert challenges[0] == order.index("? squares/compress") == len(bound) + 1
    for before, after in (
        ("squares/table/children", "? evaluation/gamma"),
        ("evaluation/row", "? pads/challenges"),
        ("? pads/challenges", "pads/proximity"),
        ("pads/quadratic", "positions/work"),
        ("positions/work", "? witness/positions"),
        ("? pads/positions", "witness/columns"),
    ):
        last = len(order) - 1 - order[::-1].index(before)
        assert last < order.index(after), (before, after)
    # Each round polynomial is followed by its challenge, and by nothing else.
    for i, label in enumerate(order):
        if label.endswith("/round"):
            assert order[i + 1] == "? " + label.removesuffix("round") + "r"


# --- interactive


class Wire:
    """One end of a connection: all bytes are sent, and as many are read as were asked for."""

    def __init__(self, write: Callable[[bytes], object], read: BinaryIO) -> None:
        self._write, self._read = write, read
        self.said = io.BytesIO()

    def write(self, data: bytes) -> None:
        self.said.write(data)
        self._write(data)

    def read(self, size: int) -> bytes:
        return self._read.read(size)


def _converse(
    prover_end: Wire,
    verifier_end: Wire,
    hang_up: Callable[[], None],
    security: Security,
    change: Callable[[LookupProof], None] = lambda proof: None,
) -> tuple[bytes, bytes]:
    """Run both parties in two threads; what was said, and the coins."""
    sizes = 60, 4, 4
    proof = _proof_of(sizes)
    change(proof)
    setup = prepare(LookupStatement(*sizes), security)
    failures: list[BaseException] = []

    def speak() -> None:
        try:
            coins = ProverCoins(prover_end)
            prove_to(proof, setup, proof.witness(), prover_end, coins)
        except BaseException as error:  # reported by the other thread
            failures.append(error)
        finally:
            hang_up()

    thread = threading.Thread(target=speak)
    thread.start()
    try:
        transcript = VerifierTranscript(verifier_end, VerifierCoins(verifier_end))
        verify(LookupStatement(*sizes), setup, transcript)
        transcript.finish()
    finally:
        thread.join(60)
    assert not thread.is_alive()
    assert failures == []
    return prover_end.said.getvalue(), verifier_end.said.getvalue()


def _over_socket(security: Security, **options: Any) -> tuple[bytes, bytes]:
    ends = socket.socketpair()
    for end in ends:
        end.settimeout(300)
    wires = [Wire(end.sendall, end.makefile("rb")) for end in ends]
    try:
        return _converse(
            wires[0], wires[1], lambda: ends[0].shutdown(socket.SHUT_WR), security, **options
        )
    finally:
        for wire, end in zip(wires, ends, strict=True):
            wire._read.close()
            end.close()


def _over_pipes(security: Security, **options: Any) -> tuple[bytes, bytes]:
    to_verifier, to_prover = os.pipe(), os.pipe()
    with (
        os.fdopen(to_verifier[0], "rb") as hears,
        os.fdopen(to_verifier[1], "wb") as speaks,
        os.fdopen(to_prover[0], "rb") as learns,
        os.fdopen(to_prover[1], "wb") as draws,
    ):

        def through(pipe: BinaryIO) -> Callable[[bytes], object]:
            return lambda data: (pipe.write(data), pipe.flush())

        prover_end, verifier_end = Wire(through(speaks), learns), Wire(through(draws), hears)
        return _converse(prover_end, verifier_end, speaks.close, security, **options)


INTERACTIVE = Security(bits=40, grinding_bits=0)


@pytest.mark.parametrize("connect", [_over_socket, _over_pipes], ids=["socket", "pipes"])
def test_interactive_proofs_are_accepted(connect: Callable[..., tuple[bytes, bytes]]) -> None:
    said, coins = connect(INTERACTIVE)
    assert said
    assert coins


def test_work_is_refused_where_coins_are_fresh() -> None:
    """Its bits would be counted, and nobody would have done them."""
    for coins in (VerifierCoins(io.BytesIO()), ProverCoins(io.BytesIO())):
        with pytest.raises(InputError, match="proof of work"):
            coins.check_nonce(bytes(8), 6) if isinstance(coins, VerifierCoins) else (
                coins.find_nonce(6)
            )


def test_coins_that_repeat_themselves_end_the_search_for_positions() -> None:
    class Same(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return bytes(size or 0)

    with pytest.raises(ProofError, match="repeat"):
        ProverTranscript(io.BytesIO(), ProverCoins(Same())).positions("p", 1 << 10, 20)


def test_interactive_proofs_of_false_statements_are_rejected() -> None:
    def change(proof: LookupProof) -> None:
        proof.columns[1, 5] += 1

    with pytest.raises(ProofError) as error:
        _over_socket(INTERACTIVE, change=change)
    assert error.value.check == "pads"


def test_a_recorded_session_convinces_nobody_else() -> None:
    sizes = 60, 4, 4
    statement = LookupStatement(*sizes)
    setup = prepare(statement, INTERACTIVE)
    said, coins = _over_socket(INTERACTIVE)

    class Recorded(ReplayedCoins):
        """The coins of that session, in the order in which they were drawn."""

        def __init__(self) -> None:
            super().__init__([])
            self._stream = io.BytesIO(coins)

        def draw(self, label: str, size: int) -> bytes:
            return self._stream.read(size)

    # With the same coins it is an accepting session, so nothing but the coins is at fault.
    transcript = VerifierTranscript(io.BytesIO(said), Recorded())
    verify(statement, setup, transcript)
    transcript.finish()
    for _ in range(5):
        fresh = VerifierTranscript(io.BytesIO(said), VerifierCoins(io.BytesIO()))
        with pytest.raises(ProofError):
            verify(statement, setup, fresh)
    with pytest.raises(ProofError):
        verify(statement, setup, fiat_shamir_verifier(PROTOCOL, said))
    with pytest.raises(ProofError):
        check(statement, setup, MAGIC + said)


def test_a_non_interactive_proof_answers_no_fresh_coins() -> None:
    sizes = 60, 4, 4
    proof = _proof_of(sizes)
    data = prove(proof, proof.witness(), INTERACTIVE)
    setup = verify_proof(LookupStatement(*sizes), data, INTERACTIVE)
    source = io.BytesIO(data[len(MAGIC) :])
    with pytest.raises(ProofError):
        verify(
            LookupStatement(*sizes),
            setup,
            VerifierTranscript(source, VerifierCoins(io.BytesIO())),
        )


@pytest.mark.parametrize("heard", [0, 16, 1000])
def test_a_prover_notices_that_the_verifier_hung_up(heard: int) -> None:
    proof = _proof_of((60, 4, 4))
    setup = prepare(proof, INTERACTIVE)
    coins = ProverCoins(io.BytesIO(bytes(range(256)) * 4))
    coins._from_verifier.read(1024 - heard)
    with pytest.raises(ProofError, match="verifier stopped"):
        prove_to(proof, setup, proof.witness(), io.BytesIO(), coins)


@pytest.mark.parametrize("said", [0, 40, 5000])
def test_a_verifier_notices_that_the_prover_hung_up(said: int) -> None:
    statement = LookupStatement(60, 4, 4)
    transcript = VerifierTranscript(io.BytesIO(bytes(said)), VerifierCoins(io.BytesIO()))
    with pytest.raises(ProofError, match="ends inside message"):
        verify(statement, prepare(statement, INTERACTIVE), transcript)


class _WatchedProof(LookupProof):
    """Its replay stands still until it is released."""

    def __init__(self, *sizes: int) -> None:
        super().__init__(*sizes)
        self.proved, self.begun, self.released = (threading.Event() for _ in range(3))
        self.walks: list[threading.Thread] = []
        self.finished = False

    def prove(self, channel: ProverChannel) -> list[Place]:
        points = super().prove(channel)
        self.proved.set()
        return points

    def verify(self, channel: VerifierChannel) -> list[PointClaim]:
        if self.proved.is_set():
            self.walks.append(threading.current_thread())
            self.begun.set()
            self.released.wait(20)
            self.finished = True
        return super().verify(channel)


def test_nobody_waits_for_the_replay_of_a_proof_that_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WMPROOF_THREADS", "2")
    proof = _WatchedProof(1000, 6, 8).with_rows(np.arange(1000) % 64)

    class HungUp(io.BytesIO):
        def write(self, data: Any) -> int:
            if proof.proved.is_set():
                proof.begun.wait(20)
                raise ConnectionError("the peer hung up")
            return super().write(data)

    setup = prepare(proof, FAST)
    with pytest.raises(ConnectionError):
        prove_to(proof, setup, proof.witness(), HungUp(), FiatShamirCoins(PROTOCOL))
    assert len(proof.walks) == 1
    assert not proof.finished
    assert proof.walks[0].daemon, "it would keep the process alive"
    proof.released.set()
    proof.walks[0].join(20)
    assert not proof.walks[0].is_alive()


def test_one_thread_is_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WMPROOF_THREADS", "1")
    proof = _WatchedProof(1000, 6, 8).with_rows(np.arange(1000) % 64)
    proof.released.set()
    verify_proof(LookupStatement(1000, 6, 8), prove(proof, proof.witness(), FAST), FAST)
    assert proof.walks == [threading.current_thread()]
