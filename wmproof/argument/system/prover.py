"""The prover of the whole argument."""

import io
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from numpy.typing import NDArray

from wmproof._base.threads import thread_count
from wmproof.argument.algebra.element import Element
from wmproof.argument.channel import ConstraintSystem, VerifierChannel
from wmproof.argument.pcs.claims import Place
from wmproof.argument.pcs.provers import prover_of
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.system.statement import (
    MAGIC,
    PROTOCOL,
    ProvableStatement,
    Security,
    Setup,
    Statement,
    prepare,
)
from wmproof.argument.transcript import (
    Coins,
    FiatShamirCoins,
    ProverTranscript,
    Sink,
    VerifierTranscript,
)
from wmproof.errors import InputError, ProofError

T = TypeVar("T")


def prove(
    statement: ProvableStatement,
    witness: Sequence[NDArray[Any]],
    security: Security | None = None,
    largest: Sequence[int] | None = None,
) -> bytes:
    """Make a non-interactive proof.

    Parameters
    ----------
    statement : ProvableStatement
    witness : sequence of uint8, uint16 or uint32 arrays (rows, 2^message_bits)
        Canonical, ``statement.rows`` rows in all.
    largest : sequence of int, optional
        For each array a number that none in it is above. Public: how long the proof takes tells
        it. By default that of its type.
    """
    buffer = io.BytesIO(MAGIC)
    buffer.seek(len(MAGIC))
    setup = prepare(statement, security or Security())
    prove_to(statement, setup, witness, buffer, FiatShamirCoins(PROTOCOL), largest)
    return buffer.getvalue()


def prove_to(
    statement: ProvableStatement,
    setup: Setup,
    witness: Sequence[NDArray[Any]],
    sink: Sink,
    coins: Coins,
    largest: Sequence[int] | None = None,
) -> None:
    """Run the prover against any source of challenges."""
    record = _Record(coins)
    transcript = ProverTranscript(_Tee(sink, record), record)
    transcript.bind("statement", statement.digest)
    transcript.bind("setup", setup.encode())
    rows = sum(len(block) for block in witness)
    if rows != statement.rows:
        raise InputError(f"a witness of {rows} rows, for a statement of {statement.rows}")
    side = prover_of(setup.commitment)
    side.commit(transcript, witness, largest)
    record.start()
    grinding_bits = setup.commitment.grinding_bits
    channel = ProverChannel(transcript, side.pads, grinding_bits=grinding_bits)
    places = _prove(statement, channel)
    walk = record.replay()
    replay = _beside(lambda: _Replay(statement, setup, walk, channel.known))
    record.start()
    try:
        side.prove_evaluations(channel, places)
    except BaseException:  # a peer that hung up, or the user's interrupt: nobody waits any more
        record.end_replays()
        raise
    system = replay().end(record.replay())
    side.prove_constraints(transcript, system)
    side.open(transcript)


def _beside(work: Callable[[], T]) -> Callable[[], T]:
    """Begin work, which is Python, beside kernels, if there may be two threads; return its result.

    The thread does not keep the process alive.
    """
    if thread_count() == 1:
        return work
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # raised again where the result is wanted
            future.set_exception(error)

    threading.Thread(target=run, name="wmproof-replay", daemon=True).start()
    return future.result


def _prove(statement: ProvableStatement, channel: ProverChannel) -> Sequence[Place]:
    """Chosen coins can make a denominator of a lookup zero, and an honest prover stops there.

    That tells nothing of the witness: whatever is looked up is an entry of the public table, and
    its denominator is zero in the table as well.
    """
    try:
        return statement.prove(channel)
    except ZeroDivisionError:
        raise ProofError("challenge", "these challenges make the prover divide by zero") from None


class _Record:
    """Coins that remember what was drawn, so that the verifier's walk can be repeated."""

    def __init__(self, coins: Coins) -> None:
        self._coins = coins
        self.sent = io.BytesIO()
        self._draws: list[bytes] = []
        self._replayed: list[bytes] = []

    def start(self) -> None:
        """Forget what came before the protocol."""
        self.sent = io.BytesIO()
        self._draws = []

    def absorb(self, label: str, data: bytes) -> None:
        self._coins.absorb(label, data)

    def draw(self, label: str, size: int) -> bytes:
        coins = self._coins.draw(label, size)
        self._draws.append(coins)
        return coins

    def find_nonce(self, bits: int) -> bytes:
        return self._coins.find_nonce(bits)

    def check_nonce(self, nonce: bytes, bits: int) -> bool:
        return self._coins.check_nonce(nonce, bits)

    def replay(self) -> VerifierTranscript:
        """A verifier's transcript over the recorded messages and challenges."""
        self._replayed = self._draws
        return VerifierTranscript(io.BytesIO(self.sent.getvalue()), ReplayedCoins(self._draws))

    def end_replays(self) -> None:
        """The last one fails at its next challenge."""
        self._replayed.clear()


class _Tee:
    def __init__(self, sink: Sink, record: _Record) -> None:
        self._sink, self._record = sink, record

    def write(self, data: bytes) -> None:
        self._sink.write(data)
        self._record.sent.write(data)


class ReplayedCoins:
    """Given coins, one string a draw; for walking again through a transcript that exists."""

    def __init__(self, draws: Sequence[bytes]) -> None:
        self._draws = iter(draws)

    def absorb(self, label: str, data: bytes) -> None:
        """Nothing depends on messages any more."""

    def draw(self, label: str, size: int) -> bytes:
        """Return the next recorded string."""
        coins = next(self._draws)
        if len(coins) != size:
            raise ValueError(f"the recorded coins do not fit the challenge '{label}'")
        return coins

    def find_nonce(self, bits: int) -> bytes:
        """Never asked."""
        raise NotImplementedError

    def check_nonce(self, nonce: bytes, bits: int) -> bool:
        """It was done when the transcript was made."""
        return True


class _KnowingChannel(VerifierChannel):
    """A verifier's that computes nothing which the prover knows; whoever judges has none."""

    def __init__(
        self, transcript: VerifierTranscript, known: Mapping[str, Element], grinding_bits: int
    ) -> None:
        super().__init__(transcript, grinding_bits=grinding_bits)
        self._known = known

    def public(self, compute: Callable[[], Element], label: str = "") -> Element:
        return self._known[label] if label in self._known else compute()


class _Replay:
    """What the verifier will demand of the pads: its walk through the statement's protocol.

    Parameters
    ----------
    transcript : VerifierTranscript
        All that was said until the claims about the witness were left.
    known : mapping of str to Element
        Public numbers that were computed already.
    """

    def __init__(
        self,
        statement: Statement,
        setup: Setup,
        transcript: VerifierTranscript,
        known: Mapping[str, Element],
    ) -> None:
        self._commitment = setup.commitment
        self._channel = _KnowingChannel(transcript, known, setup.commitment.grinding_bits)
        self._claims = statement.verify(self._channel)

    def end(self, transcript: VerifierTranscript) -> ConstraintSystem:
        """Walk on through the proof of the claims."""
        self._channel.transcript = transcript
        self._commitment.verifier().receive_evaluations(self._channel, self._claims)
        return self._channel.system
