"""The prover of claims about the committed witness; `claims` states the protocol."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wmproof._base.threads import for_each
from wmproof.argument.algebra.element import HALF, Element
from wmproof.argument.algebra.field import U32, P
from wmproof.argument.algebra.multilinear import eq
from wmproof.argument.algebra.vectors import basis_of_field
from wmproof.argument.kernels.extension import empty_tables, inner_product
from wmproof.argument.kernels.multilinear import eq_table
from wmproof.argument.kernels.vectors import scale
from wmproof.argument.logup.statement import powers
from wmproof.argument.pcs.ligero.claims import corner_rows
from wmproof.argument.pcs.ligero.matrix import MessageMatrix
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.sumcheck import prover as sumcheck_prover
from wmproof.errors import ProofError

Point = Sequence[Element]


def prove_evaluations(
    channel: ProverChannel, matrix: MessageMatrix, points: Sequence[Point], *, blinding: int
) -> None:
    """Prove the matrix's values at points, in the order of the verifier's claims.

    Cost: each claim reads the rows that it weighs once; then two passes over the whole matrix.

    Parameters
    ----------
    blinding : int
        How many rows, the last ones, are random: `BLINDING_ROWS`, or 0 where nothing is secret.

    Raises
    ------
    ProofError
        The challenges are such that the blinding rows would not hide the combined row.
    """
    row_bits = (matrix.rows - 1).bit_length()
    weights = powers(channel.challenge("evaluation/gamma"), len(points))
    column_point = _bind_columns(channel, matrix, points, weights)
    rows = empty_tables(2, 1 << row_bits)
    rows[:] = 0
    for point, weight in zip(points, weights, strict=True):
        _add_weights(rows[0], point[:row_bits], weight * eq(point[row_bits:], column_point))
    rows[1, :, : matrix.rows] = matrix.project_columns(eq_table(column_point))
    row_point = _prove_plain(channel, "evaluation/rows", rows, row_bits)
    coefficients = np.ascontiguousarray(eq_table(row_point)[:, : matrix.rows])
    if blinding:
        _check_blinding(coefficients[:, -blinding:])
    channel.transcript.send_vector("evaluation/row", matrix.combine_rows(coefficients))


def _check_blinding(weights: U32) -> None:
    # Coins of a verifier that chose them could make the combined row a row of the witness.
    try:
        basis_of_field(weights)
    except ArithmeticError:
        raise ProofError("session", "the verifier's coins would unmask the combined row") from None


def _bind_columns(
    channel: ProverChannel,
    matrix: MessageMatrix,
    points: Sequence[Point],
    weights: Sequence[Element],
) -> list[Element]:
    row_bits, bits = (matrix.rows - 1).bit_length(), matrix.code.message_bits
    tables = empty_tables(2 * len(points), 1 << bits)

    def write(claim: tuple[int, Point, Element]) -> None:
        j, point, weight = claim
        start, stop, rest = corner_rows(point[:row_bits])
        present = max(0, min(stop, matrix.rows) - start)
        row_weights = scale(eq_table(rest), weight)[:, :present]
        tables[2 * j, :, : 1 << bits] = eq_table(point[row_bits:])
        tables[2 * j + 1, :, : 1 << bits] = matrix.combine_messages(
            np.ascontiguousarray(row_weights), min(start, matrix.rows)
        )

    for_each(write, zip(range(len(points)), points, weights, strict=True))
    return _prove_plain(channel, "evaluation/columns", tables, bits)


def _prove_plain(channel: ProverChannel, label: str, tables: U32, bits: int) -> list[Element]:
    """Sumcheck of sum_x sum_j tables[2 j](x) tables[2 j + 1](x)."""
    claim = Element(0)
    for j in range(0, len(tables), 2):
        claim = claim + inner_product(tables[j], tables[j + 1], 1 << bits)
    terms = np.arange(len(tables), dtype=np.int64).reshape(-1, 2)
    halves = [HALF] * bits
    claim = claim * HALF**bits
    return sumcheck_prover.prove(channel, label, claim, halves, tables, terms)[0]


def _add_weights(table: U32, row_point: Point, weight: Element) -> None:
    start, stop, rest = corner_rows(row_point)
    total = table[:, start:stop].astype(np.uint64) + scale(eq_table(rest), weight)
    table[:, start:stop] = total % P
