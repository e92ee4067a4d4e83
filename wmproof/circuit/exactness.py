"""How to cut a convolution so that a float type computes every one of its sums exactly."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit.ir import Conv, Linear

EXACT_FLOAT32 = 2**24
_MIN_SLICE = 48  # products over fewer terms than this are not worth their own pass


def exact_slices(weight: NDArray[np.int32], largest: int) -> list[slice] | None:
    """Slices of the input channels over which float32 sums are exact.

    Every partial sum of products lies between `largest` times the sum of the negative weights and
    that of the positive ones, whatever the order of summation; below 2^24 float32 represents every
    integer.

    Parameters
    ----------
    weight : int32 array (O, I, taps)
    largest : int
        Of the numbers that it multiplies, which are not negative.

    Returns
    -------
    list of slice, or None
        None if they would be too short to be worth it.
    """
    channels, taps = weight.shape[1:]
    pieces, most_pieces = 1, channels * taps // min(_MIN_SLICE, channels * taps)
    for sums in _signed_sums(weight):
        while largest * _most(sums, pieces) >= EXACT_FLOAT32:
            pieces *= 2
            if pieces > most_pieces:
                return None
    edges = _edges(channels, pieces).tolist()
    return [slice(a, b) for a, b in pairwise([*edges, channels])]


def _edges(channels: int, pieces: int) -> NDArray[np.int64]:
    """Where so many slices begin: twice as many begin there too."""
    return np.unique(np.arange(pieces) * channels // pieces)


def _most(sums: NDArray[np.int64], pieces: int) -> int:
    """The largest sum over one of so many slices, of sums (2, o, I)."""
    return int(np.add.reduceat(sums, _edges(sums.shape[2], pieces), axis=2).max())


def _signed_sums(weight: NDArray[np.int32]) -> Iterator[NDArray[np.int64]]:
    """Sums over the taps of some weights (o, I, taps): (2, o, I), what is above and below zero."""
    rows = max(1, 2**16 // weight[0].size)
    for first in range(0, len(weight), rows):
        block = weight[first : first + rows]
        size, total = np.abs(block).sum(axis=2, dtype=np.int64), block.sum(axis=2, dtype=np.int64)
        yield np.stack([(size + total) // 2, (size - total) // 2])


def digits(weight: NDArray[np.int32], largest: int) -> list[tuple[NDArray[np.int32], int]]:
    """Weights (O, ...) as a sum of digit * 2^shift, each digit's sums exact in float32.

    OverflowError if a sum of as many numbers up to `largest` is not exact.
    """
    sums = largest * weight[0].size
    bits = (EXACT_FLOAT32 // sums).bit_length() - 1
    if bits < 1:
        raise OverflowError(f"a sum of {weight[0].size} numbers is not exact in float32")
    parts, shift, rest = [], 0, weight.astype(np.int64)
    while rest.any():
        half = 1 << bits
        digit = ((rest + half) & (2 * half - 1)) - half
        parts.append((digit.astype(np.int32), shift))
        rest = (rest - digit) >> (bits + 1)
        shift += bits + 1
    return parts or [(weight.astype(np.int32), 0)]


def stays_exact(linear: Linear, largest: Sequence[int]) -> bool:
    """Whether the whole map, its bias included, is exact in float32.

    Parameters
    ----------
    largest : sequence of int
        Largest number of each node.
    """
    return linear.bound(largest) < EXACT_FLOAT32


def is_dense(term: Conv, source_shape: tuple[int, ...]) -> bool:
    """Whether the kernel covers its whole source, so that the term is a matrix product.

    Parameters
    ----------
    source_shape : tuple of int
        (I, H, W).
    """
    return (
        term.groups == 1
        and term.pads == (0, 0, 0, 0)
        and term.kernel == source_shape[1:]
        and math.prod(term.dilations) == 1
    )
