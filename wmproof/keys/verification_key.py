"""vk: the public commitments, and what follows from them alone (labels, challenge)."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wmproof._arrays import read_only
from wmproof._reader import Reader
from wmproof.commitment import DIGEST_BYTES, KEY_ID_BYTES
from wmproof.errors import FormatError, InputError
from wmproof.labels import derive_labels
from wmproof.triggers import (
    MAX_CLASSES,
    MAX_SET_BYTES,
    MAX_TRIGGERS,
    Shape,
    check_classes,
    check_shape,
)

MAGIC = b"wmpf-vk\0"
VERSION = 1
_HEADER = struct.Struct(">8sHBB32sIIIIII")
_CHALLENGE_TAG = b"wmproof/cut-and-choose/v1".ljust(32, b"\0")


class KeyKind(IntEnum):
    """How a key is to be verified."""

    PRIVATE = 1
    PUBLIC = 2
    BOUNDED = 3


class LabelMode(IntEnum):
    """Whether the labels are coins that fall after the images are fixed, or the owner's choice."""

    DERIVED = 1
    SECRET = 2


@dataclass(frozen=True, eq=False)
class VerificationKey:
    """vk of section 3: two commitments for each of the l triggers.

    Parameters
    ----------
    kind : KeyKind
    label_mode : LabelMode
    key_id : bytes
        32 random bytes.
    classes : int
        |L|.
    image_shape : tuple of int
        (H, W) or (C, H, W).
    batches : int
        B for a bounded key, whose i-th batch is the i-th run of l / B triggers; otherwise 1.
    trigger_commitments, label_commitments : ndarray of uint8, shape (l, 32)

    Raises
    ------
    InputError
        A value is out of its range, or the numbers do not fit each other.
    """

    kind: KeyKind
    label_mode: LabelMode
    key_id: bytes
    classes: int
    image_shape: Shape
    batches: int
    trigger_commitments: NDArray[np.uint8]
    label_commitments: NDArray[np.uint8]

    def __post_init__(self) -> None:
        check_classes(self.classes)
        check_shape(self.image_shape)
        if len(self.key_id) != KEY_ID_BYTES:
            raise InputError(f"a key id has {KEY_ID_BYTES} bytes, not {len(self.key_id)}")
        for name in ("trigger_commitments", "label_commitments"):
            digests = getattr(self, name)
            if digests.dtype != np.uint8 or digests.shape != (len(self), DIGEST_BYTES):
                raise InputError(f"{name} must be uint8 of shape (l, {DIGEST_BYTES})")
            object.__setattr__(self, name, read_only(digests))
        _check_size(self.kind, len(self), self.batches)

    def __len__(self) -> int:
        return len(self.trigger_commitments)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, VerificationKey):
            return NotImplemented
        return self.to_bytes() == other.to_bytes()

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return (
            f"VerificationKey({self.kind.name.lower()}, {self.label_mode.name.lower()} labels, "
            f"{len(self)} triggers, id {self.key_id.hex()[:16]})"
        )

    def to_bytes(self) -> bytes:
        """Return the one canonical encoding; `docs/formats.md` has the layout."""
        return self._encoding

    @cached_property
    def _encoding(self) -> bytes:
        channels, height, width = (0, *self.image_shape)[-3:]
        header = _HEADER.pack(
            MAGIC,
            VERSION,
            self.kind,
            self.label_mode,
            self.key_id,
            self.classes,
            len(self),
            self.batches,
            channels,
            height,
            width,
        )
        return header + self.trigger_commitments.tobytes() + self.label_commitments.tobytes()

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the canonical encoding, 32 bytes: what is published and compared."""
        return hashlib.sha256(self.to_bytes()).digest()

    @property
    def security(self) -> int:
        """The n of the cut-and-choose, l / 4 (appendix A.1.2); meaningful for a public key."""
        return len(self) // 4

    @property
    def batch_size(self) -> int:
        """Triggers in each batch of a bounded key."""
        return len(self) // self.batches

    def batch_indices(self, batch: int) -> NDArray[np.int64]:
        """Return the positions of a batch, which is counted from 1."""
        if not 1 <= batch <= self.batches:
            raise InputError(f"there is no batch {batch}; the key has {self.batches}")
        return np.arange((batch - 1) * self.batch_size, batch * self.batch_size, dtype=np.int64)

    def derived_labels(self) -> NDArray[np.int64]:
        """Return the labels that the trigger commitments determine: int64, shape (l,)."""
        return derive_labels(self.trigger_commitments, key_id=self.key_id, classes=self.classes)

    def challenge(self) -> NDArray[np.bool_]:
        """Return e = H(vk) in {0,1}^l (appendix A.1.2): True where the trigger is opened.

        Returns
        -------
        ndarray of bool, shape (l,)
        """
        stream = hashlib.shake_256(_CHALLENGE_TAG + self.to_bytes()).digest(-(-len(self) // 8))
        bits = np.unpackbits(np.frombuffer(stream, dtype=np.uint8), bitorder="little")
        return bits[: len(self)].astype(bool)

    def opened_indices(self) -> NDArray[np.int64]:
        """Return the positions that a public key opens, e_i = 1."""
        return np.flatnonzero(self.challenge()).astype(np.int64)

    def hidden_indices(self) -> NDArray[np.int64]:
        """Return the positions T' that a public key hides, e_i = 0."""
        return np.flatnonzero(~self.challenge()).astype(np.int64)


def _check_size(kind: KeyKind, size: int, batches: int) -> None:
    if not 1 <= size <= MAX_TRIGGERS:
        raise InputError(f"{size} triggers; a key holds 1 to {MAX_TRIGGERS}")
    if kind is KeyKind.PUBLIC and size % 4:
        raise InputError(f"a public key has 4 n triggers, and {size} is no multiple of 4")
    if kind is not KeyKind.BOUNDED and batches != 1:
        raise InputError("only a bounded key has batches")
    if batches < 1 or size % batches:
        raise InputError(f"{size} triggers do not divide into {batches} equal batches")


def read_verification_key(reader: Reader) -> VerificationKey:
    """Read the canonical encoding, which tells its own length.

    Raises
    ------
    FormatError
        The bytes are not the canonical encoding of any key.
    """
    reader.magic(MAGIC, VERSION, "verification key")
    kind = reader.member(KeyKind, 1, "kind of key")
    label_mode = reader.member(LabelMode, 1, "label mode")
    key_id = reader.take(KEY_ID_BYTES, "key id")
    classes = _bounded(reader, "number of classes", 2, MAX_CLASSES)
    size = _bounded(reader, "number of triggers", 1, MAX_TRIGGERS)
    batches = _bounded(reader, "number of batches", 1, size)
    channels, height, width = (reader.integer(4, "image shape") for _ in range(3))
    shape = (channels, height, width) if channels else (height, width)
    try:
        check_shape(shape)
        _check_size(kind, size, batches)
        if size * int(np.prod(shape)) > MAX_SET_BYTES:
            raise InputError("the triggers are too large")
        return VerificationKey(
            kind,
            label_mode,
            key_id,
            classes,
            shape,
            batches,
            reader.rows(size, DIGEST_BYTES, "trigger commitments"),
            reader.rows(size, DIGEST_BYTES, "label commitments"),
        )
    except FormatError:
        raise
    except InputError as error:
        raise reader.error(f"is inconsistent: {error.what}") from error


def parse_verification_key(data: bytes, where: str = "verification key") -> VerificationKey:
    """Parse exactly one verification key; errors as `read_verification_key`."""
    reader = Reader(data, where)
    key = read_verification_key(reader)
    reader.end()
    return key


def _bounded(reader: Reader, field: str, low: int, high: int) -> int:
    value = reader.integer(4, field)
    if not low <= value <= high:
        raise reader.error(f"has {value} as its {field}, which must be {low} to {high}")
    return value
