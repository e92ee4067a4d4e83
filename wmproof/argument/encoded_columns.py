"""The code matrix of many rows, whose columns are encoded when somebody asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from wmproof.argument.field import U32
from wmproof.argument.reed_solomon import LANES, Code
from wmproof.argument.threads import over_ranges


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
        self._kept: tuple[U32, U32] | None = None
        self._code.prepare()
        if keep:
            kept = self._code.new_lanes(self._batches)
            over_ranges(self._load, self._batches, 0, *kept, grain=1)
            self._kept = kept

    def write(self, start: int, out: U32) -> None:
        """Write the columns from position `start` on to the rows of `out`, uint32 (any, R)."""
        over_ranges(self._write, self._batches, start, out, grain=1)

    def at(self, positions: Sequence[int]) -> U32:
        """Return the columns at increasing positions, uint32 (k, R)."""
        out = np.empty((len(positions), self.height), np.uint32)
        over_ranges(self._write_at, self._batches, positions, out, grain=1)
        return out

    def _load(self, start: int, stop: int, first: int, lanes: U32, tails: U32) -> None:
        """Coefficients and tails of batches start .. stop - 1, from batch `first` of the lanes."""
        for batch in range(start, stop):
            rows = batch * LANES, min((batch + 1) * LANES, self.height)
            self._source.load_messages(*rows, lanes[batch - first])
            self._code.interpolate_lanes(lanes[batch - first])
            self._source.load_tails(*rows, tails[batch - first])

    def _write(self, start: int, stop: int, position: int, out: U32) -> None:
        for first, lanes, tails in self._coefficients(start, stop):
            self._code.evaluate_lanes(lanes, tails, out, first, position)

    def _write_at(self, start: int, stop: int, positions: Sequence[int], out: U32) -> None:
        for first, lanes, tails in self._coefficients(start, stop):
            # One batch after the other: its coefficients stay in the cache for all blocks.
            for b in range(len(lanes)):
                own = lanes[b : b + 1], tails[b : b + 1]
                self._code.evaluate_lanes_at(*own, positions, out, first + b * LANES)

    def _coefficients(self, start: int, stop: int) -> Iterator[tuple[int, U32, U32]]:
        """First row, coefficients and tails of batches, of a range at once if they are kept."""
        if self._kept is not None:
            lanes, tails = self._kept
            yield start * LANES, lanes[start:stop], tails[start:stop]
            return
        lanes, tails = self._code.new_lanes(1)
        for batch in range(start, stop):
            self._load(batch, batch + 1, batch, lanes, tails)
            yield batch * LANES, lanes, tails
