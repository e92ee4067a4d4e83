"""Products of a few rows as polynomials, for the pads' constraints."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wmproof.argument import ntt
from wmproof.argument.field import GENERATOR, MONTGOMERY_R, U32, P
from wmproof.argument.reed_solomon import Code

_ONE = np.uint32(MONTGOMERY_R)


def _batched(rows: U32, size: int, scale: np.uint32, transform: Callable[[U32], None]) -> U32:
    # Rows of at most `size` numbers, filled up with zeros, transformed sixteen at a time.
    out = np.empty((rows.shape[0], size), np.uint32)
    for first in range(0, rows.shape[0], ntt.LANES):
        batch = np.ascontiguousarray(rows[first : first + ntt.LANES])
        lanes = np.zeros((size, ntt.LANES), np.uint32)
        ntt.load_lanes(batch, scale, lanes, 0)
        transform(lanes.reshape(-1))
        out[first : first + ntt.LANES] = lanes.T[: len(batch)]
    return out


def coefficients_on_subgroup(values: U32) -> U32:
    """Interpolate on the subgroup of order N: uint32 (R, N) values to (R, N) coefficients."""
    size = values.shape[1]
    constants = ntt.merge_constants(size)
    return _batched(
        values, size, ntt.inverse_scale(size), lambda lanes: ntt.inverse(lanes, constants)
    )


def values_on_subgroup(coefficients: U32, size: int) -> U32:
    """Evaluate on the subgroup of order `size`: uint32 (R, d <= size) to (R, size)."""
    constants = ntt.split_constants(size, 1)
    return _batched(coefficients, size, _ONE, lambda lanes: ntt.forward(lanes, constants, 1))


def values_at_positions(code: Code, coefficients: U32) -> U32:
    """Evaluate at all positions of a code: uint32 (R, d <= n) to (R, n)."""
    constants = ntt.split_constants(code.length, GENERATOR)
    return _batched(coefficients, code.length, _ONE, lambda lanes: ntt.forward(lanes, constants, 1))


def row_coefficients(code: Code, messages: U32, tails: U32) -> U32:
    """Coefficients c + (X^(2^m) - 1) t of rows: uint32 (R, 2^m), (R, Q) to (R, 2^m + Q)."""
    inner = coefficients_on_subgroup(messages)
    size, tail = code.message_length, code.tail
    out = np.zeros((messages.shape[0], code.dimension), np.uint64)
    out[:, :size] = inner
    out[:, size:] = tails
    out[:, :tail] += P - tails.astype(np.uint64)
    return (out % P).astype(np.uint32)
