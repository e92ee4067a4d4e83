"""Claims as files: a marked model's is accepted, and nothing else is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wmproof.errors import FormatError, InputError, VerificationError
from wmproof.keygen import pkeygen
from wmproof.keys import KdfCost, save_marking_key, save_published
from wmproof.pverify.claim_file import ClaimHeader, encode_claim, parse_claim
from wmproof.pverify.prover import prove_claim
from wmproof.pverify.verifier import verify_claim
from wmproof.triggers import noise

ROOT = Path(__file__).parents[2]
SECURITY = 16


def accepts(case, claim, **options):
    given = {"model": case.marked, "public_key": case.public, "minimum_security": SECURITY}
    return verify_claim(claim=claim, **(given | options))


def test_a_marked_models_claim_is_accepted(case):
    report = accepts(case, case.claim)
    assert report.hidden == len(case.key.to_embed())
    assert report.security_bits >= 100
    assert report.strength_bits > 50
    assert not report.interactive


def test_the_same_key_makes_any_number_of_different_claims(case):
    again = prove_claim(case.marked, case.key, case.public)
    assert again != case.claim
    accepts(case, again)


def test_an_unmarked_model_has_no_claim(case):
    with pytest.raises(InputError, match="nothing to prove"):
        prove_claim(case.unmarked, case.key, case.public)


def changed(case, **fields):
    header, argument = parse_claim(case.claim)
    return encode_claim(replace(header, **fields), argument)


@pytest.mark.parametrize(
    ("fields", "check"),
    [
        ({"model_digest": bytes(32)}, "model"),
        ({"key_digest": bytes(32)}, "key"),
        ({"circuit_digest": bytes(32)}, "circuit"),
        ({"threshold": 1}, "threshold"),
        ({"threshold": 2**32 - 1}, "threshold"),
        ({"chunk_bits": 9}, "encoding"),
        ({"chunk_bits": 2}, "encoding"),
    ],
)
def test_a_changed_header_is_named(case, fields, check):
    with pytest.raises(VerificationError) as caught:
        accepts(case, changed(case, **fields))
    assert caught.value.check == check


def test_a_claim_of_fewer_hits_does_not_become_one_of_more(case):
    least = parse_claim(case.claim)[0].threshold
    with pytest.raises(VerificationError):
        accepts(case, changed(case, threshold=least + 1))


def test_another_model_is_another_claim(case):
    with pytest.raises(VerificationError, match="another model"):
        accepts(case, case.claim, model=case.unmarked)


def test_a_weak_key_is_refused(case):
    with pytest.raises(VerificationError) as caught:
        accepts(case, case.claim, minimum_security=128)
    assert caught.value.check == "security"


def test_another_key_is_refused(case):
    _, other = pkeygen(noise(64, (8, 8)), 10, security=SECURITY)
    with pytest.raises(VerificationError) as caught:
        accepts(case, case.claim, public_key=other)
    assert caught.value.check == "key"
    with pytest.raises(InputError, match="not of one key"):
        prove_claim(case.marked, case.key, other)


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_parser(data):
    with pytest.raises(FormatError):
        parse_claim(data)


def test_a_cut_or_longer_claim_is_refused(case):
    for data in (case.claim[:-1], case.claim + b"\0", case.claim[:200], case.claim[:12], b""):
        with pytest.raises(FormatError):
            parse_claim(data)


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**32 - 1), st.binary(max_size=50))
def test_claims_have_one_encoding(digest, threshold, argument):
    header = ClaimHeader(digest, digest, digest, threshold, 3)
    assert parse_claim(encode_claim(header, argument)) == (header, argument)


def run(*arguments):
    search = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": search, "WMPROOF_PASSPHRASE": "correct horse"},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_the_commands_prove_and_verify(case, tmp_path):
    save_marking_key(tmp_path / "k.mk", case.key, "correct horse", cost=KdfCost.INTERACTIVE)
    save_published(tmp_path / "k.pvk", case.public)
    public = ("--public-key", tmp_path / "k.pvk")
    proof = tmp_path / "claim.proof"
    made = run(
        "-m", "wmproof", "prove", case.marked, "--key", tmp_path / "k.mk", *public, "-o", proof
    )
    assert made.returncode == 0, made.stderr
    check = ("--proof", proof, "--minimum-security", SECURITY, "--json")
    good = run("-m", "wmproof", "pverify", case.marked, *public, *check)
    assert good.returncode == 0, good.stderr
    assert json.loads(good.stdout)["holds"]
    bad = run("-m", "wmproof", "pverify", case.unmarked, *public, *check)
    assert bad.returncode == 1
    assert json.loads(bad.stdout)["error"]["check"] == "model"
    shown = run("-m", "wmproof", "inspect", proof, "--json")
    assert json.loads(shown.stdout)["file"] == "zero-knowledge claim"


def test_the_verifier_loads_no_prover_and_no_torch():
    program = (
        "import sys, wmproof.pverify.verifier, wmproof.pverify.session; "
        "print([m for m in sys.modules if 'prover' in m or m.split('.')[0] == 'torch' "
        "or m.endswith(('.trace', '.witness'))])"
    )
    done = run("-c", program)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
