"""Arrays over K = F_p[X]/(X^4 - 3): uint32 of shape (4, N), Montgomery form, row j = coefficient j.

The ``v_*`` functions are the kernels' vocabulary. Each works on a stretch of `n` elements, given as
a whole C-contiguous array and the stretch's first index: a slice of all four rows would lose the
unit stride that LLVM needs to vectorise. No output may overlap an input: it would be correct, but
LLVM's check for overlap would choose the scalar loop. Kernels are loops over tiles of `TILE`
elements, so that what one call writes is still in the cache when the next one reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from wmproof.argument.element import DEGREE, Element
from wmproof.argument.field import (
    U32,
    P,
    Scalar,
    add,
    from_montgomery,
    mont_reduce,
    sub,
    to_montgomery,
)
from wmproof.argument.threads import over_ranges

U64 = NDArray[np.uint64]

TILE = 512

# Rows a power of two apart would compete for the same cache sets; 17 cache lines keep them apart.
_ROW_PADDING = 272


@njit(inline="always")
def _triple(a: Scalar) -> Scalar:
    return add(add(a, a), a)


@njit(inline="always")
def k_mul(
    a0: Scalar,
    a1: Scalar,
    a2: Scalar,
    a3: Scalar,
    b0: Scalar,
    b1: Scalar,
    b2: Scalar,
    b3: Scalar,
) -> Any:
    """Product in K of two elements given by coefficients: 16 products, 4 reductions."""
    x0, x1, x2, x3 = np.uint64(a0), np.uint64(a1), np.uint64(a2), np.uint64(a3)
    y0, y1, y2, y3 = np.uint64(b0), np.uint64(b1), np.uint64(b2), np.uint64(b3)
    z1, z2, z3 = np.uint64(_triple(b1)), np.uint64(_triple(b2)), np.uint64(_triple(b3))
    return (
        mont_reduce(x0 * y0 + x1 * z3 + x2 * z2 + x3 * z1),
        mont_reduce(x0 * y1 + x1 * y0 + x2 * z3 + x3 * z2),
        mont_reduce(x0 * y2 + x1 * y1 + x2 * y0 + x3 * z3),
        mont_reduce(x0 * y3 + x1 * y2 + x2 * y1 + x3 * y0),
    )


@njit(nogil=True, cache=True)
def v_mul(a: U32, i: int, b: U32, j: int, out: U32, k: int, n: int) -> None:
    """out[k:k+n] = a[i:i+n] * b[j:j+n]."""
    a0, a1, a2, a3 = a[0, i : i + n], a[1, i : i + n], a[2, i : i + n], a[3, i : i + n]
    b0, b1, b2, b3 = b[0, j : j + n], b[1, j : j + n], b[2, j : j + n], b[3, j : j + n]
    o0, o1, o2, o3 = out[0, k : k + n], out[1, k : k + n], out[2, k : k + n], out[3, k : k + n]
    for x in range(n):
        c = k_mul(a0[x], a1[x], a2[x], a3[x], b0[x], b1[x], b2[x], b3[x])
        o0[x], o1[x], o2[x], o3[x] = c


@njit(nogil=True, cache=True)
def v_scale(a: U32, i: int, s: U32, out: U32, k: int, n: int) -> None:
    """out[k:k+n] = s * a[i:i+n] for one scalar s of K, uint32 (4,)."""
    a0, a1, a2, a3 = a[0, i : i + n], a[1, i : i + n], a[2, i : i + n], a[3, i : i + n]
    o0, o1, o2, o3 = out[0, k : k + n], out[1, k : k + n], out[2, k : k + n], out[3, k : k + n]
    s0, s1, s2, s3 = s[0], s[1], s[2], s[3]
    for x in range(n):
        o0[x], o1[x], o2[x], o3[x] = k_mul(a0[x], a1[x], a2[x], a3[x], s0, s1, s2, s3)


@njit(nogil=True, cache=True)
def v_fold(a: U32, low: int, high: int, r: U32, out: U32, k: int, n: int) -> None:
    """out[k:k+n] = a[low:low+n] + r * (a[high:high+n] - a[low:low+n]) for one scalar r of K."""
    l0, l1, l2, l3 = (
        a[0, low : low + n],
        a[1, low : low + n],
        a[2, low : low + n],
        a[3, low : low + n],
    )
    h0, h1, h2, h3 = (
        a[0, high : high + n],
        a[1, high : high + n],
        a[2, high : high + n],
        a[3, high : high + n],
    )
    o0, o1, o2, o3 = out[0, k : k + n], out[1, k : k + n], out[2, k : k + n], out[3, k : k + n]
    r0, r1, r2, r3 = r[0], r[1], r[2], r[3]
    for x in range(n):
        d0, d1 = sub(h0[x], l0[x]), sub(h1[x], l1[x])
        d2, d3 = sub(h2[x], l2[x]), sub(h3[x], l3[x])
        c0, c1, c2, c3 = k_mul(d0, d1, d2, d3, r0, r1, r2, r3)
        o0[x], o1[x] = add(l0[x], c0), add(l1[x], c1)
        o2[x], o3[x] = add(l2[x], c2), add(l3[x], c3)


@njit(nogil=True, cache=True)
def v_add(a: U32, i: int, b: U32, j: int, out: U32, k: int, n: int) -> None:
    """out[k:k+n] = a[i:i+n] + b[j:j+n]."""
    for c in range(4):
        x, y, o = a[c, i : i + n], b[c, j : j + n], out[c, k : k + n]
        for t in range(n):
            o[t] = add(x[t], y[t])


@njit(nogil=True, cache=True)
def v_sub(a: U32, i: int, b: U32, j: int, out: U32, k: int, n: int) -> None:
    """out[k:k+n] = a[i:i+n] - b[j:j+n]."""
    for c in range(4):
        x, y, o = a[c, i : i + n], b[c, j : j + n], out[c, k : k + n]
        for t in range(n):
            o[t] = sub(x[t], y[t])


@njit(nogil=True, cache=True)
def v_copy(a: U32, i: int, out: U32, k: int, n: int) -> None:
    """out[k:k+n] = a[i:i+n]."""
    for c in range(4):
        out[c, k : k + n] = a[c, i : i + n]


@njit(nogil=True, cache=True)
def v_sum(a: U32, i: int, n: int, sums: U64) -> None:
    """sums[c] += sum of a[c, i:i+n]: exact for up to 2^33 numbers below p."""
    for c in range(4):
        row = a[c, i : i + n]
        total = np.uint64(0)
        for x in range(n):
            total += np.uint64(row[x])
        sums[c] += total


@njit(nogil=True, cache=True)
def _dot_range(start: int, stop: int, a: U32, b: U32) -> U64:
    sums = np.zeros(4, np.uint64)
    products = np.empty((4, TILE), np.uint32)
    for i in range(start, stop, TILE):
        n = min(TILE, stop - i)
        v_mul(a, i, b, i, products, 0, n)
        v_sum(products, 0, n, sums)
    return sums


def empty_tables(count: int, size: int) -> U32:
    """Uninitialised multilinears, uint32 (count, 4, >= size), C-contiguous."""
    return np.empty((count, 4, size + _ROW_PADDING), np.uint32)


def total_of(partial_sums: Sequence[U64]) -> U32:
    """Add the threads' coefficient sums (uint64, any one shape) and bring them below p."""
    reduced = [part % np.uint64(P) for part in partial_sums]
    total = np.asarray(np.sum(reduced, axis=0, dtype=np.uint64)) % np.uint64(P)
    return total.astype(np.uint32)


def inner_product(a: U32, b: U32) -> Element:
    """Return sum_i a_i b_i for two vectors over K, Montgomery (4, N), C-contiguous."""
    return Element.from_montgomery(total_of(over_ranges(_dot_range, a.shape[1], a, b)))


def vector_of(elements: Sequence[Element]) -> U32:
    """Return the Montgomery array (4, N) of N elements."""
    canonical = np.array(elements, np.uint32).reshape(-1, DEGREE).T
    return to_montgomery(np.ascontiguousarray(canonical))


def elements_of(vector: U32) -> list[Element]:
    """Return the elements of a Montgomery array (4, N)."""
    return [Element(*row) for row in from_montgomery(vector).T.tolist()]
