"""The verifier of claims about the committed witness; `claims` states the protocol."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from wmproof.argument.algebra.element import ONE, ZERO, Element
from wmproof.argument.algebra.extension import inner_product
from wmproof.argument.algebra.field import U32
from wmproof.argument.algebra.multilinear import eq, eq_table, evaluate_vector, weighted_rows
from wmproof.argument.channel import Expression, VerifierChannel, combine, constant
from wmproof.argument.logup.statement import powers
from wmproof.argument.pcs.claims import PointClaim
from wmproof.argument.pcs.ligero.reed_solomon import Code
from wmproof.argument.sumcheck import verifier as sumcheck_verifier
from wmproof.errors import ProofError


class EvaluationTest:
    """The combined row u, received and waiting for the opened columns.

    Parameters
    ----------
    code : Code
        Of the rows.
    rows : int
        Rows of the matrix.
    claims : sequence of PointClaim
        At least one; those about all rows at points of row bits + message bits elements.
    """

    def __init__(
        self, channel: VerifierChannel, code: Code, rows: int, claims: Sequence[PointClaim]
    ) -> None:
        self._code, self._rows = code, rows
        bound = bind_claims(channel, rows, code.message_bits, claims)
        self._row_point = bound.row_point
        self._combined = channel.transcript.receive_vector("evaluation/row", code.dimension)

        def expected() -> Element:
            weight, table = ZERO, self.row_weights()
            for gamma, claim in zip(bound.weights, claims, strict=True):
                weight = weight + gamma * _weight_at(claim, bound, table)
            message = self._combined[:, : code.message_length]
            return weight * evaluate_vector(message, bound.column_point)

        difference = combine([(ONE, bound.claim), (-ONE, constant(channel.public(expected)))])
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
        row = self._combined[:, :size], self._combined[:, size:]
        sent = self._code.values_at(*row, np.array(positions))
        return sent, weighted_rows(columns, self.row_weights())

    def row_weights(self) -> U32:
        """eq(row point, i) for each row: Montgomery (4, rows)."""
        return eq_table(self._row_point)[:, : self._rows]


class BoundClaims(NamedTuple):
    """All claims as one, after the sumcheck over both parts of the point."""

    weights: list[Element]
    """Of each claim."""
    row_point: list[Element]
    column_point: list[Element]
    claim: Expression
    """What is left to show."""


def bind_claims(
    channel: VerifierChannel, rows: int, message_bits: int, claims: Sequence[PointClaim]
) -> BoundClaims:
    """Batch claims about a matrix of `rows` rows of 2^message_bits values, and bind them."""
    weights = powers(channel.challenge("evaluation/gamma"), len(claims))
    claim = combine((w, c.value) for w, c in zip(weights, claims, strict=True))
    column_point, claim = _bind(channel, "evaluation/columns", claim, message_bits)
    row_point, claim = _bind(channel, "evaluation/rows", claim, (rows - 1).bit_length())
    return BoundClaims(weights, row_point, column_point, claim)


def _weight_at(claim: PointClaim, bound: BoundClaims, row_weights: U32) -> Element:
    """What a claim weighs at the point that all are bound to."""
    if claim.rows is None:
        return eq(claim.point, [*bound.row_point, *bound.column_point])
    split = len(claim.point) - len(bound.column_point)
    own = np.ascontiguousarray(eq_table(claim.point[:split])[:, : len(claim.rows)])
    there = np.ascontiguousarray(row_weights[:, claim.rows.start : claim.rows.stop])
    return eq(claim.point[split:], bound.column_point) * inner_product(own, there)


def _bind(
    channel: VerifierChannel, label: str, claim: Expression, variables: int
) -> tuple[list[Element], Expression]:
    """A plain sumcheck over `variables` variables."""
    halved = sumcheck_verifier.halved(claim, variables)
    halves = sumcheck_verifier.halves(variables)
    return sumcheck_verifier.verify(channel, label, halved, halves, degree=2)
