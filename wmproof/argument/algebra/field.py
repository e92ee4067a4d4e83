"""KoalaBear, the base field F_p with p = 2^31 - 2^24 + 1, on uint32 arrays.

Two representations of x in F_p occur, both below p:

- *canonical*: the integer x itself. Everything committed, hashed or sent is canonical.
- *Montgomery*: x * 2^32 mod p. Multipliers (challenges, twiddles, all of the extension field) are
  kept in this form, because ``mont_reduce(x * 2^32 * y) = x * y``: the product of a Montgomery and
  a canonical number is canonical, the product of two Montgomery numbers is a Montgomery number.

p - 1 = 2^24 * 127, so radix-2 transforms exist up to size 2^24. The square of p is below 2^62, so
four products fit in 64 bits before one reduction.
"""

import os
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

U32: TypeAlias = NDArray[np.uint32]
Unsigned: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.uint32]

P = 2**31 - 2**24 + 1
TWO_ADICITY = 24
GENERATOR = 3  # of the multiplicative group of F_p

MONTGOMERY_R = 2**32 % P
_P64 = np.uint64(P)
_R_INVERSE = np.uint64(pow(MONTGOMERY_R, -1, P))
_SHIFT = np.uint64(32)


def reduced(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Values mod p, uint64 of any shape."""
    # Dividing by a constant is vectorised, and three times as fast as a remainder.
    return values - values // _P64 * _P64


def to_montgomery(values: U32) -> U32:
    """Montgomery form of canonical values (uint32, any shape)."""
    return reduced(values.astype(np.uint64) << _SHIFT).astype(np.uint32)


def from_montgomery(values: U32) -> U32:
    """Canonical form of Montgomery values (uint32, any shape)."""
    return reduced(values.astype(np.uint64) * _R_INVERSE).astype(np.uint32)


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
    """Independent uniform elements, canonical, by rejection of 31-bit strings: uint32, below p.

    Parameters
    ----------
    shape : int or tuple of int
        Of the result.
    entropy : Callable
        ``entropy(k)`` gives k uniform bytes; a seeded generator's only in tests.
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
