"""Numba kernels of the fast evaluator: unfolding, direct convolutions and table lookups.

All arithmetic is on integers, or on floats that hold integers exactly, so neither the number of
threads nor the order of the loops can change a bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]


@njit(nogil=True, cache=True)
def unfold(x: Array, first: int, geometry: Array, out: Array) -> None:
    """Columns of a convolution: out[(c, i, j), (n, h, w)] = x[n, first + c, ...], 0 outside.

    `x` is uint8 (N, C, H, W), `out` float (channels * kh * kw, N * H' * W'); `geometry` is
    (kh, kw, sh, sw, top, left, dh, dw, H', W').
    """
    kh, kw, sh, sw, top, left, dh, dw, height, width = geometry
    count, _, rows, columns = x.shape
    for index in range(out.shape[0] * count):
        line, n = index // count, index % count
        c, tap = first + line // (kh * kw), line % (kh * kw)
        row0, column0 = (tap // kw) * dh - top, (tap % kw) * dw - left
        begin = max(0, (-column0 + sw - 1) // sw)
        end = max(begin, min(width, (columns - 1 - column0) // sw + 1))
        base = n * height * width
        for h in range(height):
            row = row0 + h * sh
            place = base + h * width
            if row < 0 or row >= rows:
                out[line, place : place + width] = 0
                continue
            out[line, place : place + begin] = 0
            if sw == 1:
                # A loop that the compiler turns into vector instructions.
                source = x[n, c, row, column0 + begin : column0 + end]
                target = out[line, place + begin : place + end]
                for w in range(source.shape[0]):
                    target[w] = source[w]
            else:
                for w in range(begin, end):
                    out[line, place + w] = x[n, c, row, column0 + w * sw]
            out[line, place + end : place + width] = 0


@njit(nogil=True, cache=True)
def depthwise(x: Array, weight: Array, geometry: Array, out: Array) -> None:
    """Add a convolution with one input channel for each group to out (O, N, H', W') int32.

    `weight` is int32 (O, 1, kh, kw), O a multiple of the channels of x.
    """
    kh, kw, sh, sw, top, left, dh, dw, height, width = geometry
    count, channels, rows, columns = x.shape
    outputs = weight.shape[0]
    for index in range(outputs * count):
        o, n = index // count, index % count
        c = o // (outputs // channels)
        for i in range(kh):
            for j in range(kw):
                factor = weight[o, 0, i, j]
                column0 = j * dw - left
                begin = max(0, (-column0 + sw - 1) // sw)
                end = max(begin, min(width, (columns - 1 - column0) // sw + 1))
                for h in range(height):
                    row = i * dh - top + h * sh
                    if row < 0 or row >= rows:
                        continue
                    for w in range(begin, end):
                        out[o, n, h, w] += factor * np.int32(x[n, c, row, column0 + w * sw])


@njit(nogil=True, cache=True)
def add_exact(total: Array, part: Array) -> None:
    """Total += part, int32 and float arrays (O, M); the floats hold integers."""
    for o in range(total.shape[0]):
        for k in range(total.shape[1]):
            total[o, k] += np.int32(part[o, k])


@njit(nogil=True, cache=True)
def look_up(z: Array, bias: Array, table: Array, low: int, y: Array, ranges: Array) -> None:
    """y[n, o, p] = table[z[o, n * P + p] + bias[o, p] - low], and the range of z.

    `z` is int32 or float (O, N * P), `bias` int32 (O, 1) or (O, P), `y` uint8 (N, O, P), `ranges`
    int64 (N, O, 2): smallest and largest z + bias. Where they leave the table y is meaningless.
    """
    count, outputs, places = y.shape
    high = len(table) - 1
    for index in range(outputs * count):
        o, n = index // count, index % count
        smallest, largest = np.int64(2**40), -np.int64(2**40)
        spread = 1 if bias.shape[1] > 1 else 0
        for p in range(places):
            value = np.int64(z[o, n * places + p]) + bias[o, p * spread]
            smallest, largest = min(smallest, value), max(largest, value)
            y[n, o, p] = table[min(max(value - low, 0), high)]
        ranges[n, o, 0], ranges[n, o, 1] = smallest, largest
