"""ML-DSA-44 (FIPS 204) as the package `cryptography` has it, with an empty context."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wmproof.errors import InputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

PUBLIC_BYTES = 1312


@contextlib.contextmanager
def _available() -> Iterator[None]:
    """Name what is missing: earlier versions of the package lack it, and some builds."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        yield
    except (ImportError, UnsupportedAlgorithm) as error:
        raise InputError(
            "the installed package `cryptography` has no ML-DSA-44",
            remedy="Upgrade it: pip install --upgrade cryptography. Ed25519 keys work without",
        ) from error


def public_of(seed: bytes) -> bytes:
    """Return the public key, 1312 bytes, of a seed of 32 bytes."""
    return private_key(seed).public_key().public_bytes_raw()


def seed_of(key: object) -> bytes | None:
    """Return the seed of a private key as `cryptography` read it, or None if it is another kind."""
    try:
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
    except ImportError:
        return None
    return key.private_bytes_raw() if isinstance(key, MLDSA44PrivateKey) else None


def private_key(seed: bytes) -> MLDSA44PrivateKey:
    """Return the private key of a seed, as `cryptography` writes it."""
    with _available():
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

        return MLDSA44PrivateKey.from_seed_bytes(seed)


def sign(seed: bytes, message: bytes) -> bytes:
    """Return a signature, 2420 bytes; a second one of the same message differs."""
    return private_key(seed).sign(message)


def verifies(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether a signature of any length fits; `public` has `PUBLIC_BYTES`."""
    with _available():
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

        key = MLDSA44PublicKey.from_public_bytes(public)
        try:
            key.verify(signature, message)
        except InvalidSignature:
            return False
        return True
