"""Ed25519 signatures (RFC 8032) over published keys and openings."""

from __future__ import annotations

import codecs
import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

from wmproof._base.files import SECRET_MODE, read_file, write_file
from wmproof._base.reader import Reader
from wmproof.errors import FormatError, InputError, PassphraseError, VerificationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

SEED_BYTES = 32
PUBLIC_BYTES = 32
SIGNATURE_BYTES = 64
_PEM_LIMIT = 2**16


@dataclass(frozen=True)
class Signature:
    """An Ed25519 signature with the public key that it is by."""

    signer: bytes
    """32 bytes. Means something only where the reader knows whose it is."""
    value: bytes
    """64 bytes."""


class SignedFile:
    """A frozen dataclass that is written as its `body`, followed by a signature if there is one."""

    SIGNATURE_TAG: ClassVar[bytes]
    """Stands before the body in what is signed: no file of one kind passes for another."""

    @property
    def body(self) -> bytes:
        """The canonical encoding without the signature."""
        raise NotImplementedError

    @property
    def signature(self) -> Signature | None:
        """Over the body; a field of the class."""
        raise NotImplementedError

    def to_bytes(self) -> bytes:
        """Return the one canonical encoding; `docs/formats.md` has the layout."""
        return self.body + encode_signature(self.signature)

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the file, 32 bytes."""
        return hashlib.sha256(self.to_bytes()).digest()

    def signed(self, seed: bytes) -> Self:
        """Return the same, signed with an Ed25519 private key (32 bytes)."""
        dataclass: Any = self
        signed: Self = replace(dataclass, signature=sign(seed, self.SIGNATURE_TAG, self.body))
        return signed

    def check_signature(self, signer: bytes | None = None) -> None:
        """Check the signature if there is one; with `signer`, require one by that key.

        Raises
        ------
        VerificationError
            Check ``signature``.
        """
        check_signature(self.signature, self.SIGNATURE_TAG, self.body, signer=signer)


def new_seed() -> bytes:
    """Draw an Ed25519 private key, 32 bytes."""
    return secrets.token_bytes(SEED_BYTES)


def signer_of(seed: bytes) -> bytes:
    """Return the public key, 32 bytes, of a private one."""
    from nacl.signing import SigningKey

    return bytes(SigningKey(seed).verify_key)


def sign(seed: bytes, tag: bytes, body: bytes) -> Signature:
    """Sign `tag || body`, where the tag says what kind of file the body is."""
    from nacl.signing import SigningKey

    key = SigningKey(seed)
    return Signature(bytes(key.verify_key), key.sign(tag + body).signature)


def check_signature(
    signature: Signature | None, tag: bytes, body: bytes, *, signer: bytes | None = None
) -> None:
    """Check a signature if there is one, and that it is by `signer` if one is expected.

    Raises
    ------
    VerificationError
        Check ``signature``: it is wrong, missing although `signer` is given, or by somebody else.
    """
    from nacl.exceptions import BadSignatureError
    from nacl.signing import VerifyKey

    if signature is None:
        if signer is None:
            return
        raise VerificationError("signature", "the file is not signed, and a signer was expected")
    if signer is not None and not hmac.compare_digest(signer, signature.signer):
        raise VerificationError(
            "signature",
            "the file is signed by another key than expected",
            numbers={"signer": signature.signer.hex(), "expected": signer.hex()},
        )
    try:
        VerifyKey(signature.signer).verify(tag + body, signature.value)
    except (BadSignatureError, ValueError) as error:
        raise VerificationError(
            "signature", "the signature does not fit the file", remedy="Fetch the file again"
        ) from error


def encode_signature(signature: Signature | None) -> bytes:
    """Return one zero byte for no signature, else a one byte, the signer and the signature."""
    return b"\0" if signature is None else b"\1" + signature.signer + signature.value


def read_signature(reader: Reader) -> Signature | None:
    """Read what `encode_signature` wrote; FormatError for anything else."""
    flag = reader.integer(1, "signature flag")
    if flag > 1:
        raise reader.error(f"has the unknown signature flag {flag}")
    if not flag:
        return None
    return Signature(reader.take(PUBLIC_BYTES, "signer"), reader.take(SIGNATURE_BYTES, "signature"))


def load_private_key(
    path: str | os.PathLike[str], passphrase: bytes | None = None
) -> PrivateKeyTypes:
    """Read a private key of any algorithm from PEM (PKCS #8) or OpenSSH's format.

    Raises
    ------
    PassphraseError
        The file is encrypted and the passphrase is missing or wrong.
    FormatError
        The file holds no private key that the package `cryptography` knows.
    """
    from cryptography.hazmat.primitives.serialization import (
        load_pem_private_key,
        load_ssh_private_key,
    )

    data = _read_pem(path)
    load = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in data else load_pem_private_key
    try:
        return load(data, passphrase)
    except TypeError as error:  # encrypted without a passphrase, or the reverse
        if passphrase is not None:
            return load_private_key(path)
        raise PassphraseError(
            "the signing key is encrypted", where=str(path), remedy="Give its passphrase"
        ) from error
    except Exception as error:  # the library's parsers raise several unrelated types
        if passphrase is not None and b"ENCRYPTED" in data:
            raise PassphraseError(
                "the passphrase does not open the signing key", where=str(path)
            ) from error
        raise FormatError(
            f"is not a private key in PEM or OpenSSH format ({error})", where=str(path)
        ) from error


def load_signing_key(path: str | os.PathLike[str], passphrase: bytes | None = None) -> bytes:
    """Read an Ed25519 private key and return its 32-byte seed; errors as `load_private_key`."""
    return ed25519_seed(load_private_key(path, passphrase), str(path))


def ed25519_seed(key: object, where: str) -> bytes:
    """Return the 32-byte seed of a private key; FormatError if it is not an Ed25519 key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if not isinstance(key, Ed25519PrivateKey):
        raise FormatError(
            "is not an Ed25519 key",
            where=where,
            remedy="Make one with: openssl genpkey -algorithm ed25519",
        )
    return key.private_bytes_raw()


def save_signing_key(
    path: str | os.PathLike[str], seed: bytes, passphrase: bytes | None = None
) -> None:
    """Write an Ed25519 private key as `save_private_key` does."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    save_private_key(path, Ed25519PrivateKey.from_private_bytes(seed), passphrase)


def save_private_key(
    path: str | os.PathLike[str], key: PrivateKeyTypes, passphrase: bytes | None = None
) -> None:
    """Write a private key as PEM (PKCS #8), readable by its owner only, whatever the umask.

    Raises
    ------
    InputError
        The file exists or cannot be written.
    """
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        KeySerializationEncryption,
        NoEncryption,
        PrivateFormat,
    )

    protection: KeySerializationEncryption = (
        BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    )
    data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
    write_file(path, data, mode=SECRET_MODE)


def load_signer(text: str) -> bytes:
    """Return the 32-byte public key given as 64 hexadecimal digits or as a PEM or OpenSSH file.

    Raises
    ------
    InputError
        It is neither.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import (
        load_pem_public_key,
        load_ssh_public_key,
    )

    if len(text) == 2 * PUBLIC_BYTES and set(text.lower()) <= set("0123456789abcdef"):
        return bytes.fromhex(text)
    data = _read_pem(text)
    load = load_ssh_public_key if data.startswith(b"ssh-") else load_pem_public_key
    try:
        key = load(data)
    except Exception as error:  # as above
        raise InputError("is not a public key in PEM or OpenSSH format", where=text) from error
    if not isinstance(key, Ed25519PublicKey):
        raise InputError("is not an Ed25519 key", where=text)
    return key.public_bytes_raw()


def _read_pem(path: str | os.PathLike[str]) -> bytes:
    """Read a key without the byte order mark that an editor may have put before it."""
    return read_file(path, limit=_PEM_LIMIT).removeprefix(codecs.BOM_UTF8)
