"""One batch of a bounded key, opened for everyone (section 4.1 of the paper)."""

from dataclasses import dataclass

import numpy as np

from wmproof._base.reader import Reader
from wmproof.errors import InputError, VerificationError
from wmproof.keys.opening import OpenedTriggers, read_opened_triggers
from wmproof.keys.signature import Signature, SignedFile, read_signature
from wmproof.keys.verification_key import KeyKind, VerificationKey

MAGIC = b"wmpf-ob\0"
VERSION = 1


@dataclass(frozen=True, eq=False)
class BatchOpening(SignedFile):
    """The opening of one batch.

    Raises
    ------
    InputError
        The key is of another kind, or other positions are opened.
    """

    SIGNATURE_TAG = b"wmproof/batch-opening/v1".ljust(32, b"\0")

    verification_key: VerificationKey
    """Of kind BOUNDED. The file holds only its digest: a verifier brings the published key."""
    batch: int
    """Counted from 1."""
    opened: OpenedTriggers
    """Exactly the positions of that batch."""
    signature: Signature | None = None

    def __post_init__(self) -> None:
        key = self.verification_key
        if key.kind is not KeyKind.BOUNDED:
            raise InputError("only a verification key of the bounded kind has batches")
        self.opened.check_fits(key)
        if not np.array_equal(self.opened.indices, key.batch_indices(self.batch)):
            raise InputError(f"the opened triggers are not those of batch {self.batch}")

    @property
    def body(self) -> bytes:
        """What the signature covers: the canonical encoding without the signature."""
        return b"".join(
            (
                MAGIC,
                VERSION.to_bytes(2, "big"),
                self.verification_key.digest,
                self.batch.to_bytes(4, "big"),
                self.opened.to_bytes(),
            )
        )


@dataclass(frozen=True)
class BatchHeader:
    """What an opening says about itself: the key that it belongs to and the batch's number."""

    key_digest: bytes
    batch: int


def parse_batch_header(data: bytes, where: str = "batch opening") -> BatchHeader:
    """Read the header only; FormatError where the bytes do not begin like an opening."""
    return _read_header(Reader(data, where))


def _read_header(reader: Reader) -> BatchHeader:
    reader.magic(MAGIC, VERSION, "batch opening")
    digest = reader.take(32, "digest of the verification key")
    return BatchHeader(digest, reader.integer(4, "batch number"))


def parse_batch_opening(
    data: bytes, key: VerificationKey, where: str = "batch opening"
) -> BatchOpening:
    """Parse exactly one opening of a batch of `key`.

    Raises
    ------
    FormatError
        The bytes are not the canonical encoding of any opening.
    VerificationError
        Check ``verification-key``: it opens a batch of another key.
    """
    reader = Reader(data, where)
    header = _read_header(reader)
    if header.key_digest != key.digest:
        raise VerificationError(
            "verification-key",
            "the opening belongs to another verification key",
            where=where,
            numbers={"opening": header.key_digest.hex(), "key": key.digest.hex()},
        )
    try:
        indices = key.batch_indices(header.batch)
    except InputError as error:
        raise reader.error(error.what) from error
    opened = read_opened_triggers(reader, key, indices)
    signature = read_signature(reader)
    reader.end()
    return BatchOpening(key, header.batch, opened, signature)
