"""The claim file: what is claimed of what, and the argument; docs/formats.md has the layout."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from wmproof._reader import Reader
from wmproof.errors import InputError

MAGIC = b"wmpf-zk\0"
VERSION = 1
FILE_LIMIT = 2**28
_FIXED = struct.Struct(">32s32s32sIB")


@dataclass(frozen=True)
class ClaimHeader:
    """What a claim says that it is about. Nothing in it is believed: a verifier compares.

    Attributes
    ----------
    model_digest : bytes
        SHA-256 of the ONNX file.
    key_digest : bytes
        Of the verification key inside the public key.
    circuit_digest : bytes
        Of the canonical circuit file.
    threshold : int
        k.
    chunk_bits : int
        See `relation.claim.ClaimStatement`.
    """

    model_digest: bytes
    key_digest: bytes
    circuit_digest: bytes
    threshold: int
    chunk_bits: int

    def to_bytes(self) -> bytes:
        """The fixed-length encoding, without the magic."""
        digests = (self.model_digest, self.key_digest, self.circuit_digest)
        if any(len(digest) != 32 for digest in digests):
            raise InputError("a digest has 32 bytes")
        return _FIXED.pack(*digests, self.threshold, self.chunk_bits)


HEADER_BYTES = _FIXED.size


def read_header(data: bytes) -> ClaimHeader:
    """Read `HEADER_BYTES` bytes; every string of that length is a header."""
    return ClaimHeader(*_FIXED.unpack(data))


def encode_claim(header: ClaimHeader, argument: bytes) -> bytes:
    """Return the claim file."""
    body = header.to_bytes() + len(argument).to_bytes(4, "big") + argument
    return MAGIC + VERSION.to_bytes(2, "big") + body


def parse_claim(data: bytes, where: str = "claim") -> tuple[ClaimHeader, bytes]:
    """Parse exactly one claim file.

    Raises
    ------
    FormatError
        The bytes are not the canonical encoding of any claim.
    """
    reader = Reader(data, where)
    reader.magic(MAGIC, VERSION, "claim")
    header = read_header(reader.take(HEADER_BYTES, "header"))
    length = reader.integer(4, "length of the argument")
    argument = reader.take(length, "argument")
    reader.end()
    return header, argument
