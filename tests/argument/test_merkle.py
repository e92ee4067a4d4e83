import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from wmproof.argument.algebra.field import P
from wmproof.argument.pcs.ligero.merkle import (
    HASH_BYTES,
    SALT_BYTES,
    leaf_hashes,
    sibling_count,
    verify_opening,
)
from wmproof.argument.pcs.ligero.tree import MerkleTree, leaf_words, words_of_hashes
from wmproof.errors import InputError, ProofError

# From tests/argument/merkle_vectors.py, which shares no code with the package.
KNOWN_ROOTS = {
    (0, 1): "87481a47effc2288ff0f2ebd540eedfbe37a066a8e722e5e9c939341ddf9f417",
    (1, 16): "9557154abf23755353e0b1e340996225d675a4b8d2546845f4167c477d22a975",
    (3, 5): "d421f76e7a27dc643d9839203a71aabdfe8315150e2886b8fbc85da7122c3f08",
    (5, 300): "5f0ba567a36ce36bb195efe8ce4986820a1e1bc0f93d2ce4ddc7bdf01b135900",
}


def tree_of(depth: int, seed: int = 0) -> tuple[MerkleTree, list[bytes]]:
    leaves = [blake3(f"{seed} {i}".encode()).digest() for i in range(1 << depth)]
    return MerkleTree(words_of_hashes(leaves)), leaves


@st.composite
def openings(draw: st.DrawFn) -> tuple[int, list[int]]:
    depth = draw(st.integers(0, 9))
    positions = draw(st.sets(st.integers(0, (1 << depth) - 1), min_size=1, max_size=40))
    return depth, sorted(positions)


@pytest.mark.parametrize("shape", sorted(KNOWN_ROOTS))
def test_known_roots(shape: tuple[int, int]) -> None:
    depth, height = shape
    count = 1 << depth
    columns = (np.arange(count * height, dtype=np.uint64) * 40503 + 7) % P
    salts = bytes((i * 131 + 5) % 256 for i in range(count * SALT_BYTES))
    leaves = leaf_hashes(columns.astype(np.uint32).reshape(count, height), salts)
    assert leaves == [
        h.tobytes() for h in leaf_words(columns.astype(np.uint32).reshape(count, height), salts)
    ]
    assert MerkleTree(words_of_hashes(leaves)).root.hex() == KNOWN_ROOTS[shape]


@settings(max_examples=150, deadline=None)
@given(opening=openings())
def test_openings_verify_and_have_the_stated_length(opening: tuple[int, list[int]]) -> None:
    depth, positions = opening
    tree, leaves = tree_of(depth)
    siblings = tree.open(positions)
    assert len(siblings) == sibling_count(depth, positions)
    verify_opening(tree.root, depth, positions, [leaves[i] for i in positions], siblings)


@settings(max_examples=100, deadline=None)
@given(opening=openings())
def test_no_node_is_sent_twice_or_derivable(opening: tuple[int, list[int]]) -> None:
    depth, positions = opening
    tree, leaves = tree_of(depth)
    siblings = tree.open(positions)
    assert len(set(siblings)) == len(siblings)
    derivable = {leaves[i] for i in positions}
    level = list(leaves)
    known = set(positions)
    for _ in range(depth):
        known = {i >> 1 for i in known}
        level = [
            blake3(level[i] + level[i + 1], key=blake3(b"wmproof/1 merkle node").digest()).digest()
            for i in range(0, len(level), 2)
        ]
        derivable |= {level[i] for i in known}
    assert not derivable & set(siblings)


def test_sibling_counts_at_the_ends() -> None:
    assert sibling_count(0, [0]) == 0
    assert sibling_count(10, [17]) == 10
    assert sibling_count(10, list(range(1024))) == 0
    assert sibling_count(3, [0, 1]) == 2
    assert sibling_count(3, [0, 7]) == 4


def flipped(data: bytes, bit: int) -> bytes:
    return data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :]


def test_every_tampering_is_rejected() -> None:
    depth, positions = 5, [0, 3, 4, 5, 17, 31]
    tree, leaves = tree_of(depth)
    siblings = tree.open(positions)
    opened = [leaves[i] for i in positions]
    for i in range(len(opened)):
        changed = [*opened[:i], flipped(opened[i], 8 * i), *opened[i + 1 :]]
        with pytest.raises(ProofError, match="not those"):
            verify_opening(tree.root, depth, positions, changed, siblings)
    for i in range(len(siblings)):
        changed = [*siblings[:i], flipped(siblings[i], 255 - i), *siblings[i + 1 :]]
        with pytest.raises(ProofError, match="not those"):
            verify_opening(tree.root, depth, positions, opened, changed)
    for bit in range(0, 256, 37):
        with pytest.raises(ProofError, match="not those"):
            verify_opening(flipped(tree.root, bit), depth, positions, opened, siblings)
    swapped = [opened[1], opened[0], *opened[2:]]
    with pytest.raises(ProofError, match="not those"):
        verify_opening(tree.root, depth, positions, swapped, siblings)
    with pytest.raises(ProofError, match="not those"):
        verify_opening(tree.root, depth, positions, opened, siblings[::-1])


def test_other_positions_are_rejected() -> None:
    tree, leaves = tree_of(4)
    siblings = tree.open([3])
    for other in set(range(16)) - {3}:
        with pytest.raises(ProofError, match="not those"):
            verify_opening(tree.root, 4, [other], [leaves[3]], siblings)


def test_wrong_numbers_and_lengths_are_rejected() -> None:
    depth, positions = 4, [2, 9]
    tree, leaves = tree_of(depth)
    opened, siblings = [leaves[i] for i in positions], tree.open(positions)
    for bad in (siblings[:-1], [*siblings, siblings[0]], [], [s[:-1] for s in siblings]):
        with pytest.raises(ProofError, match="siblings"):
            verify_opening(tree.root, depth, positions, opened, bad)
    for bad in (opened[:1], [*opened, opened[0]], [opened[0], b""]):
        with pytest.raises(ProofError, match="leaves"):
            verify_opening(tree.root, depth, positions, bad, siblings)
    for cut in (b"", tree.root[:-1], tree.root + b"\0"):
        with pytest.raises(ProofError):
            verify_opening(cut, depth, positions, opened, siblings)


@pytest.mark.parametrize("positions", [[], [1, 1], [2, 1], [-1], [0, 16]])
def test_unsorted_repeated_or_foreign_positions_are_refused(positions: list[int]) -> None:
    tree, leaves = tree_of(4)
    with pytest.raises(InputError, match="position"):
        tree.open(positions)
    with pytest.raises(InputError, match="position"):
        verify_opening(tree.root, 4, positions, [leaves[0]] * len(positions), [])


def test_a_node_does_not_pass_for_a_leaf() -> None:
    # The classic second preimage: a column whose bytes are two leaf hashes.
    tree, leaves = tree_of(1)
    column = np.frombuffer(leaves[0] + leaves[1], "<u4").reshape(1, 16)
    assert leaf_hashes(column, bytes(SALT_BYTES))[0] != tree.root
    halves = np.frombuffer(leaves[0], "<u4").reshape(1, 8)
    assert leaf_hashes(halves, leaves[1])[0] != tree.root


def test_each_element_and_each_salt_byte_changes_only_its_leaf() -> None:
    rng = np.random.default_rng(0)
    columns = rng.integers(0, P, (4, 5)).astype(np.uint32)
    salts = rng.bytes(4 * SALT_BYTES)
    before = leaf_hashes(columns, salts)
    for i in range(4):
        for j in range(5):
            changed = columns.copy()
            changed[i, j] ^= 1
            after = leaf_hashes(changed, salts)
            assert [a != b for a, b in zip(after, before, strict=True)] == [
                k == i for k in range(4)
            ]
    for byte in range(len(salts)):
        after = leaf_hashes(columns, flipped(salts, 8 * byte))
        own = byte // SALT_BYTES
        assert [a != b for a, b in zip(after, before, strict=True)] == [k == own for k in range(4)]


def test_the_hash_of_a_column_depends_on_its_split() -> None:
    data = np.arange(12, dtype=np.uint32)
    salts = bytes(6 * SALT_BYTES)
    assert (
        len({h for k in (1, 2, 3) for h in leaf_hashes(data.reshape(k, -1), salts[: 32 * k])}) == 6
    )


def test_foreign_input_is_refused() -> None:
    with pytest.raises(InputError, match="power of two"):
        MerkleTree(words_of_hashes([bytes(HASH_BYTES)] * 3))
    with pytest.raises(InputError, match="power of two"):
        MerkleTree(words_of_hashes([]))
    with pytest.raises(InputError, match="salts"):
        leaf_hashes(np.zeros((2, 3), np.uint32), bytes(SALT_BYTES))
