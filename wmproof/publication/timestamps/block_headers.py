"""Bitcoin block headers that the verifier supplies, with proof of work checked."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from bitcoin.core import CBlockHeader
from bitcoin.core.serialize import uint256_from_compact

from wmproof._base.files import read_file
from wmproof.errors import FormatError, VerificationError

HEADER_BYTES = 80
HEADERS_LIMIT = 1 << 24
# Mainnet has been above this since November 2019; faking one header takes 2^75 hashes.
MAINNET_DIFFICULTY = 1e13
_DIFFICULTY_ONE = 0xFFFF << 208
_LINE = re.compile(rb"(0|[1-9][0-9]{0,8}) ([0-9a-f]{160})")


@dataclass(frozen=True)
class BlockHeader:
    """One header."""

    height: int
    merkle_root: bytes
    """bytes, 32: as it stands in the header."""
    time: datetime
    """By the miner's clock, UTC."""
    block_hash: str
    """As block explorers print it."""
    difficulty: float


def parse_headers(text: bytes, where: str = "headers") -> dict[int, bytes]:
    r"""Parse lines `HEIGHT HEADER`, the header as 160 lower-case hex digits, each ended by \\n.

    Raises
    ------
    FormatError
        A line is another, a height comes twice, or there is no line.
    """
    headers: dict[int, bytes] = {}
    *lines, rest = text.split(b"\n")
    if rest or not lines:
        raise FormatError("does not end with a complete line", where=where)
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise FormatError(
                f"line {number} is not HEIGHT and a block header of 160 hex digits", where=where
            )
        height = int(match[1])
        if height in headers:
            raise FormatError(f"line {number} gives the height {height} again", where=where)
        headers[height] = bytes.fromhex(match[2].decode())
    return headers


def load_headers(path: str | os.PathLike[str]) -> dict[int, bytes]:
    """Read a file of headers; errors as `parse_headers` and `read_file`."""
    return parse_headers(read_file(path, limit=HEADERS_LIMIT), str(path))


def check_header(
    headers: Mapping[int, bytes], height: int, minimum_difficulty: float = MAINNET_DIFFICULTY
) -> BlockHeader:
    """Parse the header of a height and check its proof of work.

    Raises
    ------
    FormatError
        It does not have 80 bytes.
    VerificationError
        `block-difficulty`: its target is none or easier than asked for; `block-work`: its hash
        does not meet its target.
    """
    data, where = headers[height], f"block {height}"
    if len(data) != HEADER_BYTES:
        raise FormatError(f"a block header has {HEADER_BYTES} bytes, not {len(data)}", where=where)
    header = CBlockHeader.deserialize(data)
    # The sign bit of the compact form and targets above 2^256 are invalid.
    target = uint256_from_compact(header.nBits) if not header.nBits & 0x800000 else 0
    difficulty = _DIFFICULTY_ONE / target if 0 < target < 1 << 256 else 0.0
    if not difficulty or not difficulty >= minimum_difficulty:  # no number is a minimum of none
        raise VerificationError(
            "block-difficulty",
            f"the header's difficulty is {difficulty:g}, below {minimum_difficulty:g}",
            where=where,
            numbers={"difficulty": difficulty, "minimum": minimum_difficulty},
        )
    block_hash = header.GetHash()
    if int.from_bytes(block_hash, "little") > target:
        raise VerificationError(
            "block-work",
            "the header's hash does not meet its own target",
            where=where,
            numbers={"hash": block_hash[::-1].hex(), "target": f"{target:064x}"},
        )
    return BlockHeader(
        height,
        header.hashMerkleRoot,
        datetime.fromtimestamp(header.nTime, UTC),
        block_hash[::-1].hex(),
        difficulty,
    )
