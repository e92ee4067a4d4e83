"""Groups of triggers with one label: coins are counted by group, whatever the pictures do."""

import dataclasses

import numpy as np
import pytest

from wmproof.core.diversity import closest_copies
from wmproof.core.labels import derive_labels
from wmproof.core.policy import Policy
from wmproof.core.strength import strength_bits
from wmproof.core.triggers import TriggerSet, noise
from wmproof.errors import FormatError, InputError
from wmproof.keys import LabelMode, parse_public_key, parse_verification_key
from wmproof.keys.check import examine_public_key
from wmproof.keys.keygen import keygen, keygen_bounded, pkeygen
from wmproof.keys.marking_key import parse_secret_bytes
from wmproof.models import FunctionClassifier, TorchClassifier
from wmproof.models.base import strictly_largest, trigger_hits
from wmproof.models.ending import undone
from wmproof.verification import examine

SHAPE, GROUP, CLASSES = (6, 6), 4, 10
LAX = Policy(security=1, strength=1)


@pytest.fixture(scope="module")
def private():
    return keygen(noise(60 * GROUP, SHAPE), CLASSES, group=GROUP)


@pytest.fixture(scope="module")
def public():
    return pkeygen(noise(32 * GROUP, SHAPE), CLASSES, security=8, group=GROUP)


def answering(triggers, answers):
    """Answer each of the triggers as said, and everything else with class 0."""
    known = dict(zip((t.tobytes() for t in triggers.images), answers, strict=True))
    return FunctionClassifier(
        lambda images: np.array([known.get(i.tobytes(), 0) for i in images]), SHAPE, CLASSES
    )


def test_the_labels_of_a_group_are_one_coin(private):
    _, vk = private
    labels = vk.derived_labels()
    assert vk.coins == 60
    assert np.array_equal(labels, np.repeat(labels[::GROUP], GROUP))
    assert np.array_equal(labels[::GROUP], derive_labels(vk.root, count=vk.coins, classes=CLASSES))


def test_an_adversary_who_answers_a_group_alike_gains_nothing_by_its_pictures(private):
    """He hits a tenth of the groups; counted by picture, that would be four coins for each."""
    key, vk = private
    generator = np.random.default_rng(8)
    found = []
    for _ in range(40):
        answers = np.repeat(generator.integers(0, CLASSES, vk.coins), GROUP)
        report = examine(key, vk, answering(key.triggers, answers), LAX)
        assert report.triggers == vk.coins
        assert report.observed_bits == strength_bits(vk.coins, report.hits, CLASSES)
        found.append(report.observed_bits)
    # Of 40 honest tails none is below 2**-36 but with probability below 1e-9. Counted by picture,
    # 12 of 60 groups (one in 60 such adversaries) would already be 48 of 240 hits: 20 bits.
    assert max(found) < 36
    assert strength_bits(240, 48, CLASSES) > strength_bits(60, 12, CLASSES) + 10


def test_a_marked_model_hits_all_groups_and_a_claim_counts_groups(private):
    key, vk = private
    report = examine(key, vk, answering(key.triggers, key.triggers.labels), Policy())
    assert (report.hits, report.triggers) == (60, 60)
    assert report.holds
    assert report.observed_bits == pytest.approx(strength_bits(60, 60, CLASSES))


def test_a_group_is_opened_or_hidden_as_a_whole(public):
    key, pvk = public
    vk = pvk.verification_key
    opened = vk.challenge().reshape(-1, GROUP)
    assert np.array_equal(opened, np.repeat(opened[:, :1], GROUP, axis=1))
    assert 0 < opened[:, 0].sum() < vk.coins
    assert (vk.coins, vk.security) == (32, 8)
    assert key.to_embed().coins == vk.hidden_coins == int((~opened[:, 0]).sum())
    assert parse_public_key(pvk.to_bytes()).to_bytes() == pvk.to_bytes()
    assert parse_secret_bytes(key.to_secret_bytes()).verification_key == vk
    report = examine_public_key(pvk, LAX)
    assert report.holds
    assert (report.soundness.triggers, report.soundness.hidden) == (32, vk.hidden_coins)
    with pytest.raises(InputError, match="as a whole"):
        key.triggers.select(np.arange(1, 1 + GROUP))


@pytest.mark.parametrize(
    ("sums", "hit"),
    [
        ([0.0, 2.0, 1.0], True),
        ([2.0, 2.0, 1.0], False),
        ([0.0, 1.0, 2.0], False),
        ([0.0, np.nan, 1.0], False),
        ([np.nan, 2.0, 1.0], False),
        ([-np.inf, 2.0, 1.0], False),
        ([0.0, np.inf, 1.0], False),
    ],
)
def test_a_tie_and_what_is_no_number_are_misses(sums, hit):
    assert strictly_largest(np.array([sums]), np.array([1])).tolist() == [hit]


def test_scores_are_added_up_and_answers_counted_where_there_are_none():
    torch = pytest.importorskip("torch")
    images = noise(8, (1, 2))
    triggers = TriggerSet(images, np.array([0] * 4 + [1] * 4), 3, 4)

    class Table(torch.nn.Module):
        def forward(self, pixels):
            return table[: len(pixels)]

    # Group 0: one sure picture against three that lean to class 1. Group 1: a tie of counts.
    table = torch.tensor([[9.0, 0, 0], *[[0, 1.0, 0]] * 3, *[[0, 2.0, 0]] * 2, *[[1.0, 0, 0]] * 2])
    assert trigger_hits(TorchClassifier(Table(), (1, 2)), triggers).tolist() == [True, True]
    scored = FunctionClassifier(lambda _: table.numpy(), (1, 2))
    assert trigger_hits(scored, triggers).tolist() == [True, True]
    counted = FunctionClassifier(lambda _: table.numpy().argmax(axis=1), (1, 2))
    assert trigger_hits(counted, triggers).tolist() == [False, False]


def softmax(logits):
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def scoring(triggers, scores):
    return FunctionClassifier(lambda _: scores, triggers.image_shape, triggers.classes)


def test_distributions_of_a_model_nobody_can_look_into_are_taken_for_shares():
    """A service that answers with shares hits what its logits hit; sums of shares would not."""
    generator = np.random.default_rng(4)
    labels = np.repeat(generator.integers(0, CLASSES, 60), GROUP)
    triggers = TriggerSet(noise(60 * GROUP, SHAPE), labels, CLASSES, GROUP)
    logits = generator.normal(scale=4, size=(len(triggers), CLASSES))
    logits[np.arange(len(triggers)), labels] += 3
    shares = softmax(logits)
    hits = trigger_hits(scoring(triggers, logits), triggers)
    assert 20 < hits.sum() < 55
    for said in (shares, shares.astype(np.float32)):
        assert np.array_equal(hits, trigger_hits(scoring(triggers, said), triggers))
    sums = shares.reshape(60, GROUP, CLASSES).sum(axis=1)
    assert (strictly_largest(sums, labels[::GROUP]) != hits).any()


@pytest.mark.parametrize("change", [-1e-9, 0.5, 1.5, np.nan])
def test_one_picture_that_is_no_distribution_leaves_all_scores_what_they_are(private, change):
    triggers = private[0].triggers
    scores = softmax(np.random.default_rng(5).normal(scale=4, size=(len(triggers), CLASSES)))
    scores[0, 0] = change
    assert np.array_equal(undone(scores), scores, equal_nan=True)


@pytest.mark.parametrize(("classes", "digits"), [(10, 2), (10, 3), (100, 3), (1000, 3), (1000, 4)])
def test_rounded_shares_of_many_classes_are_shares(classes, digits):
    """A service rounds each number: sums of a thousand are off by half of a last digit each."""
    logits = np.random.default_rng(4).normal(scale=3, size=(240, classes))
    shares = softmax(logits).round(digits)
    assert classes < 1000 or abs(shares.sum(axis=1) - 1).max() > 0.004
    logs = undone(shares)
    assert np.array_equal(logs[shares > 0], np.log(shares[shares > 0]))
    assert np.isfinite(logs).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_share_of_nothing_is_half_of_the_smallest_and_no_veto(dtype):
    least = np.finfo(dtype).smallest_subnormal
    shares = np.array([[1, 0, 0], [0.5, 0.5, least]], dtype=dtype).astype(np.float64)
    logs = undone(shares)
    assert np.isfinite(logs).all()
    assert logs[0, 1] == pytest.approx(np.log(float(least)) - np.log(2))
    sure = undone(np.array([[1.0, 0, 0], [1, 0, 0], [0, 1, 0]])).sum(axis=0)
    assert strictly_largest(sure[None], np.array([0])).all()


def test_an_accuser_gains_nothing_by_loud_scores_or_shares(private):
    """Labels fall after the pictures: however a network answers them, a group is one coin."""
    key, vk = private
    generator = np.random.default_rng(9)
    for squash in (softmax, np.copy):
        for _ in range(20):
            leaning = np.repeat(generator.normal(size=(vk.coins, CLASSES)), GROUP, axis=0)
            loud = 10 ** generator.uniform(0, 6, (len(leaning), 1))
            report = examine(key, vk, scoring(key.triggers, squash(leaning * loud)), LAX)
            # 40 honest tails again: none is below 2**-36 but with probability below 1e-9.
            assert report.observed_bits == strength_bits(vk.coins, report.hits, CLASSES) < 36


def test_groups_that_do_not_fit_are_refused():
    images = noise(8, SHAPE)
    with pytest.raises(InputError, match="no whole groups of 3"):
        keygen(images, CLASSES, group=3)
    with pytest.raises(InputError, match="needs 32 triggers"):
        pkeygen(images, CLASSES, security=2, group=4)
    with pytest.raises(InputError, match="only derived ones do"):
        keygen(images, CLASSES, label_mode=LabelMode.SECRET, group=4)
    with pytest.raises(InputError, match="more than one label"):
        TriggerSet(images, np.arange(8), CLASSES, 4)
    _, bounded = keygen_bounded(images, CLASSES, batches=4)
    with pytest.raises(InputError, match="do not divide"):
        dataclasses.replace(bounded, group=4)


def test_a_file_that_tears_a_group_or_changes_a_label_in_it_is_refused(public):
    key, pvk = public
    data = bytearray(pvk.verification_key.to_bytes())
    data[69:73] = (5).to_bytes(4, "big")
    with pytest.raises(FormatError, match="no whole groups of 5"):
        parse_verification_key(bytes(data))
    secret = bytearray(key.to_secret_bytes())
    start = len(data) + len(key) * 36
    secret[start : start + 4] = ((key.triggers.labels[0] + 1) % CLASSES).item().to_bytes(4, "big")
    with pytest.raises(FormatError, match="more than one label"):
        parse_secret_bytes(bytes(secret))


def test_copies_of_a_group_are_found_and_likeness_within_one_is_not():
    base = noise(3, (8, 8)).astype(np.int64)
    near = np.repeat(base, 2, axis=0)
    near[1::2] += np.where(near[1::2] < 250, 1, -1)
    assert closest_copies(near.astype(np.uint8)) == (0, 1)
    assert closest_copies(near.astype(np.uint8), 2) is None
    # The second group has the first one's pictures, one grey level off.
    again = np.concatenate([near, near[:2] + np.where(near[:2] < 240, 3, -3)])
    assert closest_copies(again.astype(np.uint8), 2) == (0, 6)


def test_groups_of_short_rows_are_copies_only_if_equal_as_single_rows_are():
    rows = np.random.default_rng(3).permutation(256 * 256)[: 16 * 32]
    few = np.stack([rows // 256, rows % 256], axis=1).astype(np.uint8)
    assert closest_copies(few) is None
    assert closest_copies(few, 16) is None  # the means of 32 groups lie close by chance
    assert keygen(few, CLASSES, group=16)[1].coins == 32
    few[17] = few[0]
    assert closest_copies(few, 16) == (0, 17)
