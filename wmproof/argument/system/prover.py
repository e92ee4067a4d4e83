"""The prover of the whole argument."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from wmproof.argument.channel import ConstraintSystem, VerifierChannel
from wmproof.argument.codec import encode_base
from wmproof.argument.field import random_elements
from wmproof.argument.ligero.claims import BLINDING_ROWS
from wmproof.argument.ligero.evaluation_prover import prove_evaluations
from wmproof.argument.ligero.evaluation_verifier import EvaluationTest
from wmproof.argument.ligero.pad_prover import PadMatrix, draw_pads
from wmproof.argument.matrix import FASTEST, MessageMatrix, Storage
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.system.statement import (
    MAGIC,
    PROTOCOL,
    ProvableStatement,
    Security,
    Setup,
    Statement,
    padded_rows,
    prepare,
)
from wmproof.argument.transcript import (
    Coins,
    FiatShamirCoins,
    ProverTranscript,
    Sink,
    VerifierTranscript,
)


def prove(
    statement: ProvableStatement,
    witness: Sequence[NDArray[Any]],
    security: Security | None = None,
    *,
    storage: Storage = FASTEST,
) -> bytes:
    """Make a non-interactive proof.

    Parameters
    ----------
    statement : ProvableStatement
    witness : sequence of uint8, uint16 or uint32 arrays (rows, 2^message_bits)
        Canonical, ``statement.rows`` rows in all.
    storage : Storage
        How much of the code matrix is held; nobody learns it.
    """
    buffer = io.BytesIO(MAGIC)
    buffer.seek(len(MAGIC))
    setup = prepare(statement, security or Security())
    prove_to(statement, setup, witness, buffer, FiatShamirCoins(PROTOCOL), storage=storage)
    return buffer.getvalue()


def prove_to(
    statement: ProvableStatement,
    setup: Setup,
    witness: Sequence[NDArray[Any]],
    sink: Sink,
    coins: Coins,
    *,
    storage: Storage = FASTEST,
) -> None:
    """Run the prover against any source of challenges."""
    record = _Record(coins)
    transcript = ProverTranscript(_Tee(sink, record), record)
    transcript.bind("statement", statement.digest)
    transcript.bind("setup", setup.encode())
    matrix = witness_matrix(statement, setup, witness)
    committed = matrix.commit(storage)
    transcript.send("witness/root", committed.root)
    pads = draw_pads(setup.shape.pads)
    pad_matrix = PadMatrix(setup.pad_layout, pads, setup.products)
    transcript.send("pads/root", pad_matrix.root)

    record.start()
    parameters = setup.parameters
    channel = ProverChannel(transcript, pads, grinding_bits=parameters.grinding_bits)
    points = statement.prove(channel)
    prove_evaluations(channel, matrix, points, blinding=BLINDING_ROWS)
    pad_matrix.prove(transcript, _replay(statement, setup, record))

    transcript.grind("positions/work", parameters.grinding_bits)
    witness_positions = transcript.positions(
        "witness/positions", parameters.witness_code.length, parameters.witness_queries
    )
    pad_positions = transcript.positions(
        "pads/positions", parameters.pad_code.length, parameters.pad_queries
    )
    openings = {
        "witness": committed.open_columns(witness_positions),
        "pads": pad_matrix.open_columns(pad_positions),
    }
    for label, opening in openings.items():
        transcript.send(f"{label}/columns", encode_base(opening.columns))
        transcript.send(f"{label}/salts", opening.salts)
    for label, opening in openings.items():
        transcript.send(f"{label}/siblings", b"".join(opening.siblings))


def witness_matrix(
    statement: Statement, setup: Setup, witness: Sequence[NDArray[Any]]
) -> MessageMatrix:
    """The witness with its blinding rows and tails."""
    code = setup.parameters.witness_code
    blinding = random_elements((padded_rows(statement.rows) - statement.rows, code.message_length))
    tails = random_elements((setup.shape.rows, code.tail))
    return MessageMatrix([*witness, blinding], tails, code)


class _Record:
    """Coins that remember what was drawn, so that the verifier's walk can be repeated."""

    def __init__(self, coins: Coins) -> None:
        self._coins = coins
        self.sent = io.BytesIO()
        self._draws: list[bytes] = []

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
        return VerifierTranscript(io.BytesIO(self.sent.getvalue()), ReplayedCoins(self._draws))


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


def _replay(statement: Statement, setup: Setup, record: _Record) -> ConstraintSystem:
    transcript = record.replay()
    channel = VerifierChannel(transcript, grinding_bits=setup.parameters.grinding_bits)
    claims = statement.verify(channel)
    EvaluationTest(channel, setup.parameters.witness_code, setup.shape.rows, claims)
    return channel.system
