"""Two bundles on one model: whose key was published first, and what each proves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from wmproof.publication.bundle.evidence import EvidenceReport
from wmproof.publication.bundle.format import Bundle
from wmproof.publication.bundle.logged import Logged
from wmproof.publication.bundle.trust import Required, Trust
from wmproof.publication.bundle.verifier import examine_bundle


class Party(StrEnum):
    """One of the two."""

    A = "A"
    B = "B"


@dataclass(frozen=True)
class Precedence:
    """Whose key was published first.

    Parameters
    ----------
    first : Party or None
        None where the evidence does not tell.
    why : str
        In one sentence, without a final full stop.
    """

    first: Party | None
    why: str


@dataclass(frozen=True)
class Dispute:
    """What two bundles say about one model.

    Parameters
    ----------
    a, b : EvidenceReport
    precedence : Precedence
    """

    a: EvidenceReport
    b: EvidenceReport
    precedence: Precedence

    @property
    def prevails(self) -> Party | None:
        """The only party whose evidence holds; of two, the one who published first."""
        if self.a.holds and self.b.holds:
            return self.precedence.first
        return Party.A if self.a.holds else Party.B if self.b.holds else None

    @property
    def conclusion(self) -> str:
        """In one sentence, without a final full stop."""
        if not self.a.holds and not self.b.holds:
            return "neither bundle holds, so neither party has shown anything"
        if not (self.a.holds and self.b.holds):
            return f"only the evidence of {self.prevails} holds"
        if self.prevails is None:
            return f"both claims hold, and the evidence does not tell who was first: {_why(self)}"
        return f"both claims hold, and {self.prevails} published first: {_why(self)}"


def _why(dispute: Dispute) -> str:
    return dispute.precedence.why


def settle(a: Bundle, b: Bundle, model: Path | bytes, trust: Trust) -> Dispute:
    """Check both bundles against the same trust and compare when their keys were published.

    When the model was seen need not be shown, as it is the same for both; where it is shown, a key
    that came later loses.

    Raises
    ------
    FormatError
        A part of a bundle does not parse.
    InputError
        The model cannot be compiled, or trust and a bundle do not fit each other.
    """
    trust = replace(trust, without=trust.without | {Required.ORDER})
    first, second = (examine_bundle(bundle, trust, model) for bundle in (a, b))
    return Dispute(first, second, compare(first, second))


def compare(a: EvidenceReport, b: EvidenceReport) -> Precedence:
    """Say whose key was published first, by a common log and by the attested times."""
    if a.bundle.public_key.digest == b.bundle.public_key.digest:
        return Precedence(None, "both bundles are about the same key")
    by_log, by_time = _by_log(a, b), _by_time(a, b)
    if by_log.first and by_time.first and by_log.first is not by_time.first:
        why = f"the evidence contradicts itself: {by_log.why}, but {by_time.why}"
        return Precedence(None, f"{why}; somebody who is trusted here errs or lies")
    return by_log if by_log.first else by_time


def _by_log(a: EvidenceReport, b: EvidenceReport) -> Precedence:
    """Entries of one log have an order, if both checkpoints are known to be of one history."""
    for one in a.logged:
        for other in b.logged:
            if _one_history(one, other):
                first, second = one.report.index, other.report.index
                party = Party.A if first < second else Party.B
                why = f"they are entries {first} and {second} of {one.report.checkpoint.origin}"
                return Precedence(party, why)
    return Precedence(None, "they are in no common log")


def _one_history(one: Logged, other: Logged) -> bool:
    """Checkpoints of one log are of one history if they are the same or both are witnessed."""
    if (one.log_key, one.report.checkpoint.origin) != (
        other.log_key,
        other.report.checkpoint.origin,
    ):
        return False
    same = one.report.checkpoint == other.report.checkpoint
    return same or (one.moment is not None and other.moment is not None)


def _by_time(a: EvidenceReport, b: EvidenceReport) -> Precedence:
    first, second = a.key_published, b.key_published
    if first is None or second is None:
        parties = [str(p) for p, item in ((Party.A, first), (Party.B, second)) if item is None]
        whose = " and ".join(parties)
        return Precedence(None, f"nobody who is trusted attests when the key of {whose} was there")
    times = f"A by {first.moment} ({first.by}), B by {second.moment} ({second.by})"
    if first.moment.before(second.moment):
        return Precedence(Party.A, times)
    if second.moment.before(first.moment):
        return Precedence(Party.B, times)
    return Precedence(None, f"the times overlap: {times}")
