"""What the check of a bundle found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from wmproof.checks import Check, Outcome
from wmproof.key_check import KeyReport
from wmproof.publication.bundle.attestations import Attestation, NotShown
from wmproof.publication.bundle.format import Bundle, Subject
from wmproof.publication.bundle.logged import Logged
from wmproof.pverify.report import ClaimReport


@dataclass(frozen=True, eq=False)
class EvidenceReport:
    """What a bundle shows, and what it does not.

    Parameters
    ----------
    bundle : Bundle
    checks : tuple of Check
        Those of the public key, then ``log``, ``timestamp``, ``claim``, ``publication`` and
        ``order``, as far as they apply.
    key : KeyReport
    claim : ClaimReport or None
        None if no claim was shown.
    attestations : tuple of Attestation
        Earliest first.
    logged : tuple of Logged
    not_shown : tuple of NotShown
    """

    bundle: Bundle
    checks: tuple[Check, ...]
    key: KeyReport
    claim: ClaimReport | None
    attestations: tuple[Attestation, ...]
    logged: tuple[Logged, ...]
    not_shown: tuple[NotShown, ...]

    @property
    def holds(self) -> bool:
        """Whether no check failed."""
        return all(item.outcome is not Outcome.FAILED for item in self.checks)

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


def published(report: EvidenceReport) -> list[Attestation]:
    """Return all that says that the key was public."""
    return [item for item in report.attestations if item.subject is Subject.KEY and item.public]


def surest(items: Iterable[Attestation]) -> Attestation | None:
    """Return the attestation whose latest possible time is the earliest."""
    return min(items, key=lambda item: item.moment.latest, default=None)
