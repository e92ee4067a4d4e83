"""The transcript's file: its vector, its one encoding, and everything that is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tampering import fails, flip

from wmproof.core.triggers import noise
from wmproof.errors import FormatError, VerificationError
from wmproof.keys import signer_of
from wmproof.keys.keygen import keygen, keygen_bounded
from wmproof.models import FunctionClassifier
from wmproof.models.base import trigger_hits
from wmproof.models.open_inference import (
    Attempt,
    AttemptKind,
    QueryTranscript,
    TranscriptClassifier,
    parse_transcript,
)
from wmproof.models.open_inference.protocol import encode_request, read_metadata

ROOT = Path(__file__).parents[2]
VECTOR = json.loads((Path(__file__).parent / "vectors/vectors.json").read_text())
SEED = bytes.fromhex(VECTOR["seed"])
DATA = bytes.fromhex(VECTOR["transcript"])


def test_the_vector():
    attempts = (
        Attempt(AttemptKind.HEALTH, 1000, 1250, 200, b"", b""),
        Attempt(AttemptKind.INFER, 1000, 1250, 0, b"{}", b"ReadTimeout"),
    )
    made = QueryTranscript("http://127.0.0.1:8080", "digits", "", bytes(range(32)), attempts)
    assert made.signed(SEED).to_bytes() == DATA
    assert made.signed(SEED).digest.hex() == VECTOR["sha256"]
    assert VECTOR["sha256"] in (ROOT / "docs/formats.md").read_text()
    parsed = parse_transcript(DATA)
    parsed.check_signature(signer_of(SEED))
    assert (parsed.attempts, parsed.to_bytes()) == (attempts, DATA)


@given(
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.lists(
        st.builds(
            Attempt,
            st.sampled_from(AttemptKind),
            st.integers(0, 2**64 - 1),
            st.integers(0, 2**64 - 1),
            st.integers(0, 2**16 - 1),
            st.binary(max_size=40),
            st.binary(max_size=40),
        ),
        max_size=4,
    ),
)
def test_transcripts_have_one_encoding(name, attempts):
    made = QueryTranscript(name, name, name, bytes(32), tuple(attempts)).signed(SEED)
    parsed = parse_transcript(made.to_bytes())
    assert parsed.to_bytes() == made.to_bytes()
    assert parsed.attempts == tuple(attempts)


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_parser(data):
    with pytest.raises(FormatError):
        parse_transcript(data)


def test_every_changed_byte_is_noticed():
    for position in range(len(DATA)):
        with pytest.raises((FormatError, VerificationError)):
            parse_transcript(flip(DATA, position)).check_signature(signer_of(SEED))


def test_cut_longer_and_unsigned_ones_are_refused():
    for data in (DATA[:-1], DATA + b"\0", DATA[:-97] + b"\0"):
        with pytest.raises(FormatError):
            parse_transcript(data)


METADATA = json.dumps(
    {
        "name": "m",
        "inputs": [{"name": "x", "datatype": "UINT8", "shape": [-1, 4, 4]}],
        "outputs": [{"name": "y", "datatype": "INT64", "shape": [-1]}],
    }
).encode()


@pytest.fixture(scope="module")
def key():
    return keygen_bounded(noise(8, (4, 4)), 10, batches=2)[1]


@pytest.fixture
def record(key):
    """Two requests of two pictures each, and their answers; with the pictures."""
    images = noise(4, (4, 4))
    metadata = read_metadata(METADATA, "m", "here")
    attempts = [Attempt(AttemptKind.METADATA, 0, 0, 200, b"", METADATA)]
    for number in range(2):
        request = encode_request(metadata, images[2 * number : 2 * number + 2], number)
        output = {"name": "y", "datatype": "INT64", "shape": [2], "data": [number, 9]}
        reply = json.dumps({"model_name": "m", "outputs": [output]}).encode()
        attempts.append(Attempt(AttemptKind.INFER, 0, 0, 200, request, reply))
    return images, QueryTranscript("here", "m", "", key.digest, tuple(attempts)).signed(SEED)


def test_a_record_answers_what_was_answered(record, key):
    images, transcript = record
    classifier = TranscriptClassifier(transcript, key, signer=signer_of(SEED))
    assert classifier.classify(images).tolist() == [0, 9, 1, 9]


def test_it_answers_nothing_else(record, key):
    images, transcript = record
    classifier = TranscriptClassifier(transcript, key)
    more = np.concatenate([images, images[:1]])
    for other in (images[:3], images[::-1], more, images ^ 1):
        with pytest.raises(VerificationError, match="exactly these pictures"):
            classifier.classify(other)


def test_failed_attempts_do_not_count(record, key):
    images, transcript = record
    failed = replace(transcript.attempts[1], status=503, reply=b"")
    attempts = (transcript.attempts[0], failed, *transcript.attempts[1:])
    again = replace(transcript, attempts=attempts).signed(SEED)
    assert TranscriptClassifier(again, key).classify(images).tolist() == [0, 9, 1, 9]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a[1:], "metadata 0 times"),
        (lambda a: (a[0], *a), "metadata 2 times"),
        (lambda a: a[:1], "no pictures"),
        (lambda a: (a[0], a[2], a[1]), "canonical"),
        (lambda a: (a[0], a[1], a[1]), "canonical"),
        (lambda a: (a[0], replace(a[1], request=a[1].request + b" "), a[2]), "canonical"),
        (lambda a: (a[0], replace(a[1], request=b"{}"), a[2]), "without the list"),
        (lambda a: (a[0], replace(a[1], reply=b"[]"), a[2]), "no object"),
        (lambda a: (replace(a[0], reply=b"{"), *a[1:]), "no JSON"),
    ],
)
def test_a_record_that_is_no_complete_run_is_refused(record, key, change, words):
    _, transcript = record
    other = replace(transcript, attempts=change(transcript.attempts)).signed(SEED)
    with fails("transcript", words):
        TranscriptClassifier(other, key)


def test_other_keys_and_signers_are_refused(record, key):
    _, transcript = record
    _, other = keygen_bounded(noise(8, (4, 4)), 10, batches=2)
    with pytest.raises(VerificationError, match="another verification key"):
        TranscriptClassifier(transcript, other)
    with pytest.raises(VerificationError, match="another key than expected"):
        TranscriptClassifier(transcript, key, signer=bytes(32))
    with pytest.raises(VerificationError, match="not signed"):
        TranscriptClassifier(replace(transcript, signature=None), key)


@pytest.mark.parametrize("announced", [3, -1])
def test_a_group_is_hit_by_the_record_as_it_was_live(announced):
    """Sums of logits are replayed, and answers are not counted in their place."""
    group = 4
    key, vk = keygen(noise(30 * group, (4, 4)), 3, group=group)
    triggers = key.triggers
    said = np.eye(3)[(triggers.labels + 1) % 3]
    said[::group] = 9 * np.eye(3)[triggers.labels[::group]]
    described = {
        "name": "m",
        "inputs": [{"name": "x", "shape": [-1, 4, 4], "datatype": "UINT8"}],
        "outputs": [{"name": "y", "shape": [-1, announced], "datatype": "FP32"}],
    }
    about = json.dumps(described).encode()
    attempts = [Attempt(AttemptKind.METADATA, 1, 2, 200, b"", about)]
    metadata = read_metadata(about, "m", "here")
    for number, start in enumerate(range(0, len(triggers), 50)):
        part = said[start : start + 50]
        output = {"name": "y", "shape": [*part.shape], "datatype": "FP32"}
        reply = {"model_name": "m", "outputs": [output | {"data": part.ravel().tolist()}]}
        asked = encode_request(metadata, triggers.images[start : start + 50], number)
        attempts.append(Attempt(AttemptKind.INFER, 1, 2, 200, asked, json.dumps(reply).encode()))
    record = QueryTranscript("here", "m", "", vk.digest, tuple(attempts)).signed(SEED)
    assert trigger_hits(TranscriptClassifier(record, vk), triggers).all()
    live = FunctionClassifier(lambda _: said, (4, 4), 3)
    assert trigger_hits(live, triggers).all()
