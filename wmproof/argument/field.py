"""KoalaBear, the base field F_p with p = 2^31 - 2^24 + 1, as Numba kernels on uint32 arrays.

Two representations of x in F_p occur, both below p:

- *canonical*: the integer x itself. Everything committed, hashed or sent is canonical.
- *Montgomery*: x * 2^32 mod p. Multipliers (challenges, twiddles, all of the extension field) are
  kept in this form, because ``mont_mul(x * 2^32, y) = x * y``: the product of a Montgomery and a
  canonical number is canonical, the product of two Montgomery numbers is a Montgomery number.

p - 1 = 2^24 * 127, so radix-2 transforms exist up to size 2^24. The square of p is below 2^62, so
four products fit in 64 bits before one reduction.

The scalar functions are inlined by LLVM, which vectorises the loops around them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

U32: TypeAlias = NDArray[np.uint32]
Scalar: TypeAlias = Any  # inside a kernel: uint32 or uint64, whatever Numba infers

P = 2**31 - 2**24 + 1
TWO_ADICITY = 24
GENERATOR = 3  # of the multiplicative group of F_p

MONTGOMERY_R = 2**32 % P
_P32 = np.uint32(P)
_P64 = np.uint64(P)
_P_INVERSE = np.uint32(pow(P, -1, 2**32))
_R2 = np.uint32(2**64 % P)
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


@njit(inline="always")
def mont_mul(a: Scalar, b: Scalar) -> Scalar:
    """Return a * b / 2^32 mod p, for uint32 a, b below p."""
    product = np.uint64(a) * np.uint64(b)
    low = np.uint32(np.uint32(product) * _P_INVERSE)
    borrow = np.uint32((np.uint64(low) * _P64) >> _SHIFT)
    difference = np.uint32(np.uint32(product >> _SHIFT) - borrow)
    return min(difference, np.uint32(difference + _P32))


@njit(inline="always")
def add(a: Scalar, b: Scalar) -> Scalar:
    """Return a + b mod p."""
    total = np.uint32(a + b)
    return min(total, np.uint32(total - _P32))


@njit(inline="always")
def sub(a: Scalar, b: Scalar) -> Scalar:
    """Return a - b mod p."""
    difference = np.uint32(a - b)
    return min(difference, np.uint32(difference + _P32))


@njit(nogil=True, cache=True)
def _scale_flat(values: U32, factor: Scalar, out: U32) -> None:
    for i in range(values.shape[0]):
        out[i] = mont_mul(values[i], factor)


def _scale(values: U32, factor: int) -> U32:
    out = np.empty(values.shape, np.uint32)
    _scale_flat(np.ascontiguousarray(values).reshape(-1), np.uint32(factor), out.reshape(-1))
    return out


def to_montgomery(values: U32) -> U32:
    """Montgomery form of canonical values (uint32, any shape)."""
    return _scale(values, int(_R2))


def from_montgomery(values: U32) -> U32:
    """Canonical form of Montgomery values (uint32, any shape)."""
    return _scale(values, 1)


def montgomery(value: int) -> np.uint32:
    """Montgomery form of one integer, taken mod p."""
    return np.uint32(value % P * MONTGOMERY_R % P)


def root_of_unity(order: int) -> int:
    """Return a fixed primitive root of unity of order `order`, a power of two <= 2^24, in F_p."""
    if order < 1 or order & (order - 1) or order > 2**TWO_ADICITY:
        raise ValueError(f"no radix-2 subgroup of order {order}")
    return pow(GENERATOR, (P - 1) // order, P)


def random_elements(
    shape: int | tuple[int, ...], entropy: Callable[[int], bytes] = os.urandom
) -> U32:
    """Independent uniform elements, canonical, by rejection of 31-bit strings.

    Parameters
    ----------
    shape : int or tuple of int
        Of the result.
    entropy : Callable
        ``entropy(k)`` gives k uniform bytes; a seeded generator's only in tests.

    Returns
    -------
    ndarray
        uint32, below p.
    """
    missing = int(np.prod(shape))
    parts = [np.empty(0, np.uint32)]
    while missing:
        # One string in 128 is rejected; the surplus makes a second draw rare.
        strings = entropy(4 * (missing + missing // 64 + 8))
        draw = np.frombuffer(strings, "<u4") & np.uint32(2**31 - 1)
        accepted = draw[draw < P][:missing]
        parts.append(accepted)
        missing -= accepted.size
    return np.concatenate(parts).reshape(shape)
