"""The prover of Ligero's two commitments."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from wmproof.argument.algebra.element import Element
from wmproof.argument.algebra.field import P, random_elements
from wmproof.argument.channel import ConstraintSystem
from wmproof.argument.codec import encode_base
from wmproof.argument.pcs.claims import Place
from wmproof.argument.pcs.ligero.claims import BLINDING_ROWS
from wmproof.argument.pcs.ligero.commitment import Ligero
from wmproof.argument.pcs.ligero.evaluation_prover import prove_evaluations
from wmproof.argument.pcs.ligero.matrix import MessageMatrix
from wmproof.argument.pcs.ligero.pad_prover import PadMatrix, draw_pads
from wmproof.argument.pcs.ligero.verifier import draw_positions
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.transcript import ProverTranscript


class LigeroProver:
    """`pcs.provers.ProverSide`; secret."""

    def __init__(self, commitment: Ligero) -> None:
        self._commitment = commitment
        self.pads: list[Element] = []

    def commit(
        self,
        transcript: ProverTranscript,
        witness: Sequence[NDArray[Any]],
        largest: Sequence[int] | None = None,
    ) -> None:
        """Send the roots of both matrices."""
        commitment = self._commitment
        self._matrix = witness_matrix(commitment, witness, largest)
        self._committed = self._matrix.commit()
        transcript.send("witness/root", self._committed.root)
        self.pads = draw_pads(commitment.shape.pads)
        self._pad_matrix = PadMatrix(commitment.pad_layout, self.pads, commitment.products)
        transcript.send("pads/root", self._pad_matrix.root)

    def prove_evaluations(self, channel: ProverChannel, places: Sequence[Place]) -> None:
        """Send the claims' sumchecks and the combined row."""
        prove_evaluations(channel, self._matrix, places, blinding=BLINDING_ROWS)

    def prove_constraints(self, transcript: ProverTranscript, system: ConstraintSystem) -> None:
        """Send the three polynomials of the pads' tests."""
        self._pad_matrix.prove(transcript, system)

    def open(self, transcript: ProverTranscript) -> None:
        """Send columns of both matrices."""
        transcript.grind("positions/work", self._commitment.grinding_bits)
        witness_positions, pad_positions = draw_positions(self._commitment.parameters, transcript)
        openings = {
            "witness": self._committed.open_columns(witness_positions),
            "pads": self._pad_matrix.open_columns(pad_positions),
        }
        for label, opening in openings.items():
            transcript.send(f"{label}/columns", encode_base(opening.columns))
            transcript.send(f"{label}/salts", opening.salts)
        for label, opening in openings.items():
            transcript.send(f"{label}/siblings", b"".join(opening.siblings))


def witness_matrix(
    commitment: Ligero, witness: Sequence[NDArray[Any]], largest: Sequence[int] | None = None
) -> MessageMatrix:
    """The witness with its blinding rows and tails."""
    code, rows = commitment.parameters.witness_code, commitment.shape.rows
    given = sum(len(block) for block in witness)
    blinding = random_elements((commitment.padded_rows(given) - given, code.message_length))
    tails = random_elements((rows, code.tail))
    bounds = None if largest is None else [*largest, P - 1]
    return MessageMatrix([*witness, blinding], tails, code, bounds)
