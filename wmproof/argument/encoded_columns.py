"""The code matrix of many rows, whose columns are encoded when somebody asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from wmproof.argument.field import U32
from wmproof.argument.reed_solomon import LANES, Code
from wmproof.argument.threads import over_ranges

Lanes = tuple[U32, U32, U32]


class Rows(Protocol):
    """R rows, up to 16 of them at a time in the lanes of `Code.new_lanes`; for several threads."""

    code: Code
    rows: int

    def load_messages(self, first: int, last: int, lanes: U32) -> None:
        """Put the messages of rows first .. last - 1, scaled for `Code.interpolate_lanes`."""
        ...

    def load_tails(self, first: int, last: int, lanes: U32) -> None:
        """Put their tails."""
        ...


class EncodedColumns:
    """`columns.Columns` of the code matrix of some rows.

    Parameters
    ----------
    source : Rows
    keep : bool
        Whether the coefficients of the messages are kept, 4 bytes an entry. Else they are
        interpolated again whenever columns are encoded.
    """

    def __init__(self, source: Rows, *, keep: bool) -> None:
        self.length, self.height = source.code.length, source.rows
        self._source, self._code = source, source.code
        self._batches = -(-source.rows // LANES)
        self._kept: U32 | None = None
        self._code.prepare()
        if keep:
            kept = np.zeros((self._batches, self._code.message_length, LANES), np.uint32)
            over_ranges(self._interpolate, self._batches, kept, grain=1)
            self._kept = kept

    def write(self, start: int, out: U32) -> None:
        """Write the columns from position `start` on to the rows of `out`, uint32 (any, R)."""
        over_ranges(self._write, self._batches, start, out, grain=1)

    def at(self, positions: Sequence[int]) -> U32:
        """Return the columns at increasing positions, uint32 (k, R)."""
        out = np.empty((len(positions), self.height), np.uint32)
        over_ranges(self._write_at, self._batches, positions, out, grain=1)
        return out

    def _interpolate(self, start: int, stop: int, kept: U32) -> None:
        for batch in range(start, stop):
            self._source.load_messages(*self._range(batch), kept[batch])
            self._code.interpolate_lanes(kept[batch])

    def _write(self, start: int, stop: int, position: int, out: U32) -> None:
        for first, count, lanes in self._coefficients(start, stop):
            self._code.evaluate_lanes(lanes, out, first, count, position)

    def _write_at(self, start: int, stop: int, positions: Sequence[int], out: U32) -> None:
        for first, count, lanes in self._coefficients(start, stop):
            self._code.evaluate_lanes_at(lanes, positions, out, first, count)

    def _range(self, batch: int) -> tuple[int, int]:
        return batch * LANES, min((batch + 1) * LANES, self.height)

    def _coefficients(self, start: int, stop: int) -> Iterator[tuple[int, int, Lanes]]:
        """First row, number of rows and lanes of each batch in a range."""
        messages, tails, work = self._code.new_lanes()
        for batch in range(start, stop):
            first, last = self._range(batch)
            if self._kept is None:
                self._source.load_messages(first, last, messages)
                self._code.interpolate_lanes(messages)
            else:
                messages = self._kept[batch]
            self._source.load_tails(first, last, tails)
            yield first, last - first, (messages, tails, work)
