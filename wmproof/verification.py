"""Verify (section 3), and the bounded reveals (section 4.1)."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from wmproof._files import SECRET_MODE, check_target, locked, read_file, write_file
from wmproof.checks import Check, Outcome, check, require, skipped
from wmproof.errors import InputError, VerificationError
from wmproof.keys.batch import BatchOpening
from wmproof.keys.encryption import (
    decrypt_marking_key,
    encrypt_marking_key,
    parse_marking_key_header,
)
from wmproof.keys.files import FILE_LIMIT, load_marking_key
from wmproof.keys.marking_key import MarkingKey
from wmproof.keys.opening import OpenedTriggers
from wmproof.keys.verification_key import VerificationKey
from wmproof.models.base import Classifier, classify_triggers
from wmproof.opening_checks import (
    check_commitments,
    check_ground_truth,
    check_label_derivation,
)
from wmproof.strength import DEFAULT_TOLERANCE, hoeffding_bits, required_hits, strength_bits

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
        eps, the share of misses that is forgiven.
    minimum_strength : float
        Bits that a claim must be worth to be accepted.

    Raises
    ------
    InputError
        A model is for another image shape or number of classes.
    VerificationError
        Check ``verification-key``: mk does not belong to vk, so nothing can be opened.
    """
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


def reveal(
    key_path: str | os.PathLike[str],
    output: str | os.PathLike[str] | Callable[[int], str | os.PathLike[str]],
    passphrase: str,
    *,
    signing_seed: bytes | None = None,
    overwrite: bool = False,
) -> BatchOpening:
    """Open the next batch of a bounded key, once, and remember it.

    The key file records the batch as spent, and that is safely on disk, before the opening is
    written. If writing the opening then fails, the batch stays spent; `reveal_again` writes it.

    Parameters
    ----------
    key_path : path
        The marking key's file; replaced.
    output : path or callable
        Where the opening goes, or a function from the number of the batch to that.
    passphrase : str
        Of the marking key.
    signing_seed : bytes, optional
        Signs the opening instead of the seed in the marking key.
    overwrite : bool
        Replace an existing file at `output`.

    Returns
    -------
    BatchOpening
        As written.

    Raises
    ------
    InputError
        The key has no batch left, or a file cannot be read or written.
    """
    key_path = Path(key_path)
    with locked(key_path):
        stored = read_file(key_path, limit=FILE_LIMIT)
        cost = parse_marking_key_header(stored, str(key_path)).cost
        key = decrypt_marking_key(stored, passphrase, str(key_path)).after_reveal()
        opening = _opening(key, key.revealed, signing_seed)
        target = _free_target(output, key.revealed, key_path, overwrite=overwrite)
        updated = encrypt_marking_key(key, passphrase, cost=cost)
        write_file(key_path, updated, overwrite=True, mode=SECRET_MODE)
        _publish(target, opening, overwrite=overwrite)
    return opening


def reveal_again(
    key_path: str | os.PathLike[str],
    batch: int,
    output: str | os.PathLike[str],
    passphrase: str,
    *,
    signing_seed: bytes | None = None,
    overwrite: bool = False,
) -> BatchOpening:
    """Write the opening of a batch that has been revealed before; never a fresh one.

    Parameters
    ----------
    batch : int
        Counted from 1.
    key_path, output, passphrase, signing_seed, overwrite
        As `reveal`. The key file is not changed.

    Returns
    -------
    BatchOpening
        As written.

    Raises
    ------
    InputError
        The batch is still secret or does not exist, or a file cannot be read or written.
    """
    key = load_marking_key(key_path, passphrase)
    opening = _opening(key, batch, signing_seed)
    target = _free_target(output, batch, Path(key_path), overwrite=overwrite)
    write_file(target, opening.to_bytes(), overwrite=overwrite)
    return opening


def _opening(key: MarkingKey, batch: int, signing_seed: bytes | None) -> BatchOpening:
    opening = key.batch_opening(batch)
    seed = key.signing_seed if signing_seed is None else signing_seed
    return opening if seed is None else opening.signed(seed)


def _free_target(
    output: str | os.PathLike[str] | Callable[[int], str | os.PathLike[str]],
    batch: int,
    key_path: Path,
    *,
    overwrite: bool,
) -> Path:
    """Find out that a name is taken before a batch is spent on it."""
    target = Path(output(batch) if callable(output) else output)
    if target.resolve() == key_path.resolve():
        raise InputError("is the marking key itself", where=str(target))
    check_target(target, overwrite=overwrite)
    return target


def _publish(target: Path, opening: BatchOpening, *, overwrite: bool) -> None:
    try:
        write_file(target, opening.to_bytes(), overwrite=overwrite)
    except InputError as error:
        raise InputError(
            error.what,
            where=error.where,
            remedy=f"Batch {opening.batch} is recorded as revealed; write its opening again with "
            f"reveal --again {opening.batch}",
        ) from error


def _examine(
    before: tuple[Check, ...],
    key: VerificationKey,
    opened: OpenedTriggers,
    model: Classifier,
    reference: Classifier | None,
    tolerance: Fraction,
    minimum_strength: float,
) -> VerificationReport:
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
