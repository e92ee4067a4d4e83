"""The base field inside kernels: the reduction of scalars, inlined by LLVM."""

from typing import Any, TypeAlias

import numpy as np

from wmproof._base.jit import njit
from wmproof.argument.algebra.field import P

Scalar: TypeAlias = Any  # inside a kernel: uint32 or uint64, whatever Numba infers

_P32 = np.uint32(P)
_P64 = np.uint64(P)
_P_INVERSE = np.uint32(pow(P, -1, 2**32))
_SHIFT = np.uint64(32)


@njit(inline="always")
def mont_reduce(t: Scalar) -> Scalar:
    """Return t / 2^32 mod p in [0, p), for a uint64 t < 4 p^2."""
    low = np.uint32(np.uint32(t) * _P_INVERSE)
    borrow = (np.uint64(low) * _P64) >> _SHIFT
    high = t >> _SHIFT
    # high - borrow lies in (-p, 2p).
    difference = np.uint32(high - borrow)
    non_negative = np.uint32(difference + _P32) if high < borrow else difference
    return min(non_negative, np.uint32(non_negative - _P32))
