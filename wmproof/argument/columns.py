"""The prover's Merkle commitment to the columns of a code matrix."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from wmproof.argument.field import U32
from wmproof.argument.merkle import SALT_BYTES, MerkleTree, leaf_hashes
from wmproof.argument.threads import one_ahead

Entropy = Callable[[int], bytes]


class ColumnOpening(NamedTuple):
    """What a verifier is sent to check some columns.

    Attributes
    ----------
    columns : ndarray
        uint32 (k, R), canonical, one opened column in each row.
    salts : bytes
        k * SALT_BYTES.
    siblings : list of bytes
        As `merkle.verify_opening` takes them.
    """

    columns: U32
    salts: bytes
    siblings: list[bytes]


class Columns(Protocol):
    """A code matrix of n columns of R elements, canonical; the same ones whenever one asks."""

    length: int
    height: int

    def write(self, start: int, out: U32) -> None:
        """Write the columns from position `start` on to the rows of `out`, uint32 (any, R)."""
        ...

    def at(self, positions: Sequence[int]) -> U32:
        """Return the columns at increasing positions, uint32 (k, R)."""
        ...


class KeptColumns:
    """Columns that are all there: uint32 (n, R), column i in row i."""

    def __init__(self, codewords: U32) -> None:
        self.length, self.height = codewords.shape
        self._codewords = codewords

    def write(self, start: int, out: U32) -> None:
        """As `Columns` says."""
        out[:] = self._codewords[start : start + len(out)]

    def at(self, positions: Sequence[int]) -> U32:
        """As `Columns` says."""
        return self._codewords[list(positions)]


class CommittedMatrix:
    """The Merkle commitment to columns, each with a fresh salt.

    Parameters
    ----------
    columns : Columns
    parts : int
        The columns are hashed in so many parts, of which two are held; a power of two, at most n.
    entropy : callable
        ``entropy(k)`` gives k uniform bytes for the salts; another only in tests.
    """

    def __init__(self, columns: Columns, parts: int = 1, entropy: Entropy = os.urandom) -> None:
        self.columns = columns
        self._salts = entropy(columns.length * SALT_BYTES)
        size = columns.length // parts
        buffers = [np.empty((size, columns.height), np.uint32) for _ in range(min(2, parts))]

        def part(index: int) -> U32:
            buffer = buffers[index % 2]
            columns.write(index * size, buffer)
            return buffer

        leaves: list[bytes] = []
        # Hashing keeps one core busy: meanwhile the others encode the next part.
        for index, hashed in enumerate(one_ahead(part, range(parts))):
            salts = self._salts[index * size * SALT_BYTES : (index + 1) * size * SALT_BYTES]
            leaves += leaf_hashes(hashed, salts)
        self._tree = MerkleTree(leaves)

    @property
    def root(self) -> bytes:
        """The commitment."""
        return self._tree.root

    def open_columns(self, positions: Sequence[int]) -> ColumnOpening:
        """Open columns at strictly increasing positions in [0, n)."""
        salts = [self._salts[i * SALT_BYTES : (i + 1) * SALT_BYTES] for i in positions]
        return ColumnOpening(
            self.columns.at(positions), b"".join(salts), self._tree.open(positions)
        )
