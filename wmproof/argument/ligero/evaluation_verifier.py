"""The verifier of claims about the committed witness; `claims` states the protocol."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wmproof.argument.channel import VerifierChannel, combine, constant
from wmproof.argument.element import ONE, Element
from wmproof.argument.extension import inner_product
from wmproof.argument.field import U32
from wmproof.argument.ligero.claims import PointClaim, group_by_columns
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
        Rows of the matrix, at most 2^row_bits.
    claims : sequence of PointClaim
        At least one, at points of row_bits + message_bits elements.
    """

    def __init__(
        self, channel: VerifierChannel, code: Code, rows: int, claims: Sequence[PointClaim]
    ) -> None:
        self._code, self._rows = code, rows
        row_bits = (rows - 1).bit_length()
        weights = powers(channel.challenge("evaluation/gamma"), len(claims))
        claim = combine((w, c.value) for w, c in zip(weights, claims, strict=True))
        self._row_point, value = sumcheck_verifier.verify(
            channel,
            "evaluation",
            sumcheck_verifier.halved(claim, row_bits),
            sumcheck_verifier.halves(row_bits),
            degree=2,
        )
        size = code.message_length
        self._combined = channel.transcript.receive_vector("evaluation/row", code.dimension)
        message = np.ascontiguousarray(self._combined[:, :size])

        def expected() -> Element:
            points = [claim.point for claim in claims]
            total = Element(0)
            for columns, members in group_by_columns(points, row_bits).items():
                factor = Element(0)
                for j in members:
                    rows_part = list(points[j][:row_bits])
                    factor = factor + weights[j] * eq(rows_part, self._row_point)
                total = total + factor * inner_product(eq_table(columns), message)
            return total

        difference = combine([(ONE, value), (-ONE, constant(channel.public(expected)))])
        channel.require_zero("evaluation/claims", difference)

    def check_columns(self, positions: list[int], columns: U32) -> None:
        """Compare u with opened columns: uint32 (Q, rows), canonical, authenticity checked."""
        size = self._code.message_length
        sent = self._code.evaluate_extension(
            np.ascontiguousarray(self._combined[:, :size]),
            np.ascontiguousarray(self._combined[:, size:]),
            np.array(positions),
        )
        weights = np.ascontiguousarray(eq_table(self._row_point)[:, : self._rows])
        expected = weighted_rows(columns, weights)
        if not np.array_equal(sent, expected):
            bad = int(np.argmax((sent != expected).any(axis=0)))
            raise ProofError(
                "evaluation",
                "the combined row differs from the committed rows",
                where=f"position {positions[bad]}",
            )

