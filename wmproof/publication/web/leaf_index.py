"""Finding entries without reading the whole log for each request."""

import numpy as np
from numpy.typing import NDArray

from wmproof.publication.log.merkle import leaf_hash
from wmproof.publication.log.reader import LogReader


class LeafIndex:
    """The first 8 bytes of every leaf hash, read on as the log grows; the caller locks it."""

    def __init__(self) -> None:
        self._prefixes: NDArray[np.uint64] = np.empty(0, np.uint64)

    def follow(self, log: LogReader) -> None:
        """Take in the entries that are new in a checkpoint."""
        known = len(self._prefixes) if len(self._prefixes) <= log.size else 0
        new = b"".join(leaf[:8] for leaf in log.leaf_hashes(known))
        added = np.frombuffer(new, ">u8").astype(np.uint64)
        self._prefixes = np.concatenate([self._prefixes[:known], added])

    def find(self, log: LogReader, entry: bytes) -> int | None:
        """Return the first index of an entry, or None."""
        wanted = leaf_hash(entry)
        prefix = np.uint64(int.from_bytes(wanted[:8], "big"))
        for index in np.flatnonzero(self._prefixes == prefix):
            if next(log.leaf_hashes(int(index))) == wanted:
                return int(index)
        return None
