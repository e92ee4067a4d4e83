"""The sumcheck prover's inner loops: round polynomials, and folding in place.

Tables are uint32 (F, 4, N): F multilinears over K, of which only the first entries count. Terms
are int64 (P, d): product p multiplies the multilinears ``terms[p]``. eq weights of the variables
that are still free are a tensor product, high (4, H) by low (4, L), of which L and H L divide the
half.

Round polynomials are sent as their values at X = 0, 2, 3, .. and their leading coefficient, which
is the product of slopes. All terms of one entry stay in registers; weighted by `low`, entries are
summed up without reduction.
"""

import numpy as np
from numpy.typing import NDArray

from wmproof._base.jit import njit
from wmproof.argument.algebra.extension import U64
from wmproof.argument.algebra.field import U32, P
from wmproof.argument.kernels import simd
from wmproof.argument.kernels.extension import (
    ONE,
    TILE,
    add_k_sums,
    k_add,
    k_add_product,
    k_load,
    k_load_from,
    k_mul,
    k_sub,
    k_sums,
    multiplier,
    single,
    v_fold,
)

Terms = NDArray[np.int64]
LANES = simd.LANES
_LEADING = 1  # the place of the leading coefficient among the values


@njit(forceinline=True)
def _value(tables, f, at, half, i, like):  # type: ignore[no-untyped-def]
    """Of multilinear f and entry i: its value at X = at, or its slope."""
    low = k_load_from(tables, f, i, like)
    if at == 0:
        return low
    slope = k_sub(k_load_from(tables, f, half + i, like), low)
    if at == _LEADING:
        return slope
    value = k_add(low, slope)
    for _ in range(1, at):
        value = k_add(value, slope)
    return value


@njit(forceinline=True)
def _terms(tables, terms, at, half, i, like):  # type: ignore[no-untyped-def]
    """The sum over terms of the product of their multilinears' values."""
    total = like, like, like, like
    for p in range(terms.shape[0]):
        product = _value(tables, terms[p, 0], at, half, i, like)
        for t in range(1, terms.shape[1]):
            factor = _value(tables, terms[p, t], at, half, i, like)
            product = k_mul(product, multiplier(factor))
        total = k_add(total, product)
    return total


@njit(nogil=True, cache=True)
def _add_value(
    tables: U32, at: int, half: int, i: int, n: int, terms: Terms, low: U32, offset: int, sums: U64
) -> None:
    """Add the weighted values at X = at of entries i .. i + n - 1."""
    one, many, whole = ONE, simd.vector(), n - n % LANES
    products, last = k_sums(many), k_sums(one)
    for x in range(0, whole, LANES):
        value = _terms(tables, terms, at, half, i + x, many)
        products = k_add_product(products, value, multiplier(k_load(low, offset + x, many)))
    for x in range(whole, n):
        entry = _terms(tables, terms, at, half, i + x, one)
        last = k_add_product(last, entry, multiplier(k_load(low, offset + x, one)))
    add_k_sums(products, sums)
    add_k_sums(last, sums)


@njit(nogil=True, cache=True)
def evaluate_tile(
    tables: U32, half: int, i: int, n: int, terms: Terms, low: U32, offset: int, sums: U64
) -> None:
    """Add n pairs (i, half + i): sums[0] at X = 0, sums[1] the leading coefficient, else X = t."""
    for at in range(terms.shape[1]):
        _add_value(tables, at, half, i, n, terms, low, offset, sums[at])


@njit(nogil=True, cache=True)
def add_weighted(block: U64, high: U32, h: int, sums: U64) -> None:
    """Add block * high[h] to the sums."""
    p = np.uint64(P)
    factor = multiplier(k_load(high, h, ONE))
    for t in range(sums.shape[0]):
        product = k_mul(single((block[t] % p).astype(np.uint32)), factor)
        for c in range(4):
            sums[t, c] += np.uint64(product[c])


@njit(nogil=True, cache=True)
def evaluate_round(
    start: int, stop: int, tables: U32, half: int, terms: Terms, low: U32, high: U32
) -> U64:
    """Round polynomial sums over pairs (i, half + i), i in [start, stop): uint64 (d, 4)."""
    degree, width = terms.shape[1], low.shape[1]
    sums = np.zeros((degree, 4), np.uint64)
    for base in range(start, stop, width):
        block = np.zeros((degree, 4), np.uint64)
        for offset in range(0, width, TILE):
            n = min(TILE, width - offset)
            evaluate_tile(tables, half, base + offset, n, terms, low, offset, block)
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
    degree, width = terms.shape[1], low.shape[1]
    sums = np.zeros((degree, 4), np.uint64)
    for base in range(start, stop, width):
        block = np.zeros((degree, 4), np.uint64)
        for offset in range(0, width, TILE):
            n, i = min(TILE, width - offset), base + offset
            for f in range(tables.shape[0]):
                table = tables[f]
                v_fold(table, i, 2 * half + i, r, table, i, n)
                v_fold(table, half + i, 3 * half + i, r, table, half + i, n)
            evaluate_tile(tables, half, i, n, terms, low, offset, block)
        add_weighted(block, high, base // width, sums)
    return sums


@njit(nogil=True, cache=True)
def fold(start: int, stop: int, tables: U32, half: int, r: U32) -> None:
    """Bind the first variable of tables of size 2 half to r, in place."""
    for f in range(tables.shape[0]):
        table = tables[f]
        v_fold(table, start, half + start, r, table, start, stop - start)
