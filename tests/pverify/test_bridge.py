"""The circuit must answer as the model does, on pictures that the claimant did not choose."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from onnx import TensorProto, helper
from tampering import fails

from wmproof.circuit.compile import compile_model
from wmproof.core.policy import Policy
from wmproof.core.reading import Reading
from wmproof.errors import InputError, VerificationError
from wmproof.keys import PublicKey
from wmproof.models.file import ModelFile
from wmproof.models.written import written
from wmproof.pverify import bridge
from wmproof.pverify.prover import prove_claim
from wmproof.pverify.verifier import verify_claim

POLICY = Policy(strength=24, tolerance=0.1, security=16)


def judged(case, policy):
    public: PublicKey = case.public
    return verify_claim(case.marked, public, case.claim, policy)


def test_what_was_compared_is_said(case):
    own = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    report = judged(case, replace(POLICY, images=own))
    sets = {item.name: item for item in report.agreements}
    assert sets["pictures of the judge"].pictures == 20
    assert sets["probe pictures"].pictures == bridge.SHOWN
    assert all(item.share >= Fraction(9, 10) for item in sets.values())
    assert report.to_dict()["agreement"][0]["name"] == "probe pictures"


def test_a_circuit_that_does_not_stand_for_its_model_is_refused(case, monkeypatch):
    """As if the compiler had read another network: the float model's answers are moved by one."""
    answers = bridge.circuit_answers
    monkeypatch.setattr(bridge, "circuit_answers", lambda *given: (answers(*given) + 1) % 10)
    with fails("agreement", "does not stand for this model"):
        judged(case, POLICY)
    with pytest.raises(VerificationError, match="does not stand for this model"):
        prove_claim(case.marked, case.key, case.public, POLICY)


def test_pictures_of_another_shape_are_bad_input(case):
    with pytest.raises(InputError, match="takes images of"):
        judged(case, replace(POLICY, images=np.zeros((3, 9, 9), np.uint8)))


def test_scores_that_are_constant_but_for_rounding_stand_for_nothing():
    """The mean of what a normalisation gives is 0: whoever computes it answers by how he rounds."""
    nodes = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("LayerNormalization", ["floats", "gain"], ["normal"], axis=-1),
        helper.make_node("ReduceMean", ["normal", "axis"], ["means"], keepdims=0),
        helper.make_node("Flatten", ["means"], ["scores"]),
    ]
    numbers = {"gain": np.ones(6, np.float32), "axis": np.array([3])}
    ends = {
        "pixels": (TensorProto.UINT8, ["N", 3, 4, 6]),
        "scores": (TensorProto.FLOAT, ["N", 12]),
    }
    model = written(nodes, ends, numbers, opset=18).SerializeToString()
    policy = Policy(reading=Reading(layout="NCHW"))
    pictures = np.random.default_rng(0).integers(0, 256, (24, 3, 4, 6), dtype=np.uint8)
    circuit = compile_model(model, pictures, reading=policy.reading).circuit
    found = bridge.measure_agreement(ModelFile(model, {}), circuit, pictures, policy)
    with pytest.raises(VerificationError, match="does not stand for this model"):
        bridge.check_agreement(found, policy)
