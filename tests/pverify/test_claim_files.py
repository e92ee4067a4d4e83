"""Claims as files: a marked model's is accepted, and nothing else is."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from json_output import parse_output
from onnx import numpy_helper
from own_process import python, wmproof
from tampering import fails

from wmproof.core.policy import Policy
from wmproof.core.triggers import noise
from wmproof.errors import FormatError, InputError, VerificationError
from wmproof.keys import KdfCost, save_marking_key, save_published
from wmproof.keys.keygen import pkeygen
from wmproof.pverify import verifier
from wmproof.pverify.claim_file import ClaimHeader, encode_claim, parse_claim
from wmproof.pverify.prover import prove_claim
from wmproof.pverify.verifier import verify_claim

SECURITY = 16
POLICY = Policy(strength=24, tolerance=0.1, security=SECURITY, accept_chosen_labels=True)


def accepts(case, claim, **options):
    given = {"model": case.marked, "public_key": case.public, "policy": POLICY}
    return verify_claim(claim=claim, **(given | options))


def test_a_marked_models_claim_is_accepted(case):
    report = accepts(case, case.claim)
    assert report.hidden == len(case.key.to_embed())
    assert report.security_bits >= 100
    assert report.strength_bits > 50
    assert not report.interactive


def test_the_same_key_makes_any_number_of_different_claims(case):
    again = prove_claim(case.marked, case.key, case.public, POLICY)
    assert again != case.claim
    accepts(case, again)


def test_claims_are_made_and_checked_side_by_side(case):
    """As by the threads of a server, which share what kernels run on."""
    broken = case.claim[:-1] + bytes([case.claim[-1] ^ 1])
    with ThreadPoolExecutor(3) as pool:
        made = pool.submit(prove_claim, case.marked, case.key, case.public, POLICY)
        refused, accepted = (pool.submit(accepts, case, c) for c in (broken, case.claim))
    assert isinstance(refused.exception(), VerificationError)
    assert accepted.result().hidden == len(case.key.to_embed())
    accepts(case, made.result())


def test_an_unmarked_model_has_no_claim(case):
    with pytest.raises(VerificationError, match="nothing to prove"):
        prove_claim(case.unmarked, case.key, case.public, POLICY)


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
        ({"triggers": 0}, "sample"),
        ({"triggers": 2**32 - 1}, "sample"),
        ({"triggers": 3}, "strength"),
    ],
)
def test_a_changed_header_is_named(case, fields, check):
    with fails(check):
        accepts(case, changed(case, **fields))


def test_a_claim_of_fewer_hits_does_not_become_one_of_more(case):
    least = parse_claim(case.claim)[0].threshold
    with pytest.raises(VerificationError):
        accepts(case, changed(case, threshold=least + 1))


def test_another_model_is_another_claim(case):
    with pytest.raises(VerificationError, match="another model"):
        accepts(case, case.claim, model=case.unmarked)


def test_a_verifier_does_no_work_for_a_claim_that_cost_nothing(case, monkeypatch):
    """Neither a bare header nor chunks of one trigger make it compile or rehearse anything."""

    def compiled(*_arguments):
        pytest.fail("the verifier compiled the model")

    monkeypatch.setattr(verifier, "open_public_model", compiled)
    header, _ = parse_claim(case.claim)
    for bits in (0, 8):
        bare = encode_claim(replace(header, chunk_bits=bits), bytes(19))
        with pytest.raises(VerificationError, match="too short"):
            accepts(case, bare)
    public, key = big_key()
    tiny = replace(header, key_digest=key, chunk_bits=0, threshold=256, triggers=None, version=1)
    with pytest.raises(VerificationError, match="too many"):
        accepts(case, encode_claim(tiny, bytes(1 << 20)), public_key=public, policy=Policy())


def big_key():
    _, public = pkeygen(noise(1024, (8, 8)), 10, security=256)
    return public, public.verification_key.digest


def test_a_weak_key_is_refused(case):
    with fails("security"):
        accepts(case, case.claim, policy=Policy(strength=24))


def test_another_key_is_refused(case):
    _, other = pkeygen(noise(64, (8, 8)), 10, security=SECURITY)
    with fails("key"):
        accepts(case, case.claim, public_key=other)
    with pytest.raises(InputError, match="not of one key"):
        prove_claim(case.marked, case.key, other, POLICY)


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
    for version, triggers in ((1, None), (2, 0), (2, threshold), (3, 0), (3, threshold)):
        header = ClaimHeader(digest, digest, digest, threshold, 3, triggers, version)
        assert parse_claim(encode_claim(header, argument)) == (header, argument)


def test_the_commands_prove_and_verify(case, tmp_path):
    save_marking_key(tmp_path / "k.mk", case.key, "correct horse", cost=KdfCost.INTERACTIVE)
    save_published(tmp_path / "k.pvk", case.public)
    public = ("--public-key", tmp_path / "k.pvk")
    proof = tmp_path / "claim.proof"
    out = ("-o", proof, "--minimum-strength", 32)
    word = {"WMPROOF_PASSPHRASE": "correct horse"}
    made = wmproof("prove", case.marked, "--key", tmp_path / "k.mk", *public, *out, env=word)
    assert made.returncode == 0, made.stderr
    check = ("--proof", proof, "--minimum-security", SECURITY, "--minimum-strength", 24, "--json")
    good = wmproof("pverify", case.marked, *public, *check)
    assert good.returncode == 0, good.stderr
    assert parse_output(good.stdout)["holds"]
    bad = wmproof("pverify", case.unmarked, *public, *check)
    assert bad.returncode == 1
    assert parse_output(bad.stdout)["error"]["check"] == "model"
    shown = wmproof("inspect", proof, "--json")
    assert parse_output(shown.stdout)["file"] == "zero-knowledge claim"


def test_the_verifier_loads_no_prover_and_no_torch():
    program = (
        "import sys, wmproof.pverify.verifier, wmproof.pverify.session; "
        "print([m for m in sys.modules if 'prover' in m or m.split('.')[0] == 'torch' "
        "or m.endswith(('.trace', '.witness'))])"
    )
    done = python(program)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_a_model_that_answers_one_class_is_asked_about_its_pixels(case, tmp_path):
    model = onnx.load(case.marked)
    last = next(n for n in reversed(model.graph.node) if n.op_type == "Gemm")
    bias = next(t for t in model.graph.initializer if t.name == last.input[2])
    values = numpy_helper.to_array(bias) + 500 * np.eye(10, dtype=np.float32)[3]
    bias.CopyFrom(numpy_helper.from_array(values, bias.name))
    onnx.save(model, tmp_path / "one.onnx")
    with pytest.raises(VerificationError, match=r"answers class 3 for 100% .*--pixels"):
        prove_claim(tmp_path / "one.onnx", case.key, case.public, POLICY)
