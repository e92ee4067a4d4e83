"""Verify (section 3 of the paper), by the marking key or by a revealed batch."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof._base.arguments import require_type
from wmproof.core.checks import Check, Judged, check, require
from wmproof.core.policy import Policy
from wmproof.core.reading import doubt_of
from wmproof.core.strength import hoeffding_bits, strength_bits
from wmproof.core.triggers import TriggerSet, name_coins
from wmproof.errors import VerificationError
from wmproof.keys.batch import BatchOpening
from wmproof.keys.marking_key import MarkingKey
from wmproof.keys.opening import OpenedTriggers
from wmproof.keys.opening_checks import (
    check_commitments,
    check_diversity,
    check_ground_truth,
    check_label_choice,
    check_label_derivation,
)
from wmproof.keys.signature_check import signature_check
from wmproof.keys.verification_key import LabelMode, VerificationKey
from wmproof.keys.worth import Demand, demand
from wmproof.models.base import Classifier, classify_triggers, trigger_hits


@dataclass(frozen=True)
class VerificationReport(Judged):
    """What Verify found."""

    checks: tuple[Check, ...]
    """The three steps of the paper, ``ground-truth``, ``commitments`` and ``hits``, with
    ``verification-key`` (the marking key belongs to the published one), ``chosen-labels``,
    ``derived-labels``, ``distinct-triggers``, ``spread-labels``, ``strength`` and, for a batch,
    ``signature``."""
    triggers: int
    """l of the claim: how many triggers the model was asked about; of a key with groups, how many
    groups, here and below."""
    hits: int
    """How many it answered with their labels."""
    threshold: int
    """k: how many it had to."""
    wrong_triggers: int
    wrong_hits: int
    wrong_threshold: int
    """wrong_triggers, wrong_hits and wrong_threshold: the same among the triggers whose label
    differs from the reference model's answer; equal to the above without a reference."""
    classes: int
    """|L|."""
    tolerance: Fraction | None
    """eps, where the paper's rule was asked for."""
    strength_bits: float | None
    hoeffding_bits: float | None
    """strength_bits and hoeffding_bits: -log2 of the chance of a claim at the threshold: exact, and
    Hoeffding's lower bound; None for labels of the owner's choice, which are no matter of
    chance."""
    observed_bits: float | None
    """-log2 of the p-value of the hits."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as `json.dumps` takes it."""
        checks = [item.to_dict() for item in self.checks]
        tolerance = None if self.tolerance is None else float(self.tolerance)
        return {"holds": self.holds, **vars(self), "checks": checks, "tolerance": tolerance}


def examine(
    key: MarkingKey,
    verification_key: VerificationKey,
    model: Classifier,
    policy: Policy | None = None,
) -> VerificationReport:
    """Carry out every check of Verify(mk, vk, M) and report all of them.

    Parameters
    ----------
    key : MarkingKey
        Shows the verifier every embedded trigger: private verification spends them.
    verification_key : VerificationKey
        As it was published, from a source that the owner does not control.
    model : Classifier
    policy : Policy, optional
        What the judge demands. A marking key has no signature to check.

    Raises
    ------
    InputError
        A model is for another image shape or number of classes, or an argument is of another type.
    VerificationError
        Check ``verification-key``: mk does not belong to vk, so nothing can be opened.
    """
    require_type(key, MarkingKey, "the key")
    require_type(
        verification_key,
        VerificationKey,
        "the verification key",
        remedy="A public key has it: public_key.verification_key",
    )
    if key.verification_key.digest != verification_key.digest:
        raise VerificationError(
            "verification-key",
            "the marking key does not belong to this verification key",
            numbers={
                "marking_key": key.verification_key.digest.hex(),
                "verification_key": verification_key.digest.hex(),
            },
        )
    belongs = check("verification-key", True, "the marking key belongs to the verification key")
    return _examine((belongs,), verification_key, key.embedded(), model, policy or Policy())


def verify(
    key: MarkingKey,
    verification_key: VerificationKey,
    model: Classifier,
    policy: Policy | None = None,
) -> VerificationReport:
    """Verify(mk, vk, M) of section 3 of the paper; parameters as `examine`.

    Raises
    ------
    VerificationError
        Names the first check that failed, with its numbers.
    InputError
        A model is for another image shape or number of classes.
    """
    report = examine(key, verification_key, model, policy)
    require(report.checks)
    return report


def examine_batch(
    opening: BatchOpening, model: Classifier, policy: Policy | None = None
) -> VerificationReport:
    """Carry out every check of a claim by one revealed batch and report all of them.

    Parameters
    ----------
    opening : BatchOpening
        Parsed against the published verification key.
    model, policy
        As `examine`.

    Raises
    ------
    InputError
        A model is for another image shape or number of classes.
    """
    require_type(opening, BatchOpening, "the opening", remedy="Read it with load_batch_opening")
    policy = policy or Policy()
    signature = signature_check(opening, policy.signer, "the opening")
    return _examine((signature,), opening.verification_key, opening.opened, model, policy)


def verify_batch(
    opening: BatchOpening, model: Classifier, policy: Policy | None = None
) -> VerificationReport:
    """Verify a claim by one revealed batch; parameters as `examine_batch`.

    Raises
    ------
    VerificationError
        Names the first check that failed, with its numbers.
    InputError
        A model is for another image shape or number of classes.
    """
    report = examine_batch(opening, model, policy)
    require(report.checks)
    return report


def _examine(
    before: tuple[Check, ...],
    key: VerificationKey,
    opened: OpenedTriggers,
    model: Classifier,
    policy: Policy,
) -> VerificationReport:
    require_type(policy, Policy, "the policy")
    truth = check_ground_truth(key, opened, policy.reference, forgiven=policy.forgiven)
    hit, doubt = _hits(model, opened.triggers)
    wrong = np.ones_like(hit) if truth.coincide is None else ~truth.coincide
    count, hits = len(hit), int(hit.sum())
    needed = demand(policy, key, count)
    wrong_count, wrong_hits = int(wrong.sum()), int((hit & wrong).sum())
    wrong_threshold = needed.part_of(wrong_count)
    chosen = key.label_mode is LabelMode.SECRET
    strength = strength_bits(count, needed.threshold, key.classes)
    return VerificationReport(
        checks=(
            *before,
            check_label_choice(key, accepted=policy.accept_chosen_labels),
            truth.check,
            check_commitments(key, opened),
            check_label_derivation(key, opened),
            *check_diversity(key, opened),
            needed.check(),
            _check_hits(key, needed, hits, wrong_count, wrong_hits, doubt),
        ),
        triggers=count,
        hits=hits,
        threshold=needed.threshold,
        wrong_triggers=wrong_count,
        wrong_hits=wrong_hits,
        wrong_threshold=wrong_threshold,
        classes=key.classes,
        tolerance=needed.tolerance,
        strength_bits=None if chosen else strength,
        hoeffding_bits=None if chosen else hoeffding_bits(count, needed.threshold, key.classes),
        observed_bits=None if chosen else strength_bits(count, hits, key.classes),
    )


def _hits(model: Classifier, triggers: TriggerSet) -> tuple[NDArray[np.bool_], str]:
    """Which labels the model answers, and a doubt about the pixels where answers are one class."""
    if triggers.group > 1:
        return trigger_hits(model, triggers), ""
    answers = classify_triggers(model, triggers)
    return answers == triggers.labels, doubt_of(answers)


def _check_hits(
    key: VerificationKey, needed: Demand, hits: int, wrong_count: int, wrong_hits: int, doubt: str
) -> Check:
    """Step 3, over all triggers and over those that the reference model says are truly wrong.

    `doubt` is of how the pixels are read.
    """
    count, threshold, wrong_threshold = (
        needed.triggers,
        needed.threshold,
        needed.part_of(wrong_count),
    )
    asked = name_coins(key.group)
    what = f"the model gives {hits} of {count} {asked} their labels, and {threshold} are needed"
    if wrong_count < count:
        what += (
            f"; without the coinciding labels {wrong_hits} of {wrong_count}, "
            f"and {wrong_threshold} are needed"
        )
    passed = hits >= threshold and wrong_hits >= wrong_threshold
    if hits < threshold:
        what += f": {needed.missed_by(key, hits)}{doubt}"
    return check("hits", passed, what, hits=hits, threshold=threshold, triggers=count)
