"""Multilinear extensions on the cube {0,1}^n.

Variables are ordered from the most significant bit of the index down: entry x of an array of 2^n
values is the value at (x_1, ..., x_n), where x = sum_i x_i 2^(n-i). Binding the first variable
therefore pairs entry i with entry i + 2^(n-1): two contiguous streams.

For a point r in K^n, eq(r, x) = prod_i (r_i x_i + (1 - r_i)(1 - x_i)), and
f(r) = sum_x eq(r, x) f(x).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit

from wmproof.argument.element import ONE, Element
from wmproof.argument.extension import inner_product, v_scale, v_sub
from wmproof.argument.field import MONTGOMERY_R, U32, P
from wmproof.argument.threads import over_ranges

Point = list[Element]

_LOW_BITS = 10
_P = np.uint64(P)
_R = np.uint64(MONTGOMERY_R)
_LOW_WORD = np.uint64(2**32 - 1)
_WORD = np.uint64(32)


@njit(nogil=True, cache=True)
def _double(table: U32, r: U32, size: int) -> None:
    # table[x] -> table[x] (1 - r) at 2x and table[x] r at 2x + 1.
    upper = np.empty((4, size), np.uint32)
    lower = np.empty((4, size), np.uint32)
    v_scale(table, 0, r, upper, 0, size)
    v_sub(table, 0, upper, 0, lower, 0, size)
    for c in range(4):
        for i in range(size):
            table[c, 2 * i] = lower[c, i]
            table[c, 2 * i + 1] = upper[c, i]


def eq_table(point: Sequence[Element]) -> U32:
    """Return eq(point, x) for all x in {0,1}^n: Montgomery (4, 2^n); 2^n products in K."""
    table = np.empty((4, 1 << len(point)), np.uint32)
    table[:, 0] = ONE.montgomery()
    for i, r in enumerate(point):
        _double(table, r.montgomery(), 1 << i)
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


@njit(nogil=True, cache=True)
def _weighted_blocks(start: int, stop: int, values: U32, low: U32, out: U32) -> None:
    # out[:, k] = sum_i low[:, i] values[k width + i]: Montgomery times canonical, not reduced, is
    # Montgomery; summing the products' low and high words apart puts reduction off to the end.
    width = low.shape[1]
    for k in range(start, stop):
        block = values[k * width : (k + 1) * width]
        for j in range(4):
            weights = low[j]
            lower, upper = np.uint64(0), np.uint64(0)
            for i in range(block.shape[0]):
                product = np.uint64(weights[i]) * np.uint64(block[i])
                lower += product & _LOW_WORD
                upper += product >> _WORD
            out[j, k] = np.uint32((upper % _P * _R + lower) % _P)


def evaluate_base(values: U32, point: Sequence[Element]) -> Element:
    """Evaluate the extension of base-field values at a point.

    Parameters
    ----------
    values : uint32 (N,)
        Canonical, N <= 2^n; missing entries count as zero.
    point : n elements of K

    Returns
    -------
    Element
    """
    low_bits = min(_LOW_BITS, len(point))
    split = len(point) - low_bits
    blocks = -(-values.shape[0] >> low_bits)
    sums = np.empty((4, blocks), np.uint32)
    low = eq_table(point[split:])
    over_ranges(_weighted_blocks, blocks, values, low, sums, grain=64)
    high = np.ascontiguousarray(eq_table(point[:split])[:, :blocks])
    return inner_product(sums, high)


def weighted_rows(rows: U32, weights: U32) -> U32:
    """Return sum_i weights_i rows[k, i] for each k.

    Parameters
    ----------
    rows : uint32 (N, R), canonical
    weights : uint32 (4, R), K in Montgomery form

    Returns
    -------
    uint32 (4, N)
        K in Montgomery form.
    """
    sums = np.empty((4, rows.shape[0]), np.uint32)
    flat = np.ascontiguousarray(rows).reshape(-1)
    over_ranges(_weighted_blocks, rows.shape[0], flat, weights, sums, grain=16)
    return sums
