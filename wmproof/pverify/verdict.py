"""A claim's verdict: what holds, what is only incomplete, what is refuted, and why."""

from collections.abc import Callable
from dataclasses import dataclass

from wmproof.core.checks import Verdict
from wmproof.core.reasons import plain_reason
from wmproof.errors import NotShownError, VerificationError
from wmproof.models.file import ModelFile
from wmproof.pverify.report import ClaimReport


@dataclass(frozen=True)
class ClaimVerdict:
    """How the check of a claim came out."""

    given_digest: bytes
    """Of all files of the model that the judge gave, `ModelFile.digest`."""
    report: ClaimReport | None
    """Of a claim that holds."""
    error: VerificationError | None
    """The check that did not pass, else."""

    @property
    def verdict(self) -> Verdict:
        """Holds, incomplete (something that must be shown is not) or refuted."""
        if self.error is None:
            return Verdict.HOLDS
        return Verdict.INCOMPLETE if isinstance(self.error, NotShownError) else Verdict.REFUTED

    @property
    def reason(self) -> str:
        """Why, in one plain sentence without a final full stop."""
        if self.error is not None:
            return plain_reason(self.error.check, self.error.what)
        if self.report is None:
            return "nothing was checked"
        return self.report.shown


def judge_claim(model: ModelFile, verify: Callable[[], ClaimReport]) -> ClaimVerdict:
    """Carry out a check of a claim about a model file; one that fails is an answer, too.

    InputError if something cannot be read, so nothing was checked.

    Parameters
    ----------
    model : ModelFile
        What the judge gave.
    verify : callable
        `verify_claim` or `verify_session`, with all their arguments.
    """
    try:
        return ClaimVerdict(model.digest, verify(), None)
    except VerificationError as error:
        return ClaimVerdict(model.digest, None, error)
