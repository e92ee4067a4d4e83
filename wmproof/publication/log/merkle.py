"""Merkle tree hashes and the verification of proofs about them (RFC 6962, section 2.1).

The algorithms that verify are those of RFC 9162, sections 2.1.3.2 and 2.1.4.2; the trees are the
same in both.
"""

import hashlib
import hmac
from collections.abc import Sequence

from wmproof.errors import VerificationError

HASH_BYTES = 32
MAX_SIZE = 2**63 - 1
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of a leaf."""
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\1" + left + right).digest()


def verify_inclusion(
    leaf: bytes, index: int, size: int, root: bytes, path: Sequence[bytes]
) -> None:
    """Check that a leaf is at an index of the tree with this size and root.

    Parameters
    ----------
    leaf : bytes
        Its leaf hash, 32 bytes.
    index, size : int
    root : bytes
        32 bytes.
    path : sequence of bytes
        32 bytes each, from the leaf's sibling up to the root's child.

    Raises
    ------
    VerificationError
        Check ``inclusion``.
    """
    if not 0 <= index < size:
        raise VerificationError(
            "inclusion",
            f"index {index} is not in a log of size {size}",
            numbers={"index": index, "size": size},
        )
    position, last, computed = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise _no_inclusion(index, size, "the path is too long")
        if position & 1 or position == last:
            computed = node_hash(sibling, computed)
            position, last = _up_to_right_child(position, last)
        else:
            computed = node_hash(computed, sibling)
        position, last = position >> 1, last >> 1
    if last:
        raise _no_inclusion(index, size, "the path is too short")
    if not hmac.compare_digest(computed, root):
        raise _no_inclusion(index, size, "the path leads to another root")


def verify_consistency(
    old_size: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]
) -> None:
    """Check that the tree of `size` begins with the tree of `old_size`.

    Parameters
    ----------
    old_size, size : int
    old_root, root : bytes
        32 bytes.
    path : sequence of bytes
        The consistency proof of RFC 6962, section 2.1.2; empty for equal sizes and from size 0.

    Raises
    ------
    VerificationError
        Check ``consistency``.
    """
    if old_size > size:
        raise _no_consistency(old_size, size, "the tree has shrunk")
    if old_size in (0, size):
        if path:
            raise _no_consistency(old_size, size, "the path must be empty")
        expected = root if old_size else EMPTY_ROOT
        if not hmac.compare_digest(old_root, expected) or (not size and root != EMPTY_ROOT):
            raise _no_consistency(old_size, size, "the roots differ")
        return
    nodes = list(path)
    if old_size & (old_size - 1) == 0:
        nodes.insert(0, old_root)
    if not nodes:
        raise _no_consistency(old_size, size, "the path is too short")
    position, last = old_size - 1, size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old, new = nodes[0], nodes[0]
    for node in nodes[1:]:
        if last == 0:
            raise _no_consistency(old_size, size, "the path is too long")
        if position & 1 or position == last:
            old, new = node_hash(node, old), node_hash(node, new)
            position, last = _up_to_right_child(position, last)
        else:
            new = node_hash(new, node)
        position, last = position >> 1, last >> 1
    if last:
        raise _no_consistency(old_size, size, "the path is too short")
    if not hmac.compare_digest(old, old_root):
        raise _no_consistency(old_size, size, "the path leads to another old root")
    if not hmac.compare_digest(new, root):
        raise _no_consistency(old_size, size, "the path leads to another new root")


def _up_to_right_child(position: int, last: int) -> tuple[int, int]:
    """Skip the levels at which the node is the last of its level and has no sibling."""
    while position and not position & 1:
        position, last = position >> 1, last >> 1
    return position, last


def _no_inclusion(index: int, size: int, why: str) -> VerificationError:
    return VerificationError(
        "inclusion",
        f"the entry is not proved to be at index {index} of {size}: {why}",
        numbers={"index": index, "size": size},
    )


def _no_consistency(old_size: int, size: int, why: str) -> VerificationError:
    return VerificationError(
        "consistency",
        f"the log of size {size} is not proved to continue the log of size {old_size}: {why}",
        numbers={"old_size": old_size, "size": size},
    )
