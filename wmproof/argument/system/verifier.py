"""The verifier of the whole argument. It reads nothing whose length it does not know."""

from __future__ import annotations

from wmproof.argument.channel import VerifierChannel
from wmproof.argument.codec import decode_base
from wmproof.argument.field import U32
from wmproof.argument.ligero.evaluation_verifier import EvaluationTest
from wmproof.argument.ligero.pad_verifier import PadTests
from wmproof.argument.merkle import (
    HASH_BYTES,
    SALT_BYTES,
    leaf_hashes,
    sibling_count,
    verify_opening,
)
from wmproof.argument.system.encoding import check_encoding
from wmproof.argument.system.statement import (
    MAGIC,
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
    check_encoding(setup, proof)
    transcript = fiat_shamir_verifier(PROTOCOL, proof[len(MAGIC) :])
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
    pad_positions = transcript.positions("pads/positions", codes[1].length, parameters.pad_queries)
    witness = _Opening(transcript, "witness", witness_positions, setup.shape.rows)
    pad = _Opening(transcript, "pads", pad_positions, setup.pad_layout.column_height)
    witness.check(transcript, witness_root, codes[0].length)
    pad.check(transcript, pad_root, codes[1].length)
    pads.check_sum()
    evaluation.check_columns(witness_positions, witness.columns)
    pads.check_columns(pad_positions, pad.columns)


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
    """Columns as received; to be believed once `check` has passed."""

    def __init__(
        self, transcript: VerifierTranscript, label: str, positions: list[int], height: int
    ) -> None:
        self._label, self._positions = label, positions
        count = len(positions)
        data = transcript.receive(f"{label}/columns", 4 * count * height)
        self.columns: U32 = decode_base(data, f"{label}/columns").reshape(count, height)
        self._salts = transcript.receive(f"{label}/salts", count * SALT_BYTES)

    def check(self, transcript: VerifierTranscript, root: bytes, length: int) -> None:
        """Receive the siblings and compare with the commitment."""
        depth = length.bit_length() - 1
        needed = sibling_count(depth, self._positions)
        hashes = transcript.receive(f"{self._label}/siblings", needed * HASH_BYTES)
        siblings = [hashes[i : i + HASH_BYTES] for i in range(0, len(hashes), HASH_BYTES)]
        leaves = leaf_hashes(self.columns, self._salts)
        verify_opening(root, depth, self._positions, leaves, siblings)
