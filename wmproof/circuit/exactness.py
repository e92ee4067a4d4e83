"""How to cut a convolution so that a float type computes every one of its sums exactly."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit.ir import Conv, Linear

EXACT_FLOAT32 = 2**24
_MIN_SLICE = 48  # products over fewer terms than this are not worth their own pass


def exact_slices(weight: NDArray[np.int32]) -> list[slice] | None:
    """Slices of the input channels over which float32 sums are exact, or None if too short.

    `weight` is int32 (O, I, taps). Every partial sum of products with bytes lies between 255 times
    the sum of the negative weights and 255 times the sum of the positive ones, whatever the order
    of summation; below 2^24 float32 represents every integer.
    """
    channels, taps = weight.shape[1:]
    pieces = 1
    while channels * taps >= pieces * min(_MIN_SLICE, channels * taps):
        edges = np.unique(np.arange(pieces) * channels // pieces)
        if largest_sum(weight, edges) < EXACT_FLOAT32:
            ends = [*edges[1:], channels]
            return [slice(int(a), int(b)) for a, b in zip(edges, ends, strict=True)]
        pieces *= 2
    return None


def largest_sum(weight: NDArray[np.int32], edges: NDArray[np.int64]) -> int:
    """255 times the largest one-signed sum of weights (O, I, taps) over any slice of channels."""
    worst = 0
    rows = max(1, 2**22 // weight[0].size)
    for first in range(0, len(weight), rows):
        block = weight[first : first + rows]
        for signed in (np.maximum(block, 0), np.minimum(block, 0)):
            sums = np.add.reduceat(signed.sum(axis=2, dtype=np.int64), edges, axis=1)
            worst = max(worst, int(np.abs(sums).max()))
    return 255 * worst


def digits(term: Conv) -> list[tuple[NDArray[np.int32], int]]:
    """Weights of a term as a sum of digit * 2^shift, each digit's sums exact in float32."""
    weight = term.full_weight
    sums = 255 * weight[0].size
    bits = (EXACT_FLOAT32 // sums).bit_length() - 1
    if bits < 1:
        raise OverflowError(f"a sum of {weight[0].size} bytes is not exact in float32")
    parts, shift, rest = [], 0, weight.astype(np.int64)
    while rest.any():
        half = 1 << bits
        digit = ((rest + half) & (2 * half - 1)) - half
        parts.append((digit.astype(np.int32), shift))
        rest = (rest - digit) >> (bits + 1)
        shift += bits + 1
    return parts or [(weight.astype(np.int32), 0)]


def stays_exact(linear: Linear) -> bool:
    """Whether the whole map, its bias included, is exact in float32."""
    return linear.bound < EXACT_FLOAT32


def is_dense(term: Conv, source_shape: tuple[int, ...]) -> bool:
    """Whether the kernel covers its whole source, so that the term is a matrix product."""
    return (
        term.groups == 1
        and term.pads == (0, 0, 0, 0)
        and term.kernel == source_shape[1:]
        and math.prod(term.dilations) == 1
    )
