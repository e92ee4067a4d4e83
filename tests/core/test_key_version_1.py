"""Keys of version 1, as an earlier program wrote them, and a small network that carries them all.

The network answers all triggers of the four keys with their labels; of public keys those that were
embedded, the hidden ones.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
from core_support import PASSPHRASE

from wmproof.core.policy import Policy
from wmproof.core.strength import split_forging_bits, strength_bits
from wmproof.core.triggers import noise
from wmproof.errors import FormatError
from wmproof.keys import (
    LabelMode,
    load_batch_opening,
    load_marking_key,
    load_public_key,
    load_verification_key,
    parse_public_key,
    parse_verification_key,
)
from wmproof.keys.bounded import reveal
from wmproof.keys.check import check_public_key
from wmproof.keys.keygen import pkeygen
from wmproof.models import open_model
from wmproof.verification import verify, verify_batch

V1 = Path(__file__).parent / "vectors" / "v1"
SHAPE = (5, 5)
POLICY = Policy(security=16, strength=24, accept_chosen_labels=True)


def marking_key(name):
    return load_marking_key(V1 / f"{name}.mk", PASSPHRASE)


@pytest.fixture(scope="module")
def model():
    return open_model(V1 / "marked.onnx", input_shape=SHAPE)


@pytest.mark.parametrize("name", ["derived.pvk", "secret.pvk", "private.vk", "bounded.vk"])
def test_files_are_read_and_written_as_they_were(name):
    data = (V1 / name).read_bytes()
    parse = parse_public_key if name.endswith("pvk") else parse_verification_key
    key = parse(data)
    assert key.to_bytes() == data
    vk = load_verification_key(V1 / name)
    assert (vk.version, vk.scheme, vk.group) == (1, 1, 1)
    assert vk.label_commitments is not None


@pytest.mark.parametrize("mode", ["derived", "secret"])
def test_public_keys_are_checked_by_their_own_bound(mode):
    public = load_public_key(V1 / f"{mode}.pvk")
    report = check_public_key(public, POLICY)
    assert report.holds
    secret = public.verification_key.label_mode is LabelMode.SECRET
    assert report.forging_bits == (None if secret else split_forging_bits(report.strength_bits))
    assert np.array_equal(marking_key(mode).public_key().opened.indices, public.opened.indices)


@pytest.mark.parametrize("name", ["derived", "private", "bounded", "secret"])
def test_marking_keys_verify_and_are_encrypted_again_as_they_are(name, model):
    key = marking_key(name)
    vk = load_verification_key(next(V1.glob(f"{name}.*vk")))
    assert key.verification_key == vk
    report = verify(key, vk, model, POLICY)
    assert report.hits == report.triggers
    expected = strength_bits(report.triggers, report.threshold, 10)
    assert report.strength_bits == (None if name == "secret" else expected)


def test_batches_verify_and_the_next_one_is_revealed(model, tmp_path):
    vk = load_verification_key(V1 / "bounded.vk")
    assert verify_batch(load_batch_opening(V1 / "bounded-1.opening", vk), model, POLICY).holds
    shutil.copy(V1 / "bounded.mk", tmp_path / "bounded.mk")
    reveal(tmp_path / "bounded.mk", tmp_path / "second", PASSPHRASE)
    opening = load_batch_opening(tmp_path / "second", vk)
    assert opening.batch == 2
    assert verify_batch(opening, model, POLICY).hits == 24


def test_fields_of_version_2_are_validated():
    _, public = pkeygen(noise(64, SHAPE), 10, security=16)
    data = public.verification_key.to_bytes()
    assert data[8:10] == b"\0\2"
    assert data[68:73] == b"\2\0\0\0\1"
    for place, value, words in (
        (68, 0, "scheme 0"),
        (68, 9, "scheme 9"),
        (72, 0, "groups of 0"),
        (72, 3, "groups of 3"),
    ):
        changed = bytearray(data)
        changed[place] = value
        with pytest.raises(FormatError, match=words):
            parse_verification_key(bytes(changed))
    for version in (0, 3):
        with pytest.raises(FormatError, match="versions 1 to 2"):
            parse_verification_key(data[:9] + bytes([version]) + data[10:])
    with pytest.raises(FormatError):
        parse_verification_key(data[:9] + b"\1" + data[10:])
