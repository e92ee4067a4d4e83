import math
from dataclasses import replace

import numpy as np
import pytest
from same_keys import same_keys

from wmproof.commitment import SCHEMES, Kind, Places, label_messages
from wmproof.core.policy import Policy
from wmproof.core.strength import forging_bits, strength_bits
from wmproof.core.triggers import TriggerSet, noise
from wmproof.errors import InputError, VerificationError
from wmproof.keys import KeyKind, LabelMode, PublicKey, VerificationKey
from wmproof.keys.check import check_public_key, examine_public_key
from wmproof.keys.keygen import keygen, pkeygen
from wmproof.models import FunctionClassifier

SHAPE = (4, 4)


def constant(answer, classes=10):
    return FunctionClassifier(lambda x: np.full(len(x), answer), SHAPE, classes)


def forged(secret, labels) -> PublicKey:
    """A public key whose labels a cheat chose, with commitments that open."""
    key, opened = secret.verification_key, secret.opened
    commitments = None
    if key.commits_to_labels:
        commitments = SCHEMES[key.scheme].commit(
            label_messages(labels),
            opened.label_randomness,
            Places(key.key_id, opened.indices, Kind.LABEL),
        )
    vk = replace(key, kind=KeyKind.PUBLIC, label_commitments=commitments)
    everything = replace(opened, triggers=TriggerSet(opened.triggers.images, labels, key.classes))
    return PublicKey(vk, everything.select(vk.opened_indices()))


LAX = Policy(security=0, strength=0, accept_chosen_labels=True)


def failing(public, **demands) -> str:
    with pytest.raises(VerificationError) as caught:
        check_public_key(public, replace(LAX, **demands))
    return caught.value.check


def test_an_honest_key_passes():
    _, public = pkeygen(noise(512, SHAPE), 10)
    report = check_public_key(public)
    hidden = 512 - len(public.opened)
    assert report.holds
    assert report.security == 128
    assert report.soundness.hidden == hidden
    assert report.soundness.hidden_good_at_least == hidden - 127
    assert strength_bits(hidden, report.threshold, 10) >= 128
    assert strength_bits(hidden, report.threshold - 1, 10) < 128
    assert report.strength_bits == strength_bits(hidden, report.threshold, 10)
    assert report.forging_bits == forging_bits(report.strength_bits)


def test_weak_keys_are_refused_unless_asked_for():
    _, public = pkeygen(noise(64, SHAPE), 10, security=16)
    assert failing(public, security=128) == "security"
    assert check_public_key(public, replace(LAX, security=16)).security == 16


def test_a_cheat_with_j_bad_elements_passes_with_probability_2_to_the_minus_j():
    """The real check on 3000 forged keys with j = 3 elements of the ground truth's label.

    Binomial with p = 1/8, five standard deviations; the keys are the same in every run.
    """
    runs, bad, truth = 3000, 3, 7
    passed = 0
    with same_keys():
        for _ in range(runs):
            secret, _ = keygen(
                noise(8, SHAPE), 10, label_mode=LabelMode.SECRET, reference=constant(truth)
            )
            labels = secret.triggers.labels.copy()
            labels[:bad] = truth
            lax = replace(LAX, reference=constant(truth))
            passed += examine_public_key(forged(secret, labels), lax).holds
    p = 2.0**-bad
    assert abs(passed / runs - p) < 5 * math.sqrt(p * (1 - p) / runs)


def test_forgiven_elements_enter_the_soundness():
    bad = 0
    while not bad:
        secret, _ = keygen(noise(64, SHAPE), 10, label_mode=LabelMode.SECRET, reference=constant(7))
        labels = secret.triggers.labels.copy()
        labels[:12] = 7
        public = forged(secret, labels)
        bad = int((public.opened.triggers.labels == 7).sum())
    assert failing(public, reference=constant(7)) == "ground-truth"
    report = check_public_key(public, replace(LAX, reference=constant(7), forgiven=12))
    assert report.soundness.bad_opened == bad
    assert report.soundness.bad_at_most > check_public_key(public, LAX).soundness.bad_at_most
    hidden = report.soundness.hidden
    assert report.threshold == hidden - hidden // 10
    assert report.strength_bits is None
    assert report.forging_bits is None


def test_secret_labels_avoid_the_reference():
    _, public = pkeygen(
        noise(64, SHAPE), 10, security=16, label_mode=LabelMode.SECRET, reference=constant(3)
    )
    assert not (public.opened.triggers.labels == 3).any()
    assert check_public_key(public, replace(LAX, reference=constant(3))).holds


def test_chosen_labels_under_the_derived_mode_are_caught():
    secret, _ = keygen(noise(64, SHAPE), 10)
    assert failing(forged(secret, (secret.triggers.labels + 1) % 10)) == "derived-labels"


def test_derived_labels_coincide_with_a_reference_by_chance_only():
    secret, public = pkeygen(noise(512, SHAPE), 10)
    report = check_public_key(public, Policy(reference=constant(3)))
    assert report.coincide.sum() == (public.opened.triggers.labels == 3).sum()
    answers = {
        image.tobytes(): label
        for image, label in zip(secret.triggers.images, secret.triggers.labels, strict=True)
    }
    knowing = FunctionClassifier(lambda x: np.array([answers[i.tobytes()] for i in x]), SHAPE, 10)
    assert failing(public, reference=knowing) == "ground-truth"


@pytest.mark.parametrize("part", ["trigger_randomness", "label_randomness", "images", "labels"])
@pytest.mark.parametrize("mode", LabelMode)
def test_an_opening_that_does_not_open_is_located(part, mode):
    _, public = pkeygen(noise(64, SHAPE), 10, security=16, label_mode=mode)
    opened = public.opened
    if part == "label_randomness" and mode is LabelMode.DERIVED:
        with pytest.raises(InputError, match="commits to"):
            replace(public, opened=replace(opened, label_randomness=opened.trigger_randomness))
        return
    triggers = opened.triggers
    if part == "images":
        images = triggers.images.copy()
        images[2, 0, 0] ^= 1
        changed = replace(opened, triggers=TriggerSet(images, triggers.labels, 10))
    elif part == "labels":
        labels = triggers.labels.copy()
        labels[2] = (labels[2] + 1) % 10
        changed = replace(opened, triggers=TriggerSet(triggers.images, labels, 10))
    else:
        r = getattr(opened, part).copy()
        r[2, 63] ^= 1
        changed = replace(opened, **{part: r})
    with pytest.raises(VerificationError) as caught:
        check_public_key(replace(public, opened=changed), LAX)
    derived = part == "labels" and mode is LabelMode.DERIVED
    assert caught.value.check == ("derived-labels" if derived else "commitments")
    assert caught.value.numbers["failed"] == 1
    assert caught.value.numbers["first_index"] == opened.indices[2]


@pytest.mark.parametrize("mode", LabelMode)
def test_the_challenge_depends_on_every_commitment(mode):
    _, public = pkeygen(noise(512, SHAPE), 10, label_mode=mode)
    vk = public.verification_key
    for name in ("trigger_commitments", "label_commitments")[: 1 + vk.commits_to_labels]:
        digests = getattr(vk, name).copy()
        digests[-1, -1] ^= 1
        other = replace(vk, **{name: digests})
        # 512 fair coins: fewer than 150 changes have probability below 2**-64.
        assert (other.challenge() != vk.challenge()).sum() > 150
    assert isinstance(vk, VerificationKey)


def test_the_challenge_is_fair():
    """40 keys of 512 coins, the same in every run; five standard deviations."""
    with same_keys():
        ones = sum(len(pkeygen(noise(512, SHAPE), 10)[1].opened) for _ in range(40))
    assert abs(ones - 40 * 256) < 5 * math.sqrt(40 * 512 / 4)
