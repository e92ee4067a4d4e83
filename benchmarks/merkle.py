"""Leaf hashing, tree building, opening and checking, against one BLAKE3 call on the same bytes."""

import random
import sys

import numpy as np
from blake3 import blake3

from benchmarks._harness import report, seconds
from wmproof.argument.pcs.ligero.merkle import SALT_BYTES, leaf_hashes, verify_opening
from wmproof.argument.pcs.ligero.tree import MerkleTree, leaf_words


def measure(depth: int, height: int) -> dict[str, float]:
    """All steps for 2^depth columns of `height` elements, 150 of them opened."""
    count = 1 << depth
    columns = np.ones((count, height), np.uint32)
    salts = bytes(count * SALT_BYTES)
    leaves = leaf_words(columns, salts)
    tree = MerkleTree(leaves)
    positions = sorted(random.Random(0).sample(range(count), 150))
    opened, siblings = [leaves[i].tobytes() for i in positions], tree.open(positions)
    hashing = seconds(lambda: leaf_words(columns, salts), 3)
    library = seconds(lambda: leaf_hashes(columns, salts), 3)
    stream = seconds(lambda: blake3(columns.data.cast("B")).digest(), 3)
    return {
        "column_bytes": 4 * height,
        "leaves_seconds": hashing,
        "library_leaves_seconds": library,
        "leaf_bytes_per_second": columns.nbytes / hashing,
        "one_call_bytes_per_second": columns.nbytes / stream,
        "leaves_to_one_call": hashing / stream,
        "tree_seconds": seconds(lambda: MerkleTree(leaves), 3),
        "open_seconds": seconds(lambda: tree.open(positions), 3),
        "verify_seconds": seconds(
            lambda: verify_opening(tree.root, depth, positions, opened, siblings), 3
        ),
        "siblings": len(siblings),
        "sibling_bytes": sum(map(len, siblings)),
    }


def main() -> None:
    """Measure and print; an argument is the depth."""
    depth = int(sys.argv[1]) if len(sys.argv) > 1 else 17
    figures = {f"height_{height}": measure(depth, height) for height in (64, 512, 2048)}
    report("merkle", figures)


if __name__ == "__main__":
    main()
