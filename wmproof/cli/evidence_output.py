"""How commands show what a bundle says."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from wmproof._files import read_file
from wmproof.cli.output import checks_as_json, print_checks, print_rows
from wmproof.publication.bundle.attestations import Attestation
from wmproof.publication.bundle.evidence import EvidenceReport
from wmproof.publication.bundle.format import BUNDLE_LIMIT, Bundle, parse_bundle


def load_bundle(path: Path) -> Bundle:
    """Read a bundle's file."""
    return parse_bundle(read_file(path, limit=BUNDLE_LIMIT), str(path))


def evidence_fields(report: EvidenceReport) -> dict[str, Any]:
    """Return all that a report says, for machines."""
    bundle = report.bundle
    return {
        "holds": report.holds,
        "bundle_sha256": bundle.digest.hex(),
        "public_key_sha256": bundle.public_key.digest.hex(),
        "verification_key_sha256": bundle.public_key.verification_key.digest.hex(),
        "model_sha256": bundle.model_digest.hex(),
        "checks": checks_as_json(report.checks),
        "timeline": [_event(item) for item in report.attestations],
        "key_published": _event(report.key_published),
        "model_seen": _event(report.model_seen),
        "claim": report.claim.fields() if report.claim else None,
        "not_shown": [{"part": item.part, "why": item.why} for item in report.not_shown],
    }


def _event(item: Attestation | None) -> dict[str, Any] | None:
    if item is None:
        return None
    return {
        "what": item.what,
        "earliest": item.moment.earliest.isoformat(),
        "latest": item.moment.latest.isoformat(),
        "by": item.by,
        "public": item.public,
    }


def print_evidence(report: EvidenceReport) -> None:
    """Print checks, timeline, what the claim is worth, and what is not shown."""
    print_checks(report.checks)
    events = [(f"{item.what} by", f"{item.moment}: {item.by}") for item in report.attestations]
    _print_headed("timeline", events)
    _print_headed("claim", claim_words(report).items())
    _print_headed("not shown", ((item.part, item.why) for item in report.not_shown))


def _print_headed(head: str, rows: Iterable[tuple[str, str]]) -> None:
    listed = list(rows)
    if listed:
        print_rows([("", ""), (f"{head}:", ""), *listed])


def claim_words(report: EvidenceReport) -> dict[str, str]:
    """Return what a claim that holds is worth, in words."""
    claim = report.claim
    if claim is None:
        return {}
    return {
        "hits": f"at least {claim.header.threshold} of {claim.hidden} hidden triggers",
        "strength": f"{claim.strength_bits:.1f} bits: the chance that a model which knows nothing "
        "of the key answers so",
        "security": f"{claim.security_bits:.1f} bits: the chance that the proof is of a false "
        "statement, to somebody who tries",
    }
