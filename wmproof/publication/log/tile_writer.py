"""Writing tiles: what is written depends on the entries alone, so it may be written again."""

import shutil
from pathlib import Path

from wmproof._base.files import make_folder, write_file
from wmproof.errors import InputError
from wmproof.publication.log.merkle import leaf_hash, node_hash
from wmproof.publication.log.reader import LogReader
from wmproof.publication.log.tiles import HEIGHT, WIDTH, Tile, encode_bundle, tile_root


def extend_tiles(log: LogReader, entries: list[bytes]) -> bytes:
    """Write the tiles of a log that goes on with `entries`; return its new root.

    InputError if the system refuses. Tiles that were written are those that the next try writes.
    """
    level, first = 0, log.size
    kept = list(log.entries(first - first % WIDTH)) if first % WIDTH else []
    for tile, part in _cut(None, first, kept + entries):
        _write(log.folder, tile, encode_bundle(part))
    hashes = [leaf_hash(entry) for entry in entries]
    edges: list[list[bytes]] = []
    while first or hashes:
        line = log.partial_tile(level) + hashes
        full = []
        for tile, part in _cut(level, first, line) if hashes else ():
            _write(log.folder, tile, b"".join(part))
            if tile.width == WIDTH:
                full.append(tile_root(part))
        edges.append(line[len(line) - len(line) % WIDTH :])
        level, first, hashes = level + 1, first >> HEIGHT, full
    return _root(edges)


def remove_partial_tiles(folder: Path, old_size: int, size: int) -> None:
    """Remove the partial tiles that full ones have replaced. It does no harm if this fails."""
    for level in (None, *range(8)):
        shift = HEIGHT * (level or 0)
        first, last = (old_size >> shift) // WIDTH, (size >> shift) // WIDTH
        if first < last:
            partial = folder / (Tile(level, first).path + ".p")
            shutil.rmtree(partial, ignore_errors=True)


def _cut(level: int | None, first: int, line: list[bytes]) -> list[tuple[Tile, list[bytes]]]:
    """Cut what begins with the tile that has number `first` into tiles."""
    number = first // WIDTH
    parts = [line[i : i + WIDTH] for i in range(0, len(line), WIDTH)]
    return [(Tile(level, number + i, len(part)), part) for i, part in enumerate(parts)]


def _write(folder: Path, tile: Tile, data: bytes) -> None:
    path = folder / tile.path
    make_folder(path.parent)
    write_file(path, data, overwrite=True)


def _root(edges: list[list[bytes]]) -> bytes:
    """Hash the partial tiles of all levels, from the smallest subtree on the right to the left."""
    root: bytes | None = None
    for edge in edges:
        end = len(edge)
        while end:
            width = end & -end
            node = tile_root(edge[end - width : end])
            root = node if root is None else node_hash(node, root)
            end -= width
    if root is None:
        raise InputError("an empty log has no tiles")
    return root
