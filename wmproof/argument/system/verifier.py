"""The verifier of the whole argument. It reads nothing whose length it does not know."""

from __future__ import annotations

from wmproof.argument.channel import VerifierChannel
from wmproof.argument.codec import decode_base
from wmproof.argument.ligero.evaluation_verifier import EvaluationTest
from wmproof.argument.ligero.pad_verifier import PadTests
from wmproof.argument.merkle import (
    HASH_BYTES,
    SALT_BYTES,
    leaf_hashes,
    sibling_count,
    verify_opening,
)
from wmproof.argument.system.statement import (
    PROTOCOL,
    Security,
    Setup,
    Statement,
    prepare,
)
from wmproof.argument.transcript import VerifierTranscript, fiat_shamir_verifier


def verify_proof(statement: Statement, proof: bytes, security: Security | None = None) -> Setup:
    """Check a non-interactive proof.

    Parameters
    ----------
    statement : Statement
    proof : bytes
    security : Security
        What the verifier demands, not what the proof offers.

    Returns
    -------
    Setup
        The sizes and parameters of the accepted proof.

    Raises
    ------
    ProofError
        If any check fails.
    """
    setup = prepare(statement, security or Security())
    transcript = fiat_shamir_verifier(PROTOCOL, proof)
    verify(statement, setup, transcript)
    transcript.finish()
    return setup


def verify(statement: Statement, setup: Setup, transcript: VerifierTranscript) -> None:
    """Run the verifier over any transcript; ProofError if a check fails."""
    transcript.bind("statement", statement.digest)
    transcript.bind("setup", setup.encode())
    witness_root = transcript.receive("witness/root", HASH_BYTES)
    pad_root = transcript.receive("pads/root", HASH_BYTES)
    evaluation, pads = receive_tests(statement, setup, transcript)
    parameters = setup.parameters
    transcript.check_grinding("positions/work", parameters.grinding_bits)
    codes = (parameters.witness_code, parameters.pad_code)
    witness_positions = transcript.positions(
        "witness/positions", codes[0].length, parameters.witness_queries
    )
    pad_positions = transcript.positions(
        "pads/positions", codes[1].length, parameters.pad_queries
    )
    witness = _Opening(transcript, "witness", witness_positions, codes[0].length, setup.shape.rows)
    pad_height = setup.pad_layout.column_height
    pad = _Opening(transcript, "pads", pad_positions, codes[1].length, pad_height)
    evaluation.check_columns(witness_positions, witness.check(witness_root))
    pads.check_columns(pad_positions, pad.check(pad_root))


def receive_tests(
    statement: Statement, setup: Setup, transcript: VerifierTranscript
) -> tuple[EvaluationTest, PadTests]:
    """Walk through everything between the commitments and the proof of work."""
    parameters, shape = setup.parameters, setup.shape
    channel = VerifierChannel(transcript, grinding_bits=parameters.grinding_bits)
    claims = statement.verify(channel)
    evaluation = EvaluationTest(channel, parameters.witness_code, shape.rows, claims)
    return evaluation, PadTests(transcript, setup.pad_layout, channel.system)


class _Opening:
    """Columns as received; `check` returns them once they are known to be the committed ones."""

    def __init__(
        self,
        transcript: VerifierTranscript,
        label: str,
        positions: list[int],
        length: int,
        height: int,
    ) -> None:
        self._positions = positions
        self._depth = length.bit_length() - 1
        count = len(positions)
        data = transcript.receive(f"{label}/columns", 4 * count * height)
        self._columns = decode_base(data, f"{label}/columns").reshape(count, height)
        self._salts = transcript.receive(f"{label}/salts", count * SALT_BYTES)
        needed = sibling_count(self._depth, positions)
        hashes = transcript.receive(f"{label}/siblings", needed * HASH_BYTES)
        self._siblings = [hashes[i : i + HASH_BYTES] for i in range(0, len(hashes), HASH_BYTES)]

    def check(self, root: bytes):  # type: ignore[no-untyped-def]
        leaves = leaf_hashes(self._columns, self._salts)
        verify_opening(root, self._depth, self._positions, leaves, self._siblings)
        return self._columns
