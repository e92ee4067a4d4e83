"""What a verified claim is worth."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from wmproof.argument.soundness import bits
from wmproof.argument.system.statement import Setup, error_table
from wmproof.keys import LabelMode, PublicKey
from wmproof.pverify.claim_file import ClaimHeader
from wmproof.relation.claim import ClaimStatement
from wmproof.strength import chosen_label_bits, cut_and_choose, forging_bits, strength_bits


@dataclass(frozen=True)
class ClaimReport:
    """A claim that holds.

    Attributes
    ----------
    header : ClaimHeader
        Digests and threshold, all of them compared with what the verifier has.
    hidden : int
        Hidden triggers that the claim is about.
    strength_bits : float
        -log2 of the chance that a model which knows nothing of the key answers as claimed.
    forging_bits : float or None
        log2 of the hash calls that such a claim about a given model takes; none with secret labels,
        which nobody has to try.
    hidden_bad_at_most : int
        How many hidden triggers may be no true backdoor elements, at the key's n bits.
    security_bits : float
        -log2 of the argument's soundness error.
    interactive : bool
        Whether the coins were this verifier's own. Then nobody else is convinced by it.
    argument_bytes : int
        Sent by the prover.
    seconds : float
        That the verifier took, or the prover in its own report; compilation included.
    """

    header: ClaimHeader
    hidden: int
    strength_bits: float
    forging_bits: float | None
    hidden_bad_at_most: int
    security_bits: float
    interactive: bool
    argument_bytes: int
    seconds: float

    def fields(self) -> dict[str, Any]:
        """For machines."""
        return {
            "holds": True,
            "model_sha256": self.header.model_digest.hex(),
            "verification_key_sha256": self.header.key_digest.hex(),
            "circuit_sha256": self.header.circuit_digest.hex(),
            "hidden": self.hidden,
            "threshold": self.header.threshold,
            "strength_bits": self.strength_bits,
            "forging_bits": self.forging_bits,
            "hidden_bad_at_most": self.hidden_bad_at_most,
            "security_bits": self.security_bits,
            "interactive": self.interactive,
            "argument_bytes": self.argument_bytes,
            "seconds": self.seconds,
        }


def claim_report(
    header: ClaimHeader,
    key: PublicKey,
    statement: ClaimStatement,
    setup: Setup,
    *,
    interactive: bool,
    argument_bytes: int,
    seconds: float,
) -> ClaimReport:
    """Compute the figures of a claim that was accepted, or made."""
    vk = key.verification_key
    hidden = len(statement.indices)
    secret = vk.label_mode is LabelMode.SECRET
    strength = (chosen_label_bits if secret else strength_bits)(
        hidden, header.threshold, vk.classes
    )
    soundness = cut_and_choose(len(vk), hidden, bits=vk.security)
    return ClaimReport(
        header,
        hidden,
        strength,
        None if secret else forging_bits(strength),
        soundness.hidden_bad_at_most,
        bits(sum(error_table(statement, setup).values(), Fraction(0))),
        interactive,
        argument_bytes,
        seconds,
    )
