"""What a verifier of bundles trusts: all of it given explicitly, nothing ambient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING

from wmproof.keygen import DEFAULT_SECURITY
from wmproof.models.base import Classifier
from wmproof.publication.log.note import VerifierKey
from wmproof.strength import DEFAULT_TOLERANCE

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


class Required(StrEnum):
    """What evidence must show, unless the verifier does without it."""

    CLAIM = "claim"
    PUBLICATION = "publication"
    ORDER = "order"


@dataclass(frozen=True)
class Trust:
    """A verifier's own choices.

    Parameters
    ----------
    log_keys : tuple of VerifierKey
        Of the logs that are known.
    origins : mapping of str to str
        Origin of a log by the name of its key, where they differ.
    witnesses : tuple of VerifierKey
    quorum : int, optional
        How many of the witnesses must have cosigned a checkpoint; all if not given.
    log_now : tuple of bytes
        Fresh from the logs: checkpoints, or consistency proofs from the bundle's checkpoints.
    tsa_roots : tuple of Certificate
        Roots of RFC 3161 authorities.
    block_headers : mapping of int to bytes
        Headers of Bitcoin's best chain, 80 bytes each, by height.
    minimum_difficulty : float, optional
        Of those headers; mainnet's bound if not given.
    model_seen : datetime, optional
        When this verifier knows the model to have been seen, aware.
    signer : bytes, optional
        Ed25519 public key, 32 bytes, that must have signed the public key.
    reference : Classifier, optional
        Stands in for the ground truth.
    minimum_security : int
        The n below which a public key is refused.
    tolerance : Fraction
        The largest share of misses that is accepted.
    without : frozenset of Required
        What need not be shown.
    now : datetime, optional
        The verifier's time, aware; the system's if not given.
    """

    log_keys: tuple[VerifierKey, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)
    witnesses: tuple[VerifierKey, ...] = ()
    quorum: int | None = None
    log_now: tuple[bytes, ...] = ()
    tsa_roots: tuple[Certificate, ...] = ()
    block_headers: Mapping[int, bytes] = field(default_factory=dict)
    minimum_difficulty: float | None = None
    model_seen: datetime | None = None
    signer: bytes | None = None
    reference: Classifier | None = None
    minimum_security: int = DEFAULT_SECURITY
    tolerance: Fraction = DEFAULT_TOLERANCE
    without: frozenset[Required] = frozenset()
    now: datetime | None = None
