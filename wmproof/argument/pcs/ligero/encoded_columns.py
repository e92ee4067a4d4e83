"""The code matrix of many rows, which is never held: columns are hashed while they are encoded.

Rows are encoded sixteen at a time, and the sixteen values of a column are one block of its hash.
Sixteen such batches, of 256 rows, are one chunk of the hash's tree: their coefficients are all that
is held of the matrix, beside chaining values.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from wmproof._base.threads import over_ranges
from wmproof.argument.algebra.field import U32
from wmproof.argument.kernels.blake3 import CHUNK_BLOCKS, words_of
from wmproof.argument.kernels.simd import LANES
from wmproof.argument.pcs.ligero.encoder import Encoder
from wmproof.argument.pcs.ligero.merkle import HASH_BYTES
from wmproof.argument.pcs.ligero.reed_solomon import Code
from wmproof.argument.pcs.ligero.tree import leaf_words

_HASH_WORDS = HASH_BYTES // 4
AT_ONCE = 128  # columns whose weights are held, as many as a proof of 100 bits opens


class Rows(Protocol):
    """R rows, up to 16 at a time in the lanes of `Encoder.new_lanes`; for several threads."""

    code: Code
    rows: int

    def load_messages(self, first: int, last: int, lanes: U32) -> None:
        """Put the messages of rows first .. last - 1, for `Encoder.interpolate_lanes`."""

    def load_tails(self, first: int, last: int, lanes: U32) -> None:
        """Put their tails."""

    def weigh_columns(self, messages: U32, tails: U32) -> U32:
        """Sums of all rows' messages and tails with canonical weights (k, any): uint32 (R, k)."""


class EncodedColumns:
    """`columns.Columns` of the code matrix of some rows."""

    def __init__(self, source: Rows) -> None:
        self.length, self.height = source.code.length, source.rows
        self._source, self._encoder = source, Encoder(source.code)
        self._batches = -(-source.rows // LANES)
        self._encoder.prepare()

    def leaves(self, salts: bytes) -> U32:
        """Return all columns' hashes, each with its salt, as `tree.leaf_words`."""
        if self._encoder.block % LANES:
            return leaf_words(self.at(range(self.length)), salts)
        own = words_of(salts).reshape(self.length, -1)
        words = self.height + own.shape[1]
        chunks = -(-words // (LANES * CHUNK_BLOCKS))
        # Chaining values of sixteen columns are eight rows.
        cvs = np.empty((self.length // 2, LANES), np.uint32)
        stack = np.empty((chunks.bit_length(), *cvs.shape), np.uint32)
        lanes, tails = self._encoder.new_lanes(min(CHUNK_BLOCKS, self._batches))
        for chunk in range(chunks):
            first = chunk * CHUNK_BLOCKS
            batches = max(0, min(CHUNK_BLOCKS, self._batches - first))
            over_ranges(self._load, batches, first, lanes, tails, grain=1)
            over_ranges(
                self._encoder.absorb, self._encoder.blocks,
                lanes, tails, chunk, self.height, own, cvs, stack, grain=1,
            )  # fmt: skip
        turned = cvs.reshape(-1, _HASH_WORDS, LANES).transpose(0, 2, 1)
        return np.ascontiguousarray(turned).reshape(self.length, _HASH_WORDS)

    def at(self, positions: Sequence[int]) -> U32:
        """Return the columns at increasing positions, uint32 (k, R)."""
        found = []
        for first in range(0, len(positions), AT_ONCE):
            weights = self._source.code.weights_at(np.asarray(positions[first : first + AT_ONCE]))
            found.append(self._source.weigh_columns(*weights))
        return np.ascontiguousarray(np.concatenate(found, axis=1).T)

    def _load(self, start: int, stop: int, first: int, lanes: U32, tails: U32) -> None:
        """Coefficients and tails of batches start .. stop - 1 of those from batch `first` on."""
        for batch in range(start, stop):
            row = (first + batch) * LANES
            rows = row, min(row + LANES, self.height)
            if rows[1] < row + LANES:
                lanes[batch], tails[batch] = 0, 0
            self._source.load_messages(*rows, lanes[batch])
            self._encoder.interpolate_lanes(lanes[batch])
            self._source.load_tails(*rows, tails[batch])
