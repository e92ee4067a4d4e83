"""What the check of a bundle found."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from wmproof.core.checks import Check, Judged
from wmproof.keys.check import KeyReport
from wmproof.publication.bundle.attestations import Attestation, NotShown
from wmproof.publication.bundle.format import Bundle, Subject
from wmproof.publication.bundle.logged import Logged
from wmproof.pverify.report import ClaimReport


@dataclass(frozen=True, eq=False)
class EvidenceReport(Judged):
    """What a bundle shows, and what it does not."""

    bundle: Bundle
    checks: tuple[Check, ...]
    """Those of the public key, then ``log``, ``timestamp``, ``claim``, ``publication`` and
    ``order``, as far as they apply."""
    key: KeyReport
    claim: ClaimReport | None
    """None if no claim was shown."""
    attestations: tuple[Attestation, ...]
    """Earliest first."""
    logged: tuple[Logged, ...]
    not_shown: tuple[NotShown, ...]
    given_digest: bytes | None = None
    """SHA-256 of the model file that the verifier gave: the one that the verdict is about."""

    @property
    def key_there(self) -> Attestation | None:
        """The surest evidence that the key was there early, public or not."""
        return surest(item for item in self.attestations if item.subject is Subject.KEY)

    @property
    def key_published(self) -> Attestation | None:
        """T1: the surest evidence that the key was public early; else that it was there."""
        return surest(published(self)) or self.key_there

    @property
    def model_seen(self) -> Attestation | None:
        """T2: the earliest evidence of the model."""
        found = [item for item in self.attestations if item.subject is Subject.MODEL]
        return min(found, key=lambda item: item.moment.earliest, default=None)

    def to_dict(self) -> dict[str, Any]:
        """Return it as `json.dumps` takes it."""
        key = self.bundle.public_key
        return {
            "holds": self.holds,
            "verdict": str(self.verdict),
            "reason": self.reason,
            "bundle_sha256": self.bundle.digest.hex(),
            "public_key_sha256": key.digest.hex(),
            "verification_key_sha256": key.verification_key.digest.hex(),
            "model_sha256": self.bundle.model_digest.hex(),
            "given_model_sha256": self.given_digest.hex() if self.given_digest else None,
            "checks": [item.to_dict() for item in self.checks],
            "timeline": [item.to_dict() for item in self.attestations],
            "key_published": self.key_published.to_dict() if self.key_published else None,
            "model_seen": self.model_seen.to_dict() if self.model_seen else None,
            "claim": self.claim.to_dict() if self.claim else None,
            "not_shown": [asdict(item) for item in self.not_shown],
        }


def published(report: EvidenceReport) -> list[Attestation]:
    """Return all that says that the key was public."""
    return [item for item in report.attestations if item.subject is Subject.KEY and item.public]


def surest(items: Iterable[Attestation]) -> Attestation | None:
    """Return the attestation whose latest possible time is the earliest."""
    return min(items, key=lambda item: item.moment.latest, default=None)


def in_time(items: Iterable[Attestation]) -> tuple[Attestation, ...]:
    """Return attestations, the surest of early times first, none twice."""
    return tuple(sorted(dict.fromkeys(items), key=lambda item: item.moment.latest))
