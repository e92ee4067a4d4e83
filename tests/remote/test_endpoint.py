"""Models behind MLServer, a real server of the protocol."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from json_output import parse_output
from needs import needs

from wmproof.core.policy import Policy
from wmproof.core.reading import Reading
from wmproof.core.triggers import noise
from wmproof.errors import InputError, VerificationError
from wmproof.models import open_model
from wmproof.models.open_inference import (
    AttemptKind,
    Limits,
    OpenInferenceClassifier,
    QueryTranscript,
    TranscriptClassifier,
)
from wmproof.verification import examine_batch, verify_batch

ROOT = Path(__file__).parents[2]
FAST = Limits(requests_per_second=200)
SEED = bytes(range(32))

# A batch of 40 is worth 133 bits at most, and this small network misses a few.
POLICY = Policy(strength=64)
LESS = ("--minimum-strength", "64")


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
    report = verify_batch(owner.opening, ask(server, "digits", owner), POLICY)
    assert report.hits >= report.threshold
    with pytest.raises(VerificationError, match="are needed"):
        verify_batch(owner.opening, ask(server, "other", owner), POLICY)


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
    started = time.monotonic()
    model = OpenInferenceClassifier(
        server, "digits", input_shape=(8, 8), batch=4, limits=limits, record=sent.append
    )
    model.classify(owner.opening.opened.triggers.images[:20].reshape(20, *model.input_shape))
    taken = time.monotonic() - started
    assert len(sent) == 7
    assert taken >= 6 / 20  # the first may be sent at once, and by the clock that the limit goes by


@pytest.fixture(scope="module")
def transcript(server, owner):
    attempts = []
    verify_batch(owner.opening, ask(server, "fixed", owner, record=attempts.append), POLICY)
    record = QueryTranscript(server, "fixed", "", owner.key.digest, attempts)
    return record.signed(SEED)


def test_a_recorded_run_verifies_again_without_the_server(transcript, owner, server):
    again = verify_batch(owner.opening, TranscriptClassifier(transcript, owner.key), POLICY)
    first = verify_batch(owner.opening, ask(server, "fixed", owner), POLICY)
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
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def signer(owner):
    needs("openssl")
    path = owner.folder / "s.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", path], check=True)
    subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-out", f"{path}.pub"], check=True)
    return path


def test_the_commands_ask_record_and_replay(server, owner, signer):
    batch = ("--vk", "k.vk", "--opening", "k.opening", "--json")
    asked = ("--endpoint", server, "--requests-per-second", "50", "--model-name")
    record = ("--transcript", "run.transcript", "--sign-with", signer)
    done = run(
        owner,
        "verify",
        "--minimum-strength",
        "64",
        *asked,
        "digits",
        *record,
        *batch,
        WMPROOF_ENDPOINT_TOKEN="s3cret",
    )
    report = parse_output(done.stdout)
    assert report["holds"]
    assert report["endpoint"] == server
    assert b"s3cret" not in (owner.folder / "run.transcript").read_bytes()
    replayed = run(
        owner,
        "verify",
        "--minimum-strength",
        "64",
        "--replay",
        "run.transcript",
        "--recorded-by",
        f"{signer}.pub",
        *batch,
    )
    again = parse_output(replayed.stdout)
    assert again["hits"] == report["hits"]
    seen = parse_output(run(owner, "inspect", "run.transcript", "--json").stdout)
    assert seen["transcript_sha256"] == again["transcript_sha256"]
    assert seen["answered"] == seen["attempts"] == 5
    no = run(owner, "verify", *LESS, *asked, "other", *batch, code=1)
    assert not parse_output(no.stdout)["holds"]
    other = run(
        owner,
        "verify",
        "--minimum-strength",
        "64",
        "--replay",
        "run.transcript",
        "--recorded-by",
        "00" * 32,
        *batch,
        code=1,
    )
    assert parse_output(other.stdout)["error"]["check"] == "signature"


def test_secret_triggers_are_shown_only_when_told(server, owner, signer):
    private = ("--vk", "k.vk", "--key", "k.mk")
    asked = ("--endpoint", server, "--model-name", "digits", "--requests-per-second", "50")
    record = ("--transcript", "private.transcript", "--sign-with", signer)
    refused = run(owner, "verify", *LESS, *asked, *private, code=2)
    assert "--show-triggers" in refused.stderr
    assert "whoever runs the endpoint" in " ".join(refused.stderr.split())
    told = run(
        owner,
        "verify",
        "--minimum-strength",
        "64",
        *asked,
        *private,
        *record,
        "--show-triggers",
        "--json",
    )
    assert "warning" in told.stderr
    assert parse_output(told.stdout)["holds"]
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
    done = run(
        owner,
        "verify",
        "--minimum-strength",
        "64",
        *options,
        "--vk",
        "k.vk",
        "--opening",
        "k.opening",
        code=2,
    )
    assert words in " ".join(done.stderr.split())


EXAMINE = ("examine", "--requests-per-second", "200", "--json", "--model-name")


@pytest.mark.parametrize("name", ["digits", "labels", "fixed"])
def test_an_endpoint_is_examined_with_a_revealed_batch(server, owner, name):
    batch = ("--vk", "k.vk", "--opening", "k.opening")
    found = parse_output(run(owner, *EXAMINE, name, "--endpoint", server, *batch).stdout)
    assert (found["found"], found["provable"]) == (True, False)
    assert found["trials"][0]["preparation"] == "pixels 0 to 255, NCHW"
    assert found["trials"][0]["hits"] >= 36
    assert (found["endpoint"], found["model_name"]) == (server, name)
    words = shlex.split(found["next"])
    assert words[:2] == ["wmproof", "verify"]
    fast = ("--requests-per-second", "200", *LESS)
    assert "the claim holds" in run(owner, *words[1:], *fast).stdout


def test_an_endpoint_of_floats_is_asked_under_every_preparation(server, owner):
    batch = ("--vk", "k.vk", "--opening", "k.opening")
    found = parse_output(run(owner, *EXAMINE, "floats", "--endpoint", server, *batch).stdout)
    assert found["found"]
    assert {trial["preparation"] for trial in found["trials"]} == {
        f"{scale}, NCHW" for scale in ("pixels 0 to 255", "pixels 0 to 1", "pixels -1 to 1")
    }
    assert "pixels 0 to 255, NCHW" in found["alike"]
    other = run(owner, *EXAMINE, "other", "--endpoint", server, *batch, code=1)
    assert parse_output(other.stdout)["next"] is None


FOREIGN = ("--mean", "0.5", "--std", "0.5", "--layout", "NHWC")


def test_an_endpoint_of_other_pixels_is_examined_and_verified(server, owner, signer):
    batch = ("--vk", "k.vk", "--opening", "k.opening")
    found = parse_output(run(owner, *EXAMINE, "foreign", "--endpoint", server, *batch).stdout)
    # A network of relus hardly minds a factor; whatever is proposed has to hold.
    assert found["found"]
    assert "pixels -1 to 1, NHWC" in found["alike"]
    words = shlex.split(found["next"])
    assert words[:2] == ["wmproof", "verify"]
    assert "NHWC" in words
    record = ("--transcript", "foreign.transcript", "--sign-with", signer)
    fast = ("--requests-per-second", "200", *LESS)
    assert "the claim holds" in run(owner, *words[1:], *fast).stdout
    asked = ("--endpoint", server, "--model-name", "foreign", *FOREIGN)
    first = parse_output(run(owner, "verify", *asked, *batch, *fast, *record, "--json").stdout)
    local = open_model(
        owner.folder / "foreign.onnx",
        input_shape=owner.key.image_shape,
        reading=Reading(mean=(0.5,), std=(0.5,), layout="NHWC"),
    )
    assert first["hits"] == examine_batch(owner.opening, local, POLICY).hits
    replay = ("verify", "--replay", "foreign.transcript", *batch, *LESS, "--json")
    again = parse_output(run(owner, *replay, *FOREIGN).stdout)
    assert (again["hits"], again["holds"]) == (first["hits"], True)
    assert again["reading"] == first["reading"] == "pixels 0 to 1, mean 0.5, std 0.5, NHWC"
    # What was sent was prepared so, and not otherwise.
    other = run(owner, *replay, "--mean", "0.5", "--std", "0.25", "--layout", "NHWC", code=1)
    assert "prepared as you say" in parse_output(other.stdout)["error"]["what"]
    run(owner, *replay, code=1)


def test_bytes_are_always_raw_and_outputs_have_names(server, owner):
    batch = ("--vk", "k.vk", "--opening", "k.opening", "--endpoint", server)
    asked = ("verify", "--requests-per-second", "200", *batch, "--model-name", "digits")
    assert "always raw" in run(owner, *asked, "--pixels", "unit", code=2).stderr
    assert "no output 'logit'" in run(owner, *asked, "--output", "logit", code=2).stderr
    assert "holds" in run(owner, *asked, *LESS, "--output", "scores").stdout


def test_secret_triggers_are_not_shown_unasked(server, owner):
    key = ("--endpoint", server, "--key", "k.mk")
    refused = run(owner, *EXAMINE, "digits", *key, code=2)
    assert "--show-triggers" in parse_output(refused.stdout)["error"]["what"]
    shown = run(owner, *EXAMINE, "digits", *key, "--show-triggers")
    assert "warning" in shown.stderr
    assert "--show-triggers" in parse_output(shown.stdout)["next"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--key", "k.mk"),
        ("marked.onnx",),
        ("marked.onnx", "--key", "k.mk", "--show-triggers"),
        ("marked.onnx", "--key", "k.mk", "--vk", "k.vk"),
        ("--endpoint", "http://localhost:1", "--key", "k.mk"),
        ("marked.onnx", "--endpoint", "http://localhost:1", "--model-name", "x", "--key", "k.mk"),
    ],
)
def test_what_makes_no_sense_is_refused(owner, arguments):
    assert "Usage" in run(owner, "examine", *arguments, code=2).stderr
