"""How much a claim is worth, in bits: a probability p is -log2 p bits.

Two questions. How likely does a party that knows nothing of the model hit enough labels (section
4.2)? And how many elements of a public key can be no backdoor at all (appendix A.1.2)? All numbers
are exact binomial sums in log space; Hoeffding's bound is given beside them.
"""

import bisect
import functools
import math
import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from wmproof.errors import InputError

DEFAULT_TOLERANCE = Fraction(1, 10)
_LN2 = math.log(2)
_LONGEST_SHARE = 400
# Sums in floating point are right to so many digits of a bit, and differ behind them by machine:
# kept, they would make 128 bits 127.9999 and refuse a claim that is worth what was asked.
_DIGITS = 9


def as_tolerance(value: str | float | Fraction) -> Fraction:
    """Read eps, the share of misses that is forgiven; InputError unless 0 <= eps < 1."""
    tolerance = as_share(value, "tolerance")
    if tolerance == 1:
        raise InputError(f"the tolerance {value} is not at least 0 and below 1")
    return tolerance


def as_share(value: str | float | Fraction, name: str = "share") -> Fraction:
    """Read a share as the decimal that was written.

    0.29 is 29/100 here and not the nearest binary fraction, which would forgive one miss less.

    Raises
    ------
    InputError
        It is no number from 0 to 1.
    """
    try:
        text = str(value)
        # Fraction would write out any exponent.
        if len(text) > _LONGEST_SHARE or re.search(r"[eE][+-]?\d{4}", text):
            raise ValueError
        share = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise InputError(f"{value!r} is not a {name}", remedy="Give a number like 0.1") from None
    if not 0 <= share <= 1:
        raise InputError(f"the {name} {value} is not from 0 to 1")
    return share


def required_hits(triggers: int, tolerance: Fraction = DEFAULT_TOLERANCE) -> int:
    """Return k = l - floor(eps l)."""
    return triggers - math.floor(tolerance * triggers)


def log2_tail(trials: int, successes: int, chance: float) -> float:
    """Return log2 Pr[Bin(trials, chance) >= successes], also where it is far below 2**-1074.

    Parameters
    ----------
    trials : int
        At least 0.
    successes : int
    chance : float
        0 < chance <= 1.

    Returns
    -------
    float
        At most 0; -inf where the event is impossible.
    """
    if successes <= 0 or chance >= 1:
        return 0.0 if successes <= trials else -math.inf
    if successes > trials:
        return -math.inf
    if successes <= trials * chance:
        # Near 1 the lower tail is the small one, and its complement keeps the precision.
        below = _log_mass(trials, 0, successes - 1, chance)
        return math.log1p(-math.exp(below)) / _LN2 if below < 0 else 0.0
    return min(0.0, _log_mass(trials, successes, trials, chance) / _LN2)


def _log_mass(trials: int, low: int, high: int, chance: float) -> float:
    """Return ln Pr[low <= Bin(trials, chance) <= high]."""
    factorial = _log_factorials(1 << trials.bit_length())
    k = np.arange(low, high + 1)
    choose = factorial[trials] - factorial[k] - factorial[trials - k]
    mass = choose + k * math.log(chance) + (trials - k) * math.log1p(-chance)
    largest = mass.max()
    return float(largest + np.log(np.exp(mass - largest).sum()))


@functools.cache
def _log_factorials(count: int) -> NDArray[np.float64]:
    """Return ln k! for k < count; a table, as SciPy's gammaln costs more to import than to use."""
    return np.array([math.lgamma(k + 1) for k in range(count)])


def strength_bits(triggers: int, hits: int, classes: int) -> float:
    """Return -log2 Pr[Bin(triggers, 1/classes) >= hits]: the strength of a claim.

    With hits the threshold k this is what a claim at that threshold is worth; with hits the
    observed number it is the p-value of the observation. Rounded to 9 digits behind the point.
    """
    return _bits(log2_tail(triggers, hits, 1 / classes))


def _bits(log2: float) -> float:
    return round(0.0 - log2, _DIGITS)


def hoeffding_bits(triggers: int, hits: int, classes: int) -> float:
    """Return Hoeffding's lower bound on `strength_bits`: 2 l (k/l - 1/C)^2 / ln 2, or 0."""
    if not triggers:
        return 0.0
    margin = hits / triggers - 1 / classes
    return 2 * triggers * max(0.0, margin) ** 2 / _LN2


def passing_bits(bad: int, bad_opened: int = 0) -> float:
    """Return -log2 of the chance that at most `bad_opened` of `bad` elements are opened.

    Each is opened with probability 1/2, independently. With none forgiven this is just `bad`.
    """
    return _bits(log2_tail(bad, bad - bad_opened, 0.5))


@dataclass(frozen=True)
class CutAndChoose:
    """What the opened half of a public key says about the hidden half."""

    triggers: int
    """l."""
    hidden: int
    """|T'|, as the challenge fell."""
    bits: int
    """The statements below fail with probability at most 2**-bits for each key that an attacker
    makes and tries."""
    bad_opened: int
    """Elements of the opened half that were found to be no backdoor elements."""
    bad_at_most: int
    """Bad elements in the whole key."""

    @property
    def hidden_bad_at_most(self) -> int:
        """Bad elements in T', at most."""
        return min(self.hidden, self.bad_at_most - self.bad_opened)

    @property
    def hidden_good_at_least(self) -> int:
        """True backdoor elements in T', at least."""
        return self.hidden - self.hidden_bad_at_most


def cut_and_choose(triggers: int, hidden: int, *, bits: int, bad_opened: int = 0) -> CutAndChoose:
    """Compute how many bad elements can be left, given what the opened half showed.

    Of j bad elements at most `bad_opened` are opened with probability
    Pr[Bin(j, 1/2) <= bad_opened]; the first j that makes this at most 2**-bits is excluded, and
    all above it.
    """
    allowed = range(bad_opened + 1, triggers + 1)
    count = bisect.bisect_left(allowed, True, key=lambda bad: passing_bits(bad, bad_opened) >= bits)
    return CutAndChoose(triggers, hidden, bits, bad_opened, bad_opened + count)


def hidden_at_least(triggers: int, bits: float) -> int:
    """Return the largest h with Pr[|T'| < h] <= 2**-bits, where |T'| is Bin(triggers, 1/2)."""
    likely = bisect.bisect_right(
        range(triggers + 1), -bits, key=lambda size: log2_tail(triggers, triggers - size + 1, 0.5)
    )
    return max(0, likely - 1)


def forging_bits(strength: float) -> float:
    """Return log2 of the hash calls that a false claim of this strength takes, with derived labels.

    Every try rolls the labels and the challenge together, and is a chance of 2**-strength.
    """
    return max(0.0, strength)


def split_forging_bits(strength: float) -> float:
    """Return the same where labels and challenge are rolled apart, as in keys of version 1.

    A forger tries sets of labels and, for each, challenges; every pair is a chance of
    2**-strength. Q calls make at most Q**2 / 4 pairs, so fewer than 2 * 2**(strength / 2) do not
    suffice.
    """
    return max(0.0, min(strength, 1 + strength / 2))


def chosen_label_bits(hidden: int, hits: int, classes: int) -> float:
    """Return the strength of a public claim against an accuser who chose the labels.

    He makes j elements that are no backdoor and that everybody's model hits; the opened half shows
    none of them with probability 2**-j, and the other hits must come by chance. The best j counts.
    This is the number for secret labels. Derived labels leave him no such choice, and
    `strength_bits` is theirs.
    """
    return min(j + strength_bits(hidden - j, hits - j, classes) for j in range(hits + 1))
