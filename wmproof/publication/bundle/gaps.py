"""What a bundle does not show, said whatever it shows: each gap has a name and a reason."""

from collections.abc import Iterator

from wmproof.core.checks import Outcome
from wmproof.core.triggers import name_coins
from wmproof.publication.bundle.attestations import NotShown
from wmproof.publication.bundle.evidence import EvidenceReport, published, surest
from wmproof.publication.bundle.format import PartKind, Subject
from wmproof.publication.bundle.trust import Trust


def gaps(report: EvidenceReport, trust: Trust) -> tuple[NotShown, ...]:
    """Return all gaps, those that can be closed first."""
    return (*_missing(report), *_log_gaps(report), *_key_gaps(report, trust), *_ALWAYS)


def _missing(report: EvidenceReport) -> Iterator[NotShown]:
    for item in report.checks:
        if item.name in ("claim", "publication", "order") and item.outcome is not Outcome.PASSED:
            yield NotShown(item.name, item.what)
    stamped = {item.subject for item in report.attestations}
    if Subject.MODEL not in stamped:
        yield NotShown(
            "model-seen",
            "nobody who is trusted attests when the model was seen: a timestamp of its file does "
            "(--tsa-roots), or your own knowledge (--model-seen)",
        )
    public = surest(published(report))
    if public is None:
        yield NotShown("public", "that anybody could see the key")
    elif report.model_seen and not public.moment.before(report.model_seen.moment):
        yield NotShown("public", "that anybody could see the key before the model was seen")


def _log_gaps(report: EvidenceReport) -> Iterator[NotShown]:
    if not report.bundle.of_kind(PartKind.INCLUSION_PROOF):
        yield NotShown("log", "the bundle has no proof that the key is in a log")
    if not report.logged:
        return
    if not any(item.moment for item in report.logged):
        yield NotShown(
            "witnesses",
            "no witness is asked for, so the log may show others another list of keys, and a log "
            "alone says no time",
        )
    if not all(item.grown for item in report.logged):
        yield NotShown(
            "log-today",
            "that the log still contains the key: that takes its checkpoint of today, and a "
            "consistency proof since the bundle's if it has grown",
        )


def _key_gaps(report: EvidenceReport, trust: Trust) -> Iterator[NotShown]:
    if trust.policy.signer is None:
        yield NotShown("owner", "whose key it is: no signer was expected")
    if trust.policy.reference is None:
        yield NotShown(
            "labels",
            "that the opened labels are wrong for their pictures: look at the contact sheet",
        )
    bad = report.key.soundness.hidden_bad_at_most
    coins = name_coins(report.bundle.public_key.verification_key.group)
    if bad:
        yield NotShown(
            "hidden-triggers", f"that all hidden {coins} are good: up to {bad} may be bad ones"
        )


_ALWAYS = (
    NotShown(
        "older-model",
        "that the model did not exist before the key: timestamps say that something was there by "
        "a time, and never that it was not",
    ),
    NotShown("service", "that the model behind any service is this file"),
    NotShown("which-hits", "which hidden triggers are hit, and how many above the claimed number"),
    NotShown("lying-attesters", "that those who attest, and who are trusted here, tell the truth"),
)
