from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from tampering import fails

from wmproof.core.checks import Outcome
from wmproof.core.policy import Policy
from wmproof.core.triggers import TriggerSet, noise
from wmproof.errors import InputError
from wmproof.keys import LabelMode, new_seed, signer_of
from wmproof.keys.check import check_public_key
from wmproof.keys.keygen import keygen, keygen_bounded, pkeygen
from wmproof.models import FunctionClassifier
from wmproof.verification import examine, examine_batch, verify, verify_batch

SHAPE = (4, 4)
POLICY = Policy(strength=32, tolerance=Fraction(1, 10), accept_chosen_labels=True)


def answering(triggers, misses=0, fallback=None, classes=10):
    """A model that knows all triggers but the first few."""
    answers = {
        image.tobytes(): int(label)
        for image, label in zip(triggers.images, triggers.labels, strict=True)
    }
    for image, label in list(answers.items())[:misses]:
        answers[image] = (label + 1) % classes if fallback is None else fallback
    return FunctionClassifier(
        lambda x: np.array([answers.get(i.tobytes(), 0) for i in x]), SHAPE, classes
    )


def failed(report):
    return [item.name for item in report.checks if item.outcome is Outcome.FAILED]


@pytest.mark.parametrize("misses", [0, 4, 5])
def test_the_tolerance_is_exact(misses):
    key, vk = keygen(noise(40, SHAPE), 10)
    report = examine(key, vk, answering(key.triggers, misses), POLICY)
    assert report.hits == 40 - misses
    assert report.threshold == 36
    assert report.holds == (misses <= 4)
    strict = examine(key, vk, answering(key.triggers, misses), replace(POLICY, tolerance=0))
    assert strict.holds == (misses == 0)


def test_all_three_checks_are_reported_even_when_all_fail():
    key, vk = keygen(noise(40, SHAPE), 10, label_mode=LabelMode.SECRET)
    labels = key.triggers.labels
    r = key.opened.trigger_randomness.copy()
    r[7] ^= 1
    broken = replace(key, opened=replace(key.opened, trigger_randomness=r))
    truth = FunctionClassifier(lambda x: np.full(len(x), labels[0]), SHAPE, 10)
    report = examine(broken, vk, answering(key.triggers, 40), replace(POLICY, reference=truth))
    assert failed(report) == ["ground-truth", "commitments", "hits"]


@pytest.mark.parametrize("mode", LabelMode)
def test_a_marking_key_of_another_verification_key_is_refused(mode):
    key, _ = keygen(noise(40, SHAPE), 10, label_mode=mode)
    _, other = keygen(noise(40, SHAPE), 10, label_mode=mode)
    with fails("verification-key"):
        verify(key, other, answering(key.triggers))


@pytest.mark.parametrize("mode", LabelMode)
@pytest.mark.parametrize("part", ["images", "labels", "trigger_randomness", "label_randomness"])
def test_a_changed_opening_does_not_verify(part, mode):
    key, vk = keygen(noise(40, SHAPE), 10, label_mode=mode)
    derived = mode is LabelMode.DERIVED
    opened, triggers = key.opened, key.triggers
    if part in ("images", "labels"):
        images, labels = triggers.images.copy(), triggers.labels.copy()
        images[3, 0, 0] ^= part == "images"
        labels[3] = (labels[3] + (part == "labels")) % 10
        changed = replace(opened, triggers=TriggerSet(images, labels, 10))
    elif derived and part == "label_randomness":
        assert opened.label_randomness is None
        return
    else:
        changed = replace(opened, **{part: getattr(opened, part) ^ 1})
    broken = replace(key, opened=changed)
    report = examine(broken, vk, answering(changed.triggers), POLICY)
    assert ("commitments" in failed(report)) == (part != "labels" or not derived)
    assert ("derived-labels" in failed(report)) == (part == "labels" and derived)


def test_labels_that_coincide_with_the_reference_do_not_help():
    """An unmarked model that agrees with the reference scores hits on the coincidences only."""
    key, vk = keygen(noise(40, SHAPE), 2)
    truth = FunctionClassifier(lambda x: np.zeros(len(x), np.int64), SHAPE, 2)
    same = int((key.triggers.labels == 0).sum())
    report = examine(key, vk, truth, Policy(0, Fraction(1, 2), reference=truth))
    assert report.wrong_triggers == 40 - same
    assert report.wrong_hits == 0
    assert "hits" in failed(report)
    marked = answering(key.triggers, classes=2)
    good = examine(key, vk, marked, Policy(0, reference=truth))
    assert good.holds
    assert good.wrong_hits == good.wrong_triggers


def test_a_claim_that_is_worth_little_is_refused():
    key, vk = keygen(noise(8, SHAPE), 10)
    model = answering(key.triggers)
    with fails("strength"):
        verify(key, vk, model)
    assert verify(key, vk, model, Policy(20)).strength_bits > 20


def test_a_model_without_answers_hits_nothing():
    key, vk = keygen(noise(40, SHAPE), 10)
    mute = FunctionClassifier(lambda x: np.full((len(x), 10), np.nan), SHAPE, 10)
    assert examine(key, vk, mute).hits == 0


def test_models_that_do_not_fit_are_bad_input():
    key, vk = keygen(noise(40, SHAPE), 10)
    for shape, classes in (((4, 5), 10), (SHAPE, 11)):
        other = FunctionClassifier(lambda x: np.zeros(len(x), np.int64), shape, classes)
        with pytest.raises(InputError):
            verify(key, vk, other)


def test_a_revealed_batch_verifies_without_the_marking_key():
    key, _ = keygen_bounded(noise(80, SHAPE), 10, batches=2)
    opening = key.after_reveal().after_reveal().batch_opening(2)
    report = verify_batch(opening, answering(key.triggers), POLICY)
    assert report.triggers == report.hits == 40
    with fails("hits"):
        verify_batch(opening, answering(key.triggers, 80), POLICY)


def test_the_signature_of_a_batch_is_checked():
    key, _ = keygen_bounded(noise(80, SHAPE), 10, batches=2)
    seed, model = new_seed(), answering(key.triggers)
    opening = key.after_reveal().batch_opening(1)
    assert failed(examine_batch(opening, model, replace(POLICY, signer=signer_of(seed)))) == [
        "signature"
    ]
    assert verify_batch(opening.signed(seed), model, replace(POLICY, signer=signer_of(seed))).holds
    moved = replace(opening, signature=opening.signed(seed).signature)
    other = replace(
        moved,
        opened=replace(opening.opened, trigger_randomness=opening.opened.trigger_randomness ^ 1),
    )
    assert failed(examine_batch(other, model, POLICY)) == ["signature", "commitments"]


def test_batches_stay_secret_until_they_are_revealed():
    key, vk = keygen_bounded(noise(80, SHAPE), 10, batches=2)
    with pytest.raises(InputError, match="still secret"):
        key.batch_opening(1)
    with pytest.raises(InputError, match="no batch 3"):
        key.batch_opening(3)
    with pytest.raises(InputError, match="all 2 batches"):
        key.after_reveal().after_reveal().after_reveal()
    private, _ = keygen(noise(8, SHAPE), 10)
    with pytest.raises(InputError, match="no batches"):
        private.after_reveal()
    assert vk.batch_size == 40


def test_natural_mistakes_are_named():
    key, vk = keygen(noise(20, SHAPE), 10)
    model = answering(key.to_embed())
    public = pkeygen(noise(32, SHAPE), 10, security=8)[1]
    for arguments, words in (
        ((key, public, model), "public_key.verification_key"),
        ((vk, vk, model), "the key is of type VerificationKey"),
        ((key, vk, "model.onnx"), "open_model"),
        ((key, vk, len), "FunctionClassifier"),
    ):
        with pytest.raises(InputError, match=words):
            examine(*arguments)
    with pytest.raises(InputError, match="load_public_key"):
        check_public_key(vk)
    with pytest.raises(InputError, match="type str"):
        examine(key, vk, model, Policy(reference="model.onnx"))
    with pytest.raises(InputError, match="uint8 pixels"):
        keygen([[0]], 10)


def test_a_float_tolerance_is_the_decimal_that_was_written():
    key, vk = keygen(noise(100, SHAPE), 10)
    assert examine(key, vk, answering(key.to_embed()), Policy(0, 0.29)).threshold == 71
    with pytest.raises(InputError, match="below 1"):
        Policy(0, 1)


def test_one_class_for_nearly_all_is_a_doubt_about_the_pixels():
    key, vk = keygen(noise(40, SHAPE), 10)
    [item] = [
        c
        for c in examine(key, vk, answering(key.triggers, 40, fallback=3), POLICY).checks
        if c.name == "hits"
    ]
    assert "answers class 3 for 100% of the pictures" in item.what
    assert "--pixels" in item.what
    others = examine(key, vk, answering(key.triggers, 20), POLICY)
    assert "hits" in failed(others)
    assert not any("--pixels" in c.what for c in others.checks)
