"""What `prove` and `pverify` print of a claim."""

from __future__ import annotations

from wmproof.cli.output import print_fields
from wmproof.pverify.report import ClaimReport


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
            "soundness": f"{report.security_bits:.1f} bits of the argument"
            + (", with the verifier's coins" if report.interactive else ""),
            "size and time": f"{report.argument_bytes} bytes, {report.seconds:.1f} s",
        }
    )
