"""The tables that the layers of a circuit share, as small as what they have to hold allows."""

from __future__ import annotations

import math

import numpy as np

from wmproof.circuit.calibrate.settings import ROUNDING_MARGIN, Settings
from wmproof.circuit.network import Floats
from wmproof.circuit.tables import Table
from wmproof.errors import InputError

_MOST_TABLES = 48  # of the longest
_LEAST_ENTRIES = 2**18  # a table counts for as many: each has an argument of its own in a claim


class SharedTables:
    """The distinct tables of a walk.

    Attributes
    ----------
    all : list of Table
        In order of first use, as large as tables may be.
    """

    def __init__(self, settings: Settings) -> None:
        self.all: list[Table] = []
        self._settings = settings
        self._entries = 0
        self._worst: dict[int, int] = {}

    def number(self, table: Table) -> int:
        """Index of a table, which is entered if it is new."""
        if table not in self.all:
            self._entries += max(2**table.bits, _LEAST_ENTRIES)
            if self._entries > _MOST_TABLES << self._settings.max_table_bits:
                raise InputError(
                    f"needs more than {len(self.all)} tables, too many for their sizes",
                    where=f"table {table.name}",
                    remedy="Use fewer kinds of activation functions, on arguments of like sizes",
                )
            self.all.append(table)
        return self.all.index(table)

    def hold(self, number: int, z: Floats, name: str) -> None:
        """Remember how far into a table accumulators reach; it must hold them."""
        # Rounded weights give about the accumulators that calibration has seen.
        worst = math.ceil(float(np.abs(z).max()) * ROUNDING_MARGIN)
        if worst > self.all[number].high:
            raise InputError(
                f"an accumulator reaches {worst} in calibration, beyond the largest table",
                where=f"layer {name}",
                remedy="Compile with a smaller shift",
            )
        self._worst[number] = max(worst, self._worst.get(number, 0))

    def fitted(self) -> tuple[Table, ...]:
        """The tables, as small as the headroom allows."""
        return tuple(
            table.shrunk(min(table.bits, self._table_bits(self._worst.get(number, table.high))))
            for number, table in enumerate(self.all)
        )

    def _table_bits(self, worst: float) -> int:
        bits = self._settings.min_table_bits
        while (
            bits < self._settings.max_table_bits
            and 2 ** (bits - 1) < self._settings.table_headroom * worst
        ):
            bits += 1
        return bits
