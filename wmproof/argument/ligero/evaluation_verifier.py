"""The verifier of claims about the committed witness; `claims` states the protocol."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wmproof.argument.channel import Expression, VerifierChannel, combine, constant
from wmproof.argument.element import ONE, ZERO, Element
from wmproof.argument.extension import inner_product
from wmproof.argument.field import U32
from wmproof.argument.ligero.claims import PointClaim
from wmproof.argument.logup.statement import powers
from wmproof.argument.multilinear import eq, eq_table, weighted_rows
from wmproof.argument.reed_solomon import Code
from wmproof.argument.sumcheck import verifier as sumcheck_verifier
from wmproof.errors import ProofError


class EvaluationTest:
    """The combined row u, received and waiting for the opened columns.

    Parameters
    ----------
    channel : VerifierChannel
    code : Code
        Of the rows.
    rows : int
        Rows of the matrix.
    claims : sequence of PointClaim
        At least one, at points of row bits + message bits elements.
    """

    def __init__(
        self, channel: VerifierChannel, code: Code, rows: int, claims: Sequence[PointClaim]
    ) -> None:
        self._code, self._rows = code, rows
        row_bits = (rows - 1).bit_length()
        weights = powers(channel.challenge("evaluation/gamma"), len(claims))
        claim = combine((w, c.value) for w, c in zip(weights, claims, strict=True))
        column_point, claim = _bind(channel, "evaluation/columns", claim, code.message_bits)
        self._row_point, claim = _bind(channel, "evaluation/rows", claim, row_bits)
        self._combined = channel.transcript.receive_vector("evaluation/row", code.dimension)

        def expected() -> Element:
            weight = ZERO
            point = [*self._row_point, *column_point]
            for gamma, claim in zip(weights, claims, strict=True):
                weight = weight + gamma * eq(claim.point, point)
            message = np.ascontiguousarray(self._combined[:, : code.message_length])
            return weight * inner_product(eq_table(column_point), message)

        difference = combine([(ONE, claim), (-ONE, constant(channel.public(expected)))])
        channel.require_zero("evaluation/claims", difference)

    def check_columns(self, positions: list[int], columns: U32) -> None:
        """Compare u with opened columns: uint32 (Q, rows), canonical, authenticity checked."""
        sent, expected = self.compared(positions, columns)
        if not np.array_equal(sent, expected):
            bad = int(np.argmax((sent != expected).any(axis=0)))
            raise ProofError(
                "evaluation",
                "the combined row differs from the committed rows",
                where=f"position {positions[bad]}",
            )

    def compared(self, positions: list[int], columns: U32) -> tuple[U32, U32]:
        """Codeword of u at the positions, and the combination of the columns: Montgomery (4, Q)."""
        size = self._code.message_length
        sent = self._code.evaluate_extension(
            np.ascontiguousarray(self._combined[:, :size]),
            np.ascontiguousarray(self._combined[:, size:]),
            np.array(positions),
        )
        return sent, weighted_rows(columns, self.row_weights())

    def row_weights(self) -> U32:
        """eq(row point, i) for each row: Montgomery (4, rows)."""
        return np.ascontiguousarray(eq_table(self._row_point)[:, : self._rows])


def _bind(
    channel: VerifierChannel, label: str, claim: Expression, variables: int
) -> tuple[list[Element], Expression]:
    """A plain sumcheck over `variables` variables."""
    halved = sumcheck_verifier.halved(claim, variables)
    halves = sumcheck_verifier.halves(variables)
    return sumcheck_verifier.verify(channel, label, halved, halves, degree=2)
