"""Inverses of many elements of K at once.

Norms lead down to F_p (`Element.inverse`), where x^(p - 2) is 30 squarings and 7 products. All of
it vectorises, which a running product (Montgomery's trick) does not, and there is no second pass.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from wmproof.argument.extension import TILE, k_mul
from wmproof.argument.field import U32, P, add, mont_mul, mont_reduce, montgomery, sub
from wmproof.argument.threads import over_ranges

_THREE = montgomery(3)
_P2 = np.uint64(P) * np.uint64(P)


# p - 2 is, in binary, six ones, a zero and four times six ones. Each step of the chain squares this
# often and multiplies by the power saved last: x, then x^7 (step 2), then x^63 (step 3).
_SQUARINGS = (1, 1, 3, 7, 6, 6, 6)


@njit(inline="always")
def _invert_base(x, saved, out):  # type: ignore[no-untyped-def]
    """Set out = x^(p - 2)."""
    for i in range(x.shape[0]):
        out[i], saved[i] = x[i], x[i]
    for step in range(len(_SQUARINGS)):
        for _ in range(_SQUARINGS[step]):
            for i in range(x.shape[0]):
                out[i] = mont_mul(out[i], out[i])
        for i in range(x.shape[0]):
            out[i] = mont_mul(out[i], saved[i])
        if step == 1 or step == 2:
            for i in range(x.shape[0]):
                saved[i] = out[i]


@njit(inline="always")
def _norms(a0, a1, a2, a3, n0, n1, norm):  # type: ignore[no-untyped-def]
    """Set n0 + n1 X^2 = x(X) x(-X) and norm = n0^2 - 3 n1^2."""
    for i in range(n0.shape[0]):
        x0, x1, x2, x3 = np.uint64(a0[i]), np.uint64(a1[i]), np.uint64(a2[i]), np.uint64(a3[i])
        # x1 x3 <= p^2: no difference is negative. (Numba makes uint64 times a literal a float.)
        cross = _P2 - x1 * x3
        inner = mont_reduce(x2 * x2 + cross + cross)
        n0[i] = add(mont_mul(a0[i], a0[i]), mont_mul(inner, _THREE))
        outer = mont_reduce(x0 * x2 + x0 * x2 + (_P2 - x1 * x1))
        n1[i] = sub(outer, mont_mul(mont_mul(a3[i], a3[i]), _THREE))
        norm[i] = sub(mont_mul(n0[i], n0[i]), mont_mul(mont_mul(n1[i], n1[i]), _THREE))


@njit(inline="always")
def _conjugate_product(a0, a1, a2, a3, n0, n1, inverse, out, start):  # type: ignore[no-untyped-def]
    """Set out = x(-X) (n0 - n1 X^2) / norm."""
    size = n0.shape[0]
    o0, o1 = out[0, start : start + size], out[1, start : start + size]
    o2, o3 = out[2, start : start + size], out[3, start : start + size]
    zero = np.uint32(0)
    for i in range(size):
        m0 = mont_mul(n0[i], inverse[i])
        m1 = sub(zero, mont_mul(n1[i], inverse[i]))
        c1, c3 = sub(zero, a1[i]), sub(zero, a3[i])
        o0[i], o1[i], o2[i], o3[i] = k_mul(a0[i], c1, a2[i], c3, m0, zero, m1, zero)


@njit(nogil=True, cache=True)
def _invert_range(start: int, stop: int, a: U32, out: U32) -> int:
    """Invert a stretch; return how many zeros it has."""
    spare = np.empty((5, TILE), np.uint32)
    zeros = 0
    for low in range(start, stop, TILE):
        n = min(TILE, stop - low)
        a0, a1 = a[0, low : low + n], a[1, low : low + n]
        a2, a3 = a[2, low : low + n], a[3, low : low + n]
        n0, n1, norm = spare[0, :n], spare[1, :n], spare[2, :n]
        _norms(a0, a1, a2, a3, n0, n1, norm)
        for i in range(n):
            zeros += norm[i] == 0
        _invert_base(norm, spare[3, :n], spare[4, :n])
        _conjugate_product(a0, a1, a2, a3, n0, n1, spare[4, :n], out, low)
    return zeros


def batch_inverse(values: U32) -> U32:
    """Return 1 / x for every x.

    Parameters
    ----------
    values : ndarray
        uint32 (4, N), K in Montgomery form.

    Returns
    -------
    ndarray
        uint32 (4, N), K in Montgomery form.

    Raises
    ------
    ZeroDivisionError
        If an element is zero.
    """
    source = np.ascontiguousarray(values)
    out = np.empty_like(source)
    zeros = sum(over_ranges(_invert_range, source.shape[1], source, out, align=TILE))
    if zeros:
        raise ZeroDivisionError(f"{zeros} of {source.shape[1]} elements have no inverse")
    return out
