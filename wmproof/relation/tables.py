"""The tables of the lookups: a circuit's activations, the maximum, and a range."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wmproof.argument.element import ONE, ZERO, Element
from wmproof.argument.field import U32, P
from wmproof.argument.multilinear import evaluate_base
from wmproof.circuit.tables import Table

LIMB_BITS = 15


def _index_value(point: Sequence[Element]) -> Element:
    """The extension of the table x -> x."""
    total = ZERO
    for coordinate in point:
        total = total + total + coordinate
    return total


class ActivationTable:
    """Rows (z mod p, T[z]) of a circuit's table."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.bits, self.low = table.bits, table.low
        self.zero_value = int(table.values[-table.low])
        self.fill: Sequence[int] = (0, self.zero_value)

    def columns(self) -> U32:
        """Both columns, uint32 (2, 2^bits)."""
        z = np.arange(self.table.low, self.table.high + 1) % P
        return np.stack([z, self.table.values]).astype(np.uint32)

    def evaluate(self, point: Sequence[Element]) -> list[Element]:
        """Both columns' extensions; the first is affine."""
        first = _index_value(point) + Element.of(self.table.low)
        return [first, evaluate_base(self.table.values.astype(np.uint32), point)]


class MaximumTable:
    """Rows (d mod p, max(d, 0)) for the difference d of two bytes, -256 <= d < 256."""

    bits = 9
    low = -256
    fill: Sequence[int] = (0, 0)

    def columns(self) -> U32:
        """Both columns, uint32 (2, 512)."""
        d = np.arange(-256, 256)
        return np.stack([d % P, np.maximum(d, 0)]).astype(np.uint32)

    def evaluate(self, point: Sequence[Element]) -> list[Element]:
        """Both columns' extensions."""
        first = _index_value(point) + Element.of(self.low)
        return [first, evaluate_base(self.columns()[1], point)]


class RangeTable:
    """The numbers 0 .. 2^15 - 1."""

    bits = LIMB_BITS
    fill: Sequence[int] = (0,)

    def columns(self) -> U32:
        """The column, uint32 (1, 2^15)."""
        return np.arange(1 << self.bits, dtype=np.uint32)[None]

    def evaluate(self, point: Sequence[Element]) -> list[Element]:
        """The column's extension."""
        return [_index_value(point)]


def prefix_weight(index: int, coordinates: Sequence[Element]) -> Element:
    """eq(coordinates, bits of index)."""
    weight = ONE
    for i, coordinate in enumerate(coordinates):
        bit = index >> (len(coordinates) - 1 - i) & 1
        weight = weight * (coordinate if bit else ONE - coordinate)
    return weight
