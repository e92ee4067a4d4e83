"""What a claim about a key is worth, and how many hits a policy asks for."""

from dataclasses import dataclass
from fractions import Fraction
from math import floor

from wmproof.core.checks import Check, check
from wmproof.core.policy import Policy
from wmproof.core.strength import DEFAULT_TOLERANCE, chosen_label_bits, required_hits, strength_bits
from wmproof.errors import InputError
from wmproof.keys.verification_key import KeyKind, LabelMode, VerificationKey

GRINDING_BITS = 64
"""Taken off the strength of a claim about a sample; docs/concepts.md has the reason."""
DEFAULT_HIT_RATE = Fraction(9, 10)


def grinding_bits(key: VerificationKey, triggers: int) -> int:
    """Return what is taken off the strength of a claim about so many of a key's hidden triggers."""
    return GRINDING_BITS if triggers < key.hidden_coins else 0


def claim_bits(key: VerificationKey, triggers: int, hits: int, grinding: int = 0) -> float:
    """Return log2 of the work that a false claim of so many hits takes.

    Of a key with groups both numbers count groups: pictures of one group are one coin.

    With derived labels these are hash calls: keys that must be tried until chance does it. With
    chosen labels it is what is left where the owner makes every element that he can get through
    the cut-and-choose one that all models hit, and the others are independent, which nothing shows.

    Parameters
    ----------
    grinding : int
        Bits that are taken off the strength, for a sample of derived labels.
    """
    if key.label_mode is LabelMode.DERIVED:
        strength = strength_bits(triggers, hits, key.classes)
        return key.forging_bits(max(0.0, strength - grinding))
    if key.kind is KeyKind.PUBLIC:
        return chosen_label_bits(triggers, hits, key.classes)
    return strength_bits(triggers, hits, key.classes)


@dataclass(frozen=True)
class Demand:
    """The hits that a policy asks for."""

    triggers: int
    threshold: int
    """At most `triggers`."""
    bits: float
    """What a claim of that many hits is worth."""
    wanted: float
    """What it must be worth; where that is more, no number of hits is enough."""
    tolerance: Fraction | None
    """The paper's rule, where it was asked for."""
    grinding: int = 0
    """Bits that are taken off, for a sample."""

    @property
    def reachable(self) -> bool:
        """Whether all hits would be enough."""
        return self.bits >= self.wanted

    def check(self) -> Check:
        """Whether a claim by this key can be worth what is asked for."""
        what = f"{self.threshold} of {self.triggers} hits are worth {int(self.bits)} bits"
        if not self.reachable:
            what += f", and {self.wanted:g} are asked for"
        numbers = {"bits": round(self.bits, 3), "minimum": self.wanted}
        return check("strength", self.reachable, what, **numbers)

    def missed_by(self, key: VerificationKey, hits: int) -> str:
        """Say what fewer hits than these are worth all the same."""
        if key.label_mode is LabelMode.SECRET:
            return "the owner chose the labels, so nobody can say what they are worth"
        bits = int(claim_bits(key, self.triggers, hits, self.grinding))
        worth = f"{hits} hits are worth {bits} bits"
        if self.tolerance is not None and hits >= _hits_for(
            self.wanted, key, self.triggers, self.grinding
        ):
            return f"fails the {100 * (1 - float(self.tolerance)):g} % rule; {worth}"
        return f"{worth}, and {self.wanted:g} are asked for"

    def part_of(self, triggers: int) -> int:
        """Return the same share of hits of fewer triggers, rounded up."""
        return -(-self.threshold * triggers // self.triggers) if self.triggers else 0


def demand(policy: Policy, key: VerificationKey, triggers: int, grinding: int = 0) -> Demand:
    """Return the fewest hits of `triggers` that satisfy a policy.

    That is its bits, and the paper's rule if it has a tolerance. For labels of the owner's choice,
    whose strength cannot be known, the paper's rule holds always.

    Parameters
    ----------
    grinding : int
        Bits that are taken off the strength: `grinding_bits` where the triggers are a sample.
    """
    least = _hits_for(policy.strength, key, triggers, grinding)
    tolerance = policy.tolerance
    if tolerance is None and key.label_mode is LabelMode.SECRET:
        tolerance = DEFAULT_TOLERANCE
    if tolerance is not None:
        least = max(least, required_hits(triggers, tolerance))
    bits = claim_bits(key, triggers, least, grinding)
    return Demand(triggers, least, bits, policy.strength, tolerance, grinding)


def demand_of_claim(policy: Policy, key: VerificationKey, triggers: int) -> Demand:
    """Return what a policy asks of a claim about so many of a public key's hidden triggers."""
    return demand(policy, key, triggers, grinding_bits(key, triggers))


def sample_size(policy: Policy, key: VerificationKey, hit_rate: Fraction = DEFAULT_HIT_RATE) -> int:
    """Return the fewest hidden triggers of which this share of hits satisfies a policy.

    It depends on public numbers and on a rate that the owner states, never on which triggers are
    hit: the size of a sample is public.

    Returns
    -------
    int
        All hidden triggers, where no sample is enough.

    Raises
    ------
    InputError
        The owner chose the labels, or the rate is not above 0 and at most 1.
    """
    if not 0 < hit_rate <= 1:
        raise InputError(f"a hit rate of {float(hit_rate)} is not above 0 and at most 1")
    hidden = key.hidden_coins
    if key.label_mode is LabelMode.SECRET:
        raise InputError(
            "the owner chose this key's labels, so no sample of its triggers has a strength",
            remedy="Claim --triggers all, or make a key with --labels derived",
        )
    for size in range(1, hidden):
        hits = floor(hit_rate * size)
        paper = 0 if policy.tolerance is None else required_hits(size, policy.tolerance)
        if hits >= paper and claim_bits(key, size, hits, GRINDING_BITS) >= policy.strength:
            return size
    return hidden


def _hits_for(bits: float, key: VerificationKey, triggers: int, grinding: int) -> int:
    """Return the fewest hits that are worth so many bits; all of them where none are enough."""
    low, high = min(1, triggers), triggers
    while low < high:
        middle = (low + high) // 2
        if claim_bits(key, triggers, middle, grinding) >= bits:
            high = middle
        else:
            low = middle + 1
    return low
