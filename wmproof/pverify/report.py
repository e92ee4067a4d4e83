"""What a verified claim is worth."""

from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from wmproof.argument.soundness import bits
from wmproof.argument.system.statement import Setup, error_table
from wmproof.core.shown import Report
from wmproof.core.strength import cut_and_choose, strength_bits
from wmproof.core.triggers import name_coins
from wmproof.keys import LabelMode, PublicKey
from wmproof.keys.worth import grinding_bits
from wmproof.pverify.bridge import Agreement
from wmproof.pverify.claim_file import ClaimHeader
from wmproof.pverify.statement import PublicModel
from wmproof.relation.claim.statement import ClaimStatement


@dataclass(frozen=True)
class ClaimReport(Report):
    """A claim that holds."""

    header: ClaimHeader
    """Digests and threshold, all of them compared with what the verifier has."""
    hidden: int
    """Hidden triggers of the key; of a key with groups hidden groups, here and below."""
    group: int
    """How many triggers share a label, and are hit by the sum of their scores; 1 without groups."""
    triggers: int
    """How many of the hidden ones the claim is about: all, or a sample that nobody chose."""
    grinding_bits: int
    """Bits that are taken off the strength, as who tries files of one model tries samples; 0 for
    all triggers."""
    strength_bits: float | None
    """-log2 of the chance that a model which knows nothing of the key answers as claimed, less
    `grinding_bits`; None for labels of the owner's choice, which are no matter of chance."""
    forging_bits: float | None
    """log2 of the hash calls that such a claim about a given model takes; None likewise."""
    hidden_bad_at_most: int
    """How many hidden triggers may be no true backdoor elements, at the key's n bits."""
    security_bits: float
    """-log2 of the argument's soundness error."""
    interactive: bool
    """Whether the coins were this verifier's own. Then nobody else is convinced by it."""
    argument_bytes: int
    """Sent by the prover."""
    agreements: tuple[Agreement, ...]
    """How often circuit and model give one answer."""
    seconds: float
    """That the verifier took, or the prover in its own report; without the compilation of
    kernels."""

    @property
    def hits(self) -> str:
        """What is claimed, in words."""
        said, asked = f"at least {self.header.threshold} of {self.triggers}", name_coins(self.group)
        if self.triggers == self.hidden:
            return f"{said} hidden {asked}"
        return f"{said} {asked} that chance drew from the {self.hidden} hidden ones"

    @property
    def secrets(self) -> str:
        """What is asked about, for readers who know nothing of the method."""
        return "secret pictures" if self.group == 1 else f"secret groups of {self.group} pictures"

    @property
    def shown(self) -> str:
        """What was proved, for readers who know nothing of the method."""
        k, asked = self.header.threshold, f"{self.triggers} {self.secrets}"
        if self.group == 1:
            return f"the file gives at least {k} of {asked} the answers on the owner's list"
        return (
            f"in at least {k} of {asked} the scores that the file computes, added up over a group, "
            "are largest for the answer on the owner's list"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as `json.dumps` takes it."""
        return {
            "holds": True,
            "model_sha256": self.header.model_digest.hex(),
            "verification_key_sha256": self.header.key_digest.hex(),
            "circuit_sha256": self.header.circuit_digest.hex(),
            "hidden": self.hidden,
            "group": self.group,
            "triggers": self.triggers,
            "grinding_bits": self.grinding_bits,
            "threshold": self.header.threshold,
            "strength_bits": self.strength_bits,
            "forging_bits": self.forging_bits,
            "hidden_bad_at_most": self.hidden_bad_at_most,
            "security_bits": self.security_bits,
            "interactive": self.interactive,
            "argument_bytes": self.argument_bytes,
            "agreement": [asdict(item) for item in self.agreements],
            "seconds": self.seconds,
        }


def claim_report(
    public: PublicModel,
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
    hidden, triggers = vk.hidden_coins, statement.hit_claim.coins
    secret = vk.label_mode is LabelMode.SECRET
    grinding = grinding_bits(vk, triggers)
    strength = max(0.0, strength_bits(triggers, header.threshold, vk.classes) - grinding)
    soundness = cut_and_choose(vk.coins, hidden, bits=vk.security)
    return ClaimReport(
        header,
        hidden,
        vk.group,
        triggers,
        grinding,
        None if secret else strength,
        None if secret else vk.forging_bits(strength),
        soundness.hidden_bad_at_most,
        bits(sum(error_table(statement, setup).values(), Fraction(0))),
        interactive,
        argument_bytes,
        public.agreements,
        seconds,
    )
