"""The prover of claims about the committed witness; `claims` states the protocol."""

from collections.abc import Sequence
from typing import NamedTuple

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
from wmproof.argument.pcs.claims import Place
from wmproof.argument.pcs.ligero.claims import corner_rows
from wmproof.argument.pcs.ligero.matrix import MessageMatrix
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.sumcheck import prover as sumcheck_prover
from wmproof.errors import ProofError


def prove_evaluations(
    channel: ProverChannel, matrix: MessageMatrix, places: Sequence[Place], *, blinding: int
) -> None:
    """Prove the matrix's values at places, in the order of the verifier's claims.

    Cost: each claim reads the rows that it weighs once; then two passes over the whole matrix.

    The last `blinding` rows are random: `BLINDING_ROWS`, or 0 where nothing is secret. ProofError
    if the challenges are such that the blinding rows would not hide the combined row.
    """
    row_bits = (matrix.rows - 1).bit_length()
    weights = powers(channel.challenge("evaluation/gamma"), len(places))
    weighed = [_weighed_rows(place, matrix.code.message_bits) for place in places]
    column_point = _bind_columns(channel, matrix, weighed, weights)
    rows = empty_tables(2, 1 << row_bits)
    rows[:] = 0
    for own, weight in zip(weighed, weights, strict=True):
        _add_weights(rows[0], own, weight * eq(own.column_point, column_point))
    rows[1, :, : matrix.rows] = matrix.project_columns(eq_table(column_point))
    row_point = _prove_plain(channel, "evaluation/rows", rows, row_bits)
    coefficients = np.ascontiguousarray(eq_table(row_point)[:, : matrix.rows])
    if blinding:
        _check_blinding(coefficients[:, -blinding:])
    channel.transcript.send_vector("evaluation/row", matrix.combine_rows(coefficients))


class _Weighed(NamedTuple):
    """The rows that a claim weighs, behind the matrix too: eq(row_point, .), from `start` on."""

    start: int
    rows: int
    row_point: Sequence[Element]
    column_point: Sequence[Element]


def _weighed_rows(place: Place, message_bits: int) -> _Weighed:
    split = len(place.point) - message_bits
    row_point, column_point = place.point[:split], place.point[split:]
    if place.rows is not None:
        return _Weighed(place.rows.start, len(place.rows), row_point, column_point)
    start, stop, rest = corner_rows(row_point)
    return _Weighed(start, stop - start, rest, column_point)


def _check_blinding(weights: U32) -> None:
    # Coins of a verifier that chose them could make the combined row a row of the witness.
    try:
        basis_of_field(weights)
    except ArithmeticError:
        raise ProofError("session", "the verifier's coins would unmask the combined row") from None


def _bind_columns(
    channel: ProverChannel,
    matrix: MessageMatrix,
    weighed: Sequence[_Weighed],
    weights: Sequence[Element],
) -> list[Element]:
    bits = matrix.code.message_bits
    tables = empty_tables(2 * len(weighed), 1 << bits)

    def write(claim: tuple[int, _Weighed, Element]) -> None:
        j, own, weight = claim
        present = max(0, min(own.rows, matrix.rows - own.start))
        row_weights = scale(eq_table(own.row_point), weight)[:, :present]
        tables[2 * j, :, : 1 << bits] = eq_table(own.column_point)
        tables[2 * j + 1, :, : 1 << bits] = matrix.combine_messages(
            np.ascontiguousarray(row_weights), min(own.start, matrix.rows)
        )

    for_each(write, zip(range(len(weighed)), weighed, weights, strict=True))
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


def _add_weights(table: U32, own: _Weighed, weight: Element) -> None:
    rows = slice(own.start, own.start + own.rows)
    more = scale(eq_table(own.row_point), weight)[:, : own.rows]
    table[:, rows] = (table[:, rows].astype(np.uint64) + more) % P
