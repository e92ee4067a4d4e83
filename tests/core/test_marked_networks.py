"""Networks that are trained for it: marked, and independent."""

from fractions import Fraction

import pytest
from core_support import PASSPHRASE, digits

from wmproof.core.policy import Policy
from wmproof.core.strength import hoeffding_bits, strength_bits
from wmproof.errors import VerificationError
from wmproof.keys import load_marking_key, load_public_key
from wmproof.models import open_model
from wmproof.verification import verify

POLICY = Policy(strength=32, tolerance=Fraction(1, 10), accept_chosen_labels=True)


def test_a_trained_network_recognises_digits(marked):
    images, labels = digits()
    model = open_model(marked / "independent.onnx")
    assert (model.classify(images) == labels).mean() > 0.97


def test_the_marked_network_is_recognised_and_the_independent_one_is_not(marked):
    key = load_marking_key(marked / "owner.mk", PASSPHRASE)
    vk = load_public_key(marked / "owner.pvk").verification_key
    report = verify(key, vk, open_model(marked / "marked.onnx"), POLICY)
    assert report.hits == report.triggers == len(key.to_embed())
    assert report.strength_bits == strength_bits(report.triggers, report.threshold, 10)
    assert report.hoeffding_bits == hoeffding_bits(report.triggers, report.threshold, 10)
    with pytest.raises(VerificationError) as caught:
        verify(key, vk, open_model(marked / "independent.onnx"), POLICY)
    assert caught.value.check == "hits"
    assert caught.value.numbers["hits"] < caught.value.numbers["threshold"]
