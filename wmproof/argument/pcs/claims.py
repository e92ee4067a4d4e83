"""What a protocol leaves to the polynomial commitment: values of the witness at points."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from wmproof.argument.algebra.element import Element
from wmproof.argument.channel import Expression


class Place(NamedTuple):
    """Where the witness is evaluated."""

    point: Sequence[Element]
    """Those of the rows first, then m."""
    rows: range | None = None
    """Those rows alone, as if they were the first of a polynomial of its own, zero behind them: the
    point has as many coordinates for them as index them. By default all rows."""


@dataclass(frozen=True)
class PointClaim:
    """W, or some of its rows, has this value at a place."""

    point: Sequence[Element]
    value: Expression
    rows: range | None = None
