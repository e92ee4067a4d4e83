"""What a verifier of bundles trusts: all of it given explicitly, nothing ambient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from wmproof.core.policy import Policy
from wmproof.errors import InputError
from wmproof.publication.log.note import VerifierKey

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

    Raises
    ------
    InputError
        The model was seen at a time that has not come yet.
    """

    log_keys: tuple[VerifierKey, ...] = ()
    """Of the logs that are known."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Origin of a log by the name of its key, where they differ."""
    witnesses: tuple[VerifierKey, ...] = ()
    quorum: int | None = None
    """How many of the witnesses must have cosigned a checkpoint; all if not given."""
    log_now: tuple[bytes, ...] = ()
    """Fresh from the logs: checkpoints, or consistency proofs from the bundle's checkpoints."""
    tsa_roots: tuple[Certificate, ...] = ()
    """Roots of RFC 3161 authorities."""
    tsa_intermediates: tuple[Certificate, ...] = ()
    """What tokens may fail to carry below the roots; not trusted."""
    block_headers: Mapping[int, bytes] = field(default_factory=dict)
    """Headers of Bitcoin's best chain, 80 bytes each, by height."""
    minimum_difficulty: float | None = None
    """Of those headers; mainnet's bound if not given."""
    model_seen: datetime | None = None
    """When this verifier knows the model to have been seen, aware."""
    policy: Policy = field(default_factory=Policy)
    """What is demanded of the key and the claim."""
    without: frozenset[Required] = frozenset()
    """What need not be shown."""
    now: datetime | None = None
    """The verifier's time, aware; the system's if not given."""

    def __post_init__(self) -> None:
        if self.model_seen is not None and self.model_seen > (self.now or datetime.now(UTC)):
            raise InputError(f"the model is said to be seen in the future, at {self.model_seen}")

    @property
    def needed(self) -> int:
        """How many witnesses must have cosigned a checkpoint."""
        return len(set(self.witnesses)) if self.quorum is None else self.quorum
