"""Checks with names: what was looked at, how it came out, and with which numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from wmproof.errors import VerificationError

Number = int | float | str


class Outcome(StrEnum):
    """How a check came out."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Check:
    """One check of a verification.

    Parameters
    ----------
    name : str
        Stable across versions, for machines.
    outcome : Outcome
        SKIPPED where there was nothing to check it with.
    what : str
        The outcome in one sentence, without a final full stop.
    numbers : Mapping[str, int | float | str]
        The figures that were compared.
    """

    name: str
    outcome: Outcome
    what: str
    numbers: Mapping[str, Number] = field(default_factory=dict)


def check(name: str, passed: bool, what: str, **numbers: Number) -> Check:
    """Return a check that was carried out."""
    return Check(name, Outcome.PASSED if passed else Outcome.FAILED, what, numbers)


def skipped(name: str, what: str) -> Check:
    """Return a check that could not be carried out."""
    return Check(name, Outcome.SKIPPED, what)


def require(checks: Iterable[Check]) -> None:
    """Raise the first failure.

    Raises
    ------
    VerificationError
        Names the check and its numbers.
    """
    for item in checks:
        if item.outcome is Outcome.FAILED:
            raise VerificationError(item.name, item.what, numbers=item.numbers)
