"""The prover's Merkle commitment to the columns of a code matrix, kept or encoded again."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from wmproof.argument.field import U32
from wmproof.argument.merkle import SALT_BYTES, MerkleTree, leaf_hashes

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


@dataclass(frozen=True, eq=False, repr=False)
class CommittedMatrix:
    """An encoded matrix with its Merkle tree.

    Attributes
    ----------
    codewords : ndarray
        uint32 (n, R): row i is column i of the code matrix, contiguous.
    salts : bytes
        n * SALT_BYTES; secret until opened.
    tree : MerkleTree
        Over the columns.
    """

    codewords: U32
    salts: bytes
    tree: MerkleTree

    @property
    def root(self) -> bytes:
        """The commitment."""
        return self.tree.root

    def open_columns(self, positions: Sequence[int]) -> ColumnOpening:
        """Open columns at strictly increasing positions in [0, n)."""
        return _opening(self.tree, self.salts, positions, self.codewords[np.asarray(positions)])


class RecomputedMatrix:
    """The same commitment, of which only hashes are kept: whoever opens columns encodes them again.

    Parameters
    ----------
    length, part : int
        n positions, encoded `part` at a time; `part` divides n.
    encode : callable
        ``encode(start, stop)`` gives columns start .. stop - 1 as uint32 (stop - start, R),
        canonical, the same ones whenever it is asked.
    entropy : callable
        As for `commit_columns`.
    """

    def __init__(
        self,
        length: int,
        part: int,
        encode: Callable[[int, int], U32],
        entropy: Entropy = os.urandom,
    ) -> None:
        self._starts, self._part, self._encode = range(0, length, part), part, encode
        self._salts = entropy(length * SALT_BYTES)
        leaves: list[bytes] = []
        for start in self._starts:
            salts = self._salts[start * SALT_BYTES : (start + part) * SALT_BYTES]
            leaves += leaf_hashes(encode(start, start + part), salts)
        self._tree = MerkleTree(leaves)

    @property
    def root(self) -> bytes:
        """The commitment."""
        return self._tree.root

    def open_columns(self, positions: Sequence[int]) -> ColumnOpening:
        """Open columns at strictly increasing positions in [0, n)."""
        columns = []
        for start in self._starts:
            own = [p - start for p in positions if start <= p < start + self._part]
            if own:
                columns.append(self._encode(start, start + self._part)[own])
        return _opening(self._tree, self._salts, positions, np.concatenate(columns))


def _opening(
    tree: MerkleTree, salts: bytes, positions: Sequence[int], columns: U32
) -> ColumnOpening:
    siblings = tree.open(positions)
    own = b"".join(salts[i * SALT_BYTES : (i + 1) * SALT_BYTES] for i in positions)
    return ColumnOpening(columns, own, siblings)


def commit_columns(codewords: U32, entropy: Entropy = os.urandom) -> CommittedMatrix:
    """Hash the columns, uint32 (n, R) canonical, of codewords, each with a fresh salt.

    Parameters
    ----------
    entropy : callable
        ``entropy(k)`` gives k uniform bytes for the salts; another only in tests.
    """
    salts = entropy(len(codewords) * SALT_BYTES)
    return CommittedMatrix(codewords, salts, MerkleTree(leaf_hashes(codewords, salts)))
