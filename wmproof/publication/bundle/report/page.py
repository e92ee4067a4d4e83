"""The report's sections."""

import base64
import xml.etree.ElementTree as Tree
from datetime import UTC, datetime

from wmproof._base.spoken import spoken_lines
from wmproof._base.version import __version__
from wmproof.core.checks import Outcome, Verdict
from wmproof.core.triggers import name_coins
from wmproof.publication.bundle.evidence import EvidenceReport
from wmproof.publication.bundle.report.markup import code, document, element, groups, pairs, table
from wmproof.publication.bundle.report.strength import draw_strength
from wmproof.publication.bundle.report.style import STYLE
from wmproof.publication.bundle.report.timeline import draw_timeline
from wmproof.publication.bundle.report.words import meaning, trusted, witnesses
from wmproof.publication.bundle.trust import Trust
from wmproof.pverify.words import WHAT_IT_IS

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_OUTCOMES = {
    Outcome.PASSED: ("good", "✓ passed"),
    Outcome.FAILED: ("bad", "✗ failed"),
    Outcome.SKIPPED: ("warn", "○ not checked"),
    Outcome.MISSING: ("warn", "○ not shown"),
}
_VERDICTS = {
    Verdict.HOLDS: ("good", "The evidence holds."),
    Verdict.INCOMPLETE: ("warn", "The evidence is incomplete."),
    Verdict.REFUTED: ("bad", "The evidence does not hold."),
}
_COMMITMENT = (
    "The key's owner committed to all pictures and their labels before. Half of them, drawn by a "
    "challenge that nobody could choose, are opened here; the other half stays secret and is what "
    "the claim is about. Whoever looks at these can judge for himself whether the labels are "
    "wrong for their pictures, as they should be."
)


def draw_evidence(report: EvidenceReport, trust: Trust, *, contact_sheet: bytes) -> bytes:
    """Write a report that needs no network and prints well.

    Parameters
    ----------
    report : EvidenceReport
    trust : Trust
        With which it was made: the report says whom the verifier trusted.
    contact_sheet : bytes
        A PNG file of the opened triggers.

    Returns
    -------
    bytes
        An HTML file.
    """
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", "Evidence about a neural network"),
        element("style"),
    )
    head[-1].text = STYLE  # kept as it is: its newlines are no control characters to replace
    body = element(
        "body",
        *_opening(report, trust),
        *_witnesses(report, trust),
        *_not_shown(report),
        *_timeline(report),
        *_claim(report),
        *_checks(report),
        *_digests(report),
        *_trust(trust),
        *_contact_sheet(contact_sheet),
    )
    return document(element("html", head, body, lang="en"))


def _opening(report: EvidenceReport, trust: Trust) -> list[Tree.Element]:
    when = trust.now or datetime.now(UTC)
    lead = f"Checked on {when:%Y-%m-%d %H:%M} UTC with wmproof {__version__}, offline."
    kind, words = _VERDICTS[report.verdict]
    given = report.given_digest
    return [
        element("h1", "Evidence about a neural network"),
        element("p", lead, class_="lead"),
        element(
            "div",
            element("strong", words),
            element("p", f"{report.reason[:1].upper()}{report.reason[1:]}."),
            *_fingerprint("Model file (SHA-256)", given),
            class_=f"verdict {kind}",
        ),
        *(element("p", text) for text in meaning(report)),
        element("p", WHAT_IT_IS, class_="lead"),
    ]


def _fingerprint(name: str, digest: bytes | None) -> list[Tree.Element]:
    """A digest whose groups a reader can follow, and its words to be read aloud."""
    if digest is None:
        return [element("p", f"{name}: no file was given")]
    return [
        element("p", f"{name}:", element("br"), groups(digest.hex())),
        element("p", "Read aloud:", class_="small"),
        element("ol", *(element("li", line) for line in spoken_lines(digest)), class_="spoken"),
    ]


def _witnesses(report: EvidenceReport, trust: Trust) -> list[Tree.Element]:
    rows = list(witnesses(report, trust))
    if not rows:
        return []
    return [element("h2", "Who says so"), table(("who", "says"), list(rows))]


def _timeline(report: EvidenceReport) -> list[Tree.Element]:
    heading = element("h2", "Timeline")
    if not report.attestations:
        return [heading, element("p", "Nobody who is trusted attests to any time.")]
    rows = [
        (str(number), _whole(item.what), _whole(str(item.moment)), item.by)
        for number, item in enumerate(report.attestations, 1)
    ]
    caption = "Each bar is as wide as the uncertainty. What is attested was there by then."
    return [
        heading,
        _figure(draw_timeline(report.attestations), caption),
        table(("", "what", "by", "attested by"), list(rows)),
    ]


def _claim(report: EvidenceReport) -> list[Tree.Element]:
    heading, claim = element("h2", "The claim"), report.claim
    if claim is None:
        return [heading, element("p", "No claim was shown.")]
    key = report.bundle.public_key
    facts = pairs(
        [
            ("hits", claim.hits),
            ("strength", _strength(claim.strength_bits, claim.grinding_bits)),
            ("circuit and model agree", "; ".join(map(str, claim.agreements))),
            ("security of the proof", f"{claim.security_bits:.1f} bits"),
            (
                f"bad {name_coins(key.verification_key.group)}",
                f"at most {claim.hidden_bad_at_most} of the hidden ones",
            ),
            ("security of the key", f"{report.key.security} bits (cut and choose)"),
        ]
    )
    caption = (
        f"n bits of strength: a model that knows nothing of the key answers so with a chance of "
        f"1 in 2^n. There are {key.verification_key.classes} classes."
    )
    if claim.strength_bits is None:
        return [heading, facts]
    plot = draw_strength(key, claim)
    return [heading, facts, _figure(plot, caption)]


def _strength(bits: float | None, grinding: int) -> str:
    if bits is None:
        return "none by chance: the owner chose the labels"
    taken = f", after {grinding} were taken off for trying files" if grinding else ""
    return f"{bits:.1f} bits{taken}"


def _not_shown(report: EvidenceReport) -> list[Tree.Element]:
    rows = [(item.part, item.why) for item in report.not_shown]
    return [element("h2", "What is not shown"), pairs(list(rows))]


def _checks(report: EvidenceReport) -> list[Tree.Element]:
    rows = []
    for item in report.checks:
        kind, words = _OUTCOMES[item.outcome]
        rows.append((_whole(words, kind), _whole(item.name), item.what))
    return [element("h2", "Checks"), table(("outcome", "check", "what was found"), list(rows))]


def _digests(report: EvidenceReport) -> list[Tree.Element]:
    bundle = report.bundle
    rows = [
        ("bundle", bundle.digest.hex()),
        ("model file", bundle.model_digest.hex()),
        ("public key file", bundle.public_key.digest.hex()),
        ("verification key", bundle.public_key.verification_key.digest.hex()),
    ]
    if report.claim is not None:
        rows.append(("integer circuit", report.claim.header.circuit_digest.hex()))
    rows += [
        (f"log {item.report.checkpoint.origin}", item.report.checkpoint.root.hex())
        for item in report.logged
    ]
    digests = [(name, groups(value)) for name, value in rows]
    parts = ", ".join(part.name for part in bundle.parts)
    return [
        element("h2", "Digests (SHA-256)"),
        pairs(list(digests)),
        element("p", f"Parts of the bundle: {parts}."),
    ]


def _trust(trust: Trust) -> list[Tree.Element]:
    rows = [(name, code(value)) for name, value in trusted(trust)]
    words = "All of this was given by whoever ran the check; another choice gives another report."
    return [element("h2", "Whom the verifier trusted"), element("p", words), pairs(list(rows))]


def _contact_sheet(png: bytes) -> list[Tree.Element]:
    source = "data:image/png;base64," + base64.b64encode(png).decode()
    image = element("img", src=source, alt="Opened triggers with their labels")
    heading = element("h2", "The opened triggers", class_="sheet")
    return [heading, element("p", _COMMITMENT), _figure(image, "Position and label of each.")]


def _whole(text: str, kind: str = "") -> Tree.Element:
    """A text that is not broken into lines."""
    return element("span", text, class_=f"nowrap {kind}".strip())


def _figure(picture: Tree.Element, caption: str) -> Tree.Element:
    return element("figure", picture, element("figcaption", caption))
