"""What a server of a log is allowed to do."""

from dataclasses import dataclass, field
from pathlib import Path

from wmproof.core.policy import Policy
from wmproof.publication.log.note import VerifierKey

CLAIM_PATHS = ("/verify", "/api/v1/claims")
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True)
class Settings:
    """Settings of a server."""

    folder: Path
    """The log's."""
    log_key: VerifierKey | None = None
    """From the folder if not given."""
    witnesses: tuple[VerifierKey, ...] = ()
    """Whose cosignatures are shown."""
    names: tuple[str, ...] = LOOPBACK_NAMES
    """Host names that requests may ask for."""
    policy: Policy = field(default_factory=Policy)
    """What is demanded of keys and claims."""
    upload_bytes: int = 256 * 2**20
    """Most bytes of a request."""
    requests_per_minute: int = 600
    claims_per_minute: int = 6
    """requests_per_minute and claims_per_minute: from one address."""
    claims_at_once: int = 1
    """Worker processes."""
    claim_seconds: int = 300
    """After which a worker is killed."""
    claim_bytes: int = 6 * 2**30
    """Memory of a worker."""
