"""Proofs as files: inclusion (c2sp.org/tlog-proof) and consistency (c2sp.org/tlog-witness).

A consistency proof has the form of the request that a witness answers: the old size, the hashes,
and the new checkpoint. The old checkpoint is not in it; whoever verifies has it.
"""

from dataclasses import dataclass

from wmproof.errors import FormatError
from wmproof.publication.log.checkpoint import parse_number
from wmproof.publication.log.merkle import HASH_BYTES
from wmproof.publication.log.note import (
    NOTE_LIMIT,
    decode_base64,
    encode_base64,
    refuse_carriage_returns,
)

PROOF_LIMIT = NOTE_LIMIT + 2**17
_MOST_HASHES = 63
HEADER = "c2sp.org/tlog-proof@v1"
_EXTRA_LIMIT = 2**16


@dataclass(frozen=True)
class InclusionProof:
    """The content of a .tlog-proof file; nothing is verified."""

    index: int
    path: tuple[bytes, ...]
    """At most 63 hashes."""
    checkpoint: bytes
    """The signed note, verbatim."""
    extra: bytes | None = None
    """Authenticated by nothing."""

    def to_bytes(self) -> bytes:
        """Return the file."""
        extra = "" if self.extra is None else f"extra {encode_base64(self.extra)}\n"
        head = f"{HEADER}\n{extra}index {self.index}\n{_hash_lines(self.path)}\n"
        return head.encode() + self.checkpoint


@dataclass(frozen=True)
class ConsistencyProof:
    """The content of a consistency proof, which is also a request to a witness."""

    old_size: int
    path: tuple[bytes, ...]
    """At most 63 hashes."""
    checkpoint: bytes
    """The signed note, verbatim."""

    def to_bytes(self) -> bytes:
        """Return the file."""
        return f"old {self.old_size}\n{_hash_lines(self.path)}\n".encode() + self.checkpoint


def parse_inclusion_proof(data: bytes, where: str = "inclusion proof") -> InclusionProof:
    """Parse exactly one .tlog-proof file; FormatError if the bytes are none."""
    lines, checkpoint = _split(data, where)
    if lines.pop(0) != HEADER:
        raise FormatError(f"does not begin with {HEADER}", where=where)
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = decode_base64(lines.pop(0).removeprefix("extra "), where)
        if len(extra) > _EXTRA_LIMIT:
            raise FormatError(f"has more than {_EXTRA_LIMIT} bytes of extra data", where=where)
    index = _numbered("index", lines, where)
    return InclusionProof(index, _hashes(lines, where), checkpoint, extra)


def parse_consistency_proof(data: bytes, where: str = "consistency proof") -> ConsistencyProof:
    """Parse exactly one consistency proof; FormatError if the bytes are none."""
    lines, checkpoint = _split(data, where)
    old_size = _numbered("old", lines, where)
    return ConsistencyProof(old_size, _hashes(lines, where), checkpoint)


def _hash_lines(path: tuple[bytes, ...]) -> str:
    return "".join(f"{encode_base64(node)}\n" for node in path)


def _split(data: bytes, where: str) -> tuple[list[str], bytes]:
    if len(data) > PROOF_LIMIT:
        raise FormatError(f"is longer than {PROOF_LIMIT} bytes", where=where)
    refuse_carriage_returns(data, where)
    head, mark, checkpoint = data.partition(b"\n\n")
    if not mark or not checkpoint:
        raise FormatError("is cut short: there is no checkpoint in it", where=where)
    try:
        return head.decode("ascii").split("\n"), checkpoint
    except UnicodeDecodeError:
        raise FormatError("has characters other than ASCII in its head", where=where) from None


def _numbered(name: str, lines: list[str], where: str) -> int:
    if not lines or not lines[0].startswith(f"{name} "):
        raise FormatError(f"has no line that begins with {name!r}", where=where)
    return parse_number(lines.pop(0).removeprefix(f"{name} "), where)


def _hashes(lines: list[str], where: str) -> tuple[bytes, ...]:
    if len(lines) > _MOST_HASHES:
        raise FormatError(f"has more than {_MOST_HASHES} hashes", where=where)
    hashes = tuple(decode_base64(line, where) for line in lines)
    if any(len(node) != HASH_BYTES for node in hashes):
        raise FormatError(f"has a hash that is not {HASH_BYTES} bytes long", where=where)
    return hashes
