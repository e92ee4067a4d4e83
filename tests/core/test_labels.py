from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from wmproof.keygen import keygen
from wmproof.labels import derive_labels, merkle_root
from wmproof.triggers import noise


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


@given(st.integers(2, 1000), st.integers(1, 64), st.integers(0, 2**32))
def test_labels_are_classes(classes, count, seed):
    leaves = np.random.default_rng(seed).integers(0, 256, (count, 32), dtype=np.uint8)
    labels = derive_labels(leaves, key_id=bytes(32), classes=classes)
    assert labels.dtype == np.int64
    assert labels.shape == (count,)
    assert 0 <= labels.min() <= labels.max() < classes


@given(st.integers(0, 63), st.integers(0, 255), st.integers(0, 2**32))
def test_all_labels_re_roll_when_any_commitment_changes(row, bit, seed):
    leaves = np.random.default_rng(seed).integers(0, 256, (64, 32), dtype=np.uint8)
    # 2**16 classes: an equal label by chance has probability 2**-16, five of 64 below 2**-56.
    before = derive_labels(leaves, key_id=bytes(32), classes=2**16)
    leaves[row, bit // 8] ^= 1 << bit % 8
    after = derive_labels(leaves, key_id=bytes(32), classes=2**16)
    assert (before == after).sum() < 5


@pytest.mark.parametrize("change", ["key_id", "classes", "count"])
def test_labels_depend_on_everything_else(change):
    leaves = np.random.default_rng(0).integers(0, 256, (64, 32), dtype=np.uint8)
    before = derive_labels(leaves, key_id=bytes(32), classes=2**16)
    if change == "key_id":
        after = derive_labels(leaves, key_id=bytes(31) + b"\1", classes=2**16)
    elif change == "classes":
        after = derive_labels(leaves, key_id=bytes(32), classes=2**16 - 1)
    else:
        after = derive_labels(leaves[:63], key_id=bytes(32), classes=2**16)
    assert (before[: len(after)] == after).sum() < 5


def test_labels_of_keys_are_uniform():
    """Chi-square over 10 classes and 4096 labels; false alarms: 1 in 10**6 runs."""
    key, _ = keygen(noise(4096, (4, 4)), 10)
    assert chisquare(np.bincount(key.triggers.labels, minlength=10)).pvalue > 1e-6
