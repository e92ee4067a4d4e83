"""Arrays over K = F_p[X]/(X^4 - 3): uint32 of shape (4, N), Montgomery form, row j = coefficient j.

The ``v_*`` functions are the kernels' vocabulary: each handles one short, cache-resident stretch
in a loop that LLVM vectorises (row views with a range from zero are what lets it). Kernels are
written as loops over tiles of `TILE` elements that call them.
"""

from __future__ import annotations

import numpy as np
from numba import njit, uint64

from wmproof.argument.element import DEGREE, Element
from wmproof.argument.field import U32, add, from_montgomery, mont_mul, mont_reduce, sub
from wmproof.argument.field import P as P_INT
from wmproof.argument.threads import over_ranges

TILE = 512


@njit(inline="always")
def _triple(a: int) -> int:
    return add(add(a, a), a)


@njit(inline="always")
def k_mul(a0, a1, a2, a3, b0, b1, b2, b3):  # type: ignore[no-untyped-def]
    """Product in K of two elements given by coefficients: 16 products, 4 reductions."""
    x0, x1, x2, x3 = uint64(a0), uint64(a1), uint64(a2), uint64(a3)
    y0, y1, y2, y3 = uint64(b0), uint64(b1), uint64(b2), uint64(b3)
    z1, z2, z3 = uint64(_triple(b1)), uint64(_triple(b2)), uint64(_triple(b3))
    return (
        mont_reduce(x0 * y0 + x1 * z3 + x2 * z2 + x3 * z1),
        mont_reduce(x0 * y1 + x1 * y0 + x2 * z3 + x3 * z2),
        mont_reduce(x0 * y2 + x1 * y1 + x2 * y0 + x3 * z3),
        mont_reduce(x0 * y3 + x1 * y2 + x2 * y1 + x3 * y0),
    )


@njit(nogil=True, cache=True)
def v_mul(a: U32, b: U32, out: U32) -> None:
    """out = a * b, elementwise; out may be a or b."""
    a0, a1, a2, a3 = a[0], a[1], a[2], a[3]
    b0, b1, b2, b3 = b[0], b[1], b[2], b[3]
    o0, o1, o2, o3 = out[0], out[1], out[2], out[3]
    for i in range(a0.shape[0]):
        c = k_mul(a0[i], a1[i], a2[i], a3[i], b0[i], b1[i], b2[i], b3[i])
        o0[i], o1[i], o2[i], o3[i] = c


@njit(nogil=True, cache=True)
def v_scale(a: U32, s: U32, out: U32) -> None:
    """out = s * a for one scalar s of K, uint32 (4,)."""
    a0, a1, a2, a3 = a[0], a[1], a[2], a[3]
    s0, s1, s2, s3 = s[0], s[1], s[2], s[3]
    o0, o1, o2, o3 = out[0], out[1], out[2], out[3]
    for i in range(a0.shape[0]):
        c = k_mul(a0[i], a1[i], a2[i], a3[i], s0, s1, s2, s3)
        o0[i], o1[i], o2[i], o3[i] = c


@njit(nogil=True, cache=True)
def v_fold(low: U32, high: U32, r: U32, out: U32) -> None:
    """out = low + r * (high - low), for a scalar r of K; out may be low or high."""
    l0, l1, l2, l3 = low[0], low[1], low[2], low[3]
    h0, h1, h2, h3 = high[0], high[1], high[2], high[3]
    r0, r1, r2, r3 = r[0], r[1], r[2], r[3]
    o0, o1, o2, o3 = out[0], out[1], out[2], out[3]
    for i in range(l0.shape[0]):
        d0, d1 = sub(h0[i], l0[i]), sub(h1[i], l1[i])
        d2, d3 = sub(h2[i], l2[i]), sub(h3[i], l3[i])
        c0, c1, c2, c3 = k_mul(d0, d1, d2, d3, r0, r1, r2, r3)
        o0[i], o1[i] = add(l0[i], c0), add(l1[i], c1)
        o2[i], o3[i] = add(l2[i], c2), add(l3[i], c3)


@njit(nogil=True, cache=True)
def v_add(a: U32, b: U32, out: U32) -> None:
    """out = a + b; out may be a or b."""
    for j in range(4):
        x, y, o = a[j], b[j], out[j]
        for i in range(x.shape[0]):
            o[i] = add(x[i], y[i])


@njit(nogil=True, cache=True)
def v_sub(a: U32, b: U32, out: U32) -> None:
    """out = a - b; out may be a or b."""
    for j in range(4):
        x, y, o = a[j], b[j], out[j]
        for i in range(x.shape[0]):
            o[i] = sub(x[i], y[i])


@njit(nogil=True, cache=True)
def v_dot(a: U32, b: U32, sums: U32) -> None:
    """sums += sum_i a_i b_i, coefficients added as uint64 (4,); reduce with `reduce_sums`."""
    a0, a1, a2, a3 = a[0], a[1], a[2], a[3]
    b0, b1, b2, b3 = b[0], b[1], b[2], b[3]
    s0, s1, s2, s3 = uint64(0), uint64(0), uint64(0), uint64(0)
    for i in range(a0.shape[0]):
        c0, c1, c2, c3 = k_mul(a0[i], a1[i], a2[i], a3[i], b0[i], b1[i], b2[i], b3[i])
        s0 += uint64(c0)
        s1 += uint64(c1)
        s2 += uint64(c2)
        s3 += uint64(c3)
    sums[0] += s0
    sums[1] += s1
    sums[2] += s2
    sums[3] += s3


def reduce_sums(sums: np.ndarray) -> U32:
    """Coefficient sums (uint64, any shape, of numbers below p) brought below p."""
    return (sums % np.uint64(P_INT)).astype(np.uint32)
