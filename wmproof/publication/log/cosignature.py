"""Witness cosignatures (c2sp.org/tlog-cosignature, Ed25519, v1) and their verification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wmproof.errors import InputError, VerificationError
from wmproof.publication.log.merkle import MAX_SIZE
from wmproof.publication.log.note import Note, SignatureKind, VerifierKey, verifies

_TIMESTAMP_BYTES = 8


@dataclass(frozen=True)
class Cosignature:
    """What a verified cosignature says.

    Parameters
    ----------
    witness : VerifierKey
    timestamp : int
        POSIX seconds: when the witness had seen no larger tree of this log.
    """

    witness: VerifierKey
    timestamp: int


def cosigned_message(text: str, timestamp: int) -> bytes:
    """Return what a witness signs: two header lines and the checkpoint's text."""
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def verify_cosignatures(note: Note, witnesses: Sequence[VerifierKey]) -> tuple[Cosignature, ...]:
    """Return the cosignatures of known witnesses; those of others mean nothing.

    Parameters
    ----------
    note : Note
        A checkpoint.
    witnesses : sequence of VerifierKey
        Trusted, of the kind COSIGNATURE.

    Raises
    ------
    VerificationError
        Check ``cosignature``: one that claims to be by a known witness does not fit.
    InputError
        A key is not a witness's.
    """
    found = []
    for witness in dict.fromkeys(witnesses):
        if witness.kind is not SignatureKind.COSIGNATURE:
            raise InputError(f"the key of {witness.name} is not a witness's")
        timestamps = [_verify(note, witness, line.value) for line in note.by(witness)]
        if timestamps:
            found.append(Cosignature(witness, min(timestamps)))
    return tuple(found)


def _verify(note: Note, witness: VerifierKey, value: bytes) -> int:
    timestamp = int.from_bytes(value[:_TIMESTAMP_BYTES], "big")
    message = cosigned_message(note.text, timestamp)
    if timestamp > MAX_SIZE or not verifies(witness, message, value[_TIMESTAMP_BYTES:]):
        raise VerificationError(
            "cosignature", f"the cosignature of {witness.name} does not fit the checkpoint"
        )
    return timestamp
