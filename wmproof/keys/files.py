"""Keys as files on disk."""

from __future__ import annotations

import os
from pathlib import Path

from wmproof._files import SECRET_MODE, read_file, write_file
from wmproof.errors import FormatError
from wmproof.keys import encryption, public_key, verification_key
from wmproof.keys.batch import BatchOpening, parse_batch_opening
from wmproof.keys.encryption import KdfCost, decrypt_marking_key, encrypt_marking_key
from wmproof.keys.marking_key import MarkingKey
from wmproof.keys.public_key import PublicKey, parse_public_key
from wmproof.keys.verification_key import VerificationKey, parse_verification_key
from wmproof.triggers import MAX_SET_BYTES

# The largest trigger set, with room for commitments and randomness.
FILE_LIMIT = MAX_SET_BYTES + 2**29

PathLike = str | os.PathLike[str]


def load_marking_key(path: PathLike, passphrase: str) -> MarkingKey:
    """Read and decrypt a marking key.

    Raises
    ------
    PassphraseError
        The passphrase does not fit.
    FormatError
        The file is foreign, cut short or changed.
    InputError
        The file cannot be read.
    """
    return decrypt_marking_key(read_file(path, limit=FILE_LIMIT), passphrase, str(path))


def save_marking_key(
    path: PathLike,
    key: MarkingKey,
    passphrase: str,
    *,
    cost: KdfCost = KdfCost.MODERATE,
    overwrite: bool = False,
) -> None:
    """Encrypt and write a marking key, readable by its owner only.

    Raises
    ------
    PassphraseError
        The passphrase is empty.
    InputError
        The file exists and `overwrite` is false, or it cannot be written.
    """
    data = encrypt_marking_key(key, passphrase, cost=cost)
    write_file(path, data, overwrite=overwrite, mode=SECRET_MODE)


def load_verification_key(path: PathLike) -> VerificationKey:
    """Read a verification key, also out of a public key's file.

    Raises
    ------
    FormatError
        The file is foreign, cut short or not canonical.
    InputError
        The file cannot be read.
    """
    data = read_file(path, limit=FILE_LIMIT)
    if data.startswith(public_key.MAGIC):
        return parse_public_key(data, str(path)).verification_key
    _reject_marking_key(data, path)
    return parse_verification_key(data, str(path))


def load_public_key(path: PathLike) -> PublicKey:
    """Read a public key; errors as `load_verification_key`. Nothing is verified yet."""
    data = read_file(path, limit=FILE_LIMIT)
    _reject_marking_key(data, path)
    if data.startswith(verification_key.MAGIC):
        raise FormatError(
            "is a verification key without an opened half, not a public key",
            where=str(path),
            remedy="Make a public key with keygen --kind public",
        )
    return parse_public_key(data, str(path))


def load_batch_opening(path: PathLike, key: VerificationKey) -> BatchOpening:
    """Read the opening of a batch of `key`; nothing but its membership is verified yet.

    Raises
    ------
    VerificationError
        Check ``verification-key``: it opens a batch of another key.
    FormatError
        The file is foreign, cut short or not canonical.
    InputError
        The file cannot be read.
    """
    return parse_batch_opening(read_file(path, limit=FILE_LIMIT), key, str(path))


def save_published(
    path: PathLike, item: VerificationKey | PublicKey | BatchOpening, *, overwrite: bool = False
) -> None:
    """Write a file that is meant for everyone.

    Raises
    ------
    InputError
        The file exists and `overwrite` is false, or it cannot be written.
    """
    write_file(path, item.to_bytes(), overwrite=overwrite)


def _reject_marking_key(data: bytes, path: PathLike) -> None:
    if data.startswith(encryption.MAGIC):
        raise FormatError(
            "is a marking key, which is secret; a public file is needed here",
            where=str(Path(path)),
            remedy="Use the .pvk or .vk file that keygen wrote beside it",
        )
