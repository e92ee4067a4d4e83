"""Bytes of what travels: field elements, little-endian and canonical, with nothing around them.

No message carries a length: every length follows from the public parameters of the argument, so a
reader always knows how many bytes it may ask for. A coefficient of p or more is an error.
"""

import struct
from collections.abc import Sequence
from itertools import chain

import numpy as np

from wmproof.argument.algebra.element import BYTES, DEGREE, Element
from wmproof.argument.algebra.field import U32, P, from_montgomery, to_montgomery
from wmproof.errors import ProofError


def encode_base(values: U32) -> bytes:
    """Canonical base-field elements (uint32, any shape) as 4 bytes each, in C order."""
    return np.ascontiguousarray(values, dtype="<u4").tobytes()


def decode_base(data: bytes, label: str) -> U32:
    """Read canonical base-field elements, uint32 (N,); ProofError if one is p or more."""
    values = np.frombuffer(data, dtype="<u4")
    if values.size and int(values.max()) >= P:
        raise _too_large(label, int(np.argmax(values >= P)))
    return values.astype(np.uint32, copy=False)


def _too_large(label: str, index: int) -> ProofError:
    return ProofError(
        "encoding",
        f"message '{label}' holds a field element that is not below p",
        where=f"element {index}",
    )


def encode_elements(elements: Sequence[Element]) -> bytes:
    """Elements of K as 16 bytes each, constant coefficient first."""
    return struct.pack(f"<{DEGREE * len(elements)}I", *chain.from_iterable(elements))


def decode_elements(data: bytes, label: str) -> list[Element]:
    """Read elements of K; ProofError if a coefficient is p or more."""
    # Messages of two or three elements are the most frequent ones: numpy would cost more.
    values = struct.unpack(f"<{len(data) // 4}I", data)
    if values and max(values) >= P:
        raise _too_large(label, next(i for i, value in enumerate(values) if value >= P))
    return [Element(*values[i : i + DEGREE]) for i in range(0, len(values), DEGREE)]


def encode_vector(vector: U32) -> bytes:
    """A vector over K, Montgomery (4, N), as 16 bytes an element."""
    return encode_base(from_montgomery(vector).T)


def decode_vector(data: bytes, label: str) -> U32:
    """Read a vector over K into Montgomery form, (4, N)."""
    canonical = decode_base(data, label).reshape(-1, DEGREE).T
    return to_montgomery(np.ascontiguousarray(canonical))


def element_bytes(count: int) -> int:
    """Length of `count` encoded elements of K."""
    return BYTES * count
