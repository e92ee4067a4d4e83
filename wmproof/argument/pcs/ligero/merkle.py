"""Merkle trees over the columns of a matrix, and openings of many columns without repeated nodes.

A leaf is BLAKE3 keyed with the leaf key over column || salt; a node is BLAKE3 keyed with the node
key over left || right. A column is its field elements from row 0 down, canonical, 4 bytes each,
little-endian; a salt is `SALT_BYTES` random bytes of one leaf.

*Binding*: two different openings of one position under one root contain two different inputs of
the same keyed hash with equal outputs. The verifier fixes the depth and the length of a column, and
the two keys make leaf and node hashes separate functions, so a node cannot pass for a leaf.
*Hiding*: the salt makes the hash of a column that is not opened independent, in the random-oracle
model, of the column: without it, whoever guesses a witness of little entropy could confirm it,
because the opened columns and the guess together determine every other column.

Source: RFC 6962, section 2.1, for the separation of leaves and nodes; salted columns and openings
without derivable nodes after draft-google-cfrg-libzk.
"""

import hmac
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from blake3 import blake3

from wmproof.argument.algebra.field import U32
from wmproof.errors import InputError, ProofError

HASH_BYTES = 32
SALT_BYTES = 32
LEAF_KEY = blake3(b"wmproof/1 merkle leaf").digest()
NODE_KEY = blake3(b"wmproof/1 merkle node").digest()


def leaf_hashes(columns: U32, salts: bytes) -> list[bytes]:
    """Hash columns to leaves: k hashes of HASH_BYTES.

    Parameters
    ----------
    columns : uint32 (k, R), C-contiguous, canonical: one column of R elements in each row
    salts : bytes
        k * SALT_BYTES, the columns' salts in order.
    """
    count, height = columns.shape
    if len(salts) != count * SALT_BYTES:
        raise InputError(f"{count} columns need {count * SALT_BYTES} bytes of salts")
    data = np.ascontiguousarray(columns, "<u4").reshape(-1).data.cast("B")
    salt, width = memoryview(salts), 4 * height
    leaves = []
    for i in range(count):
        # Column first: BLAKE3 hashes whole aligned chunks in parallel lanes.
        state = blake3(data[i * width : (i + 1) * width], key=LEAF_KEY)
        state.update(salt[i * SALT_BYTES : (i + 1) * SALT_BYTES])
        leaves.append(state.digest())
    return leaves


def _node(pair: bytes | memoryview) -> bytes:
    return blake3(pair, key=NODE_KEY).digest()


def check_positions(depth: int, positions: Sequence[int]) -> None:
    """InputError unless positions are those of an opening: at least one, increasing, in range."""
    if not positions:
        raise InputError("an opening has at least one position")
    if positions[0] < 0 or positions[-1] >= 1 << depth:
        raise InputError(f"positions of a tree of depth {depth} lie in [0, {1 << depth})")
    if any(a >= b for a, b in pairwise(positions)):
        raise InputError("positions of an opening are strictly increasing")


def sibling_places(depth: int, positions: Sequence[int]) -> list[tuple[int, int]]:
    """(level, index) of an opening's siblings, from the leaves up, each level from the left."""
    places = []
    known = list(positions)
    for level in range(depth):
        members = set(known)
        places += [(level, index ^ 1) for index in known if index ^ 1 not in members]
        known = sorted({index >> 1 for index in known})
    return places


def sibling_count(depth: int, positions: Sequence[int]) -> int:
    """Number of siblings in the only valid opening of these positions.

    Parameters
    ----------
    depth : int
        Binary logarithm of the number of leaves.
    positions : sequence of int
        Strictly increasing, at least one, in [0, 2^depth).
    """
    check_positions(depth, positions)
    return len(sibling_places(depth, positions))


def verify_opening(
    root: bytes,
    depth: int,
    positions: Sequence[int],
    leaves: Sequence[bytes],
    siblings: Sequence[bytes],
) -> None:
    """Check that leaves stand at positions of the tree with this root.

    ProofError if a number or length is wrong, or the hashes do not lead to the root.

    Parameters
    ----------
    root : bytes
        The commitment.
    depth : int
        Binary logarithm of the number of leaves, known to the verifier.
    positions : sequence of int
        Strictly increasing, at least one, in [0, 2^depth).
    leaves : sequence of bytes
        Hash of each opened leaf, in the order of `positions`.
    siblings : sequence of bytes
        As `tree.MerkleTree.open` orders them: exactly `sibling_count` of HASH_BYTES each.
    """
    needed = sibling_count(depth, positions)
    for name, hashes, count in (("leaves", leaves, len(positions)), ("siblings", siblings, needed)):
        if len(hashes) != count or any(len(h) != HASH_BYTES for h in hashes):
            raise ProofError(
                "merkle-shape",
                f"the opening needs {count} {name} of {HASH_BYTES} bytes",
                numbers={"needed": count, "given": len(hashes)},
            )
    supply = iter(siblings)
    level = dict(zip(positions, leaves, strict=True))
    for _ in range(depth):
        level = _parents(level, {i ^ 1: next(supply) for i in level if i ^ 1 not in level})
    if not hmac.compare_digest(level[0], root):
        raise ProofError("merkle-root", "the opened columns are not those that were committed")


def _parents(level: dict[int, bytes], siblings: dict[int, bytes]) -> dict[int, bytes]:
    nodes = level | siblings
    return {i: _node(nodes[2 * i] + nodes[2 * i + 1]) for i in dict.fromkeys(j >> 1 for j in level)}
