"""What a server of a log is allowed to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from wmproof.core.policy import Policy
from wmproof.publication.log.note import VerifierKey

CLAIM_PATHS = ("/verify", "/api/v1/claims")
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True)
class Settings:
    """Settings of a server.

    Parameters
    ----------
    folder : Path
        The log's.
    log_key : VerifierKey, optional
        From the folder if not given.
    witnesses : tuple of VerifierKey
        Whose cosignatures are shown.
    names : tuple of str
        Host names that requests may ask for.
    policy : Policy
        What is demanded of keys and claims.
    upload_bytes : int
        Most bytes of a request.
    requests_per_minute, claims_per_minute : int
        From one address.
    claims_at_once : int
        Worker processes.
    claim_seconds : int
        After which a worker is killed.
    claim_bytes : int
        Memory of a worker.
    """

    folder: Path
    log_key: VerifierKey | None = None
    witnesses: tuple[VerifierKey, ...] = ()
    names: tuple[str, ...] = LOOPBACK_NAMES
    policy: Policy = field(default_factory=Policy)
    upload_bytes: int = 256 * 2**20
    requests_per_minute: int = 600
    claims_per_minute: int = 6
    claims_at_once: int = 1
    claim_seconds: int = 300
    claim_bytes: int = 6 * 2**30
