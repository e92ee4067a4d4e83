"""The claim file: what is claimed of what, and the argument; docs/formats.md has the layout."""

import struct
from dataclasses import dataclass

from wmproof._base.reader import Reader
from wmproof.errors import InputError

MAGIC = b"wmpf-zk\0"
VERSION, OLDEST_VERSION = 3, 1
_BLOCK_VERSION = 3
FILE_LIMIT = 2**28
_FIXED = struct.Struct(">32s32s32sIB")
_SIZE_BYTES = 4


@dataclass(frozen=True)
class ClaimHeader:
    """What a claim says that it is about. Nothing in it is believed: a verifier compares."""

    model_digest: bytes
    """SHA-256 of the ONNX file."""
    key_digest: bytes
    """Of the verification key inside the public key."""
    circuit_digest: bytes
    """Of the canonical circuit file."""
    threshold: int
    """k."""
    chunk_bits: int
    """See `relation.claim.statement.ClaimStatement`."""
    triggers: int | None = None
    """How many hidden triggers it is about. None in version 1, whose claims are about all."""
    version: int = VERSION
    """Of the format. Before 3, every axis of a tensor is padded to a power of two."""

    def __post_init__(self) -> None:
        if (self.triggers is None) != (self.version == OLDEST_VERSION):
            raise ValueError("version 1, and no other, does not say how many triggers")

    @property
    def has_blocks(self) -> bool:
        """Whether axes are cut into blocks instead."""
        return self.version >= _BLOCK_VERSION

    def to_bytes(self) -> bytes:
        """The encoding, without magic and version, whose length depends on the version alone."""
        digests = (self.model_digest, self.key_digest, self.circuit_digest)
        if any(len(digest) != 32 for digest in digests):
            raise InputError("a digest has 32 bytes")
        size = b"" if self.triggers is None else self.triggers.to_bytes(_SIZE_BYTES, "big")
        return _FIXED.pack(*digests, self.threshold, self.chunk_bits) + size


HEADER_BYTES = _FIXED.size + _SIZE_BYTES


def read_header(data: bytes, version: int = VERSION) -> ClaimHeader:
    """Read a header of any version but the first: every string of `HEADER_BYTES` bytes is one."""
    size = int.from_bytes(data[_FIXED.size :], "big")
    return ClaimHeader(*_first_fields(data[: _FIXED.size]), size, version)


def _first_fields(data: bytes) -> tuple[bytes, bytes, bytes, int, int]:
    model, key, circuit, threshold, chunk_bits = _FIXED.unpack(data)
    return model, key, circuit, threshold, chunk_bits


def encode_claim(header: ClaimHeader, argument: bytes) -> bytes:
    """Return the claim file; inner commitments, if there are any, come before the argument."""
    body = header.to_bytes() + len(argument).to_bytes(4, "big") + argument
    return MAGIC + header.version.to_bytes(2, "big") + body


def parse_claim(data: bytes, where: str = "claim") -> tuple[ClaimHeader, bytes]:
    """Parse exactly one claim file.

    Raises
    ------
    FormatError
        The bytes are not the canonical encoding of any claim.
    """
    reader = Reader(data, where)
    version = reader.magic(MAGIC, VERSION, "claim", oldest=OLDEST_VERSION)
    if version == OLDEST_VERSION:
        header = ClaimHeader(*_first_fields(reader.take(_FIXED.size, "header")), None, version)
    else:
        header = read_header(reader.take(HEADER_BYTES, "header"), version)
    length = reader.integer(4, "length of the argument")
    argument = reader.take(length, "argument")
    reader.end()
    return header, argument
