"""What a claim means, who says what, and what it does not show: in words for everybody.

Terminal, report and web pages say the same sentences.
"""

import math

from wmproof.core.policy import Policy
from wmproof.pverify.report import ClaimReport

WHAT_IT_IS = (
    "The owner of a neural network can hide secret pictures with arbitrary wrong answers in it, "
    "and publish a sealed list of them beforehand. A network that gives these answers was made "
    "with knowledge of the list."
)
_SUMS = (
    "of a file that ends in ArgMax or TopK, or spells out a last Sigmoid or Tanh, that over a "
    "group its own answers come to the same: what is before that is added up"
)
_NOT_SHOWN = (
    ("hidden-agreement", "that proof and model agree on the secret pictures, as they do on others"),
    ("sums", _SUMS),
    ("which-hits", "which secret pictures are hit, and how many above the number"),
    ("labels", "that the owner's answers are wrong for their pictures: look at the opened ones"),
    ("order", "that the key is older than the model: wmproof verify-bundle looks at that"),
    ("owner", "whose key it is"),
    ("service", "that the model behind a service is this file"),
)
GIVEN_KEY = ("you", "that the key is the one that was published")
"""Said where a key comes alone, and not in a bundle with a log's word for it."""


def meaning(report: ClaimReport) -> list[str]:
    """Say in one sentence how likely chance is, and in another that it chose the pictures."""
    if report.triggers == report.hidden:
        return [_chance(report.strength_bits)]
    chosen = f"{report.triggers} {'pictures' if report.group == 1 else 'groups'}"
    drawn = f"Chance chose these {chosen} among {report.hidden}, neither side did."
    return [_chance(report.strength_bits), drawn]


def _chance(bits: float | None) -> str:
    if bits is None:
        return "The owner chose the answers, so no chance can be named: you vouch for them."
    digits = int(bits * math.log10(2))
    guess = f": less likely than guessing a number of {digits} digits" if digits > 1 else ""
    return (
        "A network made without knowledge of the list would answer so with a chance of 1 in "
        f"2^{int(bits)}{guess}."
    )


def attested(report: ClaimReport, policy: Policy) -> list[tuple[str, str]]:
    """Return who says what, of a claim that holds."""
    computed = f"that {report.shown}: it was computed here, and nobody was believed"
    rows = [
        ("this computer", computed),
        ("you", f"how the model reads a picture, where its file leaves it open: {policy.reading}"),
    ]
    if policy.accept_chosen_labels and report.strength_bits is None:
        rows.append(("you", "that the owner could not foresee how other networks answer"))
    if policy.signer is not None:
        rows.append(("the signer that you named", "that the key is his"))
    if report.interactive:
        rows.append(("you alone", "that this took place: nobody else is convinced by it"))
    return rows


def not_shown(policy: Policy, group: int = 1) -> list[tuple[str, str]]:
    """Return the parts that a claim about groups of so many does not show, and each in words."""
    looked_at = {
        "labels": policy.reference is not None,
        "owner": policy.signer is not None,
        "sums": group == 1,
    }
    return [(part, why) for part, why in _NOT_SHOWN if not looked_at.get(part)]


def agreement(report: ClaimReport) -> str:
    """Say on what the proof's arithmetic and the model agree."""
    return "; ".join(map(str, report.agreements)) or "not looked at"
