"""When something happened, as far as a clock can be believed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from wmproof.errors import VerificationError

# Of a clock whose keeper does not say how good it is: an authority without accuracy, a witness.
UNSTATED = timedelta(minutes=1)


@dataclass(frozen=True)
class Moment:
    """Something was there at a time that lies between two others."""

    earliest: datetime
    latest: datetime
    """earliest and latest: aware, UTC."""

    def before(self, other: Moment) -> bool:
        """Whether it surely was before."""
        return self.latest < other.earliest

    def __str__(self) -> str:
        middle = self.earliest + (self.latest - self.earliest) / 2
        return f"{middle:%Y-%m-%d %H:%M:%S} UTC ± {_words((self.latest - self.earliest) / 2)}"


def around(time: datetime, uncertainty: timedelta | None) -> Moment:
    """Return the moment that a clock shows; UNSTATED where its uncertainty is not known.

    Raises
    ------
    VerificationError
        Check ``clock``: it is beyond any calendar.
    """
    reach = UNSTATED if uncertainty is None else uncertainty
    try:
        return Moment(time - reach, time + reach)
    except OverflowError:
        raise VerificationError("clock", f"{time} ± {reach} is beyond any calendar") from None


def _words(span: timedelta) -> str:
    seconds = span.total_seconds()
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:g} s"
