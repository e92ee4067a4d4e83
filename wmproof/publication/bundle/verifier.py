"""Checking a bundle offline: every part against trust that the verifier gives explicitly."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TypeVar

from wmproof.core.checks import Check, Outcome, check, require
from wmproof.errors import NotShownError, VerificationError
from wmproof.keys.check import KeyReport, examine_public_key
from wmproof.models.file import ModelFile, ModelSource, model_file
from wmproof.publication.bundle.attestations import (
    Attestation,
    NotShown,
    stamped_digest,
    subject_digests,
    verify_stamp,
)
from wmproof.publication.bundle.evidence import EvidenceReport, in_time
from wmproof.publication.bundle.format import Bundle, Part, PartKind, Subject
from wmproof.publication.bundle.gaps import gaps
from wmproof.publication.bundle.logged import Logged, verify_log_part
from wmproof.publication.bundle.moments import around
from wmproof.publication.bundle.order import check_order, check_publication, lacking
from wmproof.publication.bundle.trust import Required, Trust
from wmproof.pverify.report import ClaimReport
from wmproof.pverify.verifier import verify_claim

_Found = TypeVar("_Found")


def examine_bundle(bundle: Bundle, trust: Trust, model: ModelSource | None) -> EvidenceReport:
    """Carry out every check of a bundle and report all of them.

    Parameters
    ----------
    bundle : Bundle
        Hostile.
    trust : Trust
    model : ModelFile, path, bytes or None
        The ONNX file that the claim is about; without it the claim is not checked.

    Raises
    ------
    FormatError
        A part does not parse.
    InputError
        The model cannot be compiled, or trust and bundle do not fit each other.
    """
    file = None if model is None else model_file(model)
    return concluded(gathered(bundle, trust, file), trust)


def gathered(bundle: Bundle, trust: Trust, model: ModelFile | None) -> EvidenceReport:
    """Check each part of a bundle; parameters and errors as `examine_bundle`.

    What all of it comes to, and what is not shown, `concluded` says.
    """
    return _Examination(bundle, trust).run(model)


def concluded(report: EvidenceReport, trust: Trust) -> EvidenceReport:
    """Add what only all attestations together tell: the checks on time, and the gaps."""
    last = (check_publication(report, trust), check_order(report, trust))
    report = replace(report, checks=(*report.checks, *last))
    return replace(report, not_shown=(*report.not_shown, *gaps(report, trust)))


def verify_bundle(bundle: Bundle, trust: Trust, model: ModelSource | None) -> EvidenceReport:
    """Check a bundle; parameters and further errors as `examine_bundle`.

    Raises
    ------
    VerificationError
        Names the first check that failed.
    """
    report = examine_bundle(bundle, trust, model)
    require(report.checks)
    return report


class _Examination:
    """Collects checks, attestations and gaps while the parts are gone through."""

    def __init__(self, bundle: Bundle, trust: Trust) -> None:
        self._bundle, self._trust = bundle, trust
        self._checks: list[Check] = []
        self._attestations: list[Attestation] = []
        self._not_shown: list[NotShown] = []

    def run(self, model: ModelFile | None) -> EvidenceReport:
        key = self._examine_key()
        logged = self._examine_logs()
        self._examine_stamps(logged)
        claim = self._examine_claim(model)
        self._add_own_knowledge()
        return EvidenceReport(
            self._bundle,
            tuple(self._checks),
            key,
            claim,
            in_time(self._attestations),
            logged,
            tuple(self._not_shown),
            None if model is None else model.digest,
        )

    def _examine_key(self) -> KeyReport:
        report = examine_public_key(self._bundle.public_key, self._trust.policy)
        self._checks += report.checks
        return report

    def _examine_logs(self) -> tuple[Logged, ...]:
        found = []
        for part in self._bundle.of_kind(PartKind.INCLUSION_PROOF):
            if not self._trust.log_keys:
                self._not_shown.append(NotShown(part.name, "no key of a log was given"))
                continue
            where = f"{self._bundle.where}: {part.name}"
            key, trust = self._bundle.public_key, self._trust
            logged = self._attempt("log", partial(verify_log_part, part, key, trust, where))
            if logged is not None:
                found.append(logged)
                self._passed("log", f"the key is in {logged.by}")
                if logged.moment is not None:
                    self._attest(Attestation(Subject.KEY, logged.moment, logged.by, logged.log))
        return tuple(found)

    def _examine_stamps(self, logged: tuple[Logged, ...]) -> None:
        digests = subject_digests(self._bundle)
        for part in self._bundle.stamps:
            where = f"{self._bundle.where}: {part.name}"
            verify = partial(verify_stamp, part, digests[part.subject], self._trust, where)
            found = self._attempt("timestamp", verify)
            if isinstance(found, NotShown):
                self._not_shown.append(found)
            elif found is not None:
                self._passed("timestamp", f"the {found.what} by {found.moment}: {found.by}")
                self._attest(found)
                self._attest_logged(found, part, logged)

    def _attest_logged(self, found: Attestation, part: Part, logged: tuple[Logged, ...]) -> None:
        """A timestamped checkpoint of a known log says since when the key is in that log."""
        if part.subject is not Subject.CHECKPOINT:
            return
        digest = stamped_digest(part.kind, part.content, part.name)
        for item in logged:
            if hashlib.sha256(item.signed.note.to_bytes()).digest() == digest:
                by = f"{item.by}, whose checkpoint {found.by} timestamped"
                self._attest(Attestation(Subject.KEY, found.moment, by, item.log))

    def _examine_claim(self, model: ModelFile | None) -> ClaimReport | None:
        claim, trust = self._bundle.claim, self._trust
        if model is not None and not self._is_the_model(model):
            return None
        if claim is None or model is None:
            what = "the bundle has no claim" if claim is None else "no model file was given"
            self._checks.append(lacking(Required.CLAIM, f"{what}, so no claim is shown", trust))
            return None
        if not self._same_pixels(trust.policy.pixels):
            return None
        key = self._bundle.public_key
        verify = partial(verify_claim, model, key, claim, trust.policy)
        report = self._attempt(Required.CLAIM, verify)
        if report is not None:
            self._passed(Required.CLAIM, f"{report.hits} are hit")
        return report

    def _same_pixels(self, pixels: str) -> bool:
        """What pixels a model takes is the verifier's to say: the bundle's word is not used."""
        said = self._bundle.pixels.name.lower()
        if said == pixels:
            return True
        what = (
            f"the claimant says that the model takes pixels as {said!r}, and the verifier did not; "
            f"if you know it to be so, say --pixels {said}"
        )
        self._checks.append(lacking(Required.CLAIM, what, self._trust))
        return False

    def _is_the_model(self, model: ModelFile) -> bool:
        found, expected = model.digest, self._bundle.model_digest
        same = found == expected
        what = "the file is the bundle's model" if same else "the bundle is about another model"
        numbers = {} if same else {"file": found.hex(), "bundle": expected.hex()}
        self._checks.append(check("model", same, what, **numbers))
        return same

    def _add_own_knowledge(self) -> None:
        seen = self._trust.model_seen
        if seen is not None:
            by = "the verifier's own knowledge"
            self._attest(Attestation(Subject.MODEL, around(seen, timedelta(0)), by))

    def _attempt(self, name: str, verify: Callable[[], _Found]) -> _Found | None:
        """Carry out a check; a failure becomes one of the report's checks."""
        try:
            return verify()
        except VerificationError as error:
            what = f"{error.where}: {error.what}" if error.where else error.what
            numbers = {"check": error.check, **error.numbers}
            outcome = Outcome.FAILED
            if isinstance(error, NotShownError):
                outcome = Outcome.SKIPPED if name in self._trust.without else Outcome.MISSING
            self._checks.append(Check(name, outcome, what, numbers))
            return None

    def _passed(self, name: str, what: str) -> None:
        self._checks.append(check(name, True, what))

    def _attest(self, item: Attestation) -> None:
        self._attestations.append(item)
