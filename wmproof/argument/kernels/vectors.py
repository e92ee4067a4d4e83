"""Products of whole vectors over K, for provers; as in `algebra.vectors`."""

from collections.abc import Sequence

import numpy as np

from wmproof.argument.algebra.element import Element
from wmproof.argument.algebra.field import U32, P
from wmproof.argument.kernels.extension import v_mul, v_scale


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
