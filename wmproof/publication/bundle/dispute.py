"""Two bundles on one model: whose key was published first, and what each proves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from wmproof.core.checks import Outcome
from wmproof.core.shown import Report
from wmproof.models.file import ModelSource, model_file
from wmproof.publication.bundle.attestations import Attestation
from wmproof.publication.bundle.evidence import (
    EvidenceReport,
    in_time,
    published,
    surest,
)
from wmproof.publication.bundle.format import Bundle, Subject
from wmproof.publication.bundle.logged import Logged
from wmproof.publication.bundle.trust import Required, Trust
from wmproof.publication.bundle.verifier import concluded, gathered
from wmproof.publication.log.checkpoint import Checkpoint


class Party(StrEnum):
    """One of the two."""

    A = "A"
    B = "B"


@dataclass(frozen=True)
class Precedence:
    """Whose key was published first."""

    first: Party | None
    """None where the evidence does not tell."""
    why: str
    """In one sentence, without a final full stop."""


@dataclass(frozen=True)
class Dispute(Report):
    """What two bundles say about one model."""

    a: EvidenceReport
    b: EvidenceReport
    precedence: Precedence

    @property
    def first(self) -> EvidenceReport | None:
        """The evidence of whoever published first, where that is told."""
        return {Party.A: self.a, Party.B: self.b, None: None}[self.precedence.first]

    @property
    def prevails(self) -> Party | None:
        """The only party whose evidence holds; of two, the one who published first.

        The latter only if that key is older than the model: a key that is not is worth nothing,
        however much older than the other one.
        """
        if self.a.holds and self.b.holds:
            return self.precedence.first if self.first and before_model(self.first) else None
        return Party.A if self.a.holds else Party.B if self.b.holds else None

    @property
    def conclusion(self) -> str:
        """In one sentence, without a final full stop."""
        if not self.a.holds and not self.b.holds:
            return "neither bundle holds, so neither party has shown anything"
        if not (self.a.holds and self.b.holds):
            return f"only the evidence of {self.prevails} holds"
        why, first = self.precedence.why, self.precedence.first
        if first is None:
            return f"undecided: both claims hold, and nothing tells who was first: {why}"
        if self.prevails is None:
            return (
                f"undecided: both claims hold, and {first} was first ({why}), but that counts only "
                f"if the key of {first} was published before the model: bring a timestamp of the "
                "model, or say --model-seen"
            )
        return f"both claims hold, and {first} was first, and before the model: {why}"

    def to_dict(self) -> dict[str, Any]:
        """Return it as `json.dumps` takes it."""
        return {
            "decided": self.prevails is not None,
            "prevails": self.prevails and str(self.prevails),
            "published_first": self.precedence.first and str(self.precedence.first),
            "why": self.precedence.why,
            "conclusion": self.conclusion,
            "a": self.a.to_dict(),
            "b": self.b.to_dict(),
        }


def settle(a: Bundle, b: Bundle, model: ModelSource, trust: Trust) -> Dispute:
    """Check both bundles against the same trust and compare when their keys were published.

    A bundle need not show that its key is older than the model, but where either shows the contrary
    the key loses, and of two that hold none wins without. Who says when the model was seen says it
    of one file, whichever party brings him.

    Raises
    ------
    FormatError
        A part of a bundle does not parse.
    InputError
        The model cannot be compiled, or trust and a bundle do not fit each other.
    """
    trust = replace(trust, without=trust.without | {Required.ORDER})
    file = model_file(model)
    reports = [gathered(bundle, trust, file) for bundle in (a, b)]
    seen = [
        item
        for report in reports
        if report.bundle.model_digest == file.digest
        for item in report.attestations
        if item.subject is Subject.MODEL
    ]
    first, second = (
        concluded(replace(report, attestations=in_time([*report.attestations, *seen])), trust)
        for report in reports
    )
    return Dispute(first, second, compare(first, second))


def compare(a: EvidenceReport, b: EvidenceReport) -> Precedence:
    """Say whose key was published first.

    A common log orders its entries, so whoever is later in it can only win by having been public
    elsewhere before. All common logs count, not the first that the parties happened to pack: where
    they conflict nothing is told. Without a common log the attested times count, like with like:
    publication with publication, or existence with existence.
    """
    # Anybody can sign a published key anew, log that file, and bring its owner's own claims.
    if a.bundle.public_key.verification_key == b.bundle.public_key.verification_key:
        return Precedence(None, "both bundles are about the same key")
    told = [
        _by_log(a, b, one, other)
        for one in a.logged
        for other in b.logged
        if _one_history(one, other)
    ]
    if not told:
        return _by_time(a, b)
    why = "; ".join(dict.fromkeys(item.why for item in told))
    if len({item.first for item in told}) > 1:
        return Precedence(None, f"the logs conflict: {why}")
    return Precedence(told[0].first, why)


def before_model(report: EvidenceReport) -> bool:
    """Whether it is shown that the key was there before the model."""
    return any(
        item.name == Required.ORDER and item.outcome is Outcome.PASSED for item in report.checks
    )


def _one_history(one: Logged, other: Logged) -> bool:
    """Checkpoints of one log are of one history if they are the same, or a quorum signed both.

    Of fewer than a quorum all may lie, and then each checkpoint may have honest witnesses besides.
    """
    same = one.report.checkpoint == other.report.checkpoint
    both = {item.witness for item in one.report.cosignatures} & {
        item.witness for item in other.report.cosignatures
    }
    return one.log == other.log and (same or 0 < one.quorum <= len(both))


def _by_log(a: EvidenceReport, b: EvidenceReport, one: Logged, other: Logged) -> Precedence:
    checkpoints = one.report.checkpoint, other.report.checkpoint
    if one.report.index == other.report.index or _forked(*checkpoints):
        return Precedence(None, f"{checkpoints[0].origin} shows two histories, witnessed both")
    earlier, later = (a, b) if one.report.index < other.report.index else (b, a)
    party = Party.A if earlier is a else Party.B
    # What is said of the later entry's log holds for the earlier entry too.
    shared = [item for item in published(later) if item.log == one.log]
    first = surest([*published(earlier), *shared])
    rival = surest([item for item in published(later) if item.log != one.log])
    if first and rival and rival.moment.before(first.moment):
        winner = Party.B if party is Party.A else Party.A
        return Precedence(winner, f"{winner} was published by {rival.moment}: {rival.by}")
    indices = f"{one.report.index} and {other.report.index}"
    return Precedence(party, f"they are entries {indices} of {one.report.checkpoint.origin}")


def _forked(one: Checkpoint, other: Checkpoint) -> bool:
    return one.size == other.size and one.root != other.root


def _by_time(a: EvidenceReport, b: EvidenceReport) -> Precedence:
    public = surest(published(a)), surest(published(b))
    first, second = public if all(public) else (a.key_published, b.key_published)
    if first is None or second is None:
        parties = [str(p) for p, item in ((Party.A, first), (Party.B, second)) if item is None]
        whose = " and ".join(parties)
        return Precedence(None, f"nobody who is trusted attests when the key of {whose} was there")
    times = f"A {_said(first)}, B {_said(second)}"
    if first.moment.before(second.moment):
        winner, one, other = Party.A, first, second
    elif second.moment.before(first.moment):
        winner, one, other = Party.B, second, first
    else:
        return Precedence(None, f"the times overlap: {times}")
    if other.public and not one.public:
        return Precedence(None, f"nothing shows that {winner} was public when it existed: {times}")
    return Precedence(winner, times)


def _said(item: Attestation) -> str:
    return f"{'published' if item.public else 'existed'} by {item.moment} ({item.by})"
