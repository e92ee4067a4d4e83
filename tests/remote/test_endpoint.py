"""Models behind MLServer, a real server of the protocol."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from wmproof.errors import InputError, VerificationError
from wmproof.models import open_model
from wmproof.models.open_inference import (
    AttemptKind,
    Limits,
    OpenInferenceClassifier,
    QueryTranscript,
    TranscriptClassifier,
)
from wmproof.triggers import noise
from wmproof.verification import verify_batch

ROOT = Path(__file__).parents[2]
FAST = Limits(requests_per_second=200)
SEED = bytes(range(32))


def ask(server, name, owner, **options):
    shape = owner.key.image_shape
    return OpenInferenceClassifier(server, name, input_shape=shape, limits=FAST, **options)


@pytest.mark.parametrize("name", ["digits", "floats", "labels", "fixed"])
def test_answers_are_those_of_the_file(server, owner, name):
    local = open_model(owner.folder / "marked.onnx")
    model = ask(server, name, owner, model_version="v1")
    images = noise(37, local.input_shape)
    assert np.array_equal(model.classify(images), local.classify(images))
    assert model.input_shape == local.input_shape
    assert model.classes == (None if name == "labels" else 10)
    assert model.classify(images[:0]).shape == (0,)


def test_a_revealed_batch_convinces(server, owner):
    report = verify_batch(owner.opening, ask(server, "digits", owner))
    assert report.hits >= report.threshold
    with pytest.raises(VerificationError, match="are needed"):
        verify_batch(owner.opening, ask(server, "other", owner))


@pytest.mark.parametrize("name", ["nothing", "a/b", "../health", "digits?x"])
def test_a_model_that_is_not_there(server, owner, name):
    with pytest.raises(InputError, match="status 404"):
        ask(server, name, owner)


def test_a_version_that_is_not_there(server, owner):
    with pytest.raises(InputError, match="status 404"):
        ask(server, "digits", owner, model_version="v7")


def test_the_rate_is_kept(server, owner):
    sent = []
    limits = Limits(requests_per_second=20)
    model = OpenInferenceClassifier(
        server, "digits", input_shape=(8, 8), batch=4, limits=limits, record=sent.append
    )
    model.classify(owner.opening.opened.triggers.images[:20].reshape(20, *model.input_shape))
    times = [attempt.sent_ms for attempt in sent]
    assert len(times) == 7
    assert times[-1] - times[0] >= 6 * 1000 / 20 - 2


@pytest.fixture(scope="module")
def transcript(server, owner):
    attempts = []
    verify_batch(owner.opening, ask(server, "fixed", owner, record=attempts.append))
    record = QueryTranscript(server, "fixed", "", owner.key.digest, attempts)
    return record.signed(SEED)


def test_a_recorded_run_verifies_again_without_the_server(transcript, owner, server):
    again = verify_batch(owner.opening, TranscriptClassifier(transcript, owner.key))
    first = verify_batch(owner.opening, ask(server, "fixed", owner))
    assert again == first


def test_a_record_holds_every_query(transcript):
    kinds = [attempt.kind for attempt in transcript.attempts]
    assert kinds == [AttemptKind.HEALTH, AttemptKind.METADATA, *3 * [AttemptKind.INFER]]
    assert all(attempt.sent_ms <= attempt.received_ms for attempt in transcript.attempts)


def run(owner, *arguments, code=0, **environment):
    done = subprocess.run(
        [sys.executable, "-m", "wmproof", *map(str, arguments)],
        cwd=owner.folder,
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "WMPROOF_PASSPHRASE": "correct horse"}
        | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def signer(owner):
    path = owner.folder / "s.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", path], check=True)
    subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-out", f"{path}.pub"], check=True)
    return path


def test_the_commands_ask_record_and_replay(server, owner, signer):
    batch = ("--vk", "k.vk", "--opening", "k.opening", "--json")
    asked = ("--endpoint", server, "--requests-per-second", "50", "--model-name")
    record = ("--transcript", "run.transcript", "--sign-with", signer)
    done = run(owner, "verify", *asked, "digits", *record, *batch, WMPROOF_ENDPOINT_TOKEN="s3cret")
    report = json.loads(done.stdout)
    assert report["holds"]
    assert report["endpoint"] == server
    assert b"s3cret" not in (owner.folder / "run.transcript").read_bytes()
    replayed = run(
        owner, "verify", "--replay", "run.transcript", "--recorded-by", f"{signer}.pub", *batch
    )
    again = json.loads(replayed.stdout)
    assert again["hits"] == report["hits"]
    seen = json.loads(run(owner, "inspect", "run.transcript", "--json").stdout)
    assert seen["sha256"] == again["transcript_sha256"]
    assert seen["answered"] == seen["attempts"] == 5
    no = run(owner, "verify", *asked, "other", *batch, code=1)
    assert not json.loads(no.stdout)["holds"]
    other = run(
        owner, "verify", "--replay", "run.transcript", "--recorded-by", "00" * 32, *batch, code=1
    )
    assert json.loads(other.stdout)["error"]["check"] == "signature"


def test_secret_triggers_are_shown_only_when_told(server, owner, signer):
    private = ("--vk", "k.vk", "--key", "k.mk")
    asked = ("--endpoint", server, "--model-name", "digits", "--requests-per-second", "50")
    record = ("--transcript", "private.transcript", "--sign-with", signer)
    refused = run(owner, "verify", *asked, *private, code=2)
    assert "--show-triggers" in refused.stderr
    assert "whoever runs the endpoint" in " ".join(refused.stderr.split())
    told = run(owner, "verify", *asked, *private, *record, "--show-triggers", "--json")
    assert "warning" in told.stderr
    assert json.loads(told.stdout)["holds"]
    assert (owner.folder / "private.transcript").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "one of MODEL.onnx, --endpoint and --replay"),
        (("marked.onnx", "--replay", "x"), "one of MODEL.onnx"),
        (("--endpoint", "http://127.0.0.1:9"), "go together"),
        (("marked.onnx", "--transcript", "x"), "go with --endpoint"),
        (("--endpoint", "http://h", "--model-name", "m", "--transcript", "x"), "--sign-with"),
        (("marked.onnx", "--recorded-by", "x"), "--replay"),
        (("--endpoint", "ftp://h", "--model-name", "m"), "http://"),
        (("--replay", "k.vk"), "not a wmproof query transcript"),
    ],
)
def test_options_that_do_not_fit(owner, options, words):
    done = run(owner, "verify", *options, "--vk", "k.vk", "--opening", "k.opening", code=2)
    assert words in " ".join(done.stderr.split())
