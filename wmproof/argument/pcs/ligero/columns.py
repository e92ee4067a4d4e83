"""The prover's Merkle commitment to the columns of a code matrix."""

import os
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from wmproof.argument.algebra.field import U32
from wmproof.argument.pcs.ligero.merkle import SALT_BYTES
from wmproof.argument.pcs.ligero.tree import MerkleTree, leaf_words

Entropy = Callable[[int], bytes]


class ColumnOpening(NamedTuple):
    """What a verifier is sent to check some columns."""

    columns: U32
    """uint32 (k, R), canonical, one opened column in each row."""
    salts: bytes
    """k * SALT_BYTES."""
    siblings: list[bytes]
    """As `merkle.verify_opening` takes them."""


class Columns(Protocol):
    """A code matrix: n columns of R canonical elements each. Every call returns the same ones."""

    length: int
    height: int

    def leaves(self, salts: bytes) -> U32:
        """Return all columns' hashes, each with its salt, as `tree.leaf_words`."""

    def at(self, positions: Sequence[int]) -> U32:
        """Return the columns at increasing positions, uint32 (k, R)."""


class KeptColumns:
    """Columns that are all there: uint32 (n, R), column i in row i."""

    def __init__(self, codewords: U32) -> None:
        self.length, self.height = codewords.shape
        self._codewords = codewords

    def leaves(self, salts: bytes) -> U32:
        """As `Columns` says."""
        return leaf_words(self._codewords, salts)

    def at(self, positions: Sequence[int]) -> U32:
        """As `Columns` says."""
        return self._codewords[list(positions)]


class CommittedMatrix:
    """The Merkle commitment to columns, each with a fresh salt.

    ``entropy(k)`` gives k uniform bytes for the salts; another only in tests.
    """

    def __init__(self, columns: Columns, entropy: Entropy = os.urandom) -> None:
        self.columns = columns
        self._salts = entropy(columns.length * SALT_BYTES)
        self._tree = MerkleTree(columns.leaves(self._salts))

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
