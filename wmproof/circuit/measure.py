"""A layer's accumulators on all calibration pictures: computed once, measured, then looked up.

The scale of a layer's activations follows from the range of its accumulators, and the integer
weights follow from the scale. So the accumulators are those of a provisional integer map, whose
units are converted once the scale is known: elementwise, in double precision, the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof._base.threads import for_each
from wmproof.circuit.ir import Linear
from wmproof.circuit.network import Floats
from wmproof.circuit.operations import channel_blocks
from wmproof.circuit.plan import LinearPlan, Values
from wmproof.circuit.reach import Watch
from wmproof.circuit.tables import Table

# Accumulators that take more bytes are computed again instead of kept.
_KEPT = 2**29


class Measurement:
    """Accumulators of a provisional map.

    Parameters
    ----------
    linear : Linear
        The map.
    plan : LinearPlan
        Of it.
    factor : float64 array (O,)
        Its units for each unit of the float map.
    values : mapping of int to array
        Numbers of the map's sources on all pictures.

    Attributes
    ----------
    seen : Seen
        Values of each channel, in units of the float map.
    """

    def __init__(
        self, linear: Linear, plan: LinearPlan, factor: Floats, values: Mapping[int, Values]
    ) -> None:
        self.linear, self.factor = linear, factor
        self._plan, self._values = plan, values
        self._count = len(next(iter(values.values())))
        self._shape = (self._count, plan.shape[0], math.prod(plan.shape[1:]))
        keep = 4 * math.prod(self._shape) <= _KEPT
        self._kept: list[tuple[slice, NDArray[np.int32]]] = []
        watch = Watch(*self._shape)

        def record(rows: slice, sums: NDArray[Any]) -> None:
            z = self._with_bias(sums)
            watch.see(rows, z)
            if keep:
                self._kept.append((rows, z))

        plan.for_each_block(values, record)
        self.seen = watch.seen.over(factor)

    def look_up(self, table: Table, factor: Floats, origin: Floats) -> Values:
        """What a table has for factor * (float map) + origin, (N, O, H, W) of the table's type.

        Beyond its ends it takes their values.
        """
        y = np.empty(self._shape, table.values.dtype)
        gain, shift = factor / self.factor, origin - table.low
        last = len(table.values) - 1

        def record(rows: slice, z: NDArray[np.int32]) -> None:
            for some in channel_blocks(z):
                places = z[some] * gain[some, None, None]
                places += shift[some, None, None]
                np.rint(places, out=places)
                np.clip(places, 0, last, out=places)
                y[rows, some] = table.values.take(places.astype(np.intp)).transpose(1, 0, 2)

        if self._kept:
            for_each(lambda kept: record(*kept), self._kept)
        else:
            self._plan.for_each_block(
                self._values, lambda rows, sums: record(rows, self._with_bias(sums))
            )
        return y.reshape(self._count, *self._plan.shape)

    def _with_bias(self, sums: NDArray[Any]) -> NDArray[np.int32]:
        """Accumulators (O, n, P) of sums (O, n * P) without bias."""
        _, outputs, places = self._shape
        z: NDArray[np.int32] = sums.astype(np.int32).reshape(outputs, -1, places)
        z += self._plan.bias[:, None]
        return z
