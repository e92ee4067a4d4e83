"""Vectors over K, whole arrays at a time; for small things."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wmproof.argument.element import Element
from wmproof.argument.extension import v_mul, v_scale
from wmproof.argument.field import U32, P

_UNIT_MATRIX = [[int(i == j) for j in range(4)] for i in range(4)]


def multiply(a: U32, b: U32) -> U32:
    """Elementwise product of two vectors over K, Montgomery (4, N)."""
    a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
    out = np.empty(a.shape, np.uint32)
    v_mul(a, 0, b, 0, out, 0, a.shape[1])
    return out


def scale(a: U32, factor: Element) -> U32:
    """A vector over K times one element, Montgomery (4, N)."""
    a = np.ascontiguousarray(a)
    out = np.empty(a.shape, np.uint32)
    v_scale(a, 0, factor.montgomery(), out, 0, a.shape[1])
    return out


def weighted_sum(weights: Sequence[Element], rows: U32) -> U32:
    """sum_i weights_i rows_i for R weights and rows (R, 4, N): Montgomery (4, N)."""
    total = np.zeros(rows.shape[1:], np.uint64)
    for weight, row in zip(weights, rows, strict=True):
        total += scale(row, weight)
    return (total % P).astype(np.uint32)


def basis_of_field(weights: U32) -> tuple[list[int], NDArray[np.object_]]:
    """Find four of B elements of K that are a basis over F_p.

    Parameters
    ----------
    weights : uint32 (4, B)

    Returns
    -------
    chosen : list of int
        Their indices.
    inverse : ndarray of int (4, 4)
        The inverse modulo p of ``weights[:, chosen]``.

    Raises
    ------
    ArithmeticError
        The elements do not span K.
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
