"""The layout of tiles (c2sp.org/tlog-tiles): where the hashes and entries of a log are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from wmproof._base.reader import Reader
from wmproof.errors import InputError
from wmproof.publication.log.merkle import HASH_BYTES, node_hash

WIDTH = 256
HEIGHT = 8
ENTRY_LIMIT = 2**16 - 1
TILE_BYTES = WIDTH * HASH_BYTES
BUNDLE_LIMIT = WIDTH * (2 + ENTRY_LIMIT)
_LEVEL = r"(entries|[0-9]|[1-5][0-9]|6[0-3])"
_PATH = re.compile(rf"tile/{_LEVEL}/((?:x[0-9]{{3}}/){{0,6}}[0-9]{{3}})(?:\.p/([0-9]{{1,3}}))?")


@dataclass(frozen=True)
class Tile:
    """A run of at most 256 hashes of one level, or of entries."""

    level: int | None
    """None for entries."""
    index: int
    """From 0, in its level."""
    width: int = WIDTH
    """1 to 256; fewer than 256 for a partial tile."""

    @property
    def path(self) -> str:
        """Where it lies below the log's folder or address."""
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        level = "entries" if self.level is None else self.level
        return f"tile/{level}/{_spell(self.index)}{partial}"

    @property
    def full(self) -> Tile:
        """The full tile that replaces a partial one."""
        return Tile(self.level, self.index)


def parse_tile_path(text: str) -> Tile | None:
    """Return the tile whose path is exactly this one, or None."""
    found = _PATH.fullmatch(text)
    if found is None:
        return None
    level, groups, width = found.groups()
    index = int(groups.replace("x", "").replace("/", ""))
    named = None if level == "entries" else int(level)
    tile = Tile(named, index, int(width or WIDTH))
    # Another spelling of the same number, or a width that none has, is no path.
    return tile if tile.path == text else None


def tile_of(level: int | None, index: int, size: int) -> Tile:
    """Return the tile of a log of `size` entries that has the hash or entry number `index`."""
    count = size >> (HEIGHT * (level or 0))
    number = index // WIDTH
    return Tile(level, number, min(WIDTH, count - number * WIDTH))


def tile_root(hashes: list[bytes]) -> bytes:
    """Return the Merkle tree hash over 2^k hashes."""
    while len(hashes) > 1:
        pairs = zip(hashes[::2], hashes[1::2], strict=True)
        hashes = [node_hash(left, right) for left, right in pairs]
    return hashes[0]


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """Return entries, each after its length (2 bytes).

    InputError if an entry is longer than 65535 bytes.
    """
    parts = []
    for entry in entries:
        if len(entry) > ENTRY_LIMIT:
            raise InputError(f"an entry of a log has at most {ENTRY_LIMIT} bytes")
        parts += [len(entry).to_bytes(2, "big"), entry]
    return b"".join(parts)


def parse_bundle(data: bytes, count: int, where: str) -> list[bytes]:
    """Parse exactly `count` entries; FormatError for anything else."""
    reader = Reader(data, where)
    entries = list(_entries(reader, count))
    reader.end()
    return entries


def _entries(reader: Reader, count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield reader.take(reader.integer(2, "length of an entry"), "entry")


def _spell(index: int) -> str:
    """Spell an index in groups of three digits, all but the last after an x."""
    groups = []
    index, last = divmod(index, 1000)
    while index:
        index, group = divmod(index, 1000)
        groups.append(f"x{group:03}/")
    return "".join(reversed(groups)) + f"{last:03}"
