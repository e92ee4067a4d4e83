"""The cut-and-choose check of a public key (appendix A.1.2): anybody's, without any secret."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from wmproof._arguments import require_type
from wmproof.checks import Check, Outcome, check, require, skipped
from wmproof.errors import VerificationError
from wmproof.keygen import DEFAULT_SECURITY
from wmproof.keys.public_key import PublicKey
from wmproof.keys.verification_key import LabelMode
from wmproof.models.base import Classifier
from wmproof.opening_checks import check_commitments, check_ground_truth, check_label_derivation
from wmproof.strength import (
    DEFAULT_TOLERANCE,
    CutAndChoose,
    as_tolerance,
    chosen_label_bits,
    cut_and_choose,
    forging_bits,
    hoeffding_bits,
    required_hits,
    strength_bits,
)


@dataclass(frozen=True, eq=False)
class KeyReport:
    """What the check of a public key found.

    Parameters
    ----------
    checks : tuple of Check
        ``signature``, ``security``, ``commitments``, ``derived-labels``, ``ground-truth``.
    security : int
        n.
    soundness : CutAndChoose
        What the opened half says about the hidden half, at n bits.
    tolerance : Fraction
        eps of the claims that the numbers below are about.
    threshold : int
        Hits among the hidden triggers that a claim needs.
    strength_bits : float
        Of such a claim: exact, against an accuser who chose the labels where the key lets him.
    forging_bits : float or None
        log2 of the hash calls that such a claim about a given model takes; none with secret labels,
        which nobody has to try.
    hoeffding_bits : float
        Hoeffding's lower bound for labels that nobody chose.
    coincide : ndarray of bool, shape (m,), or None
        Opened triggers whose label is the reference model's answer; None without a reference.
    """

    checks: tuple[Check, ...]
    security: int
    soundness: CutAndChoose
    tolerance: Fraction
    threshold: int
    strength_bits: float
    forging_bits: float | None
    hoeffding_bits: float
    coincide: NDArray[np.bool_] | None

    @property
    def holds(self) -> bool:
        """Whether no check failed."""
        return all(item.outcome is not Outcome.FAILED for item in self.checks)

    @property
    def good_hits_at_least(self) -> int:
        """Hits on true backdoor elements that a claim at the threshold contains, at least."""
        return max(0, self.threshold - self.soundness.hidden_bad_at_most)


def examine_public_key(
    key: PublicKey,
    *,
    reference: Classifier | None = None,
    minimum_security: int = DEFAULT_SECURITY,
    forgiven: int = 0,
    signer: bytes | None = None,
    tolerance: Fraction = DEFAULT_TOLERANCE,
) -> KeyReport:
    """Carry out every check of a public key and report all of them.

    Parameters
    ----------
    key : PublicKey
    reference : Classifier, optional
        Stands in for the ground truth.
    minimum_security : int
        The n below which the key is refused: whoever makes keys can try 2**n of them.
    forgiven : int
        Opened elements of a key with secret labels that may fail the ground truth check; the
        soundness is computed for the number that did.
    signer : bytes, optional
        Ed25519 public key, 32 bytes, that must have signed.
    tolerance : Fraction
        eps, for the strength of claims.

    Raises
    ------
    InputError
        The reference is for another image shape or number of classes.
    """
    require_type(key, PublicKey, "the key", remedy="Read it with load_public_key")
    tolerance = as_tolerance(tolerance)
    vk, opened = key.verification_key, key.opened
    truth = check_ground_truth(vk, opened, reference, forgiven=forgiven)
    secret = vk.label_mode is LabelMode.SECRET
    hidden = len(vk) - len(opened)
    threshold = required_hits(hidden, tolerance)
    rule = chosen_label_bits if secret else strength_bits
    strength = rule(hidden, threshold, vk.classes)
    return KeyReport(
        checks=(
            _check_signature(key, signer),
            _check_security(vk.security, minimum_security),
            check_commitments(vk, opened),
            check_label_derivation(vk, opened),
            truth.check,
        ),
        security=vk.security,
        soundness=cut_and_choose(
            len(vk), hidden, bits=vk.security, bad_opened=truth.count if secret else 0
        ),
        tolerance=tolerance,
        threshold=threshold,
        strength_bits=strength,
        forging_bits=None if secret else forging_bits(strength),
        hoeffding_bits=hoeffding_bits(hidden, threshold, vk.classes),
        coincide=truth.coincide,
    )


def check_public_key(
    key: PublicKey,
    *,
    reference: Classifier | None = None,
    minimum_security: int = DEFAULT_SECURITY,
    forgiven: int = 0,
    signer: bytes | None = None,
    tolerance: Fraction = DEFAULT_TOLERANCE,
) -> KeyReport:
    """Check a public key; parameters as `examine_public_key`.

    Raises
    ------
    VerificationError
        Names the first check that failed.
    InputError
        The reference is for another image shape or number of classes.
    """
    report = examine_public_key(
        key,
        reference=reference,
        minimum_security=minimum_security,
        forgiven=forgiven,
        signer=signer,
        tolerance=tolerance,
    )
    require(report.checks)
    return report


def _check_signature(key: PublicKey, signer: bytes | None) -> Check:
    try:
        key.check_signature(signer)
    except VerificationError as error:
        return Check("signature", Outcome.FAILED, error.what, error.numbers)
    if key.signature is None:
        return skipped("signature", "the key is not signed")
    known = "the expected signer" if signer else f"{key.signature.signer.hex()}, whoever that is"
    return check("signature", True, f"signed by {known}", signer=key.signature.signer.hex())


def _check_security(security: int, minimum: int) -> Check:
    what = f"more than {security} bad elements pass with probability below 2^-{security}"
    if security < minimum:
        what += f", and {minimum} bits are asked for"
    return check("security", security >= minimum, what, security=security, minimum=minimum)
