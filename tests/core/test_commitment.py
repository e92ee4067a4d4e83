import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wmproof.argument.algebra.field import P as FIELD
from wmproof.commitment import (
    SCHEMES,
    Kind,
    Places,
    Scheme,
    label_messages,
    matrix,
    new_key_id,
    new_randomness,
    open_batch,
)
from wmproof.commitment.scheme import domain_block
from wmproof.commitment.sha256 import TAG
from wmproof.core.labels import derive_labels_v1, merkle_root
from wmproof.errors import InputError
from wmproof.keys import parse_verification_key

VECTORS = Path(__file__).parent / "vectors" / "vectors.json"
KNOWN = json.loads(VECTORS.read_text())
KEY_ID = bytes.fromhex(KNOWN["key_id"])

schemes = pytest.mark.parametrize("scheme", Scheme, ids=lambda scheme: scheme.label)

parts = st.fixed_dictionaries(
    {
        "message": st.binary(min_size=1, max_size=200),
        "seed": st.binary(min_size=8, max_size=8),
        "key_id": st.binary(min_size=32, max_size=32),
        "index": st.integers(0, 2**32 - 1),
        "kind": st.sampled_from(Kind),
    }
)


def randomness_of(p, scheme):
    return hashlib.shake_256(p["seed"]).digest(SCHEMES[scheme].randomness_bytes)


def rows(data: bytes):
    return np.frombuffer(data, np.uint8)[None]


def commit(message, randomness, scheme=Scheme.SHA256, *, key_id, index, kind):
    places = Places(key_id, np.array([index]), kind)
    return SCHEMES[scheme].commit(rows(message), rows(randomness), places).tobytes()


def opens(digest, message, randomness, scheme, *, key_id, index, kind):
    places = Places(key_id, np.array([index]), kind)
    found = open_batch(rows(digest), rows(message), rows(randomness), places, scheme)
    return bool(found[0])


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


@pytest.mark.parametrize("case", KNOWN["sis_commitments"], ids=lambda c: f"index-{c['index']}")
def test_two_layer_commitments_match_the_vectors(case):
    index, length = case["index"], case["length"]
    message = bytes((3 * i + index) % 256 for i in range(length))
    r = bytes((5 * i + length) % 256 for i in range(1272))
    kind = Kind(case["kind"])
    got = commit(message, r, Scheme.SHA256_SIS, key_id=KEY_ID, index=index, kind=kind)
    assert got.hex() == case["commitment"]
    v = SCHEMES[Scheme.SHA256_SIS].inner(rows(message), rows(r))
    assert hashlib.sha256(v.tobytes()).hexdigest() == case["v_sha256"]


@pytest.mark.parametrize("mode", ["derived", "secret"])
def test_labels_and_challenge_match_the_vectors(mode):
    known = KNOWN[mode]
    key = parse_verification_key(bytes.fromhex(known["vk"]))
    assert key.to_bytes().hex() == known["vk"]
    assert key.root.hex() == known["root"]
    assert key.challenge().astype(int).tolist() == known["e"]
    if mode == "derived":
        assert key.derived_labels().tolist() == known["labels"]


def test_labels_and_challenge_of_version_1_match_the_vectors():
    labels = KNOWN["version 1"]["labels"]
    leaves = np.array([list(bytes.fromhex(leaf)) for leaf in labels["leaves"]], dtype=np.uint8)
    assert merkle_root(leaves).hex() == labels["root"]
    derived = derive_labels_v1(leaves, key_id=KEY_ID, classes=labels["classes"])
    assert derived.tolist() == labels["labels"]
    key = parse_verification_key(bytes.fromhex(KNOWN["version 1"]["challenge"]["vk"]))
    assert key.challenge().astype(int).tolist() == KNOWN["version 1"]["challenge"]["e"]


@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 3072])
def test_randomness_is_exactly_the_last_block_before_the_padding(length):
    r = bytes(range(64))
    body = domain_block(TAG, key_id=KEY_ID, index=3, kind=Kind.TRIGGER, length=length)
    body += bytes(length) + bytes(-length % 64) + r
    assert len(body) % 64 == 0
    got = commit(bytes(length), r, key_id=KEY_ID, index=3, kind=Kind.TRIGGER)
    assert got == hashlib.sha256(body).digest()


@schemes
@given(p=parts)
def test_a_commitment_opens(scheme, p):
    r = randomness_of(p, scheme)
    assert opens(commit(p["message"], r, scheme, **place(p)), p["message"], r, scheme, **place(p))


def place(p):
    return {name: p[name] for name in ("key_id", "index", "kind")}


@schemes
@given(
    p=parts,
    field=st.sampled_from(["message", "randomness", "key_id", "index", "kind", "digest"]),
    bit=st.integers(0, 10**6),
)
def test_any_changed_bit_makes_open_fail(scheme, p, field, bit):
    p = p | {"randomness": randomness_of(p, scheme)}
    digest = commit(p["message"], p["randomness"], scheme, **place(p))
    changed = dict(p)
    if field == "digest":
        digest = flip(digest, bit)
    elif field == "index":
        changed["index"] ^= 1 << bit % 32
    elif field == "kind":
        changed["kind"] = Kind(3 - p["kind"])
    else:
        changed[field] = flip(p[field], bit)
    assert not opens(digest, changed["message"], changed["randomness"], scheme, **place(changed))


@schemes
@given(p=parts, tail=st.binary(min_size=1, max_size=70))
def test_a_longer_message_does_not_open(scheme, p, tail):
    r = randomness_of(p, scheme)
    digest = commit(p["message"], r, scheme, **place(p))
    assert not opens(digest, p["message"] + tail, r, scheme, **place(p))
    assert not opens(digest, p["message"] + bytes(len(tail)), r, scheme, **place(p))


@given(p=parts)
def test_no_commitment_opens_under_another_scheme(p):
    for scheme, other in (tuple(Scheme), tuple(Scheme)[::-1]):
        digest = commit(p["message"], randomness_of(p, scheme), scheme, **place(p))
        assert not opens(digest, p["message"], randomness_of(p, other), other, **place(p))


@schemes
@settings(max_examples=25)
@given(st.integers(1, 8), st.integers(1, 130), st.integers(0, 39), st.integers(0, 2**32))
def test_batches_agree_with_single_commitments(scheme, count, length, wrong, seed):
    rng = np.random.default_rng(seed)
    messages = rng.integers(0, 256, (count, length), dtype=np.uint8)
    randomness, key_id = new_randomness(count, scheme), new_key_id()
    places = Places(key_id, np.arange(100, 100 + count), Kind.TRIGGER)
    digests = SCHEMES[scheme].commit(messages, randomness, places)
    for i in range(count):
        where = {"key_id": key_id, "index": 100 + i, "kind": Kind.TRIGGER}
        single = commit(messages[i].tobytes(), randomness[i].tobytes(), scheme, **where)
        assert digests[i].tobytes() == single
    assert open_batch(digests, messages, randomness, places, scheme).all()
    messages[wrong % count, 0] ^= 1
    good = open_batch(digests, messages, randomness, places, scheme)
    assert np.flatnonzero(~good).tolist() == [wrong % count]


# The linear commitment.


def test_the_matrix_is_over_the_field_of_the_argument():
    assert matrix.P == FIELD


def test_products_are_exact_where_every_byte_is_as_large_as_can_be():
    """In one block and across blocks."""
    x = np.random.default_rng(3).integers(0, 256, (2, 5500), np.uint8)
    x[0] = 255
    a = np.array(matrix.columns(0, 5500))[:, ::40]
    assert (matrix.multiply(x)[:, ::40] == x.astype(object) @ a.astype(object) % matrix.P).all()


def test_the_matrix_of_a_short_message_is_the_beginning_of_a_long_ones():
    assert (matrix.columns(0, 50) == matrix.columns(0, 60)[:50]).all()
    assert (matrix.columns(20, 30) == matrix.columns(0, 50)[20:]).all()


def test_nobody_can_change_the_matrix_in_memory():
    with pytest.raises(ValueError, match="read-only"):
        matrix.columns(0, 8)[0, 0] = 0


def test_the_inner_commitment_of_any_two_messages_looks_the_same():
    """chi-square of one row of v in 16 cells, for two messages; r is drawn from a seed.

    A toy: the 20 first bytes of r are drawn and the rest is zero, which still has 160 bits for 31.
    """
    runs, cells = 4000, 16
    rng = np.random.default_rng(7)
    for byte in (0, 255):
        x = np.zeros((runs, 1272 + 64), np.uint8)
        x[:, :20] = rng.integers(0, 256, (runs, 20))
        x[:, 1272:] = byte
        row = matrix.multiply(x)[:, 7].astype(np.uint64)
        cell = row * np.uint64(cells) // np.uint64(matrix.P)
        counts = np.bincount(cell.astype(int), minlength=cells)
        chi_square = ((counts - runs / cells) ** 2 / (runs / cells)).sum()
        assert chi_square < 58.3  # 15 degrees of freedom, 5e-7 for each message


def test_without_randomness_the_inner_commitment_shows_the_message():
    """So the test above would see it."""
    x = np.zeros((2, 1272 + 64), np.uint8)
    x[1, -1] = 1
    v = matrix.multiply(x)
    assert not v[0].any()
    assert (v[1] == matrix.columns(1272 + 63, 1)[0]).all()


def test_labels_are_encoded_big_endian():
    assert label_messages(np.array([0, 1, 258, 2**32 - 1])).tolist() == [
        [0, 0, 0, 0],
        [0, 0, 0, 1],
        [0, 0, 1, 2],
        [255, 255, 255, 255],
    ]


@schemes
def test_randomness_and_key_ids_are_fresh(scheme):
    assert len({row.tobytes() for row in new_randomness(1000, scheme)}) == 1000
    assert len({new_key_id() for _ in range(100)}) == 100


@schemes
@pytest.mark.parametrize(
    "change", [{"randomness": b"short"}, {"key_id": b"short"}, {"index": -1}, {"index": 2**32}]
)
def test_values_out_of_range_are_refused(scheme, change):
    r = bytes(SCHEMES[scheme].randomness_bytes)
    good = {"message": b"m", "randomness": r, "key_id": KEY_ID, "index": 0}
    with pytest.raises(InputError):
        commit(scheme=scheme, **(good | change), kind=Kind.LABEL)


@schemes
def test_batches_of_unequal_sizes_are_refused(scheme):
    places = Places(KEY_ID, np.arange(3), Kind.LABEL)
    for messages, randomness in ((3, 2), (2, 2)):
        with pytest.raises(InputError):
            SCHEMES[scheme].commit(
                np.zeros((messages, 4), np.uint8), new_randomness(randomness, scheme), places
            )
