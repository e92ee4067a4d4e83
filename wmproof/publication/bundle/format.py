"""The bundle's file; docs/bundle.md has the layout."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from itertools import pairwise

from wmproof._base.files import Source, read_source
from wmproof._base.reader import Reader
from wmproof.errors import FormatError
from wmproof.keys import PublicKey, parse_public_key
from wmproof.keys.files import FILE_LIMIT
from wmproof.pverify.claim_file import FILE_LIMIT as CLAIM_LIMIT

MAGIC = b"wmpf-ev\0"
VERSION = 1
BUNDLE_LIMIT = FILE_LIMIT + CLAIM_LIMIT + 2**26
_MOST_PARTS = 256
_PART_LIMIT = 2**20


class PartKind(IntEnum):
    """What a part is."""

    PUBLIC_KEY = 1
    CLAIM = 2
    INCLUSION_PROOF = 3
    RFC3161 = 4
    OPENTIMESTAMPS = 5


class Subject(IntEnum):
    """What a timestamp is of; NONE for parts that are no timestamps."""

    NONE = 0
    KEY = 1
    MODEL = 2
    CHECKPOINT = 3
    CLAIM = 4


class Pixels(IntEnum):
    """What a float model takes."""

    RAW = 1
    UNIT = 2


_STAMPS = (PartKind.RFC3161, PartKind.OPENTIMESTAMPS)
_STEMS = {PartKind.PUBLIC_KEY: "key", PartKind.CLAIM: "claim", PartKind.INCLUSION_PROOF: "key"}
_SUFFIXES = {
    PartKind.PUBLIC_KEY: ".pvk",
    PartKind.CLAIM: ".proof",
    PartKind.INCLUSION_PROOF: ".tlog-proof",
    PartKind.RFC3161: ".tsr",
    PartKind.OPENTIMESTAMPS: ".ots",
}
_LIMITS = {PartKind.PUBLIC_KEY: FILE_LIMIT, PartKind.CLAIM: CLAIM_LIMIT}


@dataclass(frozen=True, order=True, repr=False)
class Part:
    """One part; parts stand in the order of these fields."""

    kind: PartKind
    subject: Subject
    content: bytes
    """A file of its own kind, verbatim."""

    def __repr__(self) -> str:
        return f"Part({self.name}, {len(self.content)} bytes)"

    @property
    def name(self) -> str:
        """What it is, for people."""
        what = self.kind.name.lower().replace("_", " ")
        of = f" of the {self.subject.name.lower()}" if self.subject else ""
        return what.replace("rfc3161", "RFC 3161 token").replace("opentimestamps", "OTS file") + of


@dataclass(frozen=True, eq=False)
class Bundle:
    """Evidence about one key and one model.

    Raises
    ------
    FormatError
        The parts are not these.
    """

    model_digest: bytes
    """SHA-256 of the model file, 32 bytes; the file itself is not in the bundle."""
    pixels: Pixels
    parts: tuple[Part, ...]
    """Sorted, none twice: one public key, at most one claim, and timestamps of what is there."""
    where: str = "bundle"

    def __post_init__(self) -> None:
        _check_parts(self.parts, self.where)
        _ = self.public_key

    def __repr__(self) -> str:
        return f"Bundle({self.public_key!r}, {len(self.parts)} parts)"

    def of_kind(self, *kinds: PartKind) -> tuple[Part, ...]:
        """Return the parts of these kinds."""
        return tuple(part for part in self.parts if part.kind in kinds)

    @cached_property
    def public_key(self) -> PublicKey:
        """The key, parsed and not verified."""
        (part,) = self.of_kind(PartKind.PUBLIC_KEY)
        return parse_public_key(part.content, f"{self.where}: public key")

    @property
    def claim(self) -> bytes | None:
        """The claim file, not verified."""
        return next((part.content for part in self.of_kind(PartKind.CLAIM)), None)

    @property
    def stamps(self) -> tuple[Part, ...]:
        """The timestamps, not verified."""
        return self.of_kind(*_STAMPS)

    def files(self) -> dict[str, bytes]:
        """Return each part's content under a name such as a file of its kind has."""
        found: dict[str, bytes] = {}
        for part in self.parts:
            stem = part.subject.name.lower() if part.subject else _STEMS[part.kind]
            name, number = stem + _SUFFIXES[part.kind], 1
            while name in found:
                number += 1
                name = f"{stem}-{number}{_SUFFIXES[part.kind]}"
            found[name] = part.content
        return found

    def to_bytes(self) -> bytes:
        """Return the one canonical encoding."""
        head = MAGIC + VERSION.to_bytes(2, "big") + self.model_digest
        head += self.pixels.to_bytes(1, "big") + len(self.parts).to_bytes(2, "big")
        pieces = [head]
        for part in self.parts:
            pieces += [bytes([part.kind, part.subject]), len(part.content).to_bytes(4, "big")]
            pieces.append(part.content)
        return b"".join(pieces)

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the file, 32 bytes."""
        return hashlib.sha256(self.to_bytes()).digest()


def parse_bundle(data: bytes, where: str = "bundle") -> Bundle:
    """Parse exactly one bundle, and the public key in it; nothing is verified.

    Raises
    ------
    FormatError
        The bytes are not the canonical encoding of any bundle.
    """
    reader = Reader(data, where)
    reader.magic(MAGIC, VERSION, "evidence bundle")
    digest = reader.take(32, "digest of the model")
    pixels = reader.member(Pixels, 1, "pixel range")
    count = reader.integer(2, "number of parts")
    if count > _MOST_PARTS:
        raise reader.error(f"has {count} parts; {_MOST_PARTS} are the most")
    parts = tuple(_read_part(reader) for _ in range(count))
    reader.end()
    return Bundle(digest, pixels, parts, where)


def load_bundle(source: Source) -> Bundle:
    """Read a bundle's file, or its content; errors as `parse_bundle`, or it cannot be read."""
    return parse_bundle(*read_source(source, limit=BUNDLE_LIMIT, name="bundle"))


def _read_part(reader: Reader) -> Part:
    kind = reader.member(PartKind, 1, "kind of part")
    subject = reader.member(Subject, 1, "subject")
    length = reader.integer(4, "length of a part")
    if length > _LIMITS.get(kind, _PART_LIMIT):
        raise reader.error(f"has a part of {length} bytes, too long for its kind")
    return Part(kind, subject, reader.take(length, "part"))


def _check_parts(parts: Sequence[Part], where: str) -> None:
    if any(first >= second for first, second in pairwise(parts)):
        raise FormatError("has parts that are not in order, or one twice", where=where)
    kinds = [part.kind for part in parts]
    if kinds.count(PartKind.PUBLIC_KEY) != 1:
        raise FormatError(
            f"has {kinds.count(PartKind.PUBLIC_KEY)} public keys, and needs one", where=where
        )
    if kinds.count(PartKind.CLAIM) > 1:
        raise FormatError("has more than one claim", where=where)
    missing = {Subject.CHECKPOINT: PartKind.INCLUSION_PROOF, Subject.CLAIM: PartKind.CLAIM}
    for part in parts:
        if (part.kind in _STAMPS) != bool(part.subject):
            raise FormatError(f"has a part with a wrong subject: {part.name}", where=where)
        if part.subject in missing and missing[part.subject] not in kinds:
            raise FormatError(
                f"is missing a part: it has an {part.name} and no such thing", where=where
            )
