"""Checkpoints (c2sp.org/tlog-checkpoint): what a log's tree is at a size, signed by the log."""

from dataclasses import dataclass
from typing import Any

from wmproof.errors import FormatError, InputError, VerificationError
from wmproof.publication.log.merkle import EMPTY_ROOT, HASH_BYTES, MAX_SIZE
from wmproof.publication.log.note import (
    Note,
    VerifierKey,
    decode_base64,
    encode_base64,
    parse_note,
    verify_note,
)


@dataclass(frozen=True)
class Checkpoint:
    """The head of a log; `str()` names it in messages.

    Raises
    ------
    InputError
        A value is out of its range.
    """

    origin: str
    """Identifies the log."""
    size: int
    """Number of entries."""
    root: bytes
    """Merkle tree hash, 32 bytes."""
    extensions: tuple[str, ...] = ()
    """Further lines, which mean nothing here."""

    def __post_init__(self) -> None:
        for line in (self.origin, *self.extensions):
            if not line or any(c < " " for c in line):
                raise InputError("a line of a checkpoint is empty or has control characters")
        if not 0 <= self.size <= MAX_SIZE or len(self.root) != HASH_BYTES:
            raise InputError("a checkpoint has a size below 2^63 and a root of 32 bytes")
        if not self.size and self.root != EMPTY_ROOT:
            raise InputError("a checkpoint of size 0 has another root than the empty tree")

    def to_dict(self) -> dict[str, Any]:
        """Return it as `json.dumps` takes it; the root is in base64, as in the file."""
        return {"origin": self.origin, "size": self.size, "root": encode_base64(self.root)}

    @property
    def text(self) -> str:
        """The text of the note."""
        lines = (self.origin, str(self.size), encode_base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)

    def __str__(self) -> str:
        return f"checkpoint of size {self.size} and root {encode_base64(self.root)}"


@dataclass(frozen=True)
class SignedCheckpoint:
    """A checkpoint whose log signature was verified, with the note around it."""

    checkpoint: Checkpoint
    note: Note
    """Its other signatures (of witnesses, say) are not verified."""


def parse_checkpoint(text: str, where: str = "checkpoint") -> Checkpoint:
    """Parse the text of a checkpoint's note.

    Raises
    ------
    FormatError
        It is not the canonical text of any checkpoint.
    """
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop():
        raise FormatError("is not a checkpoint: it has no origin, size and root", where=where)
    origin, size, root, *extensions = lines
    try:
        return Checkpoint(
            origin, parse_number(size, where), decode_base64(root, where), tuple(extensions)
        )
    except FormatError:
        raise
    except InputError as error:
        raise FormatError(error.what, where=where) from None


def open_checkpoint(
    data: bytes, log_key: VerifierKey, *, origin: str | None = None, where: str = "checkpoint"
) -> SignedCheckpoint:
    """Parse a checkpoint and verify that it is this log's.

    Parameters
    ----------
    data : bytes
        The note; hostile.
    log_key : VerifierKey
        Trusted.
    origin : str, optional
        The name of the key if not given.

    Raises
    ------
    FormatError
        It is no canonical checkpoint.
    VerificationError
        Check ``log-signature``, or ``origin``: it is a checkpoint of another log.
    """
    note = parse_note(data, where)
    verify_note(note, log_key, where)
    checkpoint = parse_checkpoint(note.text, where)
    expected = log_key.name if origin is None else origin
    if checkpoint.origin != expected:
        raise VerificationError(
            "origin",
            f"is a checkpoint of the log {checkpoint.origin!r}, not of {expected!r}",
            where=where,
        )
    return SignedCheckpoint(checkpoint, note)


def parse_number(text: str, where: str) -> int:
    """Parse a decimal number below 2^63 without leading zeros; FormatError otherwise."""
    if text.isascii() and text.isdigit() and len(text) <= 19 and (text == "0" or text[0] != "0"):
        number = int(text)
        if number <= MAX_SIZE:
            return number
    raise FormatError(f"has {text[:40]!r} where a number is expected", where=where)
