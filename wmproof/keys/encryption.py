"""The marking key at rest: Argon2id and secretbox, both from libsodium.

Layout and reasons are in `docs/formats.md`. The header is authenticated: both working keys are
derived from all of it, so that a changed header opens nothing.
"""

import hashlib
import hmac
import secrets
import struct
import unicodedata
from dataclasses import dataclass
from enum import IntEnum

from wmproof._base.arguments import require_type
from wmproof._base.reader import Reader
from wmproof.errors import FormatError, InputError, PassphraseError
from wmproof.keys.marking_key import MarkingKey, parse_secret_bytes

MAGIC = b"wmpf-mk\0"
VERSION = 1
SALT_BYTES = 16
NONCE_BYTES = 24
CHECK_BYTES = 32
_HEADER = struct.Struct(">8sHB16s24s32s")
_MIB = 2**20


class KdfCost(IntEnum):
    """How much each guess of the passphrase costs: libsodium's three presets of Argon2id."""

    INTERACTIVE = 1
    MODERATE = 2
    SENSITIVE = 3


# (passes, bytes of memory). A file names a preset and not numbers: a hostile one cannot ask for
# more than a gibibyte.
_LIMITS = {
    KdfCost.INTERACTIVE: (2, 64 * _MIB),
    KdfCost.MODERATE: (3, 256 * _MIB),
    KdfCost.SENSITIVE: (4, 1024 * _MIB),
}


@dataclass(frozen=True)
class MarkingKeyHeader:
    """What an encrypted marking key shows without its passphrase."""

    cost: KdfCost
    salt: bytes
    nonce: bytes
    """salt and nonce: 16 and 24 random bytes."""
    key_digest: bytes
    """32 bytes: the digest of the verification key that it belongs to."""

    def to_bytes(self) -> bytes:
        """Return the first 83 bytes of the file."""
        return _HEADER.pack(MAGIC, VERSION, self.cost, self.salt, self.nonce, self.key_digest)


def encrypt_marking_key(
    key: MarkingKey, passphrase: str, *, cost: KdfCost = KdfCost.MODERATE
) -> bytes:
    """Return the bytes of a marking key's file.

    Raises
    ------
    PassphraseError
        The passphrase is empty.
    InputError
        There is not enough memory for Argon2id.
    """
    from nacl.secret import SecretBox

    header = MarkingKeyHeader(
        cost,
        secrets.token_bytes(SALT_BYTES),
        secrets.token_bytes(NONCE_BYTES),
        key.verification_key.digest,
    )
    check, box_key = _working_keys(header, passphrase)
    sealed = SecretBox(box_key).encrypt(key.to_secret_bytes(), header.nonce).ciphertext
    return header.to_bytes() + check + sealed


def decrypt_marking_key(data: bytes, passphrase: str, where: str = "marking key") -> MarkingKey:
    """Open the bytes of a marking key's file.

    Raises
    ------
    FormatError
        The bytes are no such file, or they have been cut or changed.
    PassphraseError
        The passphrase does not fit.
    """
    from nacl.exceptions import CryptoError
    from nacl.secret import SecretBox

    reader = Reader(data, where)
    header = _read_header(reader)
    stored = reader.take(CHECK_BYTES, "check of the passphrase")
    check, box_key = _working_keys(header, passphrase)
    if not hmac.compare_digest(check, stored):
        raise PassphraseError(
            "the passphrase does not open the key (or its first bytes have been changed)",
            where=where,
        )
    try:
        secret = SecretBox(box_key).decrypt(data[reader.position :], header.nonce)
    except (CryptoError, ValueError) as error:
        raise FormatError(
            "is damaged: the passphrase fits, but the contents are not those that were saved",
            where=where,
            remedy="Restore the file from a copy",
        ) from error
    key = parse_secret_bytes(secret, where)
    if key.verification_key.digest != header.key_digest:
        raise FormatError("names another verification key in its header", where=where)
    return key


def parse_marking_key_header(data: bytes, where: str = "marking key") -> MarkingKeyHeader:
    """Read what the file shows without its passphrase; nothing of it is authenticated yet.

    Raises
    ------
    FormatError
        The bytes do not begin like a marking key.
    """
    return _read_header(Reader(data, where))


def _read_header(reader: Reader) -> MarkingKeyHeader:
    reader.magic(MAGIC, VERSION, "marking key")
    return MarkingKeyHeader(
        reader.member(KdfCost, 1, "cost of the passphrase"),
        reader.take(SALT_BYTES, "salt"),
        reader.take(NONCE_BYTES, "nonce"),
        reader.take(32, "digest of the verification key"),
    )


def _working_keys(header: MarkingKeyHeader, passphrase: str) -> tuple[bytes, bytes]:
    """Return the value that tells a wrong passphrase from a damaged file, and secretbox's key."""
    from nacl.exceptions import CryptoError
    from nacl.pwhash import argon2id

    if not passphrase:
        raise PassphraseError("the passphrase is empty")
    require_type(passphrase, str, "the passphrase")
    passes, memory = _LIMITS[header.cost]
    try:
        secret = unicodedata.normalize("NFC", passphrase).encode()
    except UnicodeEncodeError:  # from an environment of other bytes; it would show a part
        raise PassphraseError("the passphrase is not UTF-8 text") from None
    try:
        root = argon2id.kdf(64, secret, header.salt, opslimit=passes, memlimit=memory)
    except (CryptoError, MemoryError) as error:
        raise InputError(
            f"Argon2id could not get its {memory // _MIB} MiB of memory",
            remedy="Close other programs, or save the key at a lower cost",
        ) from error
    shown = header.to_bytes()
    check = hashlib.blake2b(shown, key=root[:32], digest_size=32, person=b"wmproof-mk-check")
    box = hashlib.blake2b(shown, key=root[32:], digest_size=32, person=b"wmproof-mk-box")
    return check.digest(), box.digest()
