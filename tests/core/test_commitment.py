from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wmproof.commitment import (
    Kind,
    commit,
    commit_batch,
    domain_block,
    label_messages,
    new_key_id,
    new_randomness,
    open_batch,
    opens,
)
from wmproof.errors import InputError
from wmproof.keys import parse_verification_key
from wmproof.labels import derive_labels, merkle_root

VECTORS = Path(__file__).parent / "vectors" / "vectors.json"
KNOWN = json.loads(VECTORS.read_text())
KEY_ID = bytes.fromhex(KNOWN["key_id"])

parts = st.fixed_dictionaries(
    {
        "message": st.binary(min_size=1, max_size=200),
        "randomness": st.binary(min_size=64, max_size=64),
        "key_id": st.binary(min_size=32, max_size=32),
        "index": st.integers(0, 2**32 - 1),
        "kind": st.sampled_from(Kind),
    }
)


def flip(data: bytes, bit: int) -> bytes:
    bit %= 8 * len(data)
    return bytes(b ^ (1 << bit % 8 if i == bit // 8 else 0) for i, b in enumerate(data))


def test_vectors_are_what_the_independent_script_computes():
    script = VECTORS.with_name("make_vectors.py")
    made = subprocess.run([sys.executable, script], capture_output=True, check=True).stdout
    assert json.loads(made) == KNOWN


@pytest.mark.parametrize("case", KNOWN["commitments"], ids=lambda case: f"index-{case['index']}")
def test_commitments_match_the_vectors(case):
    message, r = bytes.fromhex(case["message"]), bytes.fromhex(case["randomness"])
    got = commit(message, r, key_id=KEY_ID, index=case["index"], kind=Kind(case["kind"]))
    assert got.hex() == case["commitment"]


def test_labels_and_challenge_match_the_vectors():
    labels = KNOWN["labels"]
    leaves = np.array([list(bytes.fromhex(leaf)) for leaf in labels["leaves"]], dtype=np.uint8)
    assert merkle_root(leaves).hex() == labels["root"]
    derived = derive_labels(leaves, key_id=KEY_ID, classes=labels["classes"])
    assert derived.tolist() == labels["labels"]
    key = parse_verification_key(bytes.fromhex(KNOWN["challenge"]["vk"]))
    assert key.challenge().astype(int).tolist() == KNOWN["challenge"]["e"]


@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 3072])
def test_randomness_is_exactly_the_last_block_before_the_padding(length):
    r = bytes(range(64))
    body = domain_block(key_id=KEY_ID, index=3, kind=Kind.TRIGGER, length=length)
    body += bytes(length) + bytes(-length % 64) + r
    assert len(body) % 64 == 0
    got = commit(bytes(length), r, key_id=KEY_ID, index=3, kind=Kind.TRIGGER)
    assert got == hashlib.sha256(body).digest()


@given(parts)
def test_a_commitment_opens(p):
    assert opens(
        commit(p["message"], p["randomness"], **place(p)), p["message"], p["randomness"], **place(p)
    )


def place(p):
    return {name: p[name] for name in ("key_id", "index", "kind")}


@given(
    parts,
    st.sampled_from(["message", "randomness", "key_id", "index", "kind", "digest"]),
    st.integers(0, 10**6),
)
def test_any_changed_bit_makes_open_fail(p, field, bit):
    digest = commit(p["message"], p["randomness"], **place(p))
    changed = dict(p)
    if field == "digest":
        digest = flip(digest, bit)
    elif field == "index":
        changed["index"] ^= 1 << bit % 32
    elif field == "kind":
        changed["kind"] = Kind(3 - p["kind"])
    else:
        changed[field] = flip(p[field], bit)
    assert not opens(digest, changed["message"], changed["randomness"], **place(changed))


@given(parts, st.binary(min_size=1, max_size=70))
def test_a_longer_message_does_not_open(p, tail):
    digest = commit(p["message"], p["randomness"], **place(p))
    assert not opens(digest, p["message"] + tail, p["randomness"], **place(p))
    assert not opens(digest, p["message"] + bytes(len(tail)), p["randomness"], **place(p))


@given(st.integers(1, 40), st.integers(1, 130), st.integers(0, 39), st.data())
def test_batches_agree_with_single_commitments(count, length, wrong, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    messages = rng.integers(0, 256, (count, length), dtype=np.uint8)
    randomness, key_id = new_randomness(count), new_key_id()
    indices = np.arange(100, 100 + count, dtype=np.int64)
    where = {"key_id": key_id, "indices": indices, "kind": Kind.TRIGGER}
    digests = commit_batch(messages, randomness, **where)
    for i in range(count):
        single = commit(
            messages[i].tobytes(),
            randomness[i].tobytes(),
            key_id=key_id,
            index=100 + i,
            kind=Kind.TRIGGER,
        )
        assert digests[i].tobytes() == single
    assert open_batch(digests, messages, randomness, **where).all()
    messages[wrong % count, 0] ^= 1
    good = open_batch(digests, messages, randomness, **where)
    assert np.flatnonzero(~good).tolist() == [wrong % count]


def test_labels_are_encoded_big_endian():
    assert label_messages(np.array([0, 1, 258, 2**32 - 1])).tolist() == [
        [0, 0, 0, 0],
        [0, 0, 0, 1],
        [0, 0, 1, 2],
        [255, 255, 255, 255],
    ]


def test_randomness_and_key_ids_are_fresh():
    assert len({row.tobytes() for row in new_randomness(1000)}) == 1000
    assert len({new_key_id() for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "change", [{"randomness": b"short"}, {"key_id": b"short"}, {"index": -1}, {"index": 2**32}]
)
def test_values_out_of_range_are_refused(change):
    good = {"message": b"m", "randomness": bytes(64), "key_id": KEY_ID, "index": 0}
    with pytest.raises(InputError):
        commit(**(good | change), kind=Kind.LABEL)


def test_batches_of_unequal_sizes_are_refused():
    with pytest.raises(InputError):
        commit_batch(
            np.zeros((3, 4), np.uint8),
            new_randomness(2),
            key_id=KEY_ID,
            indices=np.arange(3),
            kind=Kind.LABEL,
        )
