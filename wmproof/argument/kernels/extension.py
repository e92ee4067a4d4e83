"""Kernels on arrays over K; `algebra.extension` says how they are laid out.

Elements are tuples of four numbers of `simd`, one each or one in each lane. The ``v_*`` functions
work on a stretch of `n` elements, given as a whole array and the stretch's first index; outputs may
be inputs at the same indices. Kernels that do several steps do them on tiles of `TILE` elements, so
that what one step writes is still in the cache when the next one reads it.
"""

import numpy as np

from wmproof._base.jit import njit
from wmproof._base.threads import Workspace, over_ranges
from wmproof.argument.algebra.element import Element
from wmproof.argument.algebra.extension import U64, sums_of
from wmproof.argument.algebra.field import U32, P
from wmproof.argument.kernels import simd
from wmproof.argument.kernels.field import mont_reduce
from wmproof.argument.kernels.simd import LANES, add, dot, load, store, sub

TILE = 512
ONE = np.uint32(0)  # says to `simd` that one number is wanted

# Rows a power of two apart would compete for the same cache sets; 17 cache lines keep them apart.
_ROW_PADDING = 272


@njit(forceinline=True)
def k_load(a, i, like):  # type: ignore[no-untyped-def]
    """The element at i of a (4, N), or `LANES` elements from i on if `like` is a vector."""
    return (
        load(a, (0, i), like),
        load(a, (1, i), like),
        load(a, (2, i), like),
        load(a, (3, i), like),
    )


@njit(forceinline=True)
def k_load_from(tables, f, i, like):  # type: ignore[no-untyped-def]
    """`k_load` of tables[f]."""
    return (
        load(tables, (f, 0, i), like),
        load(tables, (f, 1, i), like),
        load(tables, (f, 2, i), like),
        load(tables, (f, 3, i), like),
    )


@njit(forceinline=True)
def k_store(a, i, value):  # type: ignore[no-untyped-def]
    """Put what `k_load` takes."""
    store(a, (0, i), value[0])
    store(a, (1, i), value[1])
    store(a, (2, i), value[2])
    store(a, (3, i), value[3])


@njit(forceinline=True)
def k_add(a, b):  # type: ignore[no-untyped-def]
    """Sum in K."""
    return add(a[0], b[0]), add(a[1], b[1]), add(a[2], b[2]), add(a[3], b[3])


@njit(forceinline=True)
def k_sub(a, b):  # type: ignore[no-untyped-def]
    """Difference in K."""
    return sub(a[0], b[0]), sub(a[1], b[1]), sub(a[2], b[2]), sub(a[3], b[3])


@njit(forceinline=True)
def _triple(a):  # type: ignore[no-untyped-def]
    return add(add(a, a), a)


@njit(forceinline=True)
def multiplier(b):  # type: ignore[no-untyped-def]
    """B and what a product takes of 3 b = X^4 b: to be made once for several products."""
    return b[0], b[1], b[2], b[3], _triple(b[1]), _triple(b[2]), _triple(b[3])


@njit(forceinline=True)
def k_mul(a, m):  # type: ignore[no-untyped-def]
    """Product in K with a `multiplier`: 16 products, 4 reductions."""
    a0, a1, a2, a3 = a
    b0, b1, b2, b3, z1, z2, z3 = m
    return (
        dot(a0, b0, a1, z3, a2, z2, a3, z1),
        dot(a0, b1, a1, b0, a2, z3, a3, z2),
        dot(a0, b2, a1, b1, a2, b0, a3, z3),
        dot(a0, b3, a1, b2, a2, b1, a3, b0),
    )


@njit(forceinline=True)
def k_add_product(sums, a, m):  # type: ignore[no-untyped-def]
    """`k_sums` with one more product each; without its reduction, which is half of the work."""
    a0, a1, a2, a3 = a
    b0, b1, b2, b3, z1, z2, z3 = m
    return (
        simd.add_dot(sums[0], a0, b0, a1, z3, a2, z2, a3, z1),
        simd.add_dot(sums[1], a0, b1, a1, b0, a2, z3, a3, z2),
        simd.add_dot(sums[2], a0, b2, a1, b1, a2, b0, a3, z3),
        simd.add_dot(sums[3], a0, b3, a1, b2, a2, b1, a3, b0),
    )


@njit(forceinline=True)
def k_sums(like):  # type: ignore[no-untyped-def]
    """No products yet: for each coefficient the two sums of `simd.add_dot`."""
    none = simd.no_sums(like), simd.no_sums(like)
    return none, none, none, none


@njit(forceinline=True)
def _reduced_sum(sums):  # type: ignore[no-untyped-def]
    # 2^32 high + low, where low is below 2^64 because there are fewer than 2^32 products.
    low, high = simd.total(sums[0]), simd.total(sums[1])
    low -= high << np.uint64(32)
    return mont_reduce(low) + high % np.uint64(P)


@njit(forceinline=True)
def add_k_sums(sums, out):  # type: ignore[no-untyped-def]
    """out[c] += coefficient c of a sum of products, uint64 (4,), fewer than 2^32 in all."""
    out[0] += _reduced_sum(sums[0])
    out[1] += _reduced_sum(sums[1])
    out[2] += _reduced_sum(sums[2])
    out[3] += _reduced_sum(sums[3])


@njit(forceinline=True)
def uniform(s):  # type: ignore[no-untyped-def]
    """An element, uint32 (4,), in every lane."""
    return simd.uniform(s[0]), simd.uniform(s[1]), simd.uniform(s[2]), simd.uniform(s[3])


@njit(forceinline=True)
def single(s):  # type: ignore[no-untyped-def]
    """An element, uint32 (4,)."""
    return s[0], s[1], s[2], s[3]


@njit(nogil=True, cache=True)
def v_mul(a: U32, i: int, b: U32, j: int, out: U32, k: int, n: int) -> None:
    """out[k:k+n] = a[i:i+n] * b[j:j+n]."""
    one, many, whole = ONE, simd.vector(), n - n % LANES
    for x in range(0, whole, LANES):
        k_store(out, k + x, k_mul(k_load(a, i + x, many), multiplier(k_load(b, j + x, many))))
    for x in range(whole, n):
        k_store(out, k + x, k_mul(k_load(a, i + x, one), multiplier(k_load(b, j + x, one))))


@njit(nogil=True, cache=True)
def v_scale(a: U32, i: int, s: U32, out: U32, k: int, n: int) -> None:
    """out[k:k+n] = s * a[i:i+n] for one scalar s of K, uint32 (4,)."""
    one, many, whole = ONE, simd.vector(), n - n % LANES
    factors, factor = multiplier(uniform(s)), multiplier(single(s))
    for x in range(0, whole, LANES):
        k_store(out, k + x, k_mul(k_load(a, i + x, many), factors))
    for x in range(whole, n):
        k_store(out, k + x, k_mul(k_load(a, i + x, one), factor))


@njit(forceinline=True)
def _folded(low, high, r):  # type: ignore[no-untyped-def]
    return k_add(low, k_mul(k_sub(high, low), r))


@njit(nogil=True, cache=True)
def v_fold(a: U32, low: int, high: int, r: U32, out: U32, k: int, n: int) -> None:
    """out[k:k+n] = a[low:low+n] + r * (a[high:high+n] - a[low:low+n]) for one scalar r of K."""
    one, many, whole = ONE, simd.vector(), n - n % LANES
    factors, factor = multiplier(uniform(r)), multiplier(single(r))
    for x in range(0, whole, LANES):
        both = k_load(a, low + x, many), k_load(a, high + x, many)
        k_store(out, k + x, _folded(both[0], both[1], factors))
    for x in range(whole, n):
        ends = k_load(a, low + x, one), k_load(a, high + x, one)
        k_store(out, k + x, _folded(ends[0], ends[1], factor))


@njit(nogil=True, cache=True)
def v_sub(a: U32, i: int, b: U32, j: int, out: U32, k: int, n: int) -> None:
    """out[k:k+n] = a[i:i+n] - b[j:j+n]."""
    one, many, whole = ONE, simd.vector(), n - n % LANES
    for x in range(0, whole, LANES):
        k_store(out, k + x, k_sub(k_load(a, i + x, many), k_load(b, j + x, many)))
    for x in range(whole, n):
        k_store(out, k + x, k_sub(k_load(a, i + x, one), k_load(b, j + x, one)))


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
    one, many, whole = ONE, simd.vector(), stop - (stop - start) % LANES
    products, last = k_sums(many), k_sums(one)
    for x in range(start, whole, LANES):
        products = k_add_product(products, k_load(a, x, many), multiplier(k_load(b, x, many)))
    for x in range(whole, stop):
        last = k_add_product(last, k_load(a, x, one), multiplier(k_load(b, x, one)))
    add_k_sums(products, sums)
    add_k_sums(last, sums)
    return sums


class TableMemory:
    """Tables that are made again and again in the same memory: new pages cost more than to fill."""

    def __init__(self) -> None:
        self._workspace = Workspace()

    def tables(self, name: str, count: int, size: int) -> U32:
        """As `empty_tables`; valid until this thread asks for tables of that name again."""
        return self._workspace.array(name, (count, 4, size + _ROW_PADDING), np.uint32)


def empty_tables(count: int, size: int) -> U32:
    """Uninitialised multilinears, uint32 (count, 4, >= size), C-contiguous."""
    return np.empty((count, 4, size + _ROW_PADDING), np.uint32)


def inner_product(a: U32, b: U32, count: int | None = None) -> Element:
    """Return sum_i a_i b_i of two vectors over K, Montgomery (4, N), C-contiguous.

    Of their entries only the first `count` count where that is given.
    """
    size = a.shape[1] if count is None else count
    return sums_of(over_ranges(_dot_range, size, a, b))[0]
