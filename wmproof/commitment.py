"""Com and Open: the statistically hiding, computationally binding commitment.

``Com(m; r) = SHA-256(D || m || 0* || r)``: D is one public 64-byte block that names the key, the
index, the kind and the length; m is filled up with zeros to whole 64-byte blocks; r is 64 bytes
and is exactly the last block before SHA-256's own padding block. `docs/formats.md` has the bytes
and the reasons; section 2 of the paper has the definition.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from wmproof.errors import InputError

BLOCK_BYTES = 64
DIGEST_BYTES = 32
KEY_ID_BYTES = 32
RANDOMNESS_BYTES = BLOCK_BYTES
LABEL_BYTES = 4

_TAG = b"wmproof/com/v1\0\0"
_DOMAIN = struct.Struct(">16s32sIIQ")


class Kind(IntEnum):
    """What a commitment hides; part of the domain block."""

    TRIGGER = 1
    LABEL = 2


def new_key_id() -> bytes:
    """Draw the 32 random bytes that name a key in every one of its commitments."""
    return secrets.token_bytes(KEY_ID_BYTES)


def new_randomness(count: int) -> NDArray[np.uint8]:
    """Draw the randomness of `count` commitments.

    Returns
    -------
    ndarray of uint8, shape (count, 64)
        From the system's cryptographic generator; read-only.
    """
    drawn = np.frombuffer(secrets.token_bytes(count * RANDOMNESS_BYTES), dtype=np.uint8)
    return drawn.reshape(count, RANDOMNESS_BYTES)


def domain_block(*, key_id: bytes, index: int, kind: Kind, length: int) -> bytes:
    """Return D, the 64 public bytes that bind a commitment to its place.

    Parameters
    ----------
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
    return _DOMAIN.pack(_TAG, key_id, int(kind), index, length)


def commit(message: bytes, randomness: bytes, *, key_id: bytes, index: int, kind: Kind) -> bytes:
    """Return the 32 bytes of Com(message; randomness).

    Parameters
    ----------
    message : bytes
        Any length; the pixels of an image in C order, or a label as 4 bytes, big-endian.
    randomness : bytes
        64 bytes from the system's cryptographic generator, used once.
    key_id, index, kind
        See `domain_block`.

    Raises
    ------
    InputError
        A length or a value is out of its range.
    """
    if len(randomness) != RANDOMNESS_BYTES:
        raise InputError(f"the randomness has {RANDOMNESS_BYTES} bytes, not {len(randomness)}")
    state = hashlib.sha256(domain_block(key_id=key_id, index=index, kind=kind, length=len(message)))
    state.update(message)
    state.update(bytes(-len(message) % BLOCK_BYTES))
    state.update(randomness)
    return state.digest()


def opens(
    commitment: bytes,
    message: bytes,
    randomness: bytes,
    *,
    key_id: bytes,
    index: int,
    kind: Kind,
) -> bool:
    """Open: tell whether `commitment` is Com(message; randomness), comparing in constant time.

    Raises
    ------
    InputError
        A length or a value is out of its range.
    """
    expected = commit(message, randomness, key_id=key_id, index=index, kind=kind)
    return hmac.compare_digest(expected, commitment)


def commit_batch(
    messages: NDArray[np.uint8],
    randomness: NDArray[np.uint8],
    *,
    key_id: bytes,
    indices: NDArray[np.int64],
    kind: Kind,
) -> NDArray[np.uint8]:
    """Commit to many messages of one length.

    Parameters
    ----------
    messages : ndarray of uint8, shape (n, length)
    randomness : ndarray of uint8, shape (n, 64)
    indices : ndarray of int64, shape (n,)
        The position of each in the trigger set.
    key_id, kind
        See `domain_block`.

    Returns
    -------
    ndarray of uint8, shape (n, 32)
        Read-only.

    Raises
    ------
    InputError
        The shapes do not fit each other.
    """
    count = len(messages)
    if randomness.shape != (count, RANDOMNESS_BYTES) or indices.shape != (count,):
        raise InputError(
            f"{count} messages need randomness of shape ({count}, 64) and {count} indices, "
            f"not {randomness.shape} and {indices.shape}"
        )
    digests = b"".join(
        commit(message.tobytes(), random.tobytes(), key_id=key_id, index=int(index), kind=kind)
        for message, random, index in zip(messages, randomness, indices, strict=True)
    )
    return np.frombuffer(digests, dtype=np.uint8).reshape(count, DIGEST_BYTES)


def open_batch(
    commitments: NDArray[np.uint8],
    messages: NDArray[np.uint8],
    randomness: NDArray[np.uint8],
    *,
    key_id: bytes,
    indices: NDArray[np.int64],
    kind: Kind,
) -> NDArray[np.bool_]:
    """Open many commitments; parameters as `commit_batch`.

    Returns
    -------
    ndarray of bool, shape (n,)
        Which of them open.

    Raises
    ------
    InputError
        The shapes do not fit each other.
    """
    expected = commit_batch(messages, randomness, key_id=key_id, indices=indices, kind=kind)
    if commitments.shape != expected.shape:
        raise InputError(f"{len(messages)} messages, but commitments of shape {commitments.shape}")
    pairs = zip(expected, commitments, strict=True)
    return np.array([hmac.compare_digest(a.tobytes(), b.tobytes()) for a, b in pairs], dtype=bool)


def label_messages(labels: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Encode labels as the messages that are committed to: 4 bytes each, big-endian.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        0 to 2**32 - 1.

    Returns
    -------
    ndarray of uint8, shape (n, 4)
    """
    return labels.astype(">u4").view(np.uint8).reshape(len(labels), LABEL_BYTES)
