"""The verifier of Ligero's two commitments. It reads nothing whose length it does not know."""

from collections.abc import Sequence

from wmproof.argument.algebra.field import U32
from wmproof.argument.channel import ConstraintSystem, VerifierChannel
from wmproof.argument.codec import decode_base
from wmproof.argument.pcs.claims import PointClaim
from wmproof.argument.pcs.ligero.evaluation_verifier import EvaluationTest
from wmproof.argument.pcs.ligero.merkle import (
    HASH_BYTES,
    SALT_BYTES,
    leaf_hashes,
    sibling_count,
    verify_opening,
)
from wmproof.argument.pcs.ligero.pad_layout import PadLayout
from wmproof.argument.pcs.ligero.pad_verifier import PadTests
from wmproof.argument.pcs.ligero.soundness import Parameters
from wmproof.argument.transcript import ProverTranscript, VerifierTranscript


class LigeroVerifier:
    """`pcs.commitment.VerifierSide`.

    Attributes
    ----------
    layout : PadLayout
        Of the pads' matrix.
    rows : int
        Of the witness's matrix.
    evaluation : EvaluationTest
        Once the evaluations were received.
    pads : PadTests
        Once the constraints were received.
    """

    def __init__(self, parameters: Parameters, layout: PadLayout, rows: int) -> None:
        self.parameters, self.layout, self.rows = parameters, layout, rows

    def receive_commitments(self, transcript: VerifierTranscript) -> None:
        """Read the two roots."""
        self._witness_root = transcript.receive("witness/root", HASH_BYTES)
        self._pad_root = transcript.receive("pads/root", HASH_BYTES)

    def receive_evaluations(self, channel: VerifierChannel, claims: Sequence[PointClaim]) -> None:
        """Read the claims' sumchecks and the combined row."""
        self.evaluation = EvaluationTest(channel, self.parameters.witness_code, self.rows, claims)

    def receive_constraints(self, transcript: VerifierTranscript, system: ConstraintSystem) -> None:
        """Read the three polynomials of the pads' tests."""
        self.pads = PadTests(transcript, self.layout, system)

    def check_openings(self, transcript: VerifierTranscript) -> None:
        """Read columns of both matrices, and compare them with roots, row and polynomials."""
        parameters = self.parameters
        transcript.check_grinding("positions/work", parameters.grinding_bits)
        witness_positions, pad_positions = draw_positions(parameters, transcript)
        witness = _Opening(transcript, "witness", witness_positions, self.rows)
        pad = _Opening(transcript, "pads", pad_positions, self.layout.column_height)
        witness.check(transcript, self._witness_root, parameters.witness_code.length)
        pad.check(transcript, self._pad_root, parameters.pad_code.length)
        self.pads.check_sum()
        self.evaluation.check_columns(witness_positions, witness.columns)
        self.pads.check_columns(pad_positions, pad.columns)


def draw_positions(
    chosen: Parameters, transcript: ProverTranscript | VerifierTranscript
) -> tuple[list[int], list[int]]:
    """Which columns of the witness and of the pads are opened."""
    return (
        transcript.positions(
            "witness/positions", chosen.witness_code.length, chosen.witness_queries
        ),
        transcript.positions("pads/positions", chosen.pad_code.length, chosen.pad_queries),
    )


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
