"""Vectors over K, whole arrays at a time; for small things."""

from __future__ import annotations

import numpy as np

from wmproof.argument.extension import v_mul
from wmproof.argument.field import U32, P


def multiply(a: U32, b: U32) -> U32:
    """Elementwise product of two vectors over K, Montgomery (4, N)."""
    a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
    out = np.empty(a.shape, np.uint32)
    v_mul(a, 0, b, 0, out, 0, a.shape[1])
    return out


def weighted_sum(weights: U32, rows: U32) -> U32:
    """sum_i weights_i rows_i for weights (4, R) and rows (R, 4, N): Montgomery (4, N)."""
    total = np.zeros(rows.shape[1:], np.uint64)
    for i, row in enumerate(rows):
        total += multiply(np.repeat(weights[:, i : i + 1], rows.shape[2], axis=1), row)
    return (total % P).astype(np.uint32)
