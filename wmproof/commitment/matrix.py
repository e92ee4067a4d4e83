"""A, the public matrix over F_p: its columns, and products with it in bounded memory.

Column j has 320 entries: SHAKE-128(tag(32) || j as 4 bytes), read as 320 numbers of 8 bytes,
big-endian, each reduced mod p. So the matrix for short messages is the first columns of the one for
long ones, and any block can be computed alone. It is computed again whenever it is needed: that
takes hardly longer than it would to read a copy and to check its digest, and there is no copy that
anybody could have changed.

A residue is likelier than 1/p by a factor of at most 1 + p / 2^64. So with N entries no event has
more than exp(N p / 2^64) times the probability that it has for uniform entries: 1.01 for the 4.9e7
entries of an image of 3 x 224 x 224.
"""

import hashlib
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from wmproof._base.arrays import read_only
from wmproof.commitment.scheme import Bytes

P = 2**31 - 2**24 + 1
ROWS = 320
# Of r: 256 bits more than v can have.
RANDOMNESS_BYTES = -(-(31 * ROWS + 256) // 8)

_TAG = b"wmproof/sis-matrix/v1".ljust(32, b"\0")
_ENTRY_BYTES = 8
# A sum over so many columns of a byte times an entry is below 2^51, and so exact in a double.
_BLOCK = 4096


@lru_cache(maxsize=2)
def columns(first: int, count: int) -> NDArray[np.uint32]:
    """Columns first .. first + count - 1: uint32 (count, 320), each below p; read-only.

    The last ones are kept, for keys and claims that are checked one after the other.
    """
    stream = b"".join(
        hashlib.shake_128(_TAG + j.to_bytes(4, "big")).digest(ROWS * _ENTRY_BYTES)
        for j in range(first, first + count)
    )
    numbers = np.frombuffer(stream, ">u8").astype(np.uint64)
    # Dividing by a constant is vectorised, and faster than a remainder.
    numbers -= numbers // np.uint64(P) * np.uint64(P)
    return read_only(numbers.astype(np.uint32).reshape(count, ROWS))


def blocks(count: int) -> Iterator[tuple[slice, NDArray[np.uint32]]]:
    """The first `count` columns in blocks, those that meet r being one of their own."""
    first, stop = 0, min(count, RANDOMNESS_BYTES)
    while first < count:
        yield slice(first, stop), columns(first, stop - first)
        first, stop = stop, min(count, stop + _BLOCK)


def multiply(x: Bytes) -> NDArray[np.uint32]:
    """A x for each row of bytes (n, any): uint32 (n, 320), below p."""
    total = np.zeros((len(x), ROWS), np.uint64)
    for where, block in blocks(x.shape[1]):
        sums = x[:, where].astype(np.float64) @ block.astype(np.float64)
        total += sums.astype(np.uint64) % np.uint64(P)
    return (total % np.uint64(P)).astype(np.uint32)
