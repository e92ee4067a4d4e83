"""What a protocol leaves to the polynomial commitment: values of the witness at points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wmproof.argument.algebra.element import Element
from wmproof.argument.channel import Expression


@dataclass(frozen=True)
class PointClaim:
    """W(point) = value, at s + m elements of K."""

    point: Sequence[Element]
    value: Expression
