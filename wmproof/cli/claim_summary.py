"""What `prove`, `pverify` and `check-key` print of a claim."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wmproof.cli.output import print_fields

if TYPE_CHECKING:
    from wmproof.pverify.report import ClaimReport


def forging_cost(bits: float | None) -> str:
    """Say what a false claim takes."""
    if bits is None:
        return "nothing to try: the owner chose the labels, so ask for ground truth"
    return f"takes 2^{int(bits)} hash calls or more"


def print_claim(report: ClaimReport) -> None:
    """Digests, threshold, strength, soundness, size and time."""
    header = report.header
    print_fields(
        {
            "model": header.model_digest.hex(),
            "key": header.key_digest.hex(),
            "circuit": header.circuit_digest.hex(),
            "claim": f"at least {header.threshold} of {report.hidden} hidden triggers hit",
            "strength": f"{report.strength_bits:.1f} bits; at most {report.hidden_bad_at_most} of "
            "the hidden triggers may be bad ones",
            "forging": forging_cost(report.forging_bits),
            "soundness": f"{report.security_bits:.1f} bits of the argument"
            + (", with the verifier's coins" if report.interactive else ""),
            "size and time": f"{report.argument_bytes} bytes, {report.seconds:.1f} s",
        }
    )
