"""The tables of the lookups: a circuit's activations, the maximum, and a range."""

from collections.abc import Sequence

import numpy as np

from wmproof.argument.algebra.element import ONE, ZERO, Element
from wmproof.argument.algebra.field import U32, P
from wmproof.argument.algebra.multilinear import evaluate_base
from wmproof.circuit.tables import Table

LIMB_BITS = 15


def _index_value(point: Sequence[Element]) -> Element:
    """The extension of the table x -> x."""
    total = ZERO
    for coordinate in point:
        total = total + total + coordinate
    return total


def _numbers(low: int, high: int) -> U32:
    """Low < 0 to high, mod p."""
    return np.concatenate([np.arange(P + low, P), np.arange(high + 1)]).astype(np.uint32)


class ActivationTable:
    """Rows (z mod p, T[z]) of a circuit's table.

    `table` is one of the circuit; it has 2^bits rows, z from -2^(bits-1) on.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self.bits, self.low = table.bits, table.low
        self.zero_value = int(table.values[-table.low])
        self.fill: Sequence[int] = (0, self.zero_value)

    def columns(self) -> U32:
        """Both columns, uint32 (2, 2^bits)."""
        return np.stack([_numbers(self.low, self.table.high), self.table.values])

    def evaluate(self, point: Sequence[Element]) -> list[Element]:
        """Both columns' extensions; the first is affine."""
        first = _index_value(point) + Element.of(self.table.low)
        return [first, evaluate_base(self.table.values, point)]


class MaximumTable:
    """Rows (d mod p, max(d, 0)) for the difference d of two numbers up to `largest`.

    Tables of 2^9 rows are the smallest, whatever `largest` is.
    """

    fill: Sequence[int] = (0, 0)

    def __init__(self, largest: int) -> None:
        self.bits = max(9, largest.bit_length() + 1)
        self.low = -(1 << (self.bits - 1))

    def columns(self) -> U32:
        """Both columns, uint32 (2, 2^bits)."""
        return np.stack([_numbers(self.low, -self.low - 1), self._excess()])

    def _excess(self) -> U32:
        return np.maximum(np.arange(self.low, -self.low), 0).astype(np.uint32)

    def evaluate(self, point: Sequence[Element]) -> list[Element]:
        """Both columns' extensions."""
        first = _index_value(point) + Element.of(self.low)
        return [first, evaluate_base(self._excess(), point)]


class RangeTable:
    """The numbers 0 .. 2^15 - 1.

    Attributes
    ----------
    bits : int
        15.
    fill : sequence of int
        The row that pads groups of lookups.
    """

    bits = LIMB_BITS
    fill: Sequence[int] = (0,)

    def columns(self) -> U32:
        """The column, uint32 (1, 2^15)."""
        return np.arange(1 << self.bits, dtype=np.uint32)[None]

    def evaluate(self, point: Sequence[Element]) -> list[Element]:
        """The column's extension."""
        return [_index_value(point)]


def prefix_weight(index: int, coordinates: Sequence[Element]) -> Element:
    """eq(coordinates, bits of index).

    `coordinates` are in K; the first one belongs to the highest bit.
    """
    weight = ONE
    for i, coordinate in enumerate(coordinates):
        bit = index >> (len(coordinates) - 1 - i) & 1
        weight = weight * (coordinate if bit else ONE - coordinate)
    return weight
