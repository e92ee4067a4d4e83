"""Transforms of a few rows, for the prover of the pads' constraints."""

from collections.abc import Callable

import numpy as np

from wmproof.argument.algebra.field import GENERATOR, U32, P, reduced
from wmproof.argument.algebra.ntt import merge_constants, split_constants
from wmproof.argument.kernels import ntt
from wmproof.argument.kernels.simd import LANES


def _batched(rows: U32, size: int, transform: Callable[[U32], None]) -> U32:
    # Rows of at most `size` numbers, filled up with zeros, transformed sixteen at a time.
    out = np.empty((rows.shape[0], size), np.uint32)
    for first in range(0, rows.shape[0], LANES):
        batch = np.ascontiguousarray(rows[first : first + LANES])
        lanes = np.zeros((size, LANES), np.uint32)
        ntt.load_lanes(batch, lanes, 0)
        transform(lanes.reshape(-1))
        out[first : first + LANES] = lanes.T[: len(batch)]
    return out


def coefficients_on_subgroup(values: U32) -> U32:
    """Interpolate on the subgroup of order N: uint32 (R, N) values to (R, N) coefficients."""
    size = values.shape[1]
    constants = merge_constants(size)
    multiples = _batched(values, size, lambda lanes: ntt.inverse(lanes, constants))
    scale = np.uint64(pow(size, -1, P))
    return reduced(multiples.astype(np.uint64) * scale).astype(np.uint32)


def values_on_subgroup(coefficients: U32, size: int) -> U32:
    """Evaluate on the subgroup of order `size`: uint32 (R, d <= size) to (R, size)."""
    constants = split_constants(size, 1)
    return _batched(coefficients, size, lambda lanes: ntt.forward(lanes, constants, 1))


def values_on_coset(coefficients: U32, size: int) -> U32:
    """Evaluate at all positions of a code of length `size`: uint32 (R, d <= size) to (R, size)."""
    constants = split_constants(size, GENERATOR)
    return _batched(coefficients, size, lambda lanes: ntt.forward(lanes, constants, 1))
