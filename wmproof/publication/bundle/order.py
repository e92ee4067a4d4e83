"""The two checks on time: the key was published, and that was before the model was seen."""

from wmproof.core.checks import Check, Outcome, check
from wmproof.publication.bundle.evidence import EvidenceReport
from wmproof.publication.bundle.trust import Required, Trust


def check_publication(report: EvidenceReport, trust: Trust) -> Check:
    """Somebody who is trusted attests that the key was there at some time."""
    first = report.key_published
    if first is None:
        what = "nobody who is trusted attests when the key was there"
        return lacking(Required.PUBLICATION, what, trust)
    verb = "was published" if first.public else "existed"
    return check(
        Required.PUBLICATION,
        True,
        f"the key {verb} by {first.moment}: {first.by}",
        latest=first.moment.latest.isoformat(),
    )


def check_order(report: EvidenceReport, trust: Trust) -> Check:
    """The key was there before the earliest evidence of the model."""
    key, model = report.key_there, report.model_seen
    if key is None or model is None:
        what = "when the model was seen" if model is None else "when the key was there"
        return lacking(Required.ORDER, f"nothing says {what}", trust)
    numbers = {
        "key_latest": key.moment.latest.isoformat(),
        "model_earliest": model.moment.earliest.isoformat(),
    }
    if key.moment.before(model.moment):
        what = "the key was there before the earliest evidence of the model"
        return check(Required.ORDER, True, what, **numbers)
    if model.moment.before(key.moment):
        what = f"the model was seen first: {model.moment} by {model.by}"
        return check(Required.ORDER, False, what, **numbers)
    what = "the times overlap, so nothing says which was first"
    return lacking(Required.ORDER, what, trust, **numbers)


def lacking(part: Required, what: str, trust: Trust, **numbers: int | float | str) -> Check:
    """Return the check of what is not shown: missing, unless the verifier goes without."""
    outcome = Outcome.SKIPPED if part in trust.without else Outcome.MISSING
    return Check(part, outcome, what, numbers)
