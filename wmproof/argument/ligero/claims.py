"""Claims about a committed matrix as one multilinear polynomial, and how they are batched.

The matrix has 2^s rows (those behind the last are zero) of 2^m values: a multilinear polynomial W in
s + m variables, rows first. A claim W(point) = value weighs rows by eq(point_rows, .) and columns by
eq(point_columns, .). With powers of a challenge gamma, claims sum up to

    sum_j gamma^j value_j = sum_i sum_c A_c(i) T_c(i),     T_c(i) = <eq(c, .), row i>,

over the distinct column points c, where A_c collects gamma^j eq(rows_j, .). One plain sumcheck over
the rows brings this to a random row point r. There the prover sends u = sum_i eq(r, i) row_i in full,
which contains every T_c(r) = <eq(c, .), u>, and u is compared with the commitment at random columns.

*Soundness*: r is drawn after the commitment, so comparing u also tests that all rows are close to
codewords: tensor combinations have proximity gaps up to unique decoding (Diamond and Posen, ePrint
2023/630; Diamond and Gruen, ePrint 2024/1351). *Hiding*: see `BLINDING_ROWS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wmproof.argument.channel import Expression
from wmproof.argument.element import ONE, ZERO, Element

# Rows of random values in every matrix. In u they come with the coefficients eq(r, i), which span
# all of K over F_p but with probability about p^-5, so that u is uniform.
BLINDING_ROWS = 8


@dataclass(frozen=True)
class PointClaim:
    """W(point) = value, at s + m elements of K."""

    point: Sequence[Element]
    value: Expression


ColumnPoint = tuple[Element, ...]


def group_by_columns(
    points: Sequence[Sequence[Element]], row_bits: int
) -> dict[ColumnPoint, list[int]]:
    """Indices of the claims that share a column point, in order of first appearance."""
    groups: dict[ColumnPoint, list[int]] = {}
    for j, point in enumerate(points):
        groups.setdefault(tuple(point[row_bits:]), []).append(j)
    return groups


def corner_rows(row_point: Sequence[Element]) -> tuple[int, int, list[Element]]:
    """Rows that a claim can weigh: leading coordinates 0 or 1 fix the row's leading bits.

    Returns
    -------
    start, stop : int
        The range of rows.
    rest : list of Element
        The coordinates inside the range.
    """
    start, fixed = 0, 0
    for coordinate in row_point:
        if coordinate not in (ZERO, ONE):
            break
        start = 2 * start + coordinate.c0
        fixed += 1
    span = 1 << (len(row_point) - fixed)
    return start * span, (start + 1) * span, list(row_point[fixed:])
