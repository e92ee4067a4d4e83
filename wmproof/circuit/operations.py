"""What the fast evaluator does beside matrix products: unfolding, depthwise sums, table lookups.

NumPy alone: these functions decide which circuit a model compiles to, so a verifier runs them and
whoever audits it reads them. All arithmetic is on integers, or on floats that hold integers
exactly: no order of sums changes a bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_BLOCK = 2**15  # elements


def unfold(x: Array, first: int, geometry: Array, out: Array) -> None:
    """Columns of a convolution: out[(c, i, j), (n, h, w)] = x[n, first + c, ...], 0 outside.

    Parameters
    ----------
    x : uint8 or uint16 array (N, C, H, W)
    first : int
        Channel.
    geometry : integer array
        (kh, kw, sh, sw, top, left, dh, dw, H', W').
    out : float array (channels * kh * kw, N * H' * W')
    """
    kh, kw, sh, sw, top, left, dh, dw, height, width = geometry.tolist()
    channels = out.shape[0] // (kh * kw)
    lines = out.reshape(channels, kh * kw, len(x), height, width)
    source = x[:, first : first + channels].transpose(1, 0, 2, 3)
    for tap in range(kh * kw):
        rows, from_rows = _seen(tap // kw * dh - top, sh, height, x.shape[2])
        columns, from_columns = _seen(tap % kw * dw - left, sw, width, x.shape[3])
        target = lines[:, tap]
        target[:, :, : rows.start] = 0
        target[:, :, rows.stop :] = 0
        target[:, :, rows, : columns.start] = 0
        target[:, :, rows, columns.stop :] = 0
        target[:, :, rows, columns] = source[:, :, from_rows, from_columns]


def _seen(offset: int, stride: int, count: int, size: int) -> tuple[slice, slice]:
    """Which of `count` outputs see an input of this size at offset + i stride, and where."""
    begin = min(count, max(0, -(offset // stride)))
    end = max(begin, min(count, (size - 1 - offset) // stride + 1))
    first = offset + begin * stride
    return slice(begin, end), slice(first, first + (end - begin) * stride, stride)


def depthwise(x: Array, weight: Array, geometry: Array, out: Array) -> None:
    """Add a convolution with one input channel for each group to `out`.

    Parameters
    ----------
    x : uint8 or uint16 array (N, C, H, W)
    weight : int32 array (O, 1, kh, kw)
        O is a multiple of C.
    geometry : integer array
        As `unfold`.
    out : int32 array (O, N, H', W')
    """
    kh, kw, sh, sw, top, left, dh, dw, height, width = geometry.tolist()
    channels = x.shape[1]
    sums = out.reshape(channels, -1, *out.shape[1:])
    source = x.transpose(1, 0, 2, 3)[:, None]
    for i in range(kh):
        rows, from_rows = _seen(i * dh - top, sh, height, x.shape[2])
        for j in range(kw):
            columns, from_columns = _seen(j * dw - left, sw, width, x.shape[3])
            factors = weight[:, 0, i, j].reshape(channels, -1, 1, 1, 1)
            sums[..., rows, columns] += factors * source[..., from_rows, from_columns]


def add_exact(total: Array, part: Array) -> None:
    """Total += part, int32 and float arrays (O, M); the floats hold integers."""
    total += part.astype(np.int32)


def look_up(z: Array, bias: Array, table: Array, low: int, y: Array, ranges: Array) -> None:
    """y[n, o, p] = table[z[o, n * P + p] + bias[o, p] - low], and the range of z.

    Parameters
    ----------
    z : int32 or float array (O, N * P)
    bias : int32 array (O, 1) or (O, P)
    table : uint8 or uint16 array
    low : int
        The accumulator of the table's first entry.
    y : array (N, O, P)
        Of the table's type; meaningless where the ranges leave the table.
    ranges : int64 array (N, O, 2)
        Smallest and largest z + bias.
    """
    count, outputs, places = y.shape
    sums = z.reshape(outputs, count, places)
    for some in channel_blocks(sums):
        values = sums[some].astype(np.intp)
        values += bias[some, None]
        ranges[:, some, 0], ranges[:, some, 1] = values.min(axis=2).T, values.max(axis=2).T
        values -= low
        y[:, some] = table.take(values, mode="clip").transpose(1, 0, 2)


def channel_blocks(array: Array) -> Iterator[slice]:
    """Slices of the first axis, so that a copy of each stays in the processor's cache."""
    step = max(1, _BLOCK // math.prod(array.shape[1:]))
    return (slice(first, first + step) for first in range(0, len(array), step))
