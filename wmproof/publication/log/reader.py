"""Reading a log's folder, of which only the signature of the checkpoint is believed."""

import functools
import os
from collections.abc import Iterator
from pathlib import Path

from wmproof._base.files import read_file, read_text
from wmproof.errors import FormatError, InputError, VerificationError
from wmproof.publication.log.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint
from wmproof.publication.log.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    leaf_hash,
    node_hash,
    verify_inclusion,
)
from wmproof.publication.log.note import NOTE_LIMIT, VKEY_LIMIT, VerifierKey, parse_verifier_key
from wmproof.publication.log.paths import consistency_path, inclusion_path, split
from wmproof.publication.log.tiles import (
    BUNDLE_LIMIT,
    HEIGHT,
    TILE_BYTES,
    WIDTH,
    Tile,
    parse_bundle,
    tile_of,
    tile_root,
)
from wmproof.publication.log.tlog_proof import ConsistencyProof, InclusionProof
from wmproof.publication.log.verifier import check_growth

CHECKPOINT = "checkpoint"
VERIFIER_KEY = "log.vkey"


class LogReader:
    """A log as it is at its present checkpoint; every proof is verified before it is returned.

    Parameters
    ----------
    folder : path
    log_key : VerifierKey, optional
        Trusted; from the folder itself if not given, for whoever owns the folder.
    origin : str, optional
        If it is not the name of the key.

    Raises
    ------
    InputError
        There is no log, or a file cannot be read.
    FormatError
        The checkpoint does not parse.
    VerificationError
        The checkpoint is not this log's.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        log_key: VerifierKey | None = None,
        *,
        origin: str | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.log_key = log_key or read_verifier_key(self.folder)
        path = self.folder / CHECKPOINT
        self.checkpoint_bytes = read_file(path, limit=NOTE_LIMIT)
        self.signed: SignedCheckpoint = open_checkpoint(
            self.checkpoint_bytes, self.log_key, origin=origin, where=str(path)
        )
        self._hashes = functools.lru_cache(maxsize=1024)(self._read_hashes)

    @property
    def checkpoint(self) -> Checkpoint:
        """The present head."""
        return self.signed.checkpoint

    @property
    def size(self) -> int:
        """Entries in the checkpoint."""
        return self.checkpoint.size

    def root(self, size: int) -> bytes:
        """Return the root that the tiles have for a tree of their first `size` leaves."""
        return self._range_hash(0, size) if size else EMPTY_ROOT

    def prove_inclusion(self, index: int, *, extra: bytes | None = None) -> InclusionProof:
        """Return the proof of one entry in the present checkpoint.

        Raises
        ------
        InputError
            There is no such entry yet.
        FormatError, VerificationError
            A tile is cut short, or the tiles do not fit the checkpoint.
        """
        if not 0 <= index < self.size:
            raise InputError(
                f"has no entry {index}: its checkpoint is of size {self.size}",
                where=str(self.folder),
                remedy="Entries appended since then need a new checkpoint",
            )
        path = inclusion_path(self._range_hash, index, self.size)
        leaf = self._node(0, index)
        try:
            verify_inclusion(leaf, index, self.size, self.checkpoint.root, path)
        except VerificationError as error:
            raise self._tampered(error) from error
        return InclusionProof(index, tuple(path), self.checkpoint_bytes, extra)

    def prove_consistency(self, old: Checkpoint) -> ConsistencyProof:
        """Return the proof that the present checkpoint continues an old one.

        Raises
        ------
        VerificationError
            Check ``rollback`` or ``fork``; both checkpoints are named.
        FormatError
            A tile is cut short.
        """
        path: list[bytes] = []
        if old.size <= self.size:
            path = consistency_path(self._range_hash, old.size, self.size)
        check_growth(old, self.checkpoint, path)
        return ConsistencyProof(old.size, tuple(path), self.checkpoint_bytes)

    def consistency_request(self, old_size: int) -> ConsistencyProof:
        """Return the same without the old checkpoint; whoever has it will check it."""
        if not 0 <= old_size <= self.size:
            raise InputError(f"a log of size {self.size} has no smaller size {old_size}")
        path = consistency_path(self._range_hash, old_size, self.size)
        return ConsistencyProof(old_size, tuple(path), self.checkpoint_bytes)

    def entries(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield entries, each checked against its leaf hash (not the tree; see `audit`)."""
        end = self.size if end is None else end
        for first in range(start - start % WIDTH, end, WIDTH):
            tile = tile_of(None, first, self.size)
            data, width, where = self._read(tile, BUNDLE_LIMIT)
            bundle = parse_bundle(data, width, where)[: tile.width]
            hashes = self._hashes(tile_of(0, first, self.size))
            for offset, (entry, leaf) in enumerate(zip(bundle, hashes, strict=True)):
                if leaf_hash(entry) != leaf:
                    raise VerificationError(
                        "entries",
                        f"entry {first + offset} has another hash than the tree says",
                        where=where,
                    )
                if start <= first + offset < end:
                    yield entry

    def leaf_hashes(self, start: int = 0) -> Iterator[bytes]:
        """Yield leaf hashes as the tiles have them, unchecked."""
        for first in range(start - start % WIDTH, self.size, WIDTH):
            yield from self._hashes(tile_of(0, first, self.size))[max(0, start - first) :]

    def find(self, entry: bytes) -> int | None:
        """Return the first index of an entry, by a search through the leaf hashes, or None."""
        wanted = leaf_hash(entry)
        return next((i for i, leaf in enumerate(self.leaf_hashes()) if leaf == wanted), None)

    def partial_tile(self, level: int) -> list[bytes]:
        """Return the hashes of the partial tile at the right edge of a level, if there is one."""
        count = self.size >> (HEIGHT * level)
        return self._hashes(tile_of(level, count - 1, self.size)) if count % WIDTH else []

    def check_tiles(self) -> None:
        """Check that each hash above the leaves is the root of the tile below it.

        Raises
        ------
        VerificationError
            Check ``tiles``, with the first tile that does not fit.
        FormatError
            A tile is cut short.
        """
        level = 1
        while count := self.size >> (HEIGHT * level):
            for index in range(count):
                below = self._read_hashes(Tile(level - 1, index))
                tile = tile_of(level, index, self.size)
                if self._hashes(tile)[index % WIDTH] != tile_root(below):
                    raise VerificationError(
                        "tiles",
                        f"hash {index % WIDTH} is not the root of {Tile(level - 1, index).path}",
                        where=str(self.folder / tile.path),
                    )
            level += 1

    def _range_hash(self, start: int, end: int) -> bytes:
        """Return the Merkle tree hash of leaves `start` to `end` - 1, a node or a right edge."""
        count = end - start
        if count & (count - 1) == 0 and start % count == 0:
            level = count.bit_length() - 1
            return self._node(level, start >> level)
        middle = start + split(count)
        return node_hash(self._range_hash(start, middle), self._range_hash(middle, end))

    def _node(self, level: int, index: int) -> bytes:
        tile_level, within = divmod(level, HEIGHT)
        first = index << within
        tile = tile_of(tile_level, first, self.size)
        offset = first - tile.index * WIDTH
        return tile_root(self._hashes(tile)[offset : offset + (1 << within)])

    def _read_hashes(self, tile: Tile) -> list[bytes]:
        data, width, where = self._read(tile, TILE_BYTES)
        if len(data) != width * HASH_BYTES:
            raise FormatError(
                f"is a tile of {len(data)} bytes, not {width * HASH_BYTES}",
                where=where,
                remedy="Get the tile again",
            )
        end = tile.width * HASH_BYTES
        return [data[i : i + HASH_BYTES] for i in range(0, end, HASH_BYTES)]

    def _read(self, tile: Tile, limit: int) -> tuple[bytes, int, str]:
        """Read a tile and say how wide it is: a full one may have replaced a partial one."""
        path, full = self.folder / tile.path, self.folder / tile.full.path
        try:
            return read_file(path, limit=limit), tile.width, str(path)
        except InputError:
            if path == full or not full.exists():
                raise
            return read_file(full, limit=limit), WIDTH, str(full)

    def _tampered(self, error: VerificationError) -> VerificationError:
        return VerificationError(
            "tiles",
            f"the tiles do not fit the {self.checkpoint} ({error.what})",
            where=str(self.folder),
            remedy="Get the tiles again, or audit the log with: wmproof log verify --folder",
            numbers=error.numbers,
        )


def read_verifier_key(folder: Path) -> VerifierKey:
    """Read the log's own public key from its folder: for its owner, and not to be trusted."""
    path = folder / VERIFIER_KEY
    if not path.exists():
        raise InputError(
            f"is no log: it has no {VERIFIER_KEY}",
            where=str(folder),
            remedy="Make one with `wmproof log init`",
        )
    return parse_verifier_key(read_text(path, limit=VKEY_LIMIT).removesuffix("\n"), str(path))
