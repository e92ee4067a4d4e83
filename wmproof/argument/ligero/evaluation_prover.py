"""The prover of claims about the committed witness; `claims` states the protocol."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wmproof.argument.element import HALF, Element
from wmproof.argument.extension import empty_tables, inner_product
from wmproof.argument.field import U32, P
from wmproof.argument.ligero.algebra import multiply
from wmproof.argument.ligero.claims import corner_rows, group_by_columns
from wmproof.argument.logup.statement import powers
from wmproof.argument.matrix import MessageMatrix
from wmproof.argument.multilinear import eq_table
from wmproof.argument.prover_channel import ProverChannel
from wmproof.argument.sumcheck import prover as sumcheck_prover


def prove_evaluations(
    channel: ProverChannel, matrix: MessageMatrix, points: Sequence[Sequence[Element]]
) -> None:
    """Prove the matrix's values at points, in the order of the verifier's claims.

    Cost: each claim reads the rows that it weighs once; then one pass over the matrix.
    """
    row_bits = (matrix.rows - 1).bit_length()
    weights = powers(channel.challenge("evaluation/gamma"), len(points))
    groups = group_by_columns(points, row_bits)
    tables = empty_tables(2 * len(groups), 1 << row_bits)
    tables[:, :, : 1 << row_bits] = 0
    for g, (columns, members) in enumerate(groups.items()):
        spans = [_weigh_rows(tables[2 * g], points[j][:row_bits], weights[j]) for j in members]
        start, stop = min(s for s, _ in spans), max(e for _, e in spans)
        stop = min(stop, matrix.rows)
        tables[2 * g + 1][:, start:stop] = matrix.project_columns(eq_table(columns), start, stop)
    terms = np.arange(2 * len(groups), dtype=np.int64).reshape(-1, 2)
    claim = Element(0)
    for g in range(len(groups)):
        left, right = (np.ascontiguousarray(tables[2 * g + i][:, : 1 << row_bits]) for i in (0, 1))
        claim = claim + inner_product(left, right)
    halves = [HALF] * row_bits
    claim = claim * HALF**row_bits
    row_point, _ = sumcheck_prover.prove(channel, "evaluation", claim, halves, tables, terms)
    coefficients = np.ascontiguousarray(eq_table(row_point)[:, : matrix.rows])
    channel.transcript.send_vector("evaluation/row", matrix.combine_rows(coefficients))


def _weigh_rows(table: U32, row_point: Sequence[Element], weight: Element) -> tuple[int, int]:
    start, stop, rest = corner_rows(row_point)
    eq_values = eq_table(rest)
    scale = np.repeat(weight.montgomery()[:, None], stop - start, axis=1)
    total = table[:, start:stop].astype(np.uint64) + multiply(eq_values, scale)
    table[:, start:stop] = total % P
    return start, stop
