"""What a report says in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wmproof.publication.bundle.evidence import EvidenceReport
from wmproof.publication.bundle.trust import Trust
from wmproof.pverify import words

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


def meaning(report: EvidenceReport) -> list[str]:
    """Return what it comes to, in sentences for readers who know nothing of the method."""
    claim = report.claim
    if claim is None:
        return ["It is not shown that the network gives the secret answers."]
    shown = f"It is shown, without showing the pictures, that {claim.shown}."
    return [shown, *words.meaning(claim)]


def witnesses(report: EvidenceReport, trust: Trust) -> list[tuple[str, str]]:
    """Return who says what."""
    rows = []
    for item in report.attestations:
        verb = "was published" if item.public else "existed"
        rows.append((item.by, f"that the {item.subject.name.lower()} {verb} by {item.moment}"))
    if report.claim is not None:
        rows += words.attested(report.claim, trust.policy)
    return rows


def trusted(trust: Trust) -> list[tuple[str, str]]:
    """Return the roots of trust and the limits that a verifier chose."""
    rows = [("log", str(key)) for key in trust.log_keys]
    rows += [(f"origin of {name}", origin) for name, origin in trust.origins.items()]
    rows += [("witness", str(key)) for key in trust.witnesses]
    if trust.witnesses:
        rows.append(("witnesses needed", str(trust.needed)))
    rows += [("timestamp authority", _certificate(root)) for root in trust.tsa_roots]
    rows += [(f"block {height}", data.hex()) for height, data in trust.block_headers.items()]
    if trust.model_seen is not None:
        rows.append(("model seen", f"{trust.model_seen:%Y-%m-%d %H:%M:%S} UTC"))
    policy = trust.policy
    if policy.signer is not None:
        rows.append(("owner of the key", policy.signer.hex()))
    rows.append(("least security of a key", f"{policy.security} bits"))
    rows.append(("least strength of a claim", f"{policy.strength:g} bits"))
    if policy.tolerance is not None:
        rows.append(("share of misses accepted", f"{float(policy.tolerance):g}"))
    if policy.accept_chosen_labels:
        rows.append(("labels of the owner's choice", "accepted"))
    rows.append(("pixels of a float model", policy.pixels))
    rows.append(("least agreement of circuit and model", f"{float(policy.agreement):.0%}"))
    rows += [("not required", item) for item in sorted(trust.without)]
    return rows


def _certificate(root: Certificate) -> str:
    from cryptography.hazmat.primitives.hashes import SHA256

    return f"{root.subject.rfc4514_string()}, SHA-256 {root.fingerprint(SHA256()).hex()}"
