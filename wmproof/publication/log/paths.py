"""Proofs, made from the hashes of runs of leaves (RFC 6962, sections 2.1.1 and 2.1.2)."""

from collections.abc import Callable

RangeHash = Callable[[int, int], bytes]


def split(count: int) -> int:
    """Return the largest power of two that is smaller than `count`, which is at least 2."""
    return 1 << ((count - 1).bit_length() - 1)


def inclusion_path(hash_of: RangeHash, index: int, size: int) -> list[bytes]:
    """Return the path of a leaf, from its sibling up.

    Parameters
    ----------
    hash_of : callable
        `hash_of(start, end)` is the Merkle tree hash of the leaves `start` to `end` - 1.
    index, size : int
        0 <= index < size.
    """
    path = []
    start, end = 0, size
    while end - start > 1:
        middle = start + split(end - start)
        if index < middle:
            path.append(hash_of(middle, end))
            end = middle
        else:
            path.append(hash_of(start, middle))
            start = middle
    return path[::-1]


def consistency_path(hash_of: RangeHash, old_size: int, size: int) -> list[bytes]:
    """Return the proof that a tree of `size` begins with its own first `old_size` leaves.

    Parameters
    ----------
    hash_of : callable
        As for `inclusion_path`.
    old_size, size : int
        0 <= old_size <= size. From 0, and for equal sizes, the proof is empty.
    """
    if old_size in (0, size):
        return []
    path = []
    start, end = 0, size
    while end != old_size:
        middle = start + split(end - start)
        if old_size <= middle:
            path.append(hash_of(middle, end))
            end = middle
        else:
            path.append(hash_of(start, middle))
            start = middle
    if start:  # otherwise this node is the old root, which the verifier has
        path.append(hash_of(start, end))
    return path[::-1]
