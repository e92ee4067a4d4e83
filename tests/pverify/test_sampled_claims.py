"""Claims about a sample as files: who says how many, what they are worth, what grinding gains."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from hashlib import sha256

import numpy as np
import onnx
import pytest
from scipy.stats import binom, hypergeom

from wmproof.argument.system.prover import prove
from wmproof.circuit.evaluate import classify
from wmproof.core.policy import Policy
from wmproof.core.strength import strength_bits
from wmproof.core.triggers import noise
from wmproof.errors import InputError, ProofError, VerificationError
from wmproof.keys.keygen import pkeygen
from wmproof.keys.worth import GRINDING_BITS, demand_of_claim, sample_size
from wmproof.pverify.claim_file import encode_claim, parse_claim
from wmproof.pverify.prover import prove_claim
from wmproof.pverify.statement import NON_INTERACTIVE, context_of, open_public_model
from wmproof.pverify.verifier import verify_claim
from wmproof.relation.claim.prover import ClaimProof
from wmproof.relation.claim.sample import draw_sample

SECURITY = 16
POLICY = Policy(strength=0, security=SECURITY)
FALSE_ALARM = 1e-6


@pytest.fixture(scope="module")
def size(case):
    return len(case.public.verification_key.hidden_indices()) - 2


@pytest.fixture(scope="module")
def claim(case, size):
    """One or two of the hidden triggers may miss, by the mark's training."""
    given = (case.marked, case.key, case.public, POLICY)
    return prove_claim(*given, triggers=size, threshold=size - 3)


def worth(case, size):
    classes = case.public.verification_key.classes
    return max(0.0, strength_bits(size, size - 3, classes) - 64)


def test_what_a_sample_is_worth_is_its_own_tail_less_grinding(case, claim, size):
    report = verify_claim(case.marked, case.public, claim, POLICY)
    assert (report.triggers, report.hidden) == (size, size + 2)
    assert report.grinding_bits == GRINDING_BITS == 64
    assert report.strength_bits == report.forging_bits == worth(case, size)
    assert report.to_dict()["triggers"] == size
    assert f"{size - 3} of {size} triggers that chance drew" in report.hits
    whole = verify_claim(case.marked, case.public, case.claim, replace_strength(24))
    assert (whole.grinding_bits, whole.triggers) == (0, whole.hidden)
    assert whole.strength_bits > report.strength_bits


def replace_strength(bits):
    return Policy(strength=bits, security=SECURITY)


def test_the_judges_floor_is_compared_after_grinding_is_taken_off(case, claim, size):
    bits = worth(case, size)
    verify_claim(case.marked, case.public, claim, replace_strength(bits))
    with pytest.raises(VerificationError) as caught:
        verify_claim(case.marked, case.public, claim, replace_strength(bits + 0.5))
    assert caught.value.check in ("strength", "threshold")


@pytest.mark.parametrize("change", [None, 0, 1, -1, "one less", "one more", 2**32 - 1])
def test_another_number_of_triggers_is_another_claim(case, claim, size, change):
    header, argument = parse_claim(claim)
    triggers = {"one less": size - 1, "one more": size + 1, -1: size + 2}.get(change, change)
    version = 1 if triggers is None else header.version
    changed = encode_claim(replace(header, triggers=triggers, version=version), argument)
    with pytest.raises(VerificationError):
        verify_claim(case.marked, case.public, changed, POLICY)


@pytest.fixture(scope="module")
def padded(case):
    """The argument of a claim about all triggers as versions before 3 had it, axes being padded."""
    header, _ = parse_claim(case.claim)
    public = open_public_model(case.marked, case.public, POLICY)
    embedded, vk = case.key.embedded(), case.public.verification_key
    given = {"context": public.context, "chunk_bits": header.chunk_bits, "most_blocks": 1}
    proof = ClaimProof(public.circuit, vk, header.threshold, embedded, **given)
    return proof.inner + prove(proof, proof.witness(), NON_INTERACTIVE, proof.layout.largest)


def test_a_file_of_version_1_is_about_all(case, padded):
    """The argument of a claim about all triggers is the same under the header of version 2."""
    header, _ = parse_claim(case.claim)
    assert header.triggers == len(case.public.verification_key.hidden_indices())
    old = encode_claim(replace(header, triggers=None, version=1), padded)
    assert old[8:10] == b"\0\1"
    second = encode_claim(replace(header, version=2), padded)
    assert len(old) == len(second) - 4
    for claim in (old, second):
        report = verify_claim(case.marked, case.public, claim, replace_strength(24))
        assert report.triggers == report.hidden
        assert report.header == parse_claim(claim)[0]


def test_each_version_has_its_own_layout(case, padded):
    header, argument = parse_claim(case.claim)
    assert header.version == 3
    for changed in (
        encode_claim(replace(header, version=2), argument),
        encode_claim(replace(header, triggers=None, version=1), argument),
        encode_claim(header, padded),
    ):
        with pytest.raises(ProofError):
            verify_claim(case.marked, case.public, changed, replace_strength(24))


def test_chosen_labels_have_no_sample(secret_case):
    policy = Policy(strength=0, security=SECURITY, accept_chosen_labels=True)
    with pytest.raises(InputError, match="the owner chose"):
        sample_size(policy, secret_case.public.verification_key)
    given = (secret_case.marked, secret_case.key, secret_case.public, policy)
    with pytest.raises(InputError, match="the owner chose"):
        prove_claim(*given, triggers=5)
    header, argument = parse_claim(secret_case.claim)
    changed = encode_claim(replace(header, triggers=5), argument)
    with pytest.raises(VerificationError) as caught:
        verify_claim(secret_case.marked, secret_case.public, changed, policy)
    assert caught.value.check == "sample"


# How many are enough.


# All of about 256, where no smaller sample is enough.
EXPECTED = {(10, Fraction(9, 10)): 76, (1000, Fraction(9, 10)): 24, (10, 1): 58, (1000, 1): 20}


@pytest.mark.parametrize("classes", [2, 10, 1000])
@pytest.mark.parametrize("rate", [Fraction(9, 10), Fraction(1)])
def test_auto_is_the_smallest_sample_that_is_enough(classes, rate):
    vk = pkeygen(noise(512, (1, 8, 8)), classes, security=128)[1].verification_key
    size = sample_size(Policy(), vk, rate)
    hidden = len(vk.hidden_indices())
    assert 0 < size <= hidden
    if size < hidden:
        assert strength_bits(size, int(rate * size), classes) - 64 >= 128
        assert demand_of_claim(Policy(), vk, size).reachable
    for smaller in range(1, size):
        assert strength_bits(smaller, int(rate * smaller), classes) - 64 < 128
    if (classes, rate) in EXPECTED:
        assert size == EXPECTED[classes, rate]


def test_a_stated_rate_that_no_sample_satisfies_takes_all():
    vk = pkeygen(noise(64, (1, 8, 8)), 10, security=16)[1].verification_key
    assert sample_size(Policy(), vk) == len(vk.hidden_indices())
    for rate in (Fraction(0), Fraction(11, 10)):
        with pytest.raises(InputError, match="hit rate"):
            sample_size(Policy(), vk, rate)


def test_a_sample_that_can_never_be_enough_is_refused_at_once(case):
    with pytest.raises(InputError, match="--triggers") as caught:
        prove_claim(case.marked, case.key, case.public, replace_strength(24), triggers=5)
    assert "24 that are asked for" in str(caught.value)


# Grinding of the model's file.


def variant(model, number):
    """A file of the same network."""
    loaded = onnx.load_from_string(model)
    loaded.doc_string = f"variant {number}"
    return loaded.SerializeToString()


def test_grinding_files_passes_at_the_predicted_rate(case):
    """An unmarked network: files are made until some sample of it has the hits."""
    model, vk = case.unmarked.read_bytes(), case.public.verification_key
    public = open_public_model(model, case.public, POLICY)
    hidden = case.key.to_embed()
    images = hidden.images.reshape(-1, *public.circuit.input_shape)
    hit = classify(public.circuit, images) == hidden.labels
    if not hit.any():
        pytest.skip("this network hits none of these triggers")
    size, tries = 4, 600
    chance = hypergeom.sf(0, len(hit), int(hit.sum()), size)
    passing, failing = [], []
    for number in range(tries):
        file = variant(model, number)
        context = context_of(sha256(file).digest(), POLICY.pixels)
        proved = draw_sample(vk, size, context=context, circuit_digest=public.circuit_digest)
        lucky = hit[np.searchsorted(vk.hidden_indices(), proved)].any()
        (passing if lucky else failing).append(file)
    low, high = (
        binom.ppf(FALSE_ALARM / 2, tries, chance),
        binom.isf(FALSE_ALARM / 2, tries, chance),
    )
    assert low <= len(passing) <= high
    # What was ground is what the commands do: the first of each kind, from file to verdict.
    claim = prove_claim(passing[0], case.key, case.public, POLICY, triggers=size, threshold=1)
    assert verify_claim(passing[0], case.public, claim, POLICY).strength_bits == 0
    for file in failing[:1]:
        with pytest.raises(VerificationError, match="nothing to prove"):
            prove_claim(file, case.key, case.public, POLICY, triggers=size, threshold=1)
