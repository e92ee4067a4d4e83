import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from same_keys import same_keys
from scipy.stats import chisquare

from wmproof.core.labels import derive_labels, merkle_root
from wmproof.core.triggers import noise
from wmproof.keys import KeyKind, LabelMode, VerificationKey
from wmproof.keys.keygen import keygen


def rfc6962(leaves: list[bytes]) -> bytes:
    """Section 2.1, by its recursive definition."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\1" + rfc6962(leaves[:k]) + rfc6962(leaves[k:])).digest()


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=70))
def test_the_root_is_rfc_6962s(leaves):
    rows = np.array([list(leaf) for leaf in leaves], dtype=np.uint8)
    assert merkle_root(rows) == rfc6962(leaves)


@given(st.integers(2, 1000), st.integers(1, 64), st.binary(min_size=32, max_size=32))
def test_labels_are_classes(classes, count, root):
    labels = derive_labels(root, count=count, classes=classes)
    assert labels.dtype == np.int64
    assert labels.shape == (count,)
    assert 0 <= labels.min() <= labels.max() < classes


def key_of(leaves, **changes):
    fields = {"kind": KeyKind.PUBLIC, "label_mode": LabelMode.DERIVED, "key_id": bytes(32)}
    fields |= {"classes": 2**16, "image_shape": (4, 4), "batches": 1, "label_commitments": None}
    if changes.get("version") == 1:
        fields["label_commitments"] = np.zeros_like(leaves)
    return VerificationKey(trigger_commitments=leaves, **(fields | changes))


def rolled_anew(before, after) -> bool:
    """All labels and the challenge are others.

    Of 256 labels of 2**16 classes five are equal by chance with probability below 2**-40; of 256
    coins fewer than 60 differ with probability below 2**-50.
    """
    a, b = before.derived_labels(), after.derived_labels()
    size = min(len(a), len(b))
    coins = (before.challenge()[:size] != after.challenge()[:size]).sum()
    return (a[:size] == b[:size]).sum() < 5 and coins > 60


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 2**32))
def test_labels_and_challenge_re_roll_together_when_any_commitment_changes(row, bit, seed):
    leaves = np.random.default_rng(seed).integers(0, 256, (256, 32), dtype=np.uint8)
    before = key_of(leaves)
    leaves = leaves.copy()
    leaves[row, bit // 8] ^= 1 << bit % 8
    assert rolled_anew(before, key_of(leaves))


@pytest.mark.parametrize(
    "change",
    [
        {"key_id": bytes(31) + b"\1"},
        {"classes": 2**16 - 1},
        {"image_shape": (4, 5)},
        {"image_shape": (1, 4, 4)},
        {"version": 1},
        "count",
    ],
)
def test_labels_and_challenge_depend_on_the_whole_header(change):
    leaves = np.random.default_rng(0).integers(0, 256, (256, 32), dtype=np.uint8)
    after = key_of(leaves[:252]) if change == "count" else key_of(leaves, **change)
    assert rolled_anew(key_of(leaves), after)


def test_labels_of_keys_are_uniform():
    """Chi-square over 10 classes and 4096 labels of a key that is the same in every run."""
    with same_keys():
        key, _ = keygen(noise(4096, (4, 4)), 10)
    assert chisquare(np.bincount(key.triggers.labels, minlength=10)).pvalue > 1e-6
