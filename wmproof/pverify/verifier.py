"""Checking a claim: everything is recomputed from the model file and the public key.

Order of the checks: the file parses; the public key is sound (e recomputed, every opened commitment
opens); the claim names this model and this key; its threshold is high enough; the model compiles to
the circuit that it names; the argument verifies.
"""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path

from wmproof.argument.system.verifier import verify_proof
from wmproof.errors import InputError, VerificationError
from wmproof.key_check import check_public_key
from wmproof.keygen import DEFAULT_SECURITY
from wmproof.keys import PublicKey
from wmproof.models.base import Classifier
from wmproof.pverify.claim_file import ClaimHeader, parse_claim
from wmproof.pverify.report import ClaimReport, claim_report
from wmproof.pverify.statement import (
    NON_INTERACTIVE,
    PublicModel,
    default_threshold,
    open_public_model,
)
from wmproof.relation.claim import MOST_CHUNK_BITS, ClaimStatement
from wmproof.strength import DEFAULT_TOLERANCE


def verify_claim(
    model: Path | bytes,
    public_key: PublicKey,
    claim: bytes,
    *,
    tolerance: Fraction = DEFAULT_TOLERANCE,
    minimum_security: int = DEFAULT_SECURITY,
    reference: Classifier | None = None,
    signer: bytes | None = None,
    pixels: str = "raw",
) -> ClaimReport:
    """Check a claim file.

    Parameters
    ----------
    model : Path or bytes
        The ONNX file that the claim is about, or its content.
    public_key : PublicKey
        As it was published.
    claim : bytes
        The claim file's content; hostile.
    tolerance : Fraction
        The largest share of misses that is accepted.
    minimum_security : int
        The n below which a key is refused.
    reference, signer
        As `key_check.check_public_key`.
    pixels : str
        What a float model takes: 'raw' or 'unit'.

    Raises
    ------
    FormatError
        The file is no claim.
    VerificationError
        Names the first check that failed; a `ProofError` if it is the argument's.
    InputError
        The model cannot be compiled or does not fit the key.
    """
    started = time.monotonic()
    header, argument = parse_claim(claim)
    check_public_key(
        public_key, reference=reference, minimum_security=minimum_security, signer=signer
    )
    public, statement = check_header(header, model, public_key, tolerance=tolerance, pixels=pixels)
    setup = verify_proof(statement, argument, NON_INTERACTIVE)
    return claim_report(
        public.header(public_key, header.threshold, header.chunk_bits),
        public_key,
        statement,
        setup,
        interactive=False,
        argument_bytes=len(argument),
        seconds=time.monotonic() - started,
    )


def check_header(
    header: ClaimHeader,
    model: Path | bytes,
    public_key: PublicKey,
    *,
    tolerance: Fraction,
    pixels: str,
) -> tuple[PublicModel, ClaimStatement]:
    """Compare what a claim says with what the verifier has, and state what has to be proved."""
    _require(
        header.key_digest == public_key.verification_key.digest,
        "key",
        "the claim is about another key",
    )
    hidden = len(public_key.verification_key.hidden_indices())
    least = default_threshold(public_key, tolerance)
    if not least <= header.threshold <= hidden:
        raise VerificationError(
            "threshold",
            f"the claim is about {header.threshold} of {hidden} hits, and {least} are asked for",
            numbers={"threshold": header.threshold, "least": least, "hidden": hidden},
        )
    _require(
        header.chunk_bits <= MOST_CHUNK_BITS, "encoding", "the claim has chunks of unknown size"
    )
    public = open_public_model(model, public_key, pixels=pixels)
    _require(header.model_digest == public.digest, "model", "the claim is about another model")
    _require(
        header.circuit_digest == public.circuit_digest,
        "circuit",
        "the model compiles to another circuit than the claim's",
    )
    try:
        statement = ClaimStatement(
            public.circuit,
            public_key.verification_key,
            header.threshold,
            context=public.context,
            chunk_bits=header.chunk_bits,
        )
    except InputError as error:
        raise VerificationError("statement", error.what, remedy=error.remedy) from None
    return public, statement


def _require(holds: bool, check: str, what: str) -> None:
    if not holds:
        raise VerificationError(check, what)
