"""Multilinear extensions on the cube {0,1}^n.

Variables are ordered from the most significant bit of the index down: entry x of an array of 2^n
values is the value at (x_1, ..., x_n), where x = sum_i x_i 2^(n-i). Binding the first variable
therefore pairs entry i with entry i + 2^(n-1): two contiguous streams.

For a point r in K^n, eq(r, x) = prod_i (r_i x_i + (1 - r_i)(1 - x_i)), and
f(r) = sum_x eq(r, x) f(x).
"""

from collections.abc import Sequence

import numpy as np

from wmproof.argument.algebra.element import DEGREE, ONE, ZERO, Element
from wmproof.argument.algebra.extension import inner_product
from wmproof.argument.algebra.field import MONTGOMERY_R, U32, P, Unsigned
from wmproof.argument.algebra.matrices import product
from wmproof.argument.algebra.vectors import scale

Point = list[Element]

_LOW_BITS = 10
_BASIS = [Element(*(int(i == j) for i in range(DEGREE))) for j in range(DEGREE)]
_R_INVERSE = Element.of(pow(MONTGOMERY_R, -1, P))


def eq_table(point: Sequence[Element]) -> U32:
    """Return eq(point, x) for all x in {0,1}^n: Montgomery (4, 2^n); 2^n products in K."""
    table = np.ascontiguousarray(ONE.montgomery()[:, None])
    for r in point:
        upper = scale(table, r)
        lower = table + np.where(table < upper, np.uint32(P), np.uint32(0)) - upper
        table = np.stack([lower, upper], axis=2).reshape(DEGREE, -1)
    return table


def eq(a: Sequence[Element], b: Sequence[Element]) -> Element:
    """Return eq(a, b) for two points of one length."""
    result = ONE
    for x, y in zip(a, b, strict=True):
        product = x * y
        result = result * (ONE - x - y + product + product)
    return result


def index_point(index: int, bits: int) -> Point:
    """Return the corner of the cube that an array index names."""
    return [Element(index >> (bits - 1 - i) & 1) for i in range(bits)]


def prefix_indicator(size: int, point: Sequence[Element]) -> Element:
    """Return the multilinear extension of [x < size] at `point`, for 0 <= size <= 2^n.

    The indices below `size` split into at most n + 1 aligned blocks, each a product of eq factors.
    """
    if size == 1 << len(point):
        return ONE
    total, path = Element(0), ONE
    for i, r in enumerate(point):
        bit = size >> (len(point) - 1 - i) & 1
        if bit:
            total = total + path * (ONE - r)
            path = path * r
        else:
            path = path * (ONE - r)
    return total


def evaluate_base(values: Unsigned, point: Sequence[Element]) -> Element:
    """Evaluate the extension of base-field values at a point.

    Parameters
    ----------
    values : uint8, uint16 or uint32 (N,)
        Canonical, N <= 2^n; missing entries count as zero.
    point : n elements of K
    """
    return _evaluate(values[None], point)[0]


def evaluate_vector(vector: U32, point: Sequence[Element]) -> Element:
    """Evaluate the extension of a vector over K, Montgomery (4, N), at a point; N <= 2^n."""
    total = ZERO
    for unit, value in zip(_BASIS, _evaluate(vector, point), strict=True):
        total = total + unit * value
    return total * _R_INVERSE


def _evaluate(rows: Unsigned, point: Sequence[Element]) -> list[Element]:
    """Evaluate the extensions of rows (R, N) of numbers below p, as if they were canonical."""
    count, size = rows.shape
    low_bits = min(_LOW_BITS, len(point))
    split, width = len(point) - low_bits, 1 << low_bits
    blocks = -(-size // width)
    if size < blocks * width:
        rows = np.concatenate([rows, np.zeros((count, blocks * width - size), rows.dtype)], axis=1)
    sums = weighted_rows(rows.reshape(count * blocks, width), eq_table(point[split:]))
    high = eq_table(point[:split])[:, :blocks]
    return [inner_product(sums[:, i * blocks : (i + 1) * blocks], high) for i in range(count)]


def weighted_rows(rows: Unsigned, weights: U32) -> U32:
    """Return sum_i weights_i rows[k, i] for each k: uint32 (4, N), K in Montgomery form.

    Parameters
    ----------
    rows : uint32 or uint8 (N, R), canonical
    weights : uint32 (4, R), K in Montgomery form
    """
    return product(weights, rows.T)
