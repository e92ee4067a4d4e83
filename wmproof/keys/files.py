"""Keys as files on disk."""

import os

from wmproof._base.files import SECRET_MODE, Source, read_source, write_file
from wmproof.core.triggers import MAX_SET_BYTES
from wmproof.errors import FormatError
from wmproof.keys import encryption, public_key, verification_key
from wmproof.keys.batch import BatchOpening, parse_batch_opening
from wmproof.keys.encryption import KdfCost, decrypt_marking_key, encrypt_marking_key
from wmproof.keys.marking_key import MarkingKey
from wmproof.keys.public_key import PublicKey, parse_public_key
from wmproof.keys.verification_key import VerificationKey, parse_verification_key

# The largest trigger set, with room for commitments and randomness.
FILE_LIMIT = MAX_SET_BYTES + 2**29

PathLike = str | os.PathLike[str]


def load_marking_key(path: Source, passphrase: str) -> MarkingKey:
    """Read and decrypt a marking key.

    Parameters
    ----------
    path : path or bytes
        The file, or its content.
    passphrase : str

    Raises
    ------
    PassphraseError
        The passphrase does not fit.
    FormatError
        The file is foreign, cut short or changed.
    InputError
        The file cannot be read.
    """
    data, where = read_source(path, limit=FILE_LIMIT, name="marking key")
    return decrypt_marking_key(data, passphrase, where)


def save_marking_key(
    path: PathLike,
    key: MarkingKey,
    passphrase: str,
    *,
    cost: KdfCost = KdfCost.MODERATE,
    overwrite: bool = False,
) -> None:
    """Encrypt and write a marking key, readable by its owner only.

    Parameters
    ----------
    path : path
    key : MarkingKey
    passphrase : str
        Not empty.
    cost : KdfCost
        Of each guess of the passphrase.
    overwrite : bool
        Whether a file of this name may be replaced.

    Raises
    ------
    PassphraseError
        The passphrase is empty.
    InputError
        The file exists and `overwrite` is false, or it cannot be written.
    """
    data = encrypt_marking_key(key, passphrase, cost=cost)
    write_file(path, data, overwrite=overwrite, mode=SECRET_MODE)


def load_verification_key(path: Source) -> VerificationKey:
    """Read a verification key, also out of a public key.

    Parameters
    ----------
    path : path or bytes
        The file, or its content; hostile.

    Raises
    ------
    FormatError
        The file is foreign, cut short or not canonical.
    InputError
        The file cannot be read.
    """
    data, where = read_source(path, limit=FILE_LIMIT, name="verification key")
    if data.startswith(public_key.MAGIC):
        return parse_public_key(data, where).verification_key
    _reject_marking_key(data, where)
    return parse_verification_key(data, where)


def load_public_key(path: Source) -> PublicKey:
    """Read a public key; nothing is verified yet.

    Parameters and errors as `load_verification_key`.
    """
    data, where = read_source(path, limit=FILE_LIMIT, name="public key")
    _reject_marking_key(data, where)
    if data.startswith(verification_key.MAGIC):
        raise FormatError(
            "is a verification key without an opened half, not a public key",
            where=where,
            remedy="Make a public key with keygen --kind public",
        )
    return parse_public_key(data, where)


def load_batch_opening(path: Source, key: VerificationKey) -> BatchOpening:
    """Read the opening of a batch; nothing but its membership is verified yet.

    Parameters
    ----------
    path : path or bytes
        The file, or its content; hostile.
    key : VerificationKey
        As it was published.

    Raises
    ------
    VerificationError
        Check ``verification-key``: it opens a batch of another key.
    FormatError
        The file is foreign, cut short or not canonical.
    InputError
        The file cannot be read.
    """
    data, where = read_source(path, limit=FILE_LIMIT, name="opening")
    return parse_batch_opening(data, key, where)


def save_published(
    path: PathLike, item: VerificationKey | PublicKey | BatchOpening, *, overwrite: bool = False
) -> None:
    """Write a file that is meant for everyone.

    Parameters
    ----------
    path : path
    item : VerificationKey, PublicKey or BatchOpening
    overwrite : bool
        Whether a file of this name may be replaced.

    Raises
    ------
    InputError
        The file exists and `overwrite` is false, or it cannot be written.
    """
    write_file(path, item.to_bytes(), overwrite=overwrite)


def _reject_marking_key(data: bytes, where: str) -> None:
    if data.startswith(encryption.MAGIC):
        raise FormatError(
            "is a marking key, which is secret; a public file is needed here",
            where=where,
            remedy="Use the .pvk or .vk file that keygen wrote beside it",
        )
