"""Sums of rows of small integers with weights in K.

Rows keep the type they come in: a byte of witness costs a byte, and is a field element only inside
a kernel. A number of 16 bits times one below p is below 2^47, so that 2^17 products add up in 64
bits: nothing is reduced before the end. Numbers of 32 bits are taken apart into two of 16.
"""

from typing import Any

import numpy as np
from numba import uint64
from numpy.typing import NDArray

from wmproof._base.jit import njit
from wmproof._base.threads import over_ranges
from wmproof.argument.algebra.extension import U64
from wmproof.argument.algebra.field import U32, P, reduced
from wmproof.argument.kernels import simd
from wmproof.argument.kernels.simd import LANES, add_products, load, load_pair, store_pair

Block = NDArray[Any]

_TILE = 512
_MOST = 1 << 17
_HALF_BITS = np.uint64(16)
_P64 = np.uint64(P)


def weigh_rows(block: Block, weights: U32) -> U32:
    """Return sum_i w_i block[i]: uint32 (4, N), K in Montgomery form.

    Parameters
    ----------
    block : uint8, uint16 or uint32 canonical (R, N), C-contiguous
    weights : uint32 (4, R), K in Montgomery form
    """
    fours = np.zeros((4, len(block) + -len(block) % 4), np.uint32)
    fours[:, : len(block)] = weights
    halves = _halves(block)
    out = np.empty((4, halves.shape[1]), np.uint32)
    over_ranges(_combine, halves.shape[1], halves, fours, out, align=_TILE)
    if halves is block:
        return out
    whole = out.astype(np.uint64)
    return reduced(whole[:, ::2] + (whole[:, 1::2] << _HALF_BITS)).astype(np.uint32)


def project_rows(block: Block, weights: U32) -> U32:
    """Return <w, block[i]> for every row: uint32 (4, R), K in Montgomery form.

    Parameters
    ----------
    block : uint8, uint16 or uint32 canonical (R, N), C-contiguous
    weights : uint32 (4, N), K in Montgomery form
    """
    halves = _halves(block)
    if halves is not block:
        high = reduced(weights.astype(np.uint64) << _HALF_BITS)
        weights = np.stack([weights, high], axis=2).reshape(4, -1).astype(np.uint32)
    out = np.zeros((4, len(block)), np.uint64)
    over_ranges(_project, len(block), halves, weights, out, grain=8)
    return out.astype(np.uint32)


def _halves(block: Block) -> Block:
    """Numbers of 32 bits as two of 16 each, the low one first; others as they are."""
    return block.view(np.uint16) if block.dtype == np.uint32 else block


@njit(forceinline=True)
def _weights_at(weights, i):  # type: ignore[no-untyped-def]
    """Row i's weight in every lane."""
    return (
        simd.uniform(weights[0, i]),
        simd.uniform(weights[1, i]),
        simd.uniform(weights[2, i]),
        simd.uniform(weights[3, i]),
    )


@njit(forceinline=True)
def _add_weighted(sums, value, w):  # type: ignore[no-untyped-def]
    return (
        add_products(sums[0], value, w[0]),
        add_products(sums[1], value, w[1]),
        add_products(sums[2], value, w[2]),
        add_products(sums[3], value, w[3]),
    )


@njit(nogil=True, cache=True)
def _add_rows(block: Block, i: int, weights: U32, low: int, n: int, sums: U64) -> None:
    """Add rows i .. i + 3, columns low .. low + n - 1; sums are in the order of `store_pair`.

    Past the last row, weights are zero.
    """
    last, many = block.shape[0] - 1, simd.vector()
    i1, i2, i3 = min(i + 1, last), min(i + 2, last), min(i + 3, last)
    w0, w1 = _weights_at(weights, i), _weights_at(weights, i + 1)
    w2, w3 = _weights_at(weights, i + 2), _weights_at(weights, i + 3)
    whole = n - n % LANES
    for x in range(0, whole, LANES):
        own = (
            load_pair(sums, (0, x)),
            load_pair(sums, (1, x)),
            load_pair(sums, (2, x)),
            load_pair(sums, (3, x)),
        )
        own = _add_weighted(own, load(block, (i, low + x), many), w0)
        own = _add_weighted(own, load(block, (i1, low + x), many), w1)
        own = _add_weighted(own, load(block, (i2, low + x), many), w2)
        own = _add_weighted(own, load(block, (i3, low + x), many), w3)
        store_pair(sums, (0, x), own[0])
        store_pair(sums, (1, x), own[1])
        store_pair(sums, (2, x), own[2])
        store_pair(sums, (3, x), own[3])
    for x in range(whole, n):
        for k in range(i, min(i + 4, last + 1)):
            for j in range(4):
                sums[j, x] += uint64(weights[j, k]) * uint64(block[k, low + x])


@njit(nogil=True, cache=True)
def _combine(start: int, stop: int, block: Block, weights: U32, out: U32) -> None:
    """out[:, x] = sum_i w_i block[i, x] mod p for start <= x < stop."""
    rows, half = block.shape[0], LANES // 2
    sums = np.empty((4, _TILE), np.uint64)
    for low in range(start, stop, _TILE):
        n = min(_TILE, stop - low)
        whole = n - n % LANES
        sums[:] = 0
        for first in range(0, rows, _MOST):
            for i in range(first, min(first + _MOST, rows), 4):
                _add_rows(block, i, weights, low, n, sums)
            sums %= _P64
        for j in range(4):
            for x in range(0, whole, LANES):
                for k in range(half):
                    out[j, low + x + 2 * k] = sums[j, x + k]
                    out[j, low + x + 2 * k + 1] = sums[j, x + half + k]
            for x in range(whole, n):
                out[j, low + x] = sums[j, x]


@njit(forceinline=True)
def _add_projected(sums, value, weights, x):  # type: ignore[no-untyped-def]
    many = simd.vector()
    return (
        add_products(sums[0], value, load(weights, (0, x), many)),
        add_products(sums[1], value, load(weights, (1, x), many)),
        add_products(sums[2], value, load(weights, (2, x), many)),
        add_products(sums[3], value, load(weights, (3, x), many)),
    )


@njit(forceinline=True)
def _pair():  # type: ignore[no-untyped-def]
    return simd.no_sums(simd.vector()), simd.no_sums(simd.vector())


@njit(nogil=True, cache=True)
def _project(start: int, stop: int, rows: Block, weights: U32, out: U64) -> None:
    """out[:, i] = <w, rows[i]> mod p for start <= i < stop; `out` begins as zeros."""
    size, many = rows.shape[1], simd.vector()
    for low in range(0, size, _TILE):
        high = min(low + _TILE, size)
        whole = high - (high - low) % LANES
        for i in range(start, stop, 2):
            other = min(i + 1, stop - 1)
            first, second = (
                (_pair(), _pair(), _pair(), _pair()),
                (_pair(), _pair(), _pair(), _pair()),
            )
            for x in range(low, whole, LANES):
                first = _add_projected(first, load(rows, (i, x), many), weights, x)
                second = _add_projected(second, load(rows, (other, x), many), weights, x)
            _add_totals(first, rows, i, weights, whole, high, out)
            if other > i:
                _add_totals(second, rows, other, weights, whole, high, out)


@njit(forceinline=True)
def _add_totals(sums, rows, i, weights, whole, high, out):  # type: ignore[no-untyped-def]
    """Add what the lanes have, and the columns that are too few for a register."""
    totals = (
        simd.total(sums[0][0]) + simd.total(sums[0][1]),
        simd.total(sums[1][0]) + simd.total(sums[1][1]),
        simd.total(sums[2][0]) + simd.total(sums[2][1]),
        simd.total(sums[3][0]) + simd.total(sums[3][1]),
    )
    for j in range(4):
        total = totals[j]
        for x in range(whole, high):
            total += uint64(weights[j, x]) * uint64(rows[i, x])
        out[j, i] = (out[j, i] + total) % _P64
