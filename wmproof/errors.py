"""Every error that wmproof raises on purpose: what failed, where, and what to do about it.

Two families matter to a caller. An `InputError` says that the question could not be asked (a
file is missing, foreign, truncated; a passphrase is wrong); a `VerificationError` says that it
was asked and that the answer is no. The command line turns them into exit codes 2 and 1.
No message ever carries key material.
"""

from collections.abc import Mapping
from typing import Any


class WmproofError(Exception):
    """Base of all deliberate errors.

    Parameters
    ----------
    what : str
        The failure, in one sentence, without a final full stop.
    where : str, optional
        The file, field, node or index concerned.
    remedy : str, optional
        What the user can do.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str | None = None, remedy: str | None = None) -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        super().__init__(what)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pass between processes whole, whatever a subclass's constructor takes."""
        return type(self).__new__, (type(self), *self.args), self.__dict__

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}. {self.remedy}." if self.remedy else text


class InputError(WmproofError):
    """The input cannot be used: wrong type, shape, range, or a file that is not there."""


class FormatError(InputError):
    """Bytes that claim to be one of our formats and do not parse as its canonical encoding."""


class PassphraseError(InputError):
    """The passphrase does not open the marking key, or none was given."""


class VerificationError(WmproofError):
    """A check that was carried out and failed.

    Parameters
    ----------
    check : str
        Name of the check, stable across versions, for machines.
    what : str
        The failure in one sentence.
    numbers : Mapping[str, int | float | str], optional
        The figures that the check compared.
    """

    exit_code = 1

    def __init__(
        self,
        check: str,
        what: str,
        *,
        where: str | None = None,
        remedy: str | None = None,
        numbers: Mapping[str, int | float | str] | None = None,
    ) -> None:
        self.check = check
        self.numbers = dict(numbers or {})
        super().__init__(what, where=where, remedy=remedy)


class NotShownError(VerificationError):
    """Nothing is wrong, but what must be shown is not: a claim of too few hits, say."""


class ProofError(VerificationError):
    """A zero-knowledge proof that does not parse or does not verify."""
