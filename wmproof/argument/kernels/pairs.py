"""Numbers times many weights mod p: two products of 16 bits and their sum are one instruction.

A weight w is two signed halves, w = low + 2^16 high mod p, and each half makes a sum of its own. A
number of 9 bits times a half is below 2^24, so that 2^6 of them stay below 2^30; they are reduced
after that. Where numbers may be larger they are taken byte by byte: numbers are secret, so what
they may be decides, and not what they are. Sixteen rows are the lanes of a vector; of a row, two
neighbours share a lane.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof._base.jit import njit
from wmproof._base.threads import over_ranges
from wmproof.argument.algebra.field import U32, P, reduced
from wmproof.argument.kernels import simd
from wmproof.argument.kernels.simd import (
    LANES,
    add,
    add_pairs,
    load,
    load_rows,
    residue,
    store,
    store_rows,
)

Block = NDArray[Any]
# Weights at a time, whose sums are in registers; pairs before sums are reduced; and pairs for
# which all rows are done before the next ones, so that their weights stay in the cache.
_GROUP, _SAFE, _CACHED = 16, 1 << 5, 1 << 8
_SMALL = 1 << 9
_STRIP = 1 << 8  # columns whose weights are taken apart at a time


def pairs_of(weights: U32) -> U32:
    """Arrange weights as `products` takes them.

    `weights` are uint32 (k, n), canonical. Returns uint32 (pairs, halves): for each two columns the
    low halves of all weights, then the high ones, two of 16 bits each. Zeros fill it up.
    """
    count, size = weights.shape
    out = np.zeros((-(-size // (2 * _SAFE)) * _SAFE, -(-2 * count // _GROUP) * _GROUP), np.uint32)
    over_ranges(_arrange, size, weights, out, grain=_STRIP, align=_STRIP)
    return out


def _arrange(begin: int, end: int, weights: U32, out: U32) -> None:
    """Columns begin .. end - 1."""
    count = len(weights)
    for start in range(begin, end, _STRIP):
        strip = weights[:, start : min(start + _STRIP, end)]
        signed = strip.astype(np.int32) - np.where(strip > P // 2, np.int32(P), np.int32(0))
        low = signed.astype(np.int16)
        for first, half in ((0, low), (count, (signed - low) >> 16)):
            columns = out[start // 2 : (start + strip.shape[1] + 1) // 2, first : first + count]
            words = half.astype(np.uint32) & np.uint32(0xFFFF)
            columns |= words[:, ::2].T
            columns[: strip.shape[1] // 2] |= words[:, 1::2].T << np.uint32(16)


def products(block: Block, pairs: U32, count: int, largest: int) -> U32:
    """Sums of block[i, x] times weights[j, x], in one thread: uint32 (R, count), canonical.

    Parameters
    ----------
    block : uint8, uint16 or uint32 (R, n), C-contiguous
    pairs : ndarray
        `pairs_of` the weights (count, n).
    largest : int
        What no number is above; public, since it decides how long this takes.
    """
    total = np.zeros((len(block), count), np.uint64)
    for plane, shift in _parts(block, largest):
        sums = np.zeros((-(-len(block) // LANES), pairs.shape[1], LANES), np.uint32)
        _multiply(plane, pairs, sums)
        halves = sums.transpose(0, 2, 1).reshape(-1, pairs.shape[1])[: len(block)].astype(np.uint64)
        whole = halves[:, :count] + (halves[:, count : 2 * count] << np.uint64(16))
        total += reduced(whole) << np.uint64(shift)
    return reduced(total).astype(np.uint32)


def _parts(block: Block, largest: int) -> Iterator[tuple[Block, int]]:
    """Parts of numbers, below `_SMALL`, and by how many bits to shift them."""
    size = block.dtype.itemsize
    if size == 1 or largest < _SMALL:
        yield (block if size < np.dtype(np.uint32).itemsize else block.astype(np.uint16)), 0
        return
    for k in range(size):
        # The k-th bytes; little-endian, as `simd` demands.
        yield np.ascontiguousarray(block.view(np.uint8)[:, k::size]), 8 * k


@njit(nogil=True, cache=True)
def _multiply(rows: Block, pairs: U32, sums: U32) -> None:
    """All batches of sixteen rows each."""
    lanes, own = np.zeros((_SAFE, LANES), np.uint32), np.empty((_GROUP, LANES), np.uint32)
    for first in range(0, pairs.shape[0], _CACHED):
        last = min(first + _CACHED, pairs.shape[0])
        for batch in range(sums.shape[0]):
            for pair in range(first, last, _SAFE):
                _load(rows, batch * LANES, pair, lanes)
                for group in range(0, pairs.shape[1], _GROUP):
                    _add_group(lanes, pairs, pair, group, sums[batch], own)


@njit(nogil=True, cache=True)
def _load(rows: Block, first: int, pair: int, lanes: U32) -> None:
    """Two neighbours of each of sixteen rows in a lane; zeros behind rows and columns."""
    size = rows.shape[1]
    for lane in range(LANES):
        if first + lane >= rows.shape[0]:
            lanes[:, lane] = 0
            continue
        row = rows[first + lane]
        whole = max(0, min(_SAFE, size // 2 - pair))
        for i in range(whole):
            at = 2 * (pair + i)
            lanes[i, lane] = np.uint32(row[at]) | (np.uint32(row[at + 1]) << np.uint32(16))
        for i in range(whole, _SAFE):
            at = 2 * (pair + i)
            lanes[i, lane] = row[at] if at < size else 0


@njit(nogil=True, cache=True)
def _add_group(lanes: U32, pairs: U32, pair: int, group: int, sums: U32, own: U32) -> None:
    """Add the products of some pairs with a group of halves; `own` is scratch."""
    none = simd.vector()
    four = none, none, none, none
    totals = four + four + four + four
    for i in range(0, _SAFE, 4):
        totals = add_pairs(totals, load_rows(lanes, (i, 0), 4), pairs, (pair + i, group))
    store_rows(own, (0, 0), totals)
    for i in range(_GROUP):
        total = add(load(sums, (group + i, 0), none), residue(load(own, (i, 0), none)))
        store(sums, (group + i, 0), total)
