"""Com and Open, whatever the scheme: statistically hiding, computationally binding commitments.

A scheme commits to a message m with randomness r by 32 bytes that are bound to their place (key,
index, kind, length) by a public domain block D. Each scheme is one module of this package, which
`schemes` finds by the byte in a key's header; what claims prove about it is in the folder of the
same name in `relation.openings`. Nothing else knows what a scheme is made of.
Section 2 of the paper has the definition, `docs/formats.md` the bytes.
"""

import secrets
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wmproof.errors import InputError

DIGEST_BYTES = 32
KEY_ID_BYTES = 32
LABEL_BYTES = 4

_DOMAIN = struct.Struct(">16s32sIIQ")

Bytes = NDArray[np.uint8]


class Kind(IntEnum):
    """What a commitment hides; part of the domain block."""

    TRIGGER = 1
    LABEL = 2


class Scheme(IntEnum):
    """How triggers (and secret labels) are committed to; a key's header names it."""

    SHA256 = 1
    SHA256_SIS = 2

    @property
    def label(self) -> str:
        """The name that people read and type."""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, eq=False)
class Places:
    """Where commitments stand in their key."""

    key_id: bytes
    """32 bytes."""
    indices: NDArray[np.int64]
    """int64, shape (n,): positions in the trigger set, 0 to 2**32 - 1."""
    kind: Kind
    """Trigger or label."""

    def __len__(self) -> int:
        return len(self.indices)

    def domain_blocks(self, tag: bytes, length: int) -> list[bytes]:
        """Return D of each commitment to a message of `length` bytes."""
        return [
            domain_block(tag, key_id=self.key_id, index=int(index), kind=self.kind, length=length)
            for index in self.indices
        ]


class CommitmentScheme(Protocol):
    """The native part of a scheme."""

    @property
    def randomness_bytes(self) -> int:
        """Length of r, which is drawn from the system's generator and used once."""

    @property
    def inner_bytes(self) -> int:
        """Length of the inner commitment that a claim shows of each hidden one; 0 for none."""

    def inner(self, messages: Bytes, randomness: Bytes) -> Bytes:
        """Return the inner commitments, uint8 (n, inner_bytes).

        They hide the messages as well as the commitments themselves do.
        """

    def commit(
        self, messages: Bytes, randomness: Bytes, places: Places, inner: Bytes | None = None
    ) -> Bytes:
        """Return Com(message; randomness) of each row, uint8 (n, 32).

        Messages of any one length; randomness uint8 (n, randomness_bytes); their inner commitments
        where they are computed already.
        """


def domain_block(tag: bytes, *, key_id: bytes, index: int, kind: Kind, length: int) -> bytes:
    """Return D, the 64 public bytes that bind a commitment to its place.

    Parameters
    ----------
    tag : bytes
        16 bytes that name the scheme.
    key_id : bytes
        32 bytes.
    index : int
        Position in the trigger set, 0 to 2**32 - 1.
    kind : Kind
        Trigger or label.
    length : int
        Bytes of the message, 0 to 2**55.

    Raises
    ------
    InputError
        A value is out of its range.
    """
    if len(key_id) != KEY_ID_BYTES:
        raise InputError(f"a key id has {KEY_ID_BYTES} bytes, not {len(key_id)}")
    if not 0 <= index < 2**32:
        raise InputError(f"the index {index} is not within 0 to 2**32 - 1")
    if not 0 <= length <= 2**55:
        raise InputError(f"a message of {length} bytes cannot be committed to")
    return _DOMAIN.pack(tag, key_id, int(kind), index, length)


def check_shapes(
    messages: Bytes, randomness: Bytes, places: Places | None, randomness_bytes: int
) -> None:
    """Raise InputError unless there are as many rows of each, and r has its length."""
    count = len(messages)
    if messages.ndim != 2 or randomness.shape != (count, randomness_bytes):
        raise InputError(
            f"messages of shape {messages.shape} need randomness of shape "
            f"({count}, {randomness_bytes}), not {randomness.shape}"
        )
    if places is not None and len(places) != count:
        raise InputError(f"there are {count} messages and {len(places)} indices")


def new_key_id() -> bytes:
    """Draw the 32 random bytes that name a key in every one of its commitments."""
    return secrets.token_bytes(KEY_ID_BYTES)


def label_messages(labels: NDArray[np.int64]) -> Bytes:
    """Encode labels as the messages that are committed to: 4 bytes each, big-endian.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        0 to 2**32 - 1.
    """
    return labels.astype(">u4").view(np.uint8).reshape(len(labels), LABEL_BYTES)
