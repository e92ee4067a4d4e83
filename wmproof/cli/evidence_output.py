"""How commands show what a bundle says."""

from typing import Any

from wmproof._base.spoken import spoken
from wmproof.cli.claim_summary import VERDICTS, claim_numbers, print_banner
from wmproof.cli.output import console, print_checks, print_headed
from wmproof.publication.bundle.evidence import EvidenceReport
from wmproof.publication.bundle.report.words import meaning, witnesses
from wmproof.publication.bundle.trust import Trust


def evidence_fields(report: EvidenceReport) -> dict[str, Any]:
    """Return all that a report says, for machines."""
    given = report.given_digest
    return report.to_dict() | {
        "given_model_words": spoken(given) if given else None,
        "meaning": " ".join(meaning(report)),
    }


def print_evidence(report: EvidenceReport, trust: Trust) -> None:
    """Verdict, meaning, who says what, what is not shown, and then the numbers."""
    print_banner("evidence", report.verdict, report.reason, report.given_digest)
    print_headed("meaning", [("", text) for text in meaning(report)])
    print_headed("who says so", witnesses(report, trust))
    print_headed("not shown", ((item.part, item.why) for item in report.not_shown))
    if report.claim is not None:
        print_headed("numbers", claim_numbers(report.claim).items())
    console().print()
    print_checks(report.checks)


def verdict_words(report: EvidenceReport) -> str:
    """The verdict without its reason."""
    return VERDICTS[report.verdict].format("evidence")
