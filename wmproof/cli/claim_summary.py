"""What `prove`, `pverify` and `check-key` print of a claim."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wmproof._base.spoken import spoken, spoken_lines
from wmproof.cli.output import print_fields, print_headed, print_verdict
from wmproof.core.checks import Verdict
from wmproof.core.triggers import name_coins

if TYPE_CHECKING:
    from wmproof.core.policy import Policy
    from wmproof.pverify.report import ClaimReport
    from wmproof.pverify.verdict import ClaimVerdict

VERDICTS = {
    Verdict.HOLDS: "the {} holds",
    Verdict.INCOMPLETE: "the {} is incomplete",
    Verdict.REFUTED: "the {} does not hold",
}


def forging_cost(bits: float | None) -> str:
    """Say what a false claim takes."""
    if bits is None:
        return "nothing to try: the owner chose the labels, and only you can vouch for them"
    return f"takes 2^{int(bits)} hash calls or more"


def strength_words(bits: float | None, grinding: int = 0) -> str:
    """Say how likely chance is."""
    if bits is None:
        return "no strength by chance, since the owner chose the labels"
    said = f"{bits:.1f} bits, a chance of 1 in 2^{int(bits)} for a model without the mark"
    if grinding:
        said += f", after {grinding} bits were taken off for whoever tries 2^{grinding} files of it"
    return said


def fingerprint_rows(name: str, digest: bytes) -> list[tuple[str, str]]:
    """A digest in one piece, to be copied, and in words, to be read aloud."""
    words = [("" if i else "read aloud", line) for i, line in enumerate(spoken_lines(digest))]
    return [(name, digest.hex()), *words]


def print_banner(subject: str, verdict: Verdict, reason: str, digest: bytes | None) -> None:
    """The verdict, its reason, and which file it is about: all its bytes, also to read aloud.

    Parameters
    ----------
    subject : str
        'claim' or 'evidence'.
    digest : bytes or None
        SHA-256 of the model file that was given.
    """
    print_verdict(verdict, f"{VERDICTS[verdict].format(subject)}: {reason}")
    rows = fingerprint_rows("model file", digest) if digest else [("model file", "not given")]
    print_headed(None, rows)


def print_claim_verdict(found: ClaimVerdict, policy: Policy) -> None:
    """Verdict, meaning, who says what, what is not shown, and then the numbers."""
    from wmproof.pverify import words

    print_banner("claim", found.verdict, found.reason, found.given_digest)
    report = found.report
    if report is not None:
        print_headed("meaning", [("", text) for text in words.meaning(report)])
        print_headed("who says so", [*words.attested(report, policy), words.GIVEN_KEY])
        print_headed("not shown", words.not_shown(policy, report.group))
        print_headed("numbers", claim_numbers(report).items())
    elif found.error is not None:
        error = found.error
        exactly = f"{error.where}: {error.what}" if error.where else error.what
        rows = [(error.check, exactly), ("what to do", error.remedy)]
        print_headed("what failed", [(name, text) for name, text in rows if text])
    print_verdict(found.verdict, VERDICTS[found.verdict].format("claim"))


def verdict_fields(found: ClaimVerdict, policy: Policy) -> dict[str, Any]:
    """Return the same for machines."""
    from wmproof.pverify import words

    report = found.report
    gaps = words.not_shown(policy, report.group if report else 1)
    return {
        "verdict": str(found.verdict),
        "reason": found.reason,
        "given_model_sha256": found.given_digest.hex(),
        "given_model_words": spoken(found.given_digest),
        "meaning": " ".join(words.meaning(report)) if report else None,
        "not_shown": [{"part": part, "why": why} for part, why in gaps],
    }


def claim_numbers(report: ClaimReport) -> dict[str, str]:
    """Threshold, strength, soundness, size, time and digests of a claim."""
    from wmproof.pverify import words

    header = report.header
    return {
        "claim": f"{report.hits} hit",
        "strength": f"{strength_words(report.strength_bits, report.grinding_bits)}; at most "
        f"{report.hidden_bad_at_most} of the hidden {name_coins(report.group)} may be bad ones",
        "forging": forging_cost(report.forging_bits),
        "agreement": f"circuit and model give one answer on {words.agreement(report)}",
        "soundness": f"{report.security_bits:.1f} bits of the argument"
        + (", with the verifier's coins" if report.interactive else ""),
        "size and time": f"{report.argument_bytes} bytes, {report.seconds:.1f} s",
        "key": header.key_digest.hex(),
        "circuit": header.circuit_digest.hex(),
    }


def print_claim(report: ClaimReport, policy: Policy) -> None:
    """What the owner sees of the claim that he made."""
    from wmproof.pverify import words

    print_fields({"model file": report.header.model_digest.hex(), **claim_numbers(report)})
    print_headed("not shown", words.not_shown(policy, report.group))
