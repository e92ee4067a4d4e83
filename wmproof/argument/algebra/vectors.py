"""Vectors over K, whole arrays at a time."""

import numpy as np
from numpy.typing import NDArray

from wmproof.argument.algebra.element import NON_RESIDUE, Element
from wmproof.argument.algebra.field import U32, P, from_montgomery, reduced

_UNIT_MATRIX = [[int(i == j) for j in range(4)] for i in range(4)]
_BLOCK = 1 << 13


def multiply(a: U32, b: U32) -> U32:
    """Elementwise product of two vectors over K, Montgomery (4, N)."""
    out = np.empty(a.shape, np.uint32)
    for first in range(0, a.shape[1], _BLOCK):
        part = slice(first, first + _BLOCK)
        _multiply(from_montgomery(a[:, part]), b[:, part], out[:, part])
    return out


def scale(a: U32, factor: Element) -> U32:
    """A vector over K times one element, Montgomery (4, N)."""
    out, canonical = np.empty(a.shape, np.uint32), np.array(factor, np.uint32)[:, None]
    for first in range(0, a.shape[1], _BLOCK):
        part = slice(first, first + _BLOCK)
        _multiply(canonical, a[:, part], out[:, part])
    return out


def _multiply(canonical: U32, b: U32, out: U32) -> None:
    """Sixteen products and four reductions; four products below p^2 fit in 64 bits."""
    x, y = canonical.astype(np.uint64), b.astype(np.uint64)
    x1, x2, x3 = (reduced(NON_RESIDUE * x[i]) for i in (1, 2, 3))
    out[0] = reduced(x[0] * y[0] + x1 * y[3] + x2 * y[2] + x3 * y[1])
    out[1] = reduced(x[0] * y[1] + x[1] * y[0] + x2 * y[3] + x3 * y[2])
    out[2] = reduced(x[0] * y[2] + x[1] * y[1] + x[2] * y[0] + x3 * y[3])
    out[3] = reduced(x[0] * y[3] + x[1] * y[2] + x[2] * y[1] + x[3] * y[0])


def basis_of_field(weights: U32) -> tuple[list[int], NDArray[np.object_]]:
    """Find four of B elements of K that are a basis over F_p.

    `weights` are uint32 (4, B). ArithmeticError if the elements do not span K.

    Returns
    -------
    chosen : list of int
        Their indices.
    inverse : ndarray of int (4, 4)
        The inverse modulo p of ``weights[:, chosen]``.
    """
    rows = [[int(x) for x in row] + unit for row, unit in zip(weights, _UNIT_MATRIX, strict=True)]
    count = weights.shape[1]
    chosen: list[int] = []
    for column in range(count):
        rank = len(chosen)
        pivot = next((i for i in range(rank, 4) if rows[i][column]), None)
        if rank == 4 or pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        scale = pow(rows[rank][column], -1, P)
        rows[rank] = [x * scale % P for x in rows[rank]]
        for i in range(4):
            if i != rank:
                factor = rows[i][column]
                rows[i] = [(x - factor * y) % P for x, y in zip(rows[i], rows[rank], strict=True)]
        chosen.append(column)
    if len(chosen) < 4:
        raise ArithmeticError("the elements do not span K")
    return chosen, np.array([row[count:] for row in rows], object)
