"""Making a claim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from wmproof.argument.matrix import Storage
from wmproof.argument.system.prover import prove
from wmproof.argument.system.statement import Security, prepare
from wmproof.errors import InputError
from wmproof.keys import MarkingKey, PublicKey
from wmproof.pverify.claim_file import ClaimHeader, encode_claim
from wmproof.pverify.memory import MemoryPlan, plan_memory
from wmproof.pverify.report import ClaimReport, claim_report
from wmproof.pverify.statement import (
    INTERACTIVE,
    NON_INTERACTIVE,
    default_threshold,
    open_public_model,
)
from wmproof.relation.claim_prover import ClaimProof
from wmproof.strength import DEFAULT_TOLERANCE

Progress = Callable[[str, float], None]


@dataclass(frozen=True, eq=False)
class PreparedClaim:
    """All that is left is to prove; secret.

    Attributes
    ----------
    header : ClaimHeader
        What the claim says.
    public_key : PublicKey
    proof : ClaimProof
    storage : Storage
        Of the commitment's code matrix.
    """

    header: ClaimHeader
    public_key: PublicKey
    proof: ClaimProof
    storage: Storage

    def to_bytes(self) -> bytes:
        """Prove, without a verifier: the claim file."""
        argument = prove(self.proof, self.proof.witness(), NON_INTERACTIVE, storage=self.storage)
        return encode_claim(self.header, argument)

    def report(self, security: Security, *, argument_bytes: int, seconds: float) -> ClaimReport:
        """What the claim is worth to whoever accepts it, as the verifier will say."""
        return claim_report(
            self.header,
            self.public_key,
            self.proof,
            prepare(self.proof, security),
            interactive=security is INTERACTIVE,
            argument_bytes=argument_bytes,
            seconds=seconds,
        )


def prepare_claim(
    model: Path | bytes,
    key: MarkingKey,
    public_key: PublicKey,
    *,
    threshold: int | None = None,
    tolerance: Fraction = DEFAULT_TOLERANCE,
    chunk_bits: int | None = None,
    most_bytes: int | None = None,
    pixels: str = "raw",
    progress: Progress | None = None,
) -> PreparedClaim:
    """Compile the model and run it on the hidden triggers; parameters as `prove_claim`."""
    if key.verification_key != public_key.verification_key:
        raise InputError(
            "the marking key and the public key are not of one key",
            remedy="Give the public key that was published with this marking key",
        )
    report = progress or (lambda _phase, _done: None)
    report("compiling the model", 0)
    public = open_public_model(model, public_key, pixels=pixels)
    needed = default_threshold(public_key, tolerance) if threshold is None else threshold
    vk = public_key.verification_key
    plan = MemoryPlan() if chunk_bits is None else MemoryPlan(chunk_bits)
    if most_bytes is not None:
        plan = plan_memory(public.circuit, vk, needed, most_bytes=most_bytes, chunk_bits=chunk_bits)
    proof = ClaimProof(
        public.circuit,
        vk,
        needed,
        key.embedded(),
        context=public.context,
        chunk_bits=plan.chunk_bits,
        progress=progress,
    )
    header = public.header(public_key, needed, plan.chunk_bits)
    return PreparedClaim(header, public_key, proof, plan.storage)


def prove_claim(
    model: Path | bytes,
    key: MarkingKey,
    public_key: PublicKey,
    *,
    threshold: int | None = None,
    tolerance: Fraction = DEFAULT_TOLERANCE,
    chunk_bits: int | None = None,
    most_bytes: int | None = None,
    pixels: str = "raw",
    progress: Progress | None = None,
) -> bytes:
    """Make a claim file.

    Parameters
    ----------
    model : Path or bytes
        The ONNX file or its content.
    key : MarkingKey
        Of the public kind; it is not changed, and nothing of it can be learnt from the result.
    public_key : PublicKey
        As it was published.
    threshold : int, optional
        Hits to be claimed; by default what `tolerance` asks for.
    tolerance : Fraction
        The share of hidden triggers that may miss.
    chunk_bits : int, optional
        At most 2^chunk_bits triggers share an instance, 2^8 by default; fewer need less memory
        beside the commitment.
    most_bytes : int, optional
        Memory that this process may take; a slower way is chosen where that is needed.
    pixels : str
        What a float model takes: 'raw' or 'unit'.
    progress : callable, optional
        Called with a phase's name and the share of it that is done.

    Raises
    ------
    InputError
        The model does not answer enough triggers with their labels, or does not fit the key, or
        the memory is too small.
    """
    return prepare_claim(
        model,
        key,
        public_key,
        threshold=threshold,
        tolerance=tolerance,
        chunk_bits=chunk_bits,
        most_bytes=most_bytes,
        pixels=pixels,
        progress=progress,
    ).to_bytes()
