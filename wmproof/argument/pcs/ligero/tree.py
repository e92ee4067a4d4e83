"""The prover's Merkle tree; `merkle` says what is hashed, and checks openings."""

from collections.abc import Sequence

import numpy as np

from wmproof.argument.algebra.field import U32
from wmproof.argument.kernels.blake3 import keyed_hashes
from wmproof.argument.pcs.ligero.merkle import (
    HASH_BYTES,
    LEAF_KEY,
    NODE_KEY,
    SALT_BYTES,
    check_positions,
    sibling_places,
)
from wmproof.errors import InputError

_HASH_WORDS = HASH_BYTES // 4


def words_of_hashes(hashes: Sequence[bytes]) -> U32:
    """Hashes of HASH_BYTES as little-endian words, uint32 (n, 8)."""
    return np.frombuffer(b"".join(hashes), "<u4").astype(np.uint32).reshape(-1, _HASH_WORDS)


def leaf_words(columns: U32, salts: bytes) -> U32:
    """The hashes that `merkle.leaf_hashes` gives, uint32 (k, 8), on all cores."""
    own = np.frombuffer(salts, "<u4").astype(np.uint32).reshape(len(columns), SALT_BYTES // 4)
    return keyed_hashes(columns, own, LEAF_KEY)


class MerkleTree:
    """All nodes of a tree of 2^depth leaves.

    `leaves` are uint32 (2^depth, 8), from `leaf_words`.
    """

    def __init__(self, leaves: U32) -> None:
        count = len(leaves)
        if not count or count & (count - 1):
            raise InputError(f"a Merkle tree has a power of two of leaves, not {count}")
        self._levels = [leaves]
        while len(self._levels[-1]) > 1:
            pairs = self._levels[-1].reshape(-1, 2 * _HASH_WORDS)
            self._levels.append(keyed_hashes(pairs, np.empty((len(pairs), 0), np.uint32), NODE_KEY))

    @property
    def depth(self) -> int:
        """Binary logarithm of the number of leaves."""
        return len(self._levels) - 1

    @property
    def root(self) -> bytes:
        """The commitment, HASH_BYTES."""
        return self._node(self.depth, 0)

    def open(self, positions: Sequence[int]) -> list[bytes]:
        """Siblings that `merkle.verify_opening` needs.

        `positions` are strictly increasing, at least one, in [0, 2^depth).
        """
        check_positions(self.depth, positions)
        return [self._node(*place) for place in sibling_places(self.depth, positions)]

    def _node(self, level: int, index: int) -> bytes:
        return bytes(self._levels[level][index].astype("<u4").tobytes())
