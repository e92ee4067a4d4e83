"""Witness cosignatures (c2sp.org/tlog-cosignature): Ed25519 and ML-DSA-44."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wmproof.errors import FormatError, InputError, VerificationError
from wmproof.publication.log.checkpoint import Checkpoint, parse_checkpoint
from wmproof.publication.log.merkle import MAX_SIZE
from wmproof.publication.log.note import Note, SignatureKind, VerifierKey

_TIMESTAMP_BYTES = 8
_SUBTREE_LABEL = b"subtree/v1\n\0"


@dataclass(frozen=True)
class Cosignature:
    """What a verified cosignature says."""

    witness: VerifierKey
    timestamp: int
    """POSIX seconds: when the witness had seen no larger tree of this log."""

    @property
    def time(self) -> str:
        """The same for people; a time after the year 9999 stays a number."""
        try:
            return datetime.fromtimestamp(self.timestamp, UTC).isoformat().replace("+00:00", "Z")
        except (ValueError, OverflowError, OSError):
            return str(self.timestamp)

    def to_dict(self) -> dict[str, Any]:
        """Return it as `json.dumps` takes it."""
        return {"witness": self.witness.name, "timestamp": self.timestamp, "time": self.time}


def cosigned_message(witness: VerifierKey, text: str, timestamp: int) -> bytes:
    """Return what a witness signs.

    With Ed25519, two header lines and the checkpoint's text. With ML-DSA-44, the specification's
    `cosigned_message`: the label, the witness's name, the time, the log's origin, the leaves from
    0 to the size, and the root. Further lines of the checkpoint are not in it.

    Raises
    ------
    FormatError
        The text is no checkpoint.
    InputError
        Its origin is longer than the 255 bytes that ML-DSA-44 cosignatures take.
    """
    if witness.kind is not SignatureKind.ML_DSA_COSIGNATURE:
        return f"cosignature/v1\ntime {timestamp}\n{text}".encode()
    checkpoint: Checkpoint = parse_checkpoint(text)
    numbers = [number.to_bytes(8, "big") for number in (timestamp, 0, checkpoint.size)]
    return b"".join(
        (
            _SUBTREE_LABEL,
            _short(witness.name),
            numbers[0],
            _short(checkpoint.origin),
            *numbers[1:],
            checkpoint.root,
        )
    )


def verify_cosignatures(note: Note, witnesses: Sequence[VerifierKey]) -> tuple[Cosignature, ...]:
    """Return the cosignatures of known witnesses; those of others mean nothing.

    One of the time 0 is verified and left out: its witness says nothing of when, nor that it knew
    no larger tree.

    Parameters
    ----------
    note : Note
        A checkpoint.
    witnesses : sequence of VerifierKey
        Trusted, of a kind that cosigns.

    Raises
    ------
    VerificationError
        Check ``cosignature``: one that claims to be by a known witness does not fit.
    InputError
        A key is not a witness's, or is of ML-DSA-44 where that cannot be verified.
    """
    found = []
    for witness in dict.fromkeys(witnesses):
        if not witness.kind.cosigns:
            raise InputError(f"the key of {witness.name} is not a witness's")
        timestamps = [_verify(note, witness, line.value) for line in note.by(witness)]
        dated = [timestamp for timestamp in timestamps if timestamp]
        if dated:
            found.append(Cosignature(witness, min(dated)))
    return tuple(found)


def _verify(note: Note, witness: VerifierKey, value: bytes) -> int:
    timestamp = int.from_bytes(value[:_TIMESTAMP_BYTES], "big")
    signature = value[_TIMESTAMP_BYTES:]
    if timestamp <= MAX_SIZE and _signs(witness, note.text, timestamp, signature):
        return timestamp
    raise VerificationError(
        "cosignature", f"the cosignature of {witness.name} does not fit the checkpoint"
    )


def _signs(witness: VerifierKey, text: str, timestamp: int, signature: bytes) -> bool:
    try:
        message = cosigned_message(witness, text, timestamp)
    except (FormatError, InputError):  # nobody can have signed what has no encoding
        return False
    return witness.verifies(message, signature)


def _short(text: str) -> bytes:
    """Encode 1 to 255 bytes of text after their number."""
    encoded = text.encode()
    if not 0 < len(encoded) < 256:
        raise InputError("an ML-DSA-44 cosignature takes names and origins of 1 to 255 bytes")
    return bytes([len(encoded)]) + encoded
