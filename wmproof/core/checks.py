"""Checks with names: what was looked at, how it came out, and with which numbers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from wmproof.core.reasons import plain_reason
from wmproof.core.shown import Report
from wmproof.errors import VerificationError

Number = int | float | str


class Outcome(StrEnum):
    """How a check came out."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    MISSING = "missing"


class Verdict(StrEnum):
    """What all checks come to."""

    HOLDS = "holds"
    INCOMPLETE = "incomplete"
    REFUTED = "refuted"


@dataclass(frozen=True)
class Check:
    """One check of a verification."""

    name: str
    """Stable across versions, for machines."""
    outcome: Outcome
    """SKIPPED where there was nothing to check it with, MISSING where that is not enough: what must
    be shown is not."""
    what: str
    """The outcome in one sentence, without a final full stop."""
    numbers: Mapping[str, Number] = field(default_factory=dict)
    """The figures that were compared."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as `json.dumps` takes it."""
        return {
            "check": self.name,
            "outcome": str(self.outcome),
            "what": self.what,
            "numbers": dict(self.numbers),
        }


def check(name: str, passed: bool, what: str, **numbers: Number) -> Check:
    """Return a check that was carried out."""
    return Check(name, Outcome.PASSED if passed else Outcome.FAILED, what, numbers)


def skipped(name: str, what: str) -> Check:
    """Return a check that could not be carried out."""
    return Check(name, Outcome.SKIPPED, what)


def judge(checks: Iterable[Check]) -> tuple[Verdict, str]:
    """Return the verdict and the reason: why the first check did not pass, in plain words."""
    listed = list(checks)
    outcomes = ((Outcome.FAILED, Verdict.REFUTED), (Outcome.MISSING, Verdict.INCOMPLETE))
    for outcome, verdict in outcomes:
        for item in listed:
            if item.outcome is outcome:
                return verdict, plain_reason(str(item.numbers.get("check", item.name)), item.what)
    return Verdict.HOLDS, "every check that must pass has passed"


def require(checks: Iterable[Check]) -> None:
    """Raise the first failure.

    Raises
    ------
    VerificationError
        Names the check and its numbers.
    """
    for item in checks:
        if item.outcome in (Outcome.FAILED, Outcome.MISSING):
            raise VerificationError(item.name, item.what, numbers=item.numbers)


class Judged(Report):
    """A report of checks, which have the last word."""

    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        """Whether no check failed."""
        return self.verdict is Verdict.HOLDS

    @property
    def verdict(self) -> Verdict:
        """Holds, incomplete (something that must be shown is not) or refuted."""
        return judge(self.checks)[0]

    @property
    def reason(self) -> str:
        """Why, in one sentence without a final full stop."""
        return judge(self.checks)[1]
