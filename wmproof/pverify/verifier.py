"""Checking a claim: everything is recomputed from the model file and the public key.

Order of the checks: the file parses; the public key is sound (e recomputed, every opened commitment
opens); the claim names this model and this key; it is about enough of its hidden triggers, whose
positions are drawn here and not read; its threshold is high enough; the model compiles to
the circuit that it names, and the circuit answers as the model does; the inner commitments are the
key's; the argument verifies.
"""

import logging
import time

from wmproof._base.files import Source, read_source
from wmproof.argument.system.verifier import verify_proof
from wmproof.core.policy import Policy
from wmproof.core.triggers import name_coins
from wmproof.errors import InputError, NotShownError, VerificationError
from wmproof.keys import LabelMode, PublicKey
from wmproof.keys.check import check_public_key
from wmproof.keys.worth import demand_of_claim
from wmproof.models.file import ModelSource
from wmproof.pverify.bridge import check_agreement
from wmproof.pverify.claim_file import FILE_LIMIT, ClaimHeader, parse_claim
from wmproof.pverify.report import ClaimReport, claim_report
from wmproof.pverify.statement import (
    NON_INTERACTIVE,
    Progress,
    PublicModel,
    open_public_model,
    unwatched,
)
from wmproof.relation.claim.statement import (
    MOST_CHUNK_BITS,
    ClaimStatement,
    chunks_allowed,
    inner_bytes,
)
from wmproof.relation.tensor_layout import MOST_BLOCKS

_log = logging.getLogger(__name__)

# The smallest argument that was seen has 30 times as many; so nobody makes a verifier compile and
# rehearse by a claim that costs him a header.
LEAST_BYTES = 2**14


def verify_claim(
    model: ModelSource,
    public_key: PublicKey,
    claim: Source,
    policy: Policy | None = None,
    progress: Progress = unwatched,
) -> ClaimReport:
    """Check a claim file.

    Parameters
    ----------
    model : ModelFile, path or bytes
        The ONNX file that the claim is about, or its content.
    public_key : PublicKey
        As it was published.
    claim : path or bytes
        The claim file or its content; hostile.
    policy : Policy, optional
        What the judge demands.
    progress : callable
        Is told of each phase.

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
    policy = policy or Policy()
    header, argument = parse_claim(*read_source(claim, limit=FILE_LIMIT, name="claim"))
    size = inner_bytes(public_key.verification_key, check_sample(header, public_key))
    long_enough = len(argument) >= size + LEAST_BYTES
    _require(long_enough, "encoding", "the claim is too short for any argument")
    progress("checking the key", 0)
    check_public_key(public_key, policy)
    public = check_header(header, model, public_key, policy, progress)
    progress("checking the proof", 0)
    statement = state(header, public, public_key, argument[:size])
    setup = verify_proof(statement, argument[size:], NON_INTERACTIVE)
    _log.info("a claim of %d hits about the model %s holds", header.threshold, public.digest.hex())
    return claim_report(
        public,
        header,
        public_key,
        statement,
        setup,
        interactive=False,
        argument_bytes=len(argument),
        seconds=time.monotonic() - started,
    )


def check_header(
    header: ClaimHeader,
    model: ModelSource,
    public_key: PublicKey,
    policy: Policy,
    progress: Progress,
) -> PublicModel:
    """Compare what a claim says with what the verifier has; the model, compiled."""
    triggers = check_sample(header, public_key)
    _check_threshold(header.threshold, triggers, public_key, policy)
    _require(
        header.chunk_bits <= MOST_CHUNK_BITS
        and chunks_allowed(triggers * public_key.verification_key.group, header.chunk_bits),
        "encoding",
        f"chunks of 2^{header.chunk_bits} triggers: at most 2^{MOST_CHUNK_BITS} are allowed, and "
        "not too many chunks",
    )
    public = open_public_model(model, public_key, policy, progress)
    _require(header.model_digest == public.digest, "model", "the claim is about another model")
    _require(
        header.circuit_digest == public.circuit_digest,
        "circuit",
        "the model compiles to another circuit than the claim's",
    )
    check_agreement(public.agreements, policy)
    return public


def state(
    header: ClaimHeader, public: PublicModel, public_key: PublicKey, inner: bytes
) -> ClaimStatement:
    """State what has to be proved, once the header is known to be right.

    Raises
    ------
    VerificationError
        The inner commitments are not the key's, or the statement is impossible.
    """
    try:
        return ClaimStatement(
            public.circuit,
            public_key.verification_key,
            header.threshold,
            context=public.context,
            chunk_bits=header.chunk_bits,
            inner=inner,
            triggers=header.triggers,
            most_blocks=MOST_BLOCKS if header.has_blocks else 1,
        )
    except InputError as error:
        raise VerificationError("statement", error.what, remedy=error.remedy) from None


def check_sample(header: ClaimHeader, public_key: PublicKey) -> int:
    """How many hidden triggers, or groups, a claim is about, if one can be about so many.

    Which they are is never read: `relation.claim.sample` draws them.

    Raises
    ------
    VerificationError
        ``key``: the claim is about another one. ``sample``: there are not so many, or it is some
        of a key with chosen labels.
    """
    vk = public_key.verification_key
    _require(header.key_digest == vk.digest, "key", "the claim is about another key")
    hidden, asked = vk.hidden_coins, name_coins(vk.group)
    triggers = hidden if header.triggers is None else header.triggers
    numbers = {"triggers": triggers, "hidden": hidden}
    if not 1 <= triggers <= hidden:
        what = f"the claim is about {triggers} {asked}, and the key hides {hidden}"
        raise VerificationError("sample", what, numbers=numbers)
    if triggers < hidden and vk.label_mode is LabelMode.SECRET:
        what = f"the owner chose the labels, so {triggers} of {hidden} {asked} show nothing"
        raise VerificationError("sample", what, numbers=numbers)
    return triggers


def _check_threshold(threshold: int, triggers: int, public_key: PublicKey, policy: Policy) -> None:
    vk = public_key.verification_key
    needed = demand_of_claim(policy, vk, triggers)
    numbers = {"threshold": threshold, "least": needed.threshold, "triggers": triggers}
    if not needed.reachable:
        raise NotShownError("strength", needed.check().what, numbers=numbers)
    if threshold > triggers:
        what = f"the claim is about {threshold} hits of {triggers} {name_coins(vk.group)}"
        raise VerificationError("threshold", what, numbers=numbers)
    if threshold < needed.threshold:
        raise NotShownError(
            "threshold",
            f"the claim is about {threshold} of {triggers} hits, and {needed.threshold} are asked "
            f"for: {needed.missed_by(vk, threshold)}; so nothing else was looked at",
            numbers=numbers,
        )


def _require(holds: bool, check: str, what: str) -> None:
    if not holds:
        raise VerificationError(check, what)
