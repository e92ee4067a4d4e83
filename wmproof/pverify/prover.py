"""Making a claim."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from wmproof.argument.system.prover import prove
from wmproof.errors import InputError
from wmproof.keys import MarkingKey, PublicKey
from wmproof.pverify.claim_file import encode_claim
from wmproof.pverify.statement import (
    NON_INTERACTIVE,
    PublicModel,
    default_threshold,
    open_public_model,
)
from wmproof.relation.claim import MOST_CHUNK_BITS
from wmproof.relation.claim_prover import ClaimProof
from wmproof.strength import DEFAULT_TOLERANCE

Progress = Callable[[str, float], None]


def prepare_claim(
    model: Path | bytes,
    key: MarkingKey,
    public_key: PublicKey,
    *,
    threshold: int | None = None,
    tolerance: Fraction = DEFAULT_TOLERANCE,
    chunk_bits: int = MOST_CHUNK_BITS,
    pixels: str = "raw",
    progress: Progress | None = None,
) -> tuple[PublicModel, ClaimProof]:
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
    proof = ClaimProof(
        public.circuit,
        public_key.verification_key,
        needed,
        key.embedded(),
        context=public.context,
        chunk_bits=chunk_bits,
        progress=progress,
    )
    return public, proof


def prove_claim(
    model: Path | bytes,
    key: MarkingKey,
    public_key: PublicKey,
    *,
    threshold: int | None = None,
    tolerance: Fraction = DEFAULT_TOLERANCE,
    chunk_bits: int = MOST_CHUNK_BITS,
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
    chunk_bits : int
        At most 2^chunk_bits triggers share an instance; fewer need less memory beside the
        commitment.
    pixels : str
        What a float model takes: 'raw' or 'unit'.
    progress : callable, optional
        Called with a phase's name and the share of it that is done.

    Raises
    ------
    InputError
        The model does not answer enough triggers with their labels, or does not fit the key.
    """
    public, proof = prepare_claim(
        model,
        key,
        public_key,
        threshold=threshold,
        tolerance=tolerance,
        chunk_bits=chunk_bits,
        pixels=pixels,
        progress=progress,
    )
    argument = prove(proof, proof.witness(), NON_INTERACTIVE)
    return encode_claim(public.header(public_key, proof.threshold, chunk_bits), argument)
