"""vk: the public commitments, and what follows from them alone (labels, challenge)."""

import hashlib
import struct
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wmproof._base.arrays import read_only
from wmproof._base.reader import Reader
from wmproof.commitment import DIGEST_BYTES, KEY_ID_BYTES, Kind, Scheme
from wmproof.core.labels import derive_labels, derive_labels_v1
from wmproof.core.strength import forging_bits, split_forging_bits
from wmproof.core.triggers import (
    MAX_CLASSES,
    MAX_SET_BYTES,
    MAX_TRIGGERS,
    Shape,
    check_classes,
    check_shape,
    name_coins,
)
from wmproof.errors import FormatError, InputError

MAGIC = b"wmpf-vk\0"
VERSION = 2
OLDEST_VERSION = 1
_HEADER = struct.Struct(">8sHBB32sIIIIII")
_HEADER_V2 = struct.Struct(">BI")
_CHALLENGE_TAG_V1 = b"wmproof/cut-and-choose/v1".ljust(32, b"\0")
_CHALLENGE_TAG = b"wmproof/cut-and-choose/v2".ljust(32, b"\0")
_ROOT_TAG = b"wmproof/key-root/v2".ljust(32, b"\0")


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
    """vk of the paper's section 3: commitments to all triggers, and to labels if they are secret.

    Derived labels and the challenge both come from one root, a hash of all of the key. So whoever
    makes keys re-rolls both with every try: a false claim that passes by chance with probability
    2**-s takes about 2**s hash calls. In version 1 the challenge hashed label commitments as
    well, which could be drawn anew for the same labels: there it takes 2**(1 + s/2).

    Parameters
    ----------
    kind : KeyKind
    label_mode : LabelMode
    key_id : bytes
        32 random bytes.
    classes : int
        |L|.
    image_shape : tuple of int
        (D,), (H, W) or (C, H, W).
    batches : int
        B for a bounded key, whose i-th batch is the i-th run of l / B triggers; otherwise 1.
    trigger_commitments : ndarray of uint8, shape (l, 32)
    label_commitments : ndarray of uint8, shape (l, 32), or None
        For secret labels, and in version 1 also for derived ones.
    version : int
        Of the format: 1 or 2.
    scheme : Scheme
    group : int
        How many triggers in a row share one label; divides l. A group is opened or hidden as a
        whole, and is one coin. More than 1 with derived labels only.

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
    label_commitments: NDArray[np.uint8] | None
    version: int = VERSION
    scheme: Scheme = Scheme.SHA256
    group: int = 1

    def __post_init__(self) -> None:
        check_classes(self.classes)
        check_shape(self.image_shape)
        _check_scheme(self.version, self.scheme, self.group, self.label_mode)
        if len(self.key_id) != KEY_ID_BYTES:
            raise InputError(f"a key id has {KEY_ID_BYTES} bytes, not {len(self.key_id)}")
        if (self.label_commitments is not None) != self.commits_to_labels:
            raise InputError(
                f"a key of version {self.version} with {self.label_mode.name.lower()} labels "
                f"has {'no' if self.label_commitments is not None else 'its'} label commitments"
            )
        for name in ("trigger_commitments", "label_commitments"):
            digests = getattr(self, name)
            if digests is None:
                continue
            if digests.dtype != np.uint8 or digests.shape != (len(self), DIGEST_BYTES):
                raise InputError(f"{name} must be uint8 of shape (l, {DIGEST_BYTES})")
            object.__setattr__(self, name, read_only(digests))
        _check_size(self.kind, len(self), self.batches, self.group)

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
        channels, height, width = (0, 0, *self.image_shape)[-3:]
        header = _HEADER.pack(
            MAGIC,
            self.version,
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
        if self.version > 1:
            header += _HEADER_V2.pack(self.scheme, self.group)
        committed = self.trigger_commitments.tobytes()
        if self.label_commitments is not None:
            committed += self.label_commitments.tobytes()
        return header + committed

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the canonical encoding, 32 bytes: what is published and compared."""
        return hashlib.sha256(self.to_bytes()).digest()

    @property
    def commits_to_labels(self) -> bool:
        """Whether labels have commitments of their own."""
        return commits_to_labels(self.version, self.label_mode)

    def committed(self, kind: Kind) -> NDArray[np.uint8]:
        """Return the commitments to all triggers or all labels, (l, 32)."""
        digests = self.trigger_commitments if kind is Kind.TRIGGER else self.label_commitments
        if digests is None:
            raise InputError("this key has no commitments to its labels: they are derived")
        return digests

    @cached_property
    def root(self) -> bytes:
        """What labels and challenge are derived from, 32 bytes; from version 2 on."""
        return hashlib.sha256(_ROOT_TAG + self.to_bytes()).digest()

    def forging_bits(self, strength: float) -> float:
        """Return log2 of the hash calls that a false claim takes, for derived labels.

        Parameters
        ----------
        strength : float
            -log2 of the chance that such a claim passes for one key.
        """
        separate = self.version == 1 and self.kind is KeyKind.PUBLIC
        return split_forging_bits(strength) if separate else forging_bits(strength)

    @property
    def coins(self) -> int:
        """How many independent labels there are: one for each group."""
        return len(self) // self.group

    @property
    def hidden_coins(self) -> int:
        """How many groups a public key hides."""
        return len(self.hidden_indices()) // self.group

    @property
    def security(self) -> int:
        """The n of the cut-and-choose, groups / 4 (appendix A.1.2); meaningful for a public key."""
        return self.coins // 4

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
        """Return the labels that the trigger commitments determine: int64, shape (l,).

        The label of the j-th group is that of index j, for all of its triggers.
        """
        if self.version == 1:
            return derive_labels_v1(
                self.trigger_commitments, key_id=self.key_id, classes=self.classes
            )
        labels = derive_labels(self.root, count=self.coins, classes=self.classes)
        return np.repeat(labels, self.group)

    def challenge(self) -> NDArray[np.bool_]:
        """Return e = H(root) (appendix A.1.2), a bit for each group: True where it is opened.

        Returns
        -------
        ndarray of bool, shape (l,)
        """
        stream = hashlib.shake_256(self._challenge_seed).digest(-(-self.coins // 8))
        bits = np.unpackbits(np.frombuffer(stream, dtype=np.uint8), bitorder="little")
        return np.repeat(bits[: self.coins].astype(bool), self.group)

    @property
    def _challenge_seed(self) -> bytes:
        if self.version == 1:
            return _CHALLENGE_TAG_V1 + self.to_bytes()
        return _CHALLENGE_TAG + self.root

    def opened_indices(self) -> NDArray[np.int64]:
        """Return the positions that a public key opens, e_i = 1."""
        return np.flatnonzero(self.challenge()).astype(np.int64)

    def hidden_indices(self) -> NDArray[np.int64]:
        """Return the positions T' that a public key hides, e_i = 0."""
        return np.flatnonzero(~self.challenge()).astype(np.int64)


def commits_to_labels(version: int, label_mode: LabelMode) -> bool:
    """Whether keys of this version commit to labels of this mode."""
    return version == 1 or label_mode is LabelMode.SECRET


def _check_scheme(version: int, scheme: Scheme, group: int, mode: LabelMode) -> None:
    if not OLDEST_VERSION <= version <= VERSION:
        raise InputError(f"there is no version {version} of keys")
    if version == 1 and (scheme is not Scheme.SHA256 or group != 1):
        raise InputError("a key of version 1 names no scheme and no groups")
    if group != 1 and mode is LabelMode.SECRET:
        raise InputError("labels of the owner's choice have no groups: only derived ones do")


def _check_size(kind: KeyKind, size: int, batches: int, group: int) -> None:
    if not 1 <= size <= MAX_TRIGGERS:
        raise InputError(f"a key holds 1 to {MAX_TRIGGERS} triggers, not {size}")
    if group < 1 or size % group:
        raise InputError(f"{size} triggers are no whole groups of {group}")
    coins, what = size // group, name_coins(group)
    if kind is KeyKind.PUBLIC and coins % 4:
        raise InputError(f"a public key has 4 n {what}, and {coins} is no multiple of 4")
    if kind is not KeyKind.BOUNDED and batches != 1:
        raise InputError("only a bounded key has batches")
    if batches < 1 or coins % batches:
        raise InputError(f"{coins} {what} do not divide into {batches} equal batches")


def read_verification_key(reader: Reader) -> VerificationKey:
    """Read the canonical encoding, which tells its own length.

    Raises
    ------
    FormatError
        The bytes are not the canonical encoding of any key.
    """
    version = reader.magic(MAGIC, VERSION, "verification key", oldest=OLDEST_VERSION)
    kind = reader.member(KeyKind, 1, "kind of key")
    label_mode = reader.member(LabelMode, 1, "label mode")
    key_id = reader.take(KEY_ID_BYTES, "key id")
    classes = _bounded(reader, "number of classes", 2, MAX_CLASSES)
    size = _bounded(reader, "number of triggers", 1, MAX_TRIGGERS)
    batches = _bounded(reader, "number of batches", 1, size)
    channels, height, width = (reader.integer(4, "image shape") for _ in range(3))
    sizes = channels, height, width
    # What is missing is 0: a row of D numbers is (0, 0, D).
    shape = sizes if channels else sizes[1:] if height else sizes[2:]
    scheme, group = Scheme.SHA256, 1
    if version > 1:
        scheme = reader.member(Scheme, 1, "commitment scheme")
        group = reader.integer(4, "size of a group")
    try:
        check_shape(shape)
        _check_scheme(version, scheme, group, label_mode)
        _check_size(kind, size, batches, group)
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
            reader.rows(size, DIGEST_BYTES, "label commitments")
            if commits_to_labels(version, label_mode)
            else None,
            version,
            scheme,
            group,
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
