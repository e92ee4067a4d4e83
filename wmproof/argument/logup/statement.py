"""What a lookup argument is about, as both parties see it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from wmproof.argument.algebra.element import ONE, ZERO, Element
from wmproof.argument.algebra.field import U32
from wmproof.argument.algebra.multilinear import evaluate_base, prefix_indicator
from wmproof.argument.channel import Expression


class LookupTable(Protocol):
    """A public table of 2^bits rows."""

    @property
    def bits(self) -> int:
        """Logarithm of the number of rows."""

    @property
    def fill(self) -> Sequence[int]:
        """A row of the table, canonical: what stands behind the end of a shorter column."""

    def columns(self) -> U32:
        """All columns, canonical uint32 (width, 2^bits). Only the prover asks."""

    def evaluate(self, point: Sequence[Element]) -> list[Element]:
        """Each column's multilinear extension at a point of `bits` elements."""


class ArrayTable:
    """A table given by its columns; the verifier reads all of it.

    Parameters
    ----------
    columns : uint32 (width, 2^bits), canonical
    fill_row : int
        Index of the row that fills up shorter columns.
    """

    def __init__(self, columns: U32, fill_row: int = 0) -> None:
        self._columns = np.ascontiguousarray(columns, np.uint32)
        if columns.shape[1] & (columns.shape[1] - 1):
            raise ValueError("a table has a power of two of rows; repeat one to fill it up")
        self.fill: Sequence[int] = [int(v) for v in columns[:, fill_row]]
        self.bits = int(columns.shape[1]).bit_length() - 1

    def columns(self) -> U32:
        """All columns."""
        return self._columns

    def evaluate(self, point: Sequence[Element]) -> list[Element]:
        """Each column's extension at a point."""
        return [evaluate_base(column, point) for column in self._columns]


@dataclass(frozen=True)
class Lookup:
    """One table and the groups of columns that are looked up in it."""

    label: str
    """Names its messages and errors."""
    table: LookupTable
    lengths: Sequence[int]
    """Entries of each group's columns."""
    blocks: Sequence[int] = ()
    """For each group an odd number b, 1 by default. If it is not 1, the length is b * 2^n, entry b
    i + j is the value at (i, j), and what is filled up is each i from b to a power of two."""

    def blocks_of(self, group: int) -> int:
        """Of one group."""
        return self.blocks[group] if self.blocks else 1

    def bits(self, group: int) -> int:
        """Number of variables of a group's columns; at least one."""
        return max(1, (self.lengths[group] - 1).bit_length())

    @property
    def counted(self) -> int:
        """What all multiplicities add up to: groups count as filled."""
        return sum(1 << self.bits(group) for group in range(len(self.lengths)))


@dataclass(frozen=True)
class ColumnClaims:
    """The columns of one group, extended by zeros to 2^n entries, at one random point."""

    point: list[Element]
    """n of them."""
    values: list[Expression]
    """One a column."""


@dataclass(frozen=True)
class LookupClaims:
    """What is left to check."""

    groups: list[ColumnClaims]
    """About each group's columns."""
    multiplicities: ColumnClaims
    """About one column: how often each row of the table is looked up."""


def powers(base: Element, count: int) -> list[Element]:
    """1, base, ..., base^(count - 1)."""
    result = [ONE]
    while len(result) < count:
        result.append(result[-1] * base)
    return result[:count]


def filled_part(lookup: Lookup, group: int, point: Sequence[Element], beta: Element) -> Element:
    """Compressed contribution at `point` of the rows behind a group's end."""
    blocks = lookup.blocks_of(group)
    if blocks > 1:
        last = point[len(point) - (blocks - 1).bit_length() :]
        behind = ONE - prefix_indicator(blocks, last)
    else:
        behind = ONE - prefix_indicator(lookup.lengths[group], point)
    row = ZERO
    for power, value in zip(powers(beta, len(lookup.table.fill)), lookup.table.fill, strict=True):
        row = row + power * Element(value)
    return row * behind
