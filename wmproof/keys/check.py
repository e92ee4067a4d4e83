"""The cut-and-choose check of a public key (appendix A.1.2): anybody's, without any secret."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof._base.arguments import require_type
from wmproof.core.checks import Check, Judged, check, require
from wmproof.core.policy import Policy
from wmproof.core.strength import (
    CutAndChoose,
    cut_and_choose,
    hidden_at_least,
    hoeffding_bits,
    strength_bits,
)
from wmproof.keys.opening_checks import (
    check_commitments,
    check_diversity,
    check_ground_truth,
    check_label_choice,
    check_label_derivation,
)
from wmproof.keys.public_key import PublicKey
from wmproof.keys.signature_check import signature_check
from wmproof.keys.verification_key import LabelMode
from wmproof.keys.worth import Demand, demand


@dataclass(frozen=True, eq=False)
class KeyReport(Judged):
    """What the check of a public key found."""

    checks: tuple[Check, ...]
    """``signature``, ``security``, ``chosen-labels``, ``commitments``, ``derived-labels``,
    ``distinct-triggers``, ``spread-labels``, ``ground-truth``, ``strength``."""
    security: int
    """n."""
    soundness: CutAndChoose
    """What the opened half says about the hidden half, at n bits."""
    demand: Demand
    """Hits among the hidden triggers that a claim needs, and what it is then worth."""
    strength_bits: float | None
    """-log2 of the chance that a model which knows nothing of the key gives so many hits; None for
    chosen labels, for which there is no such number."""
    forging_bits: float | None
    """log2 of the hash calls that such a claim about a given model takes; none with chosen
    labels."""
    hoeffding_bits: float | None
    """Hoeffding's lower bound on `strength_bits`."""
    coincide: NDArray[np.bool_] | None
    """bool, shape (m,), or None: opened triggers whose label is the reference model's answer; None
    without a reference."""

    @property
    def threshold(self) -> int:
        """Hits that a claim needs."""
        return self.demand.threshold

    @property
    def good_hits_at_least(self) -> int:
        """Hits on true backdoor elements that a claim at the threshold contains, at least."""
        return max(0, self.threshold - self.soundness.hidden_bad_at_most)

    def to_dict(self) -> dict[str, Any]:
        """Return it as `json.dumps` takes it; what follows from a sound key only if this is one."""
        fields: dict[str, Any] = {
            "holds": self.holds,
            "checks": [item.to_dict() for item in self.checks],
            "security": self.security,
        }
        if not self.holds:
            return fields
        found = self.soundness
        return fields | {
            "triggers": found.triggers,
            "hidden": found.hidden,
            "hidden_at_least": hidden_at_least(found.triggers, self.security),
            "bad_opened": found.bad_opened,
            "bad_at_most": found.bad_at_most,
            "hidden_bad_at_most": found.hidden_bad_at_most,
            "hidden_good_at_least": found.hidden_good_at_least,
            "soundness_bits": found.bits,
            "tolerance": None if self.demand.tolerance is None else float(self.demand.tolerance),
            "threshold": self.threshold,
            "good_hits_at_least": self.good_hits_at_least,
            "strength_bits": self.strength_bits,
            "forging_bits": self.forging_bits,
            "hoeffding_bits": self.hoeffding_bits,
        }


def examine_public_key(key: PublicKey, policy: Policy | None = None) -> KeyReport:
    """Carry out every check of a public key and report all of them.

    Parameters
    ----------
    key : PublicKey
    policy : Policy, optional
        What the judge demands.

    Raises
    ------
    InputError
        The reference is for another image shape or number of classes.
    """
    require_type(key, PublicKey, "the key", remedy="Read it with load_public_key")
    policy = policy or Policy()
    require_type(policy, Policy, "the policy")
    vk, opened = key.verification_key, key.opened
    truth = check_ground_truth(vk, opened, policy.reference, forgiven=policy.forgiven)
    chosen = vk.label_mode is LabelMode.SECRET
    hidden = vk.hidden_coins
    needed = demand(policy, vk, hidden)
    strength = strength_bits(hidden, needed.threshold, vk.classes)
    bad = truth.count if chosen else 0
    return KeyReport(
        checks=(
            signature_check(key, policy.signer, "the key"),
            _check_security(vk.security, policy.security),
            check_label_choice(vk, accepted=policy.accept_chosen_labels),
            check_commitments(vk, opened),
            check_label_derivation(vk, opened),
            *check_diversity(vk, opened),
            truth.check,
            needed.check(),
        ),
        security=vk.security,
        soundness=cut_and_choose(vk.coins, hidden, bits=vk.security, bad_opened=bad),
        demand=needed,
        strength_bits=None if chosen else strength,
        forging_bits=None if chosen else vk.forging_bits(strength),
        hoeffding_bits=None if chosen else hoeffding_bits(hidden, needed.threshold, vk.classes),
        coincide=None if truth.coincide is None else np.repeat(truth.coincide, vk.group),
    )


def check_public_key(key: PublicKey, policy: Policy | None = None) -> KeyReport:
    """Check a public key; parameters as `examine_public_key`.

    Raises
    ------
    VerificationError
        Names the first check that failed.
    InputError
        The reference is for another image shape or number of classes.
    """
    report = examine_public_key(key, policy)
    require(report.checks)
    return report


def _check_security(security: int, minimum: int) -> Check:
    what = f"more than {security} bad elements pass with probability below 2^-{security}"
    if security < minimum:
        what += f", and {minimum} bits are asked for"
    return check("security", security >= minimum, what, security=security, minimum=minimum)
