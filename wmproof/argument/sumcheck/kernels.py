"""The sumcheck prover's inner loops: round polynomials, and folding in place.

Tables are uint32 (F, 4, N): F multilinears over K, of which only the first entries count. Terms
are int64 (P, d): product p multiplies the multilinears ``terms[p]``. eq weights of the variables
that are still free are a tensor product, high (4, H) by low (4, L), of which L and H L divide the
half.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from wmproof.argument.extension import TILE, U64, k_mul, v_add, v_copy, v_fold, v_mul, v_sub, v_sum
from wmproof.argument.field import U32, P

Terms = NDArray[np.int64]


@njit(nogil=True, cache=True)
def _term_sum(values: U32, terms: Terms, n: int, scratch: U32) -> int:
    # The scratch tile that holds the sum over terms of the product of their multilinears' values.
    total = 0
    for p in range(terms.shape[0]):
        product = (total + 1) % 4 if p else 0
        first, degree = terms[p, 0], terms.shape[1]
        if degree == 1:
            v_copy(values[first], 0, scratch[product], 0, n)
        else:
            v_mul(values[first], 0, values[terms[p, 1]], 0, scratch[product], 0, n)
        for t in range(2, degree):
            other = (product + 1) % 4
            if p and other == total:
                other = (other + 1) % 4
            v_mul(scratch[product], 0, values[terms[p, t]], 0, scratch[other], 0, n)
            product = other
        if p:
            free = 0
            while free in (total, product):
                free += 1
            v_add(scratch[total], 0, scratch[product], 0, scratch[free], 0, n)
            product = free
        total = product
    return total


@njit(nogil=True, cache=True)
def _weigh(scratch: U32, total: int, low: U32, offset: int, n: int, sums: U64) -> None:
    weighted = scratch[(total + 1) % 4]
    v_mul(scratch[total], 0, low, offset, weighted, 0, n)
    v_sum(weighted, 0, n, sums)


@njit(nogil=True, cache=True)
def evaluate_tile(
    tables: U32,
    half: int,
    i: int,
    n: int,
    terms: Terms,
    low: U32,
    offset: int,
    work: U32,
    sums: U64,
) -> None:
    """Add n pairs (i, half + i): sums[0] at X = 0, sums[1] the leading coefficient, else X = t."""
    factors, degree = tables.shape[0], terms.shape[1]
    values, slopes = work[:factors], work[factors : 2 * factors]
    next_values, scratch = work[2 * factors : 3 * factors], work[3 * factors :]
    for f in range(factors):
        v_sub(tables[f], half + i, tables[f], i, slopes[f], 0, n)
        v_copy(tables[f], i, values[f], 0, n)
    _weigh(scratch, _term_sum(values, terms, n, scratch), low, offset, n, sums[0])
    if degree > 1:
        _weigh(scratch, _term_sum(slopes, terms, n, scratch), low, offset, n, sums[1])
    for t in range(1, degree):
        for f in range(factors):
            v_add(values[f], 0, slopes[f], 0, next_values[f], 0, n)
        values, next_values = next_values, values
        if t > 1:
            _weigh(scratch, _term_sum(values, terms, n, scratch), low, offset, n, sums[t])


@njit(nogil=True, cache=True)
def _fold_tile(table: U32, low: int, high: int, r: U32, n: int, spare: U32) -> None:
    v_fold(table, low, high, r, spare, 0, n)
    v_copy(spare, 0, table, low, n)


@njit(nogil=True, cache=True)
def add_weighted(block: U64, high: U32, h: int, sums: U64) -> None:
    """Add block * high[h] to the sums."""
    p = np.uint64(P)
    for t in range(sums.shape[0]):
        c0, c1, c2, c3 = k_mul(
            np.uint32(block[t, 0] % p),
            np.uint32(block[t, 1] % p),
            np.uint32(block[t, 2] % p),
            np.uint32(block[t, 3] % p),
            high[0, h],
            high[1, h],
            high[2, h],
            high[3, h],
        )
        sums[t, 0] += np.uint64(c0)
        sums[t, 1] += np.uint64(c1)
        sums[t, 2] += np.uint64(c2)
        sums[t, 3] += np.uint64(c3)


@njit(nogil=True, cache=True)
def evaluate_round(
    start: int, stop: int, tables: U32, half: int, terms: Terms, low: U32, high: U32
) -> U64:
    """Round polynomial sums over pairs (i, half + i), i in [start, stop): uint64 (d, 4)."""
    degree, factors, width = terms.shape[1], tables.shape[0], low.shape[1]
    sums = np.zeros((degree, 4), np.uint64)
    work = np.empty((3 * factors + 4, 4, TILE), np.uint32)
    for base in range(start, stop, width):
        block = np.zeros((degree, 4), np.uint64)
        for offset in range(0, width, TILE):
            n = min(TILE, width - offset)
            evaluate_tile(tables, half, base + offset, n, terms, low, offset, work, block)
        add_weighted(block, high, base // width, sums)
    return sums


@njit(nogil=True, cache=True)
def fold_and_evaluate(
    start: int, stop: int, tables: U32, half: int, r: U32, terms: Terms, low: U32, high: U32
) -> U64:
    """Bind the first variable to r, in place, and return the sums of the round after it.

    `half` is half of the size after binding: entries i and half + i, for i in [start, stop), are
    made from the quarters' entries i, half + i, 2 half + i, 3 half + i, and from no others.
    """
    degree, factors, width = terms.shape[1], tables.shape[0], low.shape[1]
    sums = np.zeros((degree, 4), np.uint64)
    work = np.empty((3 * factors + 4, 4, TILE), np.uint32)
    for base in range(start, stop, width):
        block = np.zeros((degree, 4), np.uint64)
        for offset in range(0, width, TILE):
            n, i = min(TILE, width - offset), base + offset
            for f in range(factors):
                _fold_tile(tables[f], i, 2 * half + i, r, n, work[0])
                _fold_tile(tables[f], half + i, 3 * half + i, r, n, work[0])
            evaluate_tile(tables, half, i, n, terms, low, offset, work, block)
        add_weighted(block, high, base // width, sums)
    return sums


@njit(nogil=True, cache=True)
def fold(start: int, stop: int, tables: U32, half: int, r: U32) -> None:
    """Bind the first variable of tables of size 2 half to r, in place."""
    spare = np.empty((4, TILE), np.uint32)
    for f in range(tables.shape[0]):
        for i in range(start, stop, TILE):
            _fold_tile(tables[f], i, half + i, r, min(TILE, stop - i), spare)
