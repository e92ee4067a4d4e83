"""Making a claim."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from wmproof.argument.system.prover import prove
from wmproof.argument.system.statement import Security, prepare
from wmproof.core.policy import Policy
from wmproof.core.triggers import name_coins
from wmproof.errors import InputError
from wmproof.keys import MarkingKey, PublicKey
from wmproof.keys.worth import demand_of_claim
from wmproof.models.file import ModelSource
from wmproof.pverify.bridge import check_agreement
from wmproof.pverify.claim_file import ClaimHeader, encode_claim
from wmproof.pverify.memory import MemoryPlan, plan_memory
from wmproof.pverify.report import ClaimReport, claim_report
from wmproof.pverify.statement import (
    INTERACTIVE,
    NON_INTERACTIVE,
    Progress,
    PublicModel,
    open_public_model,
    unwatched,
)
from wmproof.relation.claim.prover import ClaimProof

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class PreparedClaim:
    """All that is left is to prove; secret."""

    public: PublicModel
    header: ClaimHeader
    """What the claim says."""
    public_key: PublicKey
    proof: ClaimProof

    def to_bytes(self) -> bytes:
        """Prove, without a verifier: the claim file."""
        largest = self.proof.layout.largest
        argument = prove(self.proof, self.proof.witness(), NON_INTERACTIVE, largest)
        return encode_claim(self.header, (self.proof.inner or b"") + argument)

    def report(self, security: Security, *, argument_bytes: int, seconds: float) -> ClaimReport:
        """What the claim is worth to whoever accepts it, as the verifier will say."""
        return claim_report(
            self.public,
            self.header,
            self.public_key,
            self.proof,
            prepare(self.proof, security),
            interactive=security is INTERACTIVE,
            argument_bytes=argument_bytes,
            seconds=seconds,
        )


def prepare_claim(
    model: ModelSource,
    key: MarkingKey,
    public_key: PublicKey,
    policy: Policy | None = None,
    *,
    triggers: int | None = None,
    threshold: int | None = None,
    chunk_bits: int | None = None,
    most_bytes: int | None = None,
    progress: Progress | None = None,
    planned: Callable[[MemoryPlan], None] = lambda _: None,
) -> PreparedClaim:
    """Compile the model and run it on the hidden triggers; parameters as `prove_claim`.

    Parameters
    ----------
    planned : callable
        Is told how the proof will be made, and with how much memory, before any of it is computed.
    """
    if key.verification_key != public_key.verification_key:
        raise InputError(
            "the marking key and the public key are not of one key",
            remedy="Give the public key that was published with this marking key",
        )
    report = _logged(progress or unwatched)
    policy, vk = policy or Policy(), public_key.verification_key
    proved = vk.hidden_coins if triggers is None else triggers
    needed = _threshold(public_key, policy, proved) if threshold is None else threshold
    public = open_public_model(model, public_key, policy, report)
    check_agreement(public.agreements, policy)
    plan = plan_memory(public.circuit, vk, proved, most_bytes=most_bytes, chunk_bits=chunk_bits)
    planned(plan)
    proof = ClaimProof(
        public.circuit,
        vk,
        needed,
        key.embedded(),
        context=public.context,
        chunk_bits=plan.chunk_bits,
        triggers=proved,
        keep_sums=plan.keep_sums,
        progress=report,
    )
    header = public.header(public_key, needed, plan.chunk_bits, proved)
    return PreparedClaim(public, header, public_key, proof)


def _logged(progress: Progress) -> Progress:
    """Also write the phases to the log: their names, as they begin."""
    begun: set[str] = set()

    def report(phase: str, done: float) -> None:
        if phase not in begun:
            begun.add(phase)
            _log.info("%s", phase)
        progress(phase, done)

    return report


def _threshold(key: PublicKey, policy: Policy, triggers: int) -> int:
    vk = key.verification_key
    needed = demand_of_claim(policy, vk, triggers)
    if not needed.reachable:
        sampled = triggers < vk.hidden_coins
        raise InputError(
            f"a claim about {triggers} {name_coins(vk.group)} of this key is worth "
            f"{int(needed.bits)} bits at most, fewer than the {needed.wanted:g} that are asked for",
            remedy="Prove more of them with --triggers, or claim less with --minimum-strength"
            if sampled
            else "Make a key of more triggers, or claim less with --minimum-strength",
        )
    return needed.threshold


def prove_claim(
    model: ModelSource,
    key: MarkingKey,
    public_key: PublicKey,
    policy: Policy | None = None,
    *,
    triggers: int | None = None,
    threshold: int | None = None,
    chunk_bits: int | None = None,
    most_bytes: int | None = None,
    progress: Progress | None = None,
) -> bytes:
    """Make a claim file.

    Parameters
    ----------
    model : ModelFile, path or bytes
        The ONNX file or its content.
    key : MarkingKey
        Of the public kind; it is not changed, and nothing of it can be learnt from the result.
    public_key : PublicKey
        As it was published.
    policy : Policy, optional
        What the judge will demand: the claim is made to satisfy it.
    triggers : int, optional
        How many hidden triggers, or groups, to prove, all by default; `keys.worth.sample_size` says
        how few are enough. Nobody chooses which.
    threshold : int, optional
        Hits to be claimed; by default as many as `policy` asks for.
    chunk_bits : int, optional
        At most 2^chunk_bits triggers share an instance, 2^8 by default; fewer need less memory
        beside the commitment. Groups need not be together.
    most_bytes : int, optional
        Memory that this process may take, by default what the machine can give; a slower way is
        chosen where that is needed.
    progress : callable, optional
        Called with a phase's name and the share of it that is done.

    Raises
    ------
    InputError
        The key is too small for the policy, the model does not fit it, or the memory is too small.
    VerificationError
        ``hits``: the model does not answer enough triggers with their labels. ``agreement``: the
        circuit does not stand for the model.
    """
    return prepare_claim(
        model,
        key,
        public_key,
        policy,
        triggers=triggers,
        threshold=threshold,
        chunk_bits=chunk_bits,
        most_bytes=most_bytes,
        progress=progress,
    ).to_bytes()
