"""Arrays over K = F_p[X]/(X^4 - 3): uint32 (4, N) in Montgomery form, row j = coefficient j."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from wmproof._base.threads import one_blas_thread
from wmproof.argument.algebra.element import DEGREE, Element
from wmproof.argument.algebra.field import (
    MONTGOMERY_R,
    U32,
    P,
    from_montgomery,
    reduced,
    to_montgomery,
)

U64 = NDArray[np.uint64]

_HALF_BITS = np.uint32(16)
# Products of halves are below 2^32: a double adds up 2^21 of them exactly.
_BLOCK = 1 << 15
_R_INVERSE = pow(MONTGOMERY_R, -1, P)


def total_of(partial_sums: Sequence[U64]) -> U32:
    """Add the threads' coefficient sums (uint64, any one shape) and bring them below p."""
    parts = [reduced(part) for part in partial_sums]
    return reduced(np.asarray(np.sum(parts, axis=0, dtype=np.uint64))).astype(np.uint32)


def sums_of(partial_sums: Sequence[U64]) -> list[Element]:
    """The sums of the threads' sums, Montgomery uint64 (n, 4) each: n elements."""
    totals = zip(*(part.reshape(-1).tolist() for part in partial_sums), strict=True)
    flat = [sum(parts) for parts in totals]
    return [Element.from_montgomery(flat[i : i + DEGREE]) for i in range(0, len(flat), DEGREE)]


def inner_product(a: U32, b: U32) -> Element:
    """Return sum_i a_i b_i for two vectors over K, Montgomery (4, N)."""
    total = np.zeros((2 * DEGREE, 2 * DEGREE), object)
    with one_blas_thread():
        for first in range(0, a.shape[1], _BLOCK):
            part = slice(first, first + _BLOCK)
            sums = _halves(a[:, part]) @ _halves(b[:, part]).T
            total += sums.astype(np.int64).astype(object)
    # whole[d, e]: the sum of coefficients d of a times coefficients e of b.
    n = DEGREE
    mixed = total[:n, n:] + total[n:, :n]
    whole = (total[:n, :n] + (mixed << 16) + (total[n:, n:] << 32)) * _R_INVERSE**2
    result = [0] * (2 * DEGREE)
    for d in range(DEGREE):
        for e in range(DEGREE):
            result[d + e] += whole[d, e]
    return Element(*((result[c] + 3 * result[c + DEGREE]) % P for c in range(DEGREE)))


def _halves(a: U32) -> NDArray[np.float64]:
    """Low and high halves of 16 bits, (8, N)."""
    return np.concatenate([a & np.uint32(0xFFFF), a >> _HALF_BITS]).astype(np.float64)


def vector_of(elements: Sequence[Element]) -> U32:
    """Return the Montgomery array (4, N) of N elements."""
    flat = np.fromiter(chain.from_iterable(elements), np.uint32, DEGREE * len(elements))
    return to_montgomery(np.ascontiguousarray(flat.reshape(-1, DEGREE).T))


def elements_of(vector: U32) -> list[Element]:
    """Return the elements of a Montgomery array (4, N)."""
    return [Element(*row) for row in from_montgomery(vector).T.tolist()]
