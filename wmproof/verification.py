"""Verify (section 3), by the marking key or by a revealed batch."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from wmproof._arguments import require_type
from wmproof.checks import Check, Outcome, check, require, skipped
from wmproof.errors import VerificationError
from wmproof.keys.batch import BatchOpening
from wmproof.keys.marking_key import MarkingKey
from wmproof.keys.opening import OpenedTriggers
from wmproof.keys.verification_key import VerificationKey
from wmproof.models.base import Classifier, classify_triggers
from wmproof.opening_checks import (
    check_commitments,
    check_ground_truth,
    check_label_derivation,
)
from wmproof.strength import (
    DEFAULT_TOLERANCE,
    as_tolerance,
    hoeffding_bits,
    required_hits,
    strength_bits,
)

DEFAULT_STRENGTH = 64


@dataclass(frozen=True)
class VerificationReport:
    """What Verify found.

    Parameters
    ----------
    checks : tuple of Check
        The three steps of the paper, ``ground-truth``, ``commitments`` and ``hits``, with
        ``verification-key`` (the marking key belongs to the published one), ``derived-labels``,
        ``strength`` and, for a batch, ``signature``.
    triggers : int
        l of the claim: how many triggers the model was asked about.
    hits : int
        How many it answered with their labels.
    threshold : int
        k: how many it had to.
    wrong_triggers, wrong_hits, wrong_threshold : int
        The same among the triggers whose label differs from the reference model's answer; equal to
        the above without a reference.
    classes : int
        |L|.
    tolerance : Fraction
        eps.
    strength_bits, hoeffding_bits : float
        What a claim at the threshold is worth: exact, and Hoeffding's lower bound.
    observed_bits : float
        -log2 of the p-value of the hits.
    """

    checks: tuple[Check, ...]
    triggers: int
    hits: int
    threshold: int
    wrong_triggers: int
    wrong_hits: int
    wrong_threshold: int
    classes: int
    tolerance: Fraction
    strength_bits: float
    hoeffding_bits: float
    observed_bits: float

    @property
    def holds(self) -> bool:
        """Whether no check failed."""
        return all(item.outcome is not Outcome.FAILED for item in self.checks)


def examine(
    key: MarkingKey,
    verification_key: VerificationKey,
    model: Classifier,
    *,
    reference: Classifier | None = None,
    tolerance: Fraction = DEFAULT_TOLERANCE,
    minimum_strength: float = DEFAULT_STRENGTH,
) -> VerificationReport:
    """Carry out every check of Verify(mk, vk, M) and report all of them.

    Parameters
    ----------
    key : MarkingKey
        Shows the verifier every embedded trigger: private verification spends them.
    verification_key : VerificationKey
        As it was published, from a source that the owner does not control.
    model : Classifier
    reference : Classifier, optional
        Stands in for the ground truth.
    tolerance : Fraction
        eps, the share of misses that is forgiven; of a float, the decimal that was written.
    minimum_strength : float
        Bits that a claim must be worth to be accepted.

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
    return _examine(
        (belongs,),
        verification_key,
        key.embedded(),
        model,
        reference,
        tolerance,
        minimum_strength,
    )


def verify(
    key: MarkingKey,
    verification_key: VerificationKey,
    model: Classifier,
    *,
    reference: Classifier | None = None,
    tolerance: Fraction = DEFAULT_TOLERANCE,
    minimum_strength: float = DEFAULT_STRENGTH,
) -> VerificationReport:
    """Verify(mk, vk, M) of section 3; parameters as `examine`.

    Raises
    ------
    VerificationError
        Names the first check that failed, with its numbers.
    InputError
        A model is for another image shape or number of classes.
    """
    report = examine(
        key,
        verification_key,
        model,
        reference=reference,
        tolerance=tolerance,
        minimum_strength=minimum_strength,
    )
    require(report.checks)
    return report


def examine_batch(
    opening: BatchOpening,
    model: Classifier,
    *,
    reference: Classifier | None = None,
    signer: bytes | None = None,
    tolerance: Fraction = DEFAULT_TOLERANCE,
    minimum_strength: float = DEFAULT_STRENGTH,
) -> VerificationReport:
    """Carry out every check of a claim by one revealed batch and report all of them.

    Parameters
    ----------
    opening : BatchOpening
        Parsed against the published verification key.
    signer : bytes, optional
        Ed25519 public key, 32 bytes, that must have signed.
    model, reference, tolerance, minimum_strength
        As `examine`.

    Raises
    ------
    InputError
        A model is for another image shape or number of classes.
    """
    require_type(opening, BatchOpening, "the opening", remedy="Read it with load_batch_opening")
    return _examine(
        (_check_signature(opening, signer),),
        opening.verification_key,
        opening.opened,
        model,
        reference,
        tolerance,
        minimum_strength,
    )


def verify_batch(
    opening: BatchOpening,
    model: Classifier,
    *,
    reference: Classifier | None = None,
    signer: bytes | None = None,
    tolerance: Fraction = DEFAULT_TOLERANCE,
    minimum_strength: float = DEFAULT_STRENGTH,
) -> VerificationReport:
    """Verify a claim by one revealed batch; parameters as `examine_batch`.

    Raises
    ------
    VerificationError
        Names the first check that failed, with its numbers.
    InputError
        A model is for another image shape or number of classes.
    """
    report = examine_batch(
        opening,
        model,
        reference=reference,
        signer=signer,
        tolerance=tolerance,
        minimum_strength=minimum_strength,
    )
    require(report.checks)
    return report


def _examine(
    before: tuple[Check, ...],
    key: VerificationKey,
    opened: OpenedTriggers,
    model: Classifier,
    reference: Classifier | None,
    tolerance: Fraction,
    minimum_strength: float,
) -> VerificationReport:
    tolerance = as_tolerance(tolerance)
    truth = check_ground_truth(key, opened, reference)
    hit = classify_triggers(model, opened.triggers) == opened.triggers.labels
    wrong = np.ones_like(hit) if truth.coincide is None else ~truth.coincide
    count, hits = len(hit), int(hit.sum())
    threshold = required_hits(count, tolerance)
    wrong_count, wrong_hits = int(wrong.sum()), int((hit & wrong).sum())
    wrong_threshold = required_hits(wrong_count, tolerance)
    strength = strength_bits(count, threshold, key.classes)
    return VerificationReport(
        checks=(
            *before,
            truth.check,
            check_commitments(key, opened),
            check_label_derivation(key, opened),
            _check_hits(count, hits, threshold, wrong_count, wrong_hits, wrong_threshold),
            _check_strength(strength, minimum_strength),
        ),
        triggers=count,
        hits=hits,
        threshold=threshold,
        wrong_triggers=wrong_count,
        wrong_hits=wrong_hits,
        wrong_threshold=wrong_threshold,
        classes=key.classes,
        tolerance=tolerance,
        strength_bits=strength,
        hoeffding_bits=hoeffding_bits(count, threshold, key.classes),
        observed_bits=strength_bits(count, hits, key.classes),
    )


def _check_hits(
    count: int, hits: int, threshold: int, wrong_count: int, wrong_hits: int, wrong_threshold: int
) -> Check:
    """Step 3, over all triggers and over those that the reference model says are truly wrong."""
    what = f"the model gives {hits} of {count} triggers their labels, and {threshold} are needed"
    if wrong_count < count:
        what += (
            f"; without the coinciding labels {wrong_hits} of {wrong_count}, "
            f"and {wrong_threshold} are needed"
        )
    passed = hits >= threshold and wrong_hits >= wrong_threshold
    return check("hits", passed, what, hits=hits, threshold=threshold, triggers=count)


def _check_strength(strength: float, minimum: float) -> Check:
    what = f"a claim at the threshold is worth {strength:.1f} bits"
    if strength < minimum:
        what += f", and {minimum:g} are asked for"
    return check("strength", strength >= minimum, what, bits=round(strength, 3), minimum=minimum)


def _check_signature(opening: BatchOpening, signer: bytes | None) -> Check:
    try:
        opening.check_signature(signer)
    except VerificationError as error:
        return Check("signature", Outcome.FAILED, error.what, error.numbers)
    if opening.signature is None:
        return skipped("signature", "the opening is not signed")
    name = opening.signature.signer.hex()
    known = "the expected signer" if signer else f"{name}, whoever that is"
    return check("signature", True, f"signed by {known}", signer=name)
