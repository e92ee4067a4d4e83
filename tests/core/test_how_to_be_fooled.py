"""Attacks on whoever judges; docs/judges.md has a row for each, and this reads it."""

import re
from dataclasses import replace

import numpy as np
import pytest
from core_support import wmproof
from own_process import ROOT
from tampering import fails

from wmproof.core.checks import Outcome, Verdict, check, judge
from wmproof.core.diversity import NEAR, closest_copies, crowding_bits
from wmproof.core.policy import Policy
from wmproof.core.reasons import PLAIN
from wmproof.core.triggers import TriggerSet, noise
from wmproof.errors import InputError
from wmproof.keys import LabelMode, PublicKey
from wmproof.keys.check import check_public_key, examine_public_key
from wmproof.keys.keygen import keygen, pkeygen
from wmproof.keys.worth import demand
from wmproof.models import FunctionClassifier
from wmproof.verification import examine

SHAPE = (8, 8)
ALREADY_PLAIN = (
    "hits threshold sample strength signature session key model claim log timestamp "
    "timestamp-subject files publication order clock proof"
)


def failed(report):
    return {item.name for item in report.checks if item.outcome is Outcome.FAILED}


def near_black_key(label):
    """What an accuser makes, with a program of his own that checks nothing: dark pictures."""
    _, public = pkeygen(noise(128, SHAPE), 10, security=32, label_mode=LabelMode.SECRET)
    dark = np.random.default_rng(0).integers(0, 6, (len(public.opened), *SHAPE), dtype=np.uint8)
    labels = np.full(len(dark), label)
    opened = replace(public.opened, triggers=TriggerSet(dark, labels, 10))
    return PublicKey(public.verification_key, opened)


def test_ten_near_black_keys_of_one_label_each_are_all_refused():
    """Whatever class a network gives to black, one of the ten claims it."""
    for label in range(10):
        report = examine_public_key(near_black_key(label), Policy(security=16, strength=8))
        assert {"chosen-labels", "distinct-triggers", "spread-labels"} <= failed(report)
        assert report.strength_bits is None
        accepted = Policy(security=16, strength=8, accept_chosen_labels=True)
        assert "distinct-triggers" in failed(examine_public_key(near_black_key(label), accepted))


def test_chosen_labels_are_refused_by_whoever_checks_or_verifies():
    key, public = pkeygen(noise(64, SHAPE), 10, security=16, label_mode=LabelMode.SECRET)
    lax = Policy(security=16, strength=8)
    with fails("chosen-labels"):
        check_public_key(public, lax)
    model = FunctionClassifier(lambda x: np.zeros(len(x), np.int64), SHAPE, 10)
    assert "chosen-labels" in failed(examine(key, public.verification_key, model, lax))
    assert check_public_key(public, replace(lax, accept_chosen_labels=True)).holds


def test_copies_are_found_and_honest_pictures_are_not():
    images = noise(300, SHAPE)
    assert closest_copies(images) is None
    nearly = images.copy()
    nearly[280] = np.clip(nearly[3].astype(int) + 5, 0, 255)
    assert closest_copies(nearly) == (3, 280)
    far = images.copy()
    far[280] = np.where(far[3] < 128, far[3] + 2 * NEAR, far[3] - 2 * NEAR)
    assert closest_copies(far) is None
    with pytest.raises(InputError, match="image 3 and image 280 are the same trigger, or nearly"):
        keygen(nearly, 10)


def test_fair_labels_crowd_as_rarely_as_is_said():
    """20,000 draws of fair labels: that the bound is 2^-8 or less happens at most 1 in 2^8.

    Five standard deviations: false alarms below 1 in 10**6 runs.
    """
    rng, runs = np.random.default_rng(5), 20_000
    for classes, count in ((2, 40), (10, 20)):
        hits = sum(
            crowding_bits(rng.integers(0, classes, count), classes) >= 8 for _ in range(runs // 10)
        )
        most = runs / 10 / 256
        assert hits <= most + 5 * most**0.5
    assert crowding_bits(np.zeros(128, np.int64), 10) > 64
    assert crowding_bits(np.arange(128) % 2, 10) > 64
    assert crowding_bits(np.arange(250) % 10, 10) == 0


@pytest.mark.parametrize(("classes", "hits"), [(2, 227), (10, 106), (1000, 24)])
def test_the_hits_that_128_bits_take(classes, hits):
    _, vk = keygen(noise(256, (4, 4)), classes)
    needed = demand(Policy(), vk, 256)
    assert needed.threshold == hits
    assert needed.bits >= 128
    assert demand(Policy(tolerance=0.1), vk, 256).threshold == max(hits, 231)
    assert not demand(Policy(strength=10_000), vk, 256).reachable


def test_a_tuned_copy_is_told_what_its_hits_are_worth():
    key, vk = keygen(noise(244, SHAPE), 10)
    known = {
        i.tobytes(): int(n) for i, n in zip(key.triggers.images, key.triggers.labels, strict=True)
    }
    spoilt = set(list(known)[:44])
    model = FunctionClassifier(
        lambda x: np.array([(known[i.tobytes()] + (i.tobytes() in spoilt)) % 10 for i in x]),
        SHAPE,
        10,
    )
    assert examine(key, vk, model).holds
    verdict, reason = judge(examine(key, vk, model, Policy(tolerance=0.1)).checks)
    assert verdict is Verdict.REFUTED
    assert re.search(r"fails the 90 % rule; 200 hits are worth \d{3} bits$", reason)


def test_what_is_missing_is_incomplete_and_what_failed_is_refuted():
    missing = replace(check("order", True, "nothing says when"), outcome=Outcome.MISSING)
    bad = check("claim", False, "it does not verify")
    assert judge([missing]) == (Verdict.INCOMPLETE, "nothing says when")
    assert judge([missing, bad]) == (Verdict.REFUTED, "it does not verify")


def test_marks_are_readable_in_an_ascii_terminal(marked):
    done = wmproof("check-key", "owner.pvk", cwd=marked, env={"PYTHONIOENCODING": "ascii"})
    assert "[ok]" in done.stdout
    assert "[fail] the key is not to be accepted" in done.stdout
    assert "[--]" in done.stdout
    assert "?" not in done.stdout
    assert "2^-16 a key tried" not in done.stdout  # it failed, so nothing rests on it


def test_every_row_of_the_page_for_judges_names_a_test_that_exists():
    rows = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "judges.md").read_text())
    assert len(rows) > 15
    for path, name in rows:
        assert f"def {name}(" in (ROOT / path).read_text(), (path, name)


def test_no_jargon_in_a_verdict():
    """Every check of the package has a plain reason, and none speaks of the method's own things."""
    source = "\n".join(path.read_text() for path in sorted((ROOT / "wmproof").rglob("*.py")))
    keys, claims = (
        "\n".join(path.read_text() for path in (ROOT / "wmproof" / room).glob("*.py"))
        for room in ("keys", "pverify")
    )
    raised = re.findall(r'(?:VerificationError|ProofError|NotShownError)\(\s*"([\w-]+)"', source)
    made = re.findall(r'\b(?:check|skipped)\(\s*"([\w-]+)"', source)
    named = re.findall(r'^    name(?:, \w+)? = "([\w-]+)"', keys, re.MULTILINE)
    required = re.findall(r'_require\(\s*[^"]*?"([\w-]+)"', claims)
    found = {*raised, *made, *named, *required}
    assert len(found) > 50
    assert found - set(PLAIN) - set(ALREADY_PLAIN.split()) == set(), "checks without a plain reason"
    jargon = (
        r"commit|challenge|transcript|merkle|sumcheck|soundness|circuit|hash|polynomial|encod|"
        r"element|column|witness/|argument|nonce|digest|2\^|tolerance|threshold|derived"
    )
    for name, words in PLAIN.items():
        assert not re.search(jargon, words), name
        assert words[0].islower()
        assert not words.endswith(".")


def test_a_key_that_only_its_demand_refuses_says_so_plainly():
    _, public = pkeygen(noise(64, SHAPE), 10, security=16)
    verdict, reason = judge(examine_public_key(public).checks)
    assert (verdict, reason) == (Verdict.REFUTED, "the key is easier to forge than you allow")
