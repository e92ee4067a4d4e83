"""What running the circuit costs: linear maps of numbers, and what tables have for their results.

Sixteen images are the lanes of a vector, so every tap of a convolution reads at a place that is the
same for all of them, and nothing is unfolded. A lane has the numbers of two channels, 16 bits each:
one instruction multiplies them by a weight each, and adds both products to a sum of 32 bits
(`simd.add_pairs`). Sums are mod 2^32, and the circuit promises that none reaches 2^30: they are
exact, in whatever order.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof._base.jit import njit
from wmproof.argument.algebra.field import U32, P
from wmproof.argument.kernels import simd
from wmproof.argument.kernels.simd import (
    LANES,
    add_pairs,
    load,
    load_rows,
    store,
    store_rows,
    transposed,
)

Array = NDArray[Any]
# Outputs, and places, whose sums are in registers at a time.
OUTPUTS, _PLACES = 4, 4
_LINE = 64  # bytes of the cache that are read together
# Such tiles of outputs whose sums are held while a block of channels is added: the numbers of the
# block at a few places, and the weights of one tile, stay in the first cache.
_PANEL, _BLOCK = 16, 32
SUMS = (_PANEL * LANES, OUTPUTS * LANES)
"""Shape of the sums that `multiply` holds: by tile and place, then output and image."""


@njit(nogil=True, cache=True)
def pack(x: Array, begin: int, places: int, channels: int, mask: int, lanes: U32, own: U32) -> None:
    """lanes[1 + p, (w, n)] = two neighbouring channels of image n at begin + p; lanes[0] = 0.

    Parameters
    ----------
    x : uint8 or uint16 array (N, C, H * W)
        N is at most 16; the other lanes are arbitrary.
    channels : int
        Of a group, which begins with a new word.
    mask : uint32
        Of the bits of each number that are taken.
    lanes : uint32 array (1 + places up to a multiple of 16, words * 16)
    own : uint32 array (16, places up to a multiple of 16)
        Scratch.
    """
    words = (channels + 1) // 2
    lanes[0] = 0
    for word in range(lanes.shape[1] // LANES):
        first = word // words * channels + word % words * 2
        paired = word % words * 2 + 1 < channels
        for n in range(x.shape[0]):
            row, low = own[n, :places], x[n, first, begin : begin + places]
            for p in range(places):
                row[p] = np.uint32(low[p]) & mask
            if paired:
                high = x[n, first + 1, begin : begin + places]
                for p in range(places):
                    row[p] |= (np.uint32(high[p]) & mask) << np.uint32(16)
        for start in range(0, own.shape[1], LANES):
            turned = transposed(load_rows(own, (0, start), LANES))
            store_rows(lanes, (1 + start, word * LANES), turned)


@njit(forceinline=True)
def _sums_at(sums, row):  # type: ignore[no-untyped-def]
    """Of the four outputs of a tile."""
    many = simd.vector()
    return (
        load(sums, (row, 0), many),
        load(sums, (row, LANES), many),
        load(sums, (row, 2 * LANES), many),
        load(sums, (row, 3 * LANES), many),
    )


@njit(forceinline=True)
def _store_sums(sums, row, four):  # type: ignore[no-untyped-def]
    store(sums, (row, 0), four[0])
    store(sums, (row, LANES), four[1])
    store(sums, (row, 2 * LANES), four[2])
    store(sums, (row, 3 * LANES), four[3])


@njit(forceinline=True)
def _add_tile(lanes, words, reads, place, at, block, sums, row):  # type: ignore[no-untyped-def]
    """Add the products of a block of channels to the sums of a tile of outputs at four places."""
    many, (begin, end), pairs = simd.vector(), block, words.shape[0] // reads.shape[0]
    s0, s1 = _sums_at(sums, row), _sums_at(sums, row + 1)
    s2, s3 = _sums_at(sums, row + 2), _sums_at(sums, row + 3)
    for tap in range(reads.shape[0]):
        r0, r1 = reads[tap, place], reads[tap, place + 1]
        r2, r3 = reads[tap, place + 2], reads[tap, place + 3]
        if r0 | r1 | r2 | r3 == 0:
            continue
        first = tap * pairs
        for i in range(begin, end):
            k = at + i
            s0 = add_pairs(s0, (load(lanes, (r0 + k, 0), many),), words, (first + i, 0))
            s1 = add_pairs(s1, (load(lanes, (r1 + k, 0), many),), words, (first + i, 0))
            s2 = add_pairs(s2, (load(lanes, (r2 + k, 0), many),), words, (first + i, 0))
            s3 = add_pairs(s3, (load(lanes, (r3 + k, 0), many),), words, (first + i, 0))
    _store_sums(sums, row, s0)
    _store_sums(sums, row + 1, s1)
    _store_sums(sums, row + 2, s2)
    _store_sums(sums, row + 3, s3)


@njit(nogil=True, cache=True)
def multiply(
    lanes: U32, words: U32, reads: Array, factor: int, sums: U32, z: U32, start: int, places: int
) -> None:
    """Add a convolution, times `factor`, to z[:, :, start : start + places], mod 2^32.

    Parameters
    ----------
    lanes : uint32 array (any, 16)
        What `pack` made, all axes but the last as one.
    words : uint32 array (groups, tiles, taps * pairs, 4)
        Two weights of neighbouring channels for each of four outputs.
    reads : int64 array (taps, places up to a multiple of 16)
        The row of `lanes` that a tap reads for a place; 0 for none.
    factor : uint32
    sums : uint32 array `SUMS`
        Scratch.
    z : uint32 array (N, O, any)
    """
    groups, tiles, pairs = words.shape[0], words.shape[1], words.shape[2] // reads.shape[0]
    outputs = z.shape[1] // groups
    for group in range(groups):
        for panel in range(0, tiles, _PANEL):
            last = min(panel + _PANEL, tiles)
            for first in range(0, places, LANES):
                width = min(LANES, places - first)
                sums[:] = 0
                for begin in range(0, pairs, _BLOCK):
                    block = begin, min(begin + _BLOCK, pairs)
                    for place in range(first, first + width, _PLACES):
                        for tile in range(panel, last):
                            row = (tile - panel) * LANES + place - first
                            own = words[group, tile]
                            _add_tile(lanes, own, reads, place, group * pairs, block, sums, row)
                output = group * outputs + panel * OUTPUTS
                count = min((last - panel) * OUTPUTS, outputs - panel * OUTPUTS)
                _add_sums(sums, factor, z, output, count, start + first, width)


@njit(nogil=True, cache=True)
def _add_sums(
    sums: U32, factor: int, z: U32, output: int, count: int, start: int, width: int
) -> None:
    """Add what is held of some outputs to z; `sums` is spoilt."""
    for i in range(count):
        row, column = i // OUTPUTS * LANES, i % OUTPUTS * LANES
        # By place and image before, by image and place after.
        store_rows(sums, (0, 0), transposed(load_rows(sums, (row, column), LANES)))
        for n in range(z.shape[0]):
            line, part = z[n, output + i, start : start + width], sums[n, :width]
            for p in range(width):
                line[p] += part[p] * np.uint32(factor)


@njit(nogil=True, cache=True)
def add_depthwise(x: Array, weight: Array, geometry: Array, first: int, last: int, z: U32) -> None:
    """Add a convolution with one input channel for each group to rows first .. last - 1 of z.

    Parameters
    ----------
    x : uint8 or uint16 array (N, C, H, W)
    weight : int32 array (O, 1, kh, kw)
        O is a multiple of C.
    geometry : sequence of int
        (kh, kw, sh, sw, top, left, dh, dw).
    z : uint32 array (N, O, H', W')
        Mod 2^32.
    """
    kh, kw, sh, sw, top, left, dh, dw = geometry
    count, channels, rows, columns = x.shape
    outputs, width = z.shape[1], z.shape[3]
    for index in range(count * outputs):
        n, o = index // outputs, index % outputs
        c = o // (outputs // channels)
        for tap in range(kh * kw):
            factor = np.uint32(weight[o, 0, tap // kw, tap % kw])
            column = tap % kw * dw - left
            begin = max(0, (-column + sw - 1) // sw)
            end = max(begin, min(width, (columns - 1 - column) // sw + 1))
            for h in range(first, last):
                row = tap // kw * dh - top + h * sh
                if row < 0 or row >= rows:
                    continue
                line = z[n, o, h, begin:end]
                if sw == 1:
                    # A loop that the compiler turns into vector instructions.
                    seen = x[n, c, row, column + begin : column + end]
                    for w in range(len(line)):
                        line[w] += factor * np.uint32(seen[w])
                else:
                    for w in range(len(line)):
                        line[w] += factor * np.uint32(x[n, c, row, column + (begin + w) * sw])


@njit(nogil=True, cache=True)
def spread(bias: Array, first: int, last: int, z: U32) -> None:
    """z[n, o, p] = bias[o, p] for first <= p < last, mod 2^32.

    Parameters
    ----------
    bias : int32 array (O, 1) or (O, P)
    z : uint32 array (N, O, P)
    """
    for n in range(z.shape[0]):
        for o in range(z.shape[1]):
            if bias.shape[1] > 1:
                z[n, o, first:last] = bias[o, first:last]
            else:
                z[n, o, first:last] = bias[o, 0]


@njit(nogil=True, cache=True)
def look_up(
    z: U32, first: int, last: int, table: Array, low: int, y: Array, counts: U32
) -> tuple[np.int64, np.int64]:
    """y[n, o, p] = table[z[n, o, p] - low] for first <= p < last, and z mod p in place of z.

    Parameters
    ----------
    z : uint32 array (N, O, P)
        Mod 2^32, of numbers whose size is below 2^30.
    table : uint8 or uint16 array
    low : int
        What the table's first entry is for.
    y : array (N, O, P)
        Of the table's type; meaningless where the range leaves the table.
    counts : uint32 array (entries of the table,)
        One is added for each that is looked up.

    Returns
    -------
    smallest, largest : int
        Of the z.
    """
    least, most = np.int64(2**30), np.int64(-(2**30))
    for index in range(z.shape[0] * z.shape[1]):
        n, o = index // z.shape[1], index % z.shape[1]
        own, numbers = z[n, o, first:last], y[n, o, first:last]
        smallest, largest = np.int32(2**30), np.int32(-(2**30))
        for p in range(len(own)):
            smallest, largest = min(smallest, np.int32(own[p])), max(largest, np.int32(own[p]))
        least, most = min(least, np.int64(smallest)), max(most, np.int64(largest))
        if smallest >= low and largest < low + len(table):
            for p in range(len(own)):
                entry = np.int32(own[p]) - low
                numbers[p] = table[entry]
                counts[entry] += np.uint32(1)
        for p in range(len(own)):
            # A negative number is a large one.
            own[p] = min(own[p], np.uint32(own[p] + np.uint32(P)))
    return least, most


@njit(nogil=True, cache=True)
def subtract(start: int, stop: int, a: Array, b: Array, y: Array, z: U32) -> None:
    """Y = relu(a - b) and z = a - b mod p, for start <= i < stop."""
    for i in range(start, stop):
        difference = np.int64(a[i]) - np.int64(b[i])
        y[i] = difference if difference > 0 else 0
        z[i] = difference + P if difference < 0 else difference


@njit(nogil=True, cache=True)
def count(start: int, stop: int, z: U32, low: int, size: int) -> U32:
    """How often each row of a table of this size is looked up by z[start:stop], mod p."""
    counts = np.zeros(size, np.uint32)
    for i in range(start, stop):
        value = np.int64(z[i])
        counts[(value - P if value > P // 2 else value) - low] += 1
    return counts


@njit(nogil=True, cache=True)
def blocks_last(start: int, stop: int, blocks: Array, out: U32) -> None:
    """out[b i + j] = blocks[j, i] for start <= i < stop, b being the number of blocks.

    Parameters
    ----------
    blocks : uint8, uint16 or uint32 array (b, N)
    out : uint32 array (b * N,)
    """
    count = blocks.shape[0]
    for first in range(start, stop, _LINE):
        last = min(first + _LINE, stop)
        for j in range(count):
            for i in range(first, last):
                out[i * count + j] = blocks[j, i]
