"""What is logged of a key: a digest, which says nothing about the key to those who lack it."""

from typing import Protocol

from wmproof.errors import InputError

ENTRY_TAG = b"wmproof/log-entry/v1".ljust(32, b"\0")
ENTRY_BYTES = 64


class Published(Protocol):
    """A public key or a verification key."""

    @property
    def digest(self) -> bytes:
        """SHA-256 of its file."""


def key_entry(key: Published) -> bytes:
    """Return the entry of a key: the tag (32 bytes) and the SHA-256 of its file."""
    return digest_entry(key.digest)


def digest_entry(digest: bytes) -> bytes:
    """Return the entry of a key of which only the digest, 32 bytes, is known."""
    if len(digest) != ENTRY_BYTES - len(ENTRY_TAG):
        raise InputError("a digest has 32 bytes")
    return ENTRY_TAG + digest


def entry_digest(entry: bytes) -> bytes | None:
    """Return the digest in an entry, or None if it is not the entry of a key."""
    if len(entry) != ENTRY_BYTES or not entry.startswith(ENTRY_TAG):
        return None
    return entry[len(ENTRY_TAG) :]
