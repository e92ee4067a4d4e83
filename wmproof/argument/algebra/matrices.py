"""Products of matrices over F_p and K, exact in double precision.

A number below p < 2^31 is three limbs of 11 bits. A product of a limb and a number is below 2^42,
so 2^11 of them add up to no more than 2^53, which a double holds exactly whatever the order of
the sum: any BLAS gives the same integers, at its full speed.
"""

import numpy as np
from numpy.typing import NDArray

from wmproof._base.threads import one_blas_thread, over_ranges
from wmproof.argument.algebra.element import DEGREE, NON_RESIDUE
from wmproof.argument.algebra.field import U32, P, Unsigned, from_montgomery, reduced

_LIMB_BITS = 11
_LIMBS = 3
_MOST_TERMS = 1 << _LIMB_BITS
# Entries of the right factor, and of the products, that are doubles at a time: they should stay in
# the cache.
_ENTRIES = 1 << 16
# A multiple of p that no sum of products with negative numbers falls below.
_OFFSET = np.int64(P << (2 * _LIMB_BITS + 1))


def product(a: U32, b: Unsigned | NDArray[np.int32]) -> U32:
    """Return a b mod p: uint32 (m, n), Montgomery form if exactly one of the factors is.

    Parameters
    ----------
    a : uint32 (m, k), below p; the smaller one of the two
    b : uint32 or a smaller unsigned type (k, n), below p; or any int32
    """
    limbs = [(a >> np.uint32(_LIMB_BITS * i)) & np.uint32(_MOST_TERMS - 1) for i in range(_LIMBS)]
    left = np.concatenate(limbs).astype(np.float64)
    out = np.zeros((a.shape[0], b.shape[1]), np.uint32)
    step = max(1, _ENTRIES // max(1, len(left), min(a.shape[1], _MOST_TERMS)))
    grain = step * max(1, 32 // max(1, len(a)))  # few rows are little work
    with one_blas_thread():
        over_ranges(_fill, b.shape[1], left, b, out, step, grain=grain, align=step)
    return out


def _fill(
    start: int,
    stop: int,
    left: NDArray[np.float64],
    b: Unsigned | NDArray[np.int32],
    out: U32,
    step: int,
) -> None:
    """Columns start .. stop - 1 of the product, `step` at a time."""
    rows, terms = out.shape[0], b.shape[0]
    for first in range(start, stop, step):
        columns = slice(first, min(first + step, stop))
        total = np.zeros(out[:, columns].shape, np.uint64)
        for low in range(0, terms, _MOST_TERMS):
            part = slice(low, low + _MOST_TERMS)
            sums = (left[:, part] @ b[part, columns].astype(np.float64)).astype(np.int64) + _OFFSET
            total += _joined(reduced(sums.view(np.uint64)).reshape(_LIMBS, rows, -1))
        out[:, columns] = reduced(total)


def _joined(limbs: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The sums that three limbs' sums below p make up, mod p."""
    high = (limbs[2] << np.uint64(_LIMB_BITS)) + limbs[1]
    return reduced((reduced(high) << np.uint64(_LIMB_BITS)) + limbs[0])


def multiplication(a: U32) -> U32:
    """The matrix over F_p that multiplying by a matrix over K is.

    `a` is uint32 (4, m, k). Returns uint32 (4 m, 4 k): row (c, i) times a vector's coefficients (d,
    j), j < k, gives coefficient c of entry i of the product.
    """
    rows, columns = a.shape[1:]
    turned = (a.astype(np.uint64) * np.uint64(NON_RESIDUE) % np.uint64(P)).astype(np.uint32)
    out = np.empty((DEGREE, rows, DEGREE, columns), np.uint32)
    for c in range(DEGREE):
        for d in range(DEGREE):
            out[c, :, d] = a[c - d] if c >= d else turned[c - d + DEGREE]
    return out.reshape(DEGREE * rows, DEGREE * columns)


def extension_product(a: U32, b: U32) -> U32:
    """Return a b over K, in Montgomery form: uint32 (4, m, k) times (4, k, n), a the smaller."""
    _, rows, _ = a.shape
    terms, columns = b.shape[1:]
    factor = multiplication(from_montgomery(a))
    return product(factor, b.reshape(DEGREE * terms, columns)).reshape(DEGREE, rows, columns)
