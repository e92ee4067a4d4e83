"""What the check of a bundle found."""

from __future__ import annotations

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
    def key_published(self) -> Attestation | None:
        """The best evidence of when the key was there: T1."""
        return first_of(self.attestations, Subject.KEY)

    @property
    def model_seen(self) -> Attestation | None:
        """The earliest evidence of the model: T2."""
        found = [item for item in self.attestations if item.subject is Subject.MODEL]
        return min(found, key=lambda item: item.moment.earliest, default=None)


def first_of(attestations: tuple[Attestation, ...], subject: Subject) -> Attestation | None:
    """Return the attestation of a subject that is surely the earliest."""
    found = [item for item in attestations if item.subject is subject]
    return min(found, key=lambda item: item.moment.latest, default=None)
