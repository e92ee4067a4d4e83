"""Claims by keys of version 1, which an earlier program wrote; `tests/core` checks the rest."""

from pathlib import Path

import pytest

from wmproof.core.policy import Policy
from wmproof.core.strength import split_forging_bits
from wmproof.keys import load_marking_key, load_public_key
from wmproof.pverify.prover import prove_claim
from wmproof.pverify.verifier import verify_claim

V1 = Path(__file__).parents[1] / "core" / "vectors" / "v1"
POLICY = Policy(security=16, strength=24, accept_chosen_labels=True)
PASSPHRASE = "correct horse battery staple"


@pytest.mark.parametrize("mode", ["derived", "secret"])
def test_claims_are_made_and_judged_by_the_bound_of_version_1(mode):
    public = load_public_key(V1 / f"{mode}.pvk")
    key = load_marking_key(V1 / f"{mode}.mk", PASSPHRASE)
    claim = prove_claim(V1 / "marked.onnx", key, public, POLICY)
    report = verify_claim(V1 / "marked.onnx", public, claim, POLICY)
    expected = split_forging_bits(report.strength_bits) if mode == "derived" else None
    assert report.forging_bits == expected
