"""The record of every query to an endpoint, hash-chained and signed; docs/formats.md has it.

It says what its signer claims to have asked and heard. No server signs HTTP replies, so it binds
the signer and nobody else.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from wmproof._base.files import read_file
from wmproof._base.reader import Reader
from wmproof.errors import InputError, VerificationError
from wmproof.keys.signature import Signature, SignedFile, read_signature

MAGIC = b"wmpf-qt\0"
VERSION = 1
TRANSCRIPT_LIMIT = 2**30
_MOST_ATTEMPTS = 2**20
_CHAIN_TAG = b"wmproof/query-chain/v1".ljust(32, b"\0")


class AttemptKind(IntEnum):
    """What was asked."""

    HEALTH = 1
    METADATA = 2
    INFER = 3


@dataclass(frozen=True, repr=False)
class Attempt:
    """One request and what came of it."""

    kind: AttemptKind
    sent_ms: int
    received_ms: int
    """sent_ms and received_ms: milliseconds since 1970 by the clock of whoever asked."""
    status: int
    """HTTP status; 0 where no usable reply came, and then `reply` says why."""
    request: bytes
    reply: bytes
    """request and reply: bodies. An inference request shows the triggers."""

    def __repr__(self) -> str:
        return f"Attempt({self.kind.name.lower()}, status {self.status})"

    def to_bytes(self) -> bytes:
        """Return the canonical encoding without the link."""
        return b"".join(
            (
                self.kind.to_bytes(1, "big"),
                self.sent_ms.to_bytes(8, "big"),
                self.received_ms.to_bytes(8, "big"),
                self.status.to_bytes(2, "big"),
                *(len(b).to_bytes(4, "big") + b for b in (self.request, self.reply)),
            )
        )


@dataclass(frozen=True, eq=False)
class QueryTranscript(SignedFile):
    """All that was asked of one model at one endpoint, in order."""

    SIGNATURE_TAG = b"wmproof/query-transcript/v1".ljust(32, b"\0")

    endpoint: str
    model_name: str
    model_version: str
    """Empty where none was asked for."""
    key_digest: bytes
    """Of the verification key that the queries are about, 32 bytes."""
    attempts: Sequence[Attempt]
    signature: Signature | None = None
    """A file always has one."""

    def __repr__(self) -> str:
        return f"QueryTranscript({self.model_name!r} at {self.endpoint!r})"

    @property
    def header(self) -> bytes:
        """What the chain starts from."""
        names = (self.endpoint, self.model_name, self.model_version)
        encoded = [name.encode() for name in names]
        texts = b"".join(len(name).to_bytes(2, "big") + name for name in encoded)
        return MAGIC + VERSION.to_bytes(2, "big") + texts + self.key_digest

    @cached_property
    def body(self) -> bytes:
        """What the signature covers: everything before it."""
        link = hashlib.sha256(_CHAIN_TAG + self.header).digest()
        parts = [self.header, len(self.attempts).to_bytes(4, "big")]
        for attempt in self.attempts:
            encoded = attempt.to_bytes()
            link = next_link(link, encoded)
            parts += [encoded, link]
        return b"".join(parts)

    def to_bytes(self) -> bytes:
        """Return the one canonical encoding; InputError if it is not signed."""
        if self.signature is None:
            raise InputError("a transcript is signed before it is written")
        return super().to_bytes()

    def check_signature(self, signer: bytes | None = None) -> None:
        """Check the signature; with `signer`, require it to be by that key.

        Raises
        ------
        VerificationError
            Check ``signature``: it is missing, wrong, or by somebody else.
        """
        if self.signature is None:
            raise VerificationError("signature", "the transcript is not signed")
        super().check_signature(signer)


def next_link(link: bytes, attempt: bytes) -> bytes:
    """Chain one encoded attempt to all before it."""
    return hashlib.sha256(_CHAIN_TAG + link + attempt).digest()


def parse_transcript(data: bytes, where: str = "query transcript") -> QueryTranscript:
    """Parse exactly one transcript; the signature is not checked here.

    Raises
    ------
    FormatError
        The bytes are not the canonical encoding of any transcript, or its chain is broken.
    """
    reader = Reader(data, where)
    reader.magic(MAGIC, VERSION, "query transcript")
    endpoint = _read_text(reader, "endpoint")
    name = _read_text(reader, "model name")
    version = _read_text(reader, "model version")
    digest = reader.take(32, "digest of the verification key")
    link = hashlib.sha256(_CHAIN_TAG + data[: reader.position]).digest()
    count = reader.integer(4, "number of attempts")
    if count > _MOST_ATTEMPTS:
        raise reader.error(f"has {count} attempts; {_MOST_ATTEMPTS} are the most")
    attempts = []
    for number in range(count):
        start = reader.position
        attempts.append(_read_attempt(reader))
        link = next_link(link, reader.since(start))
        if reader.take(32, "link") != link:
            raise reader.error(
                f"has a broken chain: attempt {number} does not belong to those before it"
            )
    signature = read_signature(reader)
    reader.end()
    if signature is None:
        raise reader.error("is a query transcript without a signature")
    return QueryTranscript(endpoint, name, version, digest, tuple(attempts), signature)


def load_transcript(path: str | os.PathLike[str]) -> QueryTranscript:
    """Read a transcript's file; errors as `parse_transcript`, InputError if it cannot be read."""
    return parse_transcript(read_file(path, limit=TRANSCRIPT_LIMIT), str(path))


def _read_text(reader: Reader, field: str) -> str:
    data = reader.take(reader.integer(2, f"length of the {field}"), field)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise reader.error(f"has a {field} that is not UTF-8") from None


def _read_attempt(reader: Reader) -> Attempt:
    kind = reader.member(AttemptKind, 1, "kind of query")
    sent, received = (reader.integer(8, "time") for _ in range(2))
    status = reader.integer(2, "status")
    request, reply = (reader.take(reader.integer(4, "length"), "body") for _ in range(2))
    return Attempt(kind, sent, received, status, request, reply)
